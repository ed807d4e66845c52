/// What the OPT record of a message says (RFC 6891 §6.1.3).
public struct EDNS: Hashable, Sendable, BitwiseCopyable {
    /// The UDP payload that the sender takes, in bytes, as it was sent (also below 512).
    public let udpPayloadSize: UInt16
    /// The upper 8 bits of the RCODE.
    public let extendedResponseCode: UInt8
    public let version: UInt8
    /// DO: the sender wants DNSSEC records (RFC 3225).
    public let isDNSSECOK: Bool

    init(udpPayloadSize: UInt16, timeToLive: UInt32) {
        self.udpPayloadSize = udpPayloadSize
        extendedResponseCode = UInt8(truncatingIfNeeded: timeToLive >> 24)
        version = UInt8(truncatingIfNeeded: timeToLive >> 16)
        isDNSSECOK = timeToLive & 0x8000 != 0
    }
}
