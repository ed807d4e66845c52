import CNetfilter
import Glibc

extension Expression {
    /// A libnftnl expression (`nftnl_expr_alloc`), which the caller owns.
    func makeNFTNL() -> OpaquePointer {
        switch self {
        case .loadMeta(let key, let register):
            let made = unsafe Self.make("meta")
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_META_KEY), key)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_META_DREG), register)
            return unsafe made
        case .setMetaMark(let register):
            let made = unsafe Self.make("meta")
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_META_KEY), NFT_META_MARK.rawValue)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_META_SREG), register)
            return unsafe made
        case .loadConntrack(let key, let direction, let register):
            let made = unsafe Self.make("ct")
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_CT_KEY), key)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_CT_DREG), register)
            if let direction { unsafe nftnl_expr_set_u8(made, UInt16(NFTNL_EXPR_CT_DIR), direction) }
            return unsafe made
        case .setConntrackMark(let register):
            let made = unsafe Self.make("ct")
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_CT_KEY), NFT_CT_MARK.rawValue)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_CT_SREG), register)
            return unsafe made
        case .loadPayload(let base, let offset, let count, let register):
            let made = unsafe Self.make("payload")
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_PAYLOAD_BASE), base)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_PAYLOAD_OFFSET), offset)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_PAYLOAD_LEN), count)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_PAYLOAD_DREG), register)
            return unsafe made
        case .bitwise(let register, let mask, let xor):
            let made = unsafe Self.make("bitwise")
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_BITWISE_SREG), register)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_BITWISE_DREG), register)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_BITWISE_LEN), UInt32(mask.count))
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_BITWISE_OP), NFT_BITWISE_MASK_XOR.rawValue)
            unsafe nftnl_expr_set(made, UInt16(NFTNL_EXPR_BITWISE_MASK), mask, UInt32(mask.count))
            unsafe nftnl_expr_set(made, UInt16(NFTNL_EXPR_BITWISE_XOR), xor, UInt32(xor.count))
            return unsafe made
        case .compare(let comparison, let register, let bytes):
            let made = unsafe Self.make("cmp")
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_CMP_SREG), register)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_CMP_OP), comparison)
            unsafe nftnl_expr_set(made, UInt16(NFTNL_EXPR_CMP_DATA), bytes, UInt32(bytes.count))
            return unsafe made
        case .lookup(let set, let register, let isInverted):
            let made = unsafe Self.make("lookup")
            unsafe nftnl_expr_set_str(made, UInt16(NFTNL_EXPR_LOOKUP_SET), set)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_LOOKUP_SREG), register)
            if isInverted { unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_LOOKUP_FLAGS), UInt32(NFT_LOOKUP_F_INV.rawValue)) }
            return unsafe made
        case .map(let name, let key, let register):
            let made = unsafe Self.make("lookup")
            unsafe nftnl_expr_set_str(made, UInt16(NFTNL_EXPR_LOOKUP_SET), name)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_LOOKUP_SREG), key)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_LOOKUP_DREG), register)
            return unsafe made
        case .addElement(let name, let key, let data):
            return unsafe Self.makeMapChange(NFT_DYNSET_OP_ADD, name, key, data)
        case .deleteElement(let name, let key, let data):
            return unsafe Self.makeMapChange(NFT_DYNSET_OP_DELETE, name, key, data)
        case .exceedsLimit(let limit, let name, let key):
            let made = unsafe Self.makeSetChange(NFT_DYNSET_OP_UPDATE, name, key)
            // The expression owns it now.
            unsafe nftnl_expr_set(made, UInt16(NFTNL_EXPR_DYNSET_EXPR), UnsafeRawPointer(Self.makeLimit(limit)), 0)
            return unsafe made
        case .staysWithin(let limit, let name, let key):
            let made = unsafe Self.makeSetChange(NFT_DYNSET_OP_UPDATE, name, key)
            unsafe nftnl_expr_set(made, UInt16(NFTNL_EXPR_DYNSET_EXPR), UnsafeRawPointer(Self.makeLimit(limit, isInverted: false)), 0)
            return unsafe made
        case .exceeds(let limit):
            return unsafe Self.makeLimit(limit)
        case .addMember(let name, let key):
            return unsafe Self.makeSetChange(NFT_DYNSET_OP_ADD, name, key)
        case .immediate(let register, let bytes):
            let made = unsafe Self.make("immediate")
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_IMM_DREG), register)
            unsafe nftnl_expr_set(made, UInt16(NFTNL_EXPR_IMM_DATA), bytes, UInt32(bytes.count))
            return unsafe made
        case .toNetworkOrder(let register):
            let made = unsafe Self.make("byteorder")
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_BYTEORDER_SREG), register)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_BYTEORDER_DREG), register)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_BYTEORDER_OP), NFT_BYTEORDER_HTON.rawValue)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_BYTEORDER_LEN), 4)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_BYTEORDER_SIZE), 4)
            return unsafe made
        case .loadSocketCgroup(let level, let register):
            let made = unsafe Self.make("socket")
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_SOCKET_KEY), NFT_SOCKET_CGROUPV2.rawValue)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_SOCKET_LEVEL), level)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_SOCKET_DREG), register)
            return unsafe made
        case .loadSocketTransparency(let register):
            let made = unsafe Self.make("socket")
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_SOCKET_KEY), NFT_SOCKET_TRANSPARENT.rawValue)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_SOCKET_DREG), register)
            return unsafe made
        case .verdict(let verdict):
            return unsafe Self.makeVerdict(verdict)
        case .counter(let counter):
            let made = unsafe Self.make("objref")
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_OBJREF_IMM_TYPE), UInt32(NFT_OBJECT_COUNTER))
            unsafe nftnl_expr_set_str(made, UInt16(NFTNL_EXPR_OBJREF_IMM_NAME), counter.rawValue)
            return unsafe made
        case .reject(let type, let code):
            let made = unsafe Self.make("reject")
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_REJECT_TYPE), type)
            unsafe nftnl_expr_set_u8(made, UInt16(NFTNL_EXPR_REJECT_CODE), code)
            return unsafe made
        case .destinationNAT(let family, let addressRegister, let portRegister):
            let made = unsafe Self.make("nat")
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_NAT_TYPE), NFT_NAT_DNAT.rawValue)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_NAT_FAMILY), family)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_NAT_REG_ADDR_MIN), addressRegister)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_NAT_REG_PROTO_MIN), portRegister)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_NAT_FLAGS), 2)  // NF_NAT_RANGE_PROTO_SPECIFIED
            return unsafe made
        case .queue(let first, let total, let isBypassed):
            let made = unsafe Self.make("queue")
            unsafe nftnl_expr_set_u16(made, UInt16(NFTNL_EXPR_QUEUE_NUM), first)
            unsafe nftnl_expr_set_u16(made, UInt16(NFTNL_EXPR_QUEUE_TOTAL), total)
            unsafe nftnl_expr_set_u16(made, UInt16(NFTNL_EXPR_QUEUE_FLAGS), isBypassed ? 1 : 0)  // NFT_QUEUE_FLAG_BYPASS
            return unsafe made
        case .withoutTracking:
            return unsafe Self.make("notrack")
        case .target(let name, let revision, let info):
            let made = unsafe Self.make("target")
            unsafe nftnl_expr_set_str(made, UInt16(NFTNL_EXPR_TG_NAME), name)
            unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_TG_REV), revision)
            // libnftnl keeps this pointer and frees it with the expression.
            let copy = unsafe malloc(info.count)
            if let copy = unsafe copy {
                for (index, byte) in info.enumerated() { unsafe copy.storeBytes(of: byte, toByteOffset: index, as: UInt8.self) }
            }
            unsafe nftnl_expr_set(made, UInt16(NFTNL_EXPR_TG_INFO), copy, UInt32(info.count))
            return unsafe made
        }
    }

    private static func make(_ name: String) -> OpaquePointer { unsafe allocated(nftnl_expr_alloc(name)) }

    /// `limit rate over`: NFT_LIMIT_F_INV.
    private static func makeLimit(_ limit: RateLimit, isInverted: Bool = true) -> OpaquePointer {
        let made = unsafe make("limit")
        unsafe nftnl_expr_set_u64(made, UInt16(NFTNL_EXPR_LIMIT_RATE), UInt64(limit.packetsPerSecond))
        unsafe nftnl_expr_set_u64(made, UInt16(NFTNL_EXPR_LIMIT_UNIT), 1)
        unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_LIMIT_BURST), UInt32(limit.burst))
        unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_LIMIT_TYPE), NFT_LIMIT_PKTS.rawValue)
        unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_LIMIT_FLAGS), isInverted ? UInt32(NFT_LIMIT_F_INV.rawValue) : 0)
        return unsafe made
    }

    private static func makeSetChange(_ operation: nft_dynset_ops, _ set: String, _ key: UInt32) -> OpaquePointer {
        let made = unsafe make("dynset")
        unsafe nftnl_expr_set_str(made, UInt16(NFTNL_EXPR_DYNSET_SET_NAME), set)
        unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_DYNSET_SREG_KEY), key)
        unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_DYNSET_OP), operation.rawValue)
        return unsafe made
    }

    private static func makeMapChange(_ operation: nft_dynset_ops, _ map: String, _ key: UInt32, _ data: UInt32) -> OpaquePointer {
        let made = unsafe make("dynset")
        unsafe nftnl_expr_set_str(made, UInt16(NFTNL_EXPR_DYNSET_SET_NAME), map)
        unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_DYNSET_SREG_KEY), key)
        unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_DYNSET_SREG_DATA), data)
        unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_DYNSET_OP), operation.rawValue)
        return unsafe made
    }

    private static func makeVerdict(_ verdict: Verdict) -> OpaquePointer {
        let made = unsafe make("immediate")
        unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_IMM_DREG), NFT_REG_VERDICT.rawValue)
        let code: Int32
        var chain: String?
        switch verdict {
        case .accept: code = NF_ACCEPT
        case .drop: code = NF_DROP
        case .return: code = NFT_RETURN.rawValue
        case .jump(let name):
            code = NFT_JUMP.rawValue
            chain = name
        case .goto(let name):
            code = NFT_GOTO.rawValue
            chain = name
        }
        unsafe nftnl_expr_set_u32(made, UInt16(NFTNL_EXPR_IMM_VERDICT), UInt32(bitPattern: code))
        if let chain { unsafe nftnl_expr_set_str(made, UInt16(NFTNL_EXPR_IMM_CHAIN), chain) }
        return unsafe made
    }
}
