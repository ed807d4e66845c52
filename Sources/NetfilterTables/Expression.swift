import CNetfilter

/// One instruction of an nftables rule: the part of the kernel's vocabulary that our rules use (linux/netfilter/nf_tables.h).
///
/// Registers are numbered as in the kernel: 1...4 hold 16 bytes each; 8...23 name the same bytes in pieces of 4, so 9 lies 4 bytes
/// behind the start of 1. A lookup of several keys reads them side by side.
enum Expression: Sendable, Hashable {
    case loadMeta(UInt32, into: UInt32)
    case setMetaMark(from: UInt32)
    case loadConntrack(UInt32, direction: UInt8?, into: UInt32)
    case setConntrackMark(from: UInt32)
    case loadPayload(base: UInt32, offset: UInt32, count: UInt32, into: UInt32)
    /// register = (register & mask) ^ xor
    case bitwise(register: UInt32, mask: [UInt8], xor: [UInt8])
    case compare(UInt32, register: UInt32, [UInt8])
    case lookup(set: String, register: UInt32, isInverted: Bool)
    /// What the key leads to in a map; the rule ends where there is nothing.
    case map(String, key: UInt32, into: UInt32)
    /// Adds an element to a map (never lengthens the life of one that is there); the rule ends if it is full.
    case addElement(map: String, key: UInt32, data: UInt32)
    /// Deletes an element of a map; the data register is read by the kernel's check of the rule alone.
    case deleteElement(map: String, key: UInt32, data: UInt32)
    /// Finds or makes the element of a set whose life begins anew and which has a bucket of its own; the rule goes on only where that has overflowed.
    /// It ends too where the set is full.
    case exceedsLimit(RateLimit, set: String, key: UInt32)
    /// The same the other way round: the rule goes on only where the element's bucket has a token left. It ends too where the set is full.
    case staysWithin(RateLimit, set: String, key: UInt32)
    /// The rule goes on only where the rule's own bucket has overflowed.
    case exceeds(RateLimit)
    /// Adds an element to a set that rules fill; the rule ends if it is full.
    case addMember(set: String, key: UInt32)
    case immediate(register: UInt32, [UInt8])
    /// A number of 32 bits in host byte order to network byte order, in which numbers can be compared.
    case toNetworkOrder(register: UInt32)
    /// The id, 8 bytes, of the cgroup of the packet's socket, or of its ancestor at this level (Linux 5.13).
    case loadSocketCgroup(level: UInt32, into: UInt32)
    /// One byte: whether the packet's socket is a transparent one. The rule ends where no socket waits for the packet.
    case loadSocketTransparency(into: UInt32)
    case verdict(Verdict)
    case counter(TableCounter)
    case reject(type: UInt32, code: UInt8)
    case destinationNAT(family: UInt32, addressRegister: UInt32, portRegister: UInt32)
    case queue(first: UInt16, total: UInt16, isBypassed: Bool)
    case target(name: String, revision: UInt32, info: [UInt8])
    /// No conntrack entry for this packet; only before conntrack (priority below -200).
    case withoutTracking

    enum Verdict: Sendable, Hashable {
        case accept, drop, `return`
        case jump(String)
        case goto(String)
    }
}

// The words of our rules. Bytes of marks and states are in host byte order, those of packets in network byte order.
extension Expression {
    static let isIPv4: [Expression] = family(2)
    static let isIPv6: [Expression] = family(10)

    private static func family(_ number: UInt8) -> [Expression] {
        [.loadMeta(NFT_META_NFPROTO.rawValue, into: 1), .compare(NFT_CMP_EQ.rawValue, register: 1, [number])]
    }

    static func isProtocol(_ number: UInt8) -> [Expression] {
        [.loadMeta(NFT_META_L4PROTO.rawValue, into: 1), .compare(NFT_CMP_EQ.rawValue, register: 1, [number])]
    }

    static func isNotProtocol(_ number: UInt8) -> [Expression] {
        [.loadMeta(NFT_META_L4PROTO.rawValue, into: 1), .compare(NFT_CMP_NEQ.rawValue, register: 1, [number])]
    }

    /// A name, or a prefix and `*`: without the final zero the comparison ends there.
    static func isInputInterface(_ pattern: String) -> [Expression] {
        var bytes = Array(pattern.utf8)
        if bytes.last == UInt8(ascii: "*") {
            bytes.removeLast()
        } else {
            bytes += Array(repeating: 0, count: max(0, 16 - bytes.count))
        }
        return [.loadMeta(NFT_META_IIFNAME.rawValue, into: 1), .compare(NFT_CMP_EQ.rawValue, register: 1, bytes)]
    }

    /// The loopback interface has the number 1 in every network namespace (net/core/dev.c).
    static let isToLoopback: [Expression] = [
        .loadMeta(NFT_META_OIF.rawValue, into: 1), .compare(NFT_CMP_EQ.rawValue, register: 1, native(1)),
    ]

    static let isNotToLoopback: [Expression] = [
        .loadMeta(NFT_META_OIF.rawValue, into: 1), .compare(NFT_CMP_NEQ.rawValue, register: 1, native(1)),
    ]

    static let isNotFromLoopback: [Expression] = [
        .loadMeta(NFT_META_IIF.rawValue, into: 1), .compare(NFT_CMP_NEQ.rawValue, register: 1, native(1)),
    ]

