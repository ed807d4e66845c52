/// A domain name as the tables hold it: labels in wire form, lower case, root first.
///
///     www.Example.org  ->  [3]org [7]example [3]www
///
/// Root first, so that a name's ancestors are its prefixes. At most 254 bytes (RFC 1035 §3.1 counts the root label too);
/// the root name is empty. Names are compared as bytes after folding A to Z (RFC 4343); what a label may hold is not checked.
public struct DomainName: Hashable, Sendable {
    /// The longest wire form, root label included (RFC 1035 §2.3.4).
    public static let wireBytesMax = 255
    public static let labelBytesMax = 63
    /// More than 127 labels are more than 255 bytes.
    static let labelsMax = 127

    /// Length-prefixed labels, the top-level domain first, without the root label.
    public let rootFirst: [UInt8]

    /// Above all others, without labels.
    public static let root = DomainName(unchecked: [])

    /// Takes `rootFirst` bytes as this type gave them. Throws if they are not well formed.
    public init(rootFirst bytes: [UInt8]) throws(DomainNameError) {
        guard bytes.count < Self.wireBytesMax else { throw DomainNameError(.tooLong, offset: bytes.count) }
        var position = 0
        while position < bytes.count {
            let length = Int(bytes[position])
            guard length > 0 else { throw DomainNameError(.emptyLabel, offset: position) }
            guard length <= Self.labelBytesMax else { throw DomainNameError(.labelTooLong, offset: position) }
            guard position + length < bytes.count else { throw DomainNameError(.truncated, offset: position) }
            for index in (position + 1)...(position + length) where bytes[index] != Self.folded(bytes[index]) {
                throw DomainNameError(.notFolded, offset: index)
            }
            position += length + 1
        }
        rootFirst = bytes
    }

    /// All bytes at once: an array would hash them one by one.
    public func hash(into hasher: inout Hasher) { unsafe rootFirst.withUnsafeBytes { unsafe hasher.combine(bytes: $0) } }

    /// Takes labels that this module has checked.
    init(unchecked bytes: [UInt8]) { rootFirst = bytes }

    /// Reads one uncompressed owner name that takes all of `wire`, the root label at its end included.
    public init(wire: Span<UInt8>) throws(DomainNameError) {
        guard wire.count <= Self.wireBytesMax else { throw DomainNameError(.tooLong, offset: Self.wireBytesMax) }
        var starts: [Int] = []
        var position = 0
        while true {
            guard position < wire.count else { throw DomainNameError(.truncated, offset: position) }
            let length = Int(wire[position])
            guard length <= Self.labelBytesMax else { throw DomainNameError(.labelTooLong, offset: position) }
            if length == 0 { break }
            starts.append(position)
            position += length + 1
        }
        guard position == wire.count - 1 else { throw DomainNameError(.trailingBytes, offset: position + 1) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(position)
        for start in starts.reversed() {
            let length = wire[start]
            bytes.append(length)
            for index in (start + 1)..<(start + 1 + Int(length)) { bytes.append(Self.folded(wire[index])) }
        }
        rootFirst = bytes
    }

    /// Lower case of an ASCII letter (RFC 4343 §3); every other byte as it is.
    @inlinable
    static func folded(_ byte: UInt8) -> UInt8 { byte &- 65 < 26 ? byte | 0x20 : byte }

    /// Leaf first, root label at the end, lower case: as it would stand in a message.
    public var wire: [UInt8] { labels.reversed().reduce(into: []) { $0 += [UInt8($1.count)] + $1 } + [0] }

    /// Labels without their lengths, root first.
    public var labels: [ArraySlice<UInt8>] {
        var result: [ArraySlice<UInt8>] = []
        var position = 0
        while position < rootFirst.count {
            let end = position + 1 + Int(rootFirst[position])
            result.append(rootFirst[(position + 1)..<end])
            position = end
        }
        return result
    }

    public var labelCount: Int {
        var count = 0
        var position = 0
        while position < rootFirst.count {
            position += 1 + Int(rootFirst[position])
            count += 1
        }
        return count
    }

    /// Whether this is `other` or lies below it.
    public func isSubdomain(of other: DomainName) -> Bool { rootFirst.starts(with: other.rootFirst) }
}

extension DomainName: Comparable {
    /// By labels from the root: the canonical order of RFC 4034 §6.1.
    public static func < (left: DomainName, right: DomainName) -> Bool {
        for (a, b) in zip(left.labels, right.labels) where !a.elementsEqual(b) { return a.lexicographicallyPrecedes(b) }
        return left.labelCount < right.labelCount
    }
}
