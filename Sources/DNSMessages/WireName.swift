import DomainNames

/// One uncompressed name in wire form, held in place: no allocation.
///
/// ```
/// [3] w w w [7] e x a m p l e [3] o r g [0]     1...255 bytes, leaf first, case as it was found
/// ```
public struct WireName: Sendable, BitwiseCopyable {
    var storage = InlineArray<255, UInt8>(repeating: 0)

    /// Length in bytes with the terminating zero, 1...255.
    public private(set) var count = 1

    /// The root.
    init() {}

    /// Copies the name at `offset`, decompressed, with the case folded if wanted. The scanner has walked it already.
    init(_ message: Span<UInt8>, at offset: Int, lowercased: Bool) {
        count = 0
        var offset = offset
        while true {
            let byte = message[offset]
            if byte >> 6 == 3 {
                offset = Int(message.read16(at: offset) & 0x3fff)
                continue
            }
            for index in 0...Int(byte) {
                let value = message[offset + index]
                storage[count] = lowercased ? value.lowercasedASCII : value
                count += 1
            }
            if byte == 0 { return }
            offset += 1 + Int(byte)
        }
    }

    /// The byte at an index below `count`.
    public subscript(index: Int) -> UInt8 { storage[index] }

    /// Runs `body` with the bytes.
    public func withSpan<R>(_ body: (Span<UInt8>) -> R) -> R { body(storage.span.extracting(first: count)) }

    /// A copy of the bytes.
    public var bytes: [UInt8] { (0..<count).map { storage[$0] } }

    /// The name as policy knows it. Allocates.
    public var domainName: DomainName {
        do {
            return try DomainName(wire: bytes.span)
        } catch {
            preconditionFailure("every scanned name is a domain name: \(error)")
        }
    }

    /// The same name in lower case.
    var lowercased: WireName {
        var name = self
        for index in 0..<count { name.storage[index] = storage[index].lowercasedASCII }
        return name
    }

    /// Whether both are the same bytes. For names in lower case.
    func hasSameBytes(as other: WireName) -> Bool {
        guard count == other.count else { return false }
        for index in 0..<count where storage[index] != other.storage[index] { return false }
        return true
    }

    /// How many bytes stand in front of `ancestor` in this name; nil if it is not equal or below. For names in lower case.
    func prefixLength(below ancestor: WireName) -> Int? {
        var start = 0
        while count - start > ancestor.count { start += 1 + Int(storage[start]) }
        guard count - start == ancestor.count else { return nil }
        for index in 0..<ancestor.count where storage[start + index] != ancestor.storage[index] { return nil }
        return start
    }

    /// The first `length` bytes of this name in front of `suffix` (RFC 6672 §2.2); nil if that is too long for a name.
    func replacingSuffix(after length: Int, with suffix: WireName) -> WireName? {
        guard length + suffix.count <= 255 else { return nil }
        var name = self
        for index in 0..<suffix.count { name.storage[length + index] = suffix.storage[index] }
        name.count = length + suffix.count
        return name
    }
}
