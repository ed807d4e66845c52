/// Builds netlink messages as bytes: header, that of the protocol (`struct nfgenmsg`, linux/netfilter/nfnetlink.h), attributes.
public struct NetlinkWriter: Sendable {
    public private(set) var bytes: [UInt8] = []
    private var messageStart = 0

    public init() {}

    /// Begins a message; `end()` writes its length.
    public mutating func begin(type: UInt16, flags: UInt16, sequence: UInt32, family: UInt8, resource: UInt16 = 0) {
        begin(type: type, flags: flags, sequence: sequence, header: [family, 0, UInt8(resource >> 8), UInt8(truncatingIfNeeded: resource)])
    }

    /// The same with the header of another protocol.
    public mutating func begin(type: UInt16, flags: UInt16, sequence: UInt32, header: [UInt8]) {
        messageStart = bytes.count
        native32(0)
        native16(type)
        native16(flags)
        native32(sequence)
        native32(0)
        bytes.append(contentsOf: header)
    }

    public mutating func end() {
        patch(UInt32(bytes.count - messageStart), at: messageStart, count: 4)
    }

    /// An attribute with these bytes. At most 65 531 of them (the length field has 16 bits).
    public mutating func attribute(_ type: UInt16, _ payload: some Collection<UInt8>) {
        precondition(payload.count <= 65_531, "netlink attribute too long")
        native16(UInt16(payload.count + 4))
        native16(type)
        bytes.append(contentsOf: payload)
        while bytes.count % 4 != 0 { bytes.append(0) }
    }

    /// In host byte order, as rtnetlink has it.
    public mutating func attributeNative32(_ type: UInt16, _ value: UInt32) {
        attribute(type, (0..<4).map { UInt8(truncatingIfNeeded: value.littleEndian >> (8 * UInt32($0))) })
    }

    public mutating func attributeBig32(_ type: UInt16, _ value: UInt32) {
        attribute(type, (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) })
    }

    public mutating func attributeBig16(_ type: UInt16, _ value: UInt16) {
        attribute(type, [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)])
    }

    /// A nested attribute; `body` writes what it holds.
    public mutating func nested(_ type: UInt16, _ body: (inout NetlinkWriter) -> Void) {
        let start = bytes.count
        native16(0)
        native16(type | 0x8000)
        body(&self)
        precondition(bytes.count - start <= 65_535, "netlink attribute too long")
        patch(UInt32(bytes.count - start), at: start, count: 2)
    }

    private mutating func native16(_ value: UInt16) {
        let value = value.littleEndian
        bytes.append(UInt8(truncatingIfNeeded: value))
        bytes.append(UInt8(truncatingIfNeeded: value >> 8))
    }

    private mutating func native32(_ value: UInt32) {
        for index in 0..<4 { bytes.append(UInt8(truncatingIfNeeded: value.littleEndian >> (8 * UInt32(index)))) }
    }

    private mutating func patch(_ value: UInt32, at offset: Int, count: Int) {
        for index in 0..<count { bytes[offset + index] = UInt8(truncatingIfNeeded: value.littleEndian >> (8 * UInt32(index))) }
    }
}
