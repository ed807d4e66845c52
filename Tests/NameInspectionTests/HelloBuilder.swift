/// Puts a ClientHello together, as a client or as somebody who wants to get by.
struct HelloBuilder {
    /// Type and data, in order.
    var extensions: [(type: Int, data: [UInt8])] = []
    var hasExtensions = true
    var sessionID = [UInt8](repeating: 0x51, count: 32)
    var suites: [UInt8] = [0x13, 0x01, 0x13, 0x02]

    init() {}

    /// With one host name.
    init(_ name: String) { extensions = [(0, Self.names([Array(name.utf8)]))] }

    init(bytes name: [UInt8]) { extensions = [(0, Self.names([name]))] }

    static func uint16(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xff), UInt8(value & 0xff)] }

    static func names(_ names: [[UInt8]], type: UInt8 = 0) -> [UInt8] {
        let list = names.flatMap { [type] + uint16($0.count) + $0 }
        return uint16(list.count) + list
    }

    func with(_ type: Int, _ data: [UInt8], first: Bool = false) -> HelloBuilder {
        var other = self
        if first { other.extensions.insert((type, data), at: 0) } else { other.extensions.append((type, data)) }
        return other
    }

    /// A key share of X25519MLKEM768: 1,216 bytes and what stands around them.
    func postQuantum() -> HelloBuilder {
        let share = Self.uint16(0x11ec) + Self.uint16(1_216) + (0..<1_216).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let classic = Self.uint16(0x001d) + Self.uint16(32) + [UInt8](repeating: 9, count: 32)
        return with(0x33, Self.uint16(share.count + classic.count) + share + classic).with(0x15, [UInt8](repeating: 0, count: 400))
    }

    var body: [UInt8] {
        var bytes: [UInt8] = [3, 3] + (0..<32).map { UInt8($0) }
        bytes += [UInt8(sessionID.count)] + sessionID
        bytes += Self.uint16(suites.count) + suites + [1, 0]
        guard hasExtensions else { return bytes }
        let all = extensions.flatMap { Self.uint16($0.type) + Self.uint16($0.data.count) + $0.data }
        return bytes + Self.uint16(all.count) + all
    }

    /// The handshake message.
    var message: [UInt8] { Self.message(1, body) }

    static func message(_ type: UInt8, _ body: [UInt8]) -> [UInt8] {
        [type, UInt8(body.count >> 16 & 0xff)] + uint16(body.count & 0xffff) + body
    }

    /// In records of at most so many bytes each.
    func records(of size: Int = 16_384) -> [UInt8] { Self.records(message, of: size) }

    static func records(_ message: [UInt8], of size: Int = 16_384) -> [UInt8] {
        stride(from: 0, to: message.count, by: size).flatMap { start in
            let fragment = message[start..<min(message.count, start + size)]
            return [22, 3, 1] + uint16(fragment.count) + fragment
        }
    }
}
