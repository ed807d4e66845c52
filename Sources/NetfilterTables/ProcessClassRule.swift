/// How the kernel tells the processes of a class, and where it brings their DNS.
public struct ProcessClassRule: Hashable, Sendable {
    /// 1...14.
    public let number: UInt8
    public let users: ClosedRange<UInt32>
    /// Port of the DNS interceptor that names the class; nil: its queries are not brought there.
    public let dnsPort: UInt16?

    public init(number: UInt8, users: ClosedRange<UInt32>, dnsPort: UInt16?) {
        self.number = number
        self.users = users
        self.dnsPort = dnsPort
    }
}
