/// Something that an administrator should hear of an upstream. A worker gives each kind once a minute for each upstream at most.
public struct UpstreamNotice: Sendable {
    public let upstream: UpstreamAddress
    public let fault: TLSFault
    /// What OpenSSL says of it; empty if nothing.
    public let detail: String
}