    static func payload(_ base: nft_payload_bases, _ offset: UInt32, equals bytes: [UInt8]) -> [Expression] {
        [
            .loadPayload(base: base.rawValue, offset: offset, count: UInt32(bytes.count), into: 1),
            .compare(NFT_CMP_EQ.rawValue, register: 1, bytes),
        ]
    }

    /// Loads a number in host byte order, masks it and compares.
    static func masked(_ load: Expression, _ mask: UInt32, _ comparison: nft_cmp_ops, _ value: UInt32) -> [Expression] {
        [load, .bitwise(register: 1, mask: native(mask), xor: native(0)), .compare(comparison.rawValue, register: 1, native(value))]
    }

    /// Whether any bit of the mask is set (or none) in one loaded byte.
    static func masked(_ load: Expression, byte mask: UInt8, isSet: Bool = true) -> [Expression] {
        [
            load, .bitwise(register: 1, mask: [mask], xor: [0]),
            .compare(isSet ? NFT_CMP_NEQ.rawValue : NFT_CMP_EQ.rawValue, register: 1, [0]),
        ]
    }

    static func packetMark(_ mask: UInt32, _ comparison: nft_cmp_ops, _ value: UInt32) -> [Expression] {
        masked(.loadMeta(NFT_META_MARK.rawValue, into: 1), mask, comparison, value)
    }

    static func flowMark(_ mask: UInt32, _ comparison: nft_cmp_ops, _ value: UInt32) -> [Expression] {
        masked(.loadConntrack(NFT_CT_MARK.rawValue, direction: nil, into: 1), mask, comparison, value)
    }

    /// `meta mark set meta mark & ~clear | set`.
    static func setPacketMark(clear: UInt32, set: UInt32) -> [Expression] {
        [
            .loadMeta(NFT_META_MARK.rawValue, into: 1), .bitwise(register: 1, mask: native(~clear), xor: native(set)),
            .setMetaMark(from: 1),
        ]
    }

    /// `ct mark set ct mark & ~clear | set`.
    static func setFlowMark(clear: UInt32, set: UInt32) -> [Expression] {
        [
            .loadConntrack(NFT_CT_MARK.rawValue, direction: nil, into: 1), .bitwise(register: 1, mask: native(~clear), xor: native(set)),
            .setConntrackMark(from: 1),
        ]
    }

    /// Any of these bits of `ct state` (`NF_CT_STATE_BIT`).
    static func state(_ bits: UInt32) -> [Expression] {
        masked(.loadConntrack(NFT_CT_STATE.rawValue, direction: nil, into: 1), bits, NFT_CMP_NEQ, 0)
    }

    static func direction(_ direction: UInt8) -> [Expression] {
        [.loadConntrack(NFT_CT_DIRECTION.rawValue, direction: nil, into: 1), .compare(NFT_CMP_EQ.rawValue, register: 1, [direction])]
    }

    /// The packet goes through the output hook (without an input interface), or through input (without an output interface).
    static let isSentHere: [Expression] = [
        .loadMeta(NFT_META_IIF.rawValue, into: 1), .compare(NFT_CMP_EQ.rawValue, register: 1, native(0)),
    ]
    /// By an interface: the node itself has not sent it.
    static let cameIn: [Expression] = [
        .loadMeta(NFT_META_IIF.rawValue, into: 1), .compare(NFT_CMP_NEQ.rawValue, register: 1, native(0)),
    ]
    static let isForHere: [Expression] = [
        .loadMeta(NFT_META_OIF.rawValue, into: 1), .compare(NFT_CMP_EQ.rawValue, register: 1, native(0)),
    ]

    /// Some socket of this host would get the packet; asked for where packets come in for the host.
    static let hasSocket: [Expression] = [
        .loadSocketTransparency(into: 1), .compare(NFT_CMP_LTE.rawValue, register: 1, [1]),
    ]

    /// `meta skuid`: the owner of the socket that sends; the rule ends where there is none.
    static func isUser(_ users: ClosedRange<UInt32>) -> [Expression] {
        let load = Expression.loadMeta(NFT_META_SKUID.rawValue, into: 1)
        if users.count == 1 { return [load, .compare(NFT_CMP_EQ.rawValue, register: 1, native(users.lowerBound))] }
        return [
            load, .toNetworkOrder(register: 1), .compare(NFT_CMP_GTE.rawValue, register: 1, big32(users.lowerBound)),
            .compare(NFT_CMP_LTE.rawValue, register: 1, big32(users.upperBound)),
        ]
    }

    static func isOwned(by owner: ProcessClassRule.Owner) -> [Expression] {
        switch owner {
        case .users(let users): isUser(users)
        // `socket cgroupv2 level`: the rule ends where there is no socket, or none so deep.
        case .cgroup(let id, let level):
            [.loadSocketCgroup(level: level, into: 1), .compare(NFT_CMP_EQ.rawValue, register: 1, native64(id))]
        }
    }

    static func native64(_ value: UInt64) -> [UInt8] {
        native(UInt32(truncatingIfNeeded: value.littleEndian)) + native(UInt32(truncatingIfNeeded: value.littleEndian >> 32))
    }

    private static func big32(_ value: UInt32) -> [UInt8] { big(UInt16(value >> 16)) + big(UInt16(truncatingIfNeeded: value)) }

    static func native(_ value: UInt32) -> [UInt8] {
        let value = value.littleEndian
        return (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
    }

    static func big(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)] }
}
