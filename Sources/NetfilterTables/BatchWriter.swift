import CNetfilter
import NetworkTypes

/// Writes one transaction of nf_tables as bytes (libnftnl): begin, messages, end. No socket, no state of the kernel.
///
/// No message asks for an acknowledgement: the kernel reports errors all the same, and has carried out all when send(2) returns.
@safe
struct BatchWriter: ~Copyable {
    private(set) var bytes: [UInt8] = []
    private let table: String
    private var sequence: UInt32 = 1
    /// Where libnftnl builds one message; no message of ours is longer than its longest attribute, 64 KB, and some headers.
    private let scratch: UnsafeMutableBufferPointer<CChar>
    private static let scratchSize = 160 * 1024
    private static let elementsPerMessage = 512
    private static let inet: UInt16 = 1  // NFPROTO_INET

    init(table: String) {
        self.table = table
        unsafe scratch = .allocate(capacity: Self.scratchSize)
        unsafe nftnl_batch_begin(scratch.baseAddress, 0)
        appendScratch()
    }

    deinit { unsafe scratch.deallocate() }

    /// Ends the transaction; nothing may be added after.
    mutating func finish() {
        unsafe nftnl_batch_end(scratch.baseAddress, sequence)
        appendScratch()
    }

    private mutating func appendScratch() {
        let words = unsafe UnsafeRawBufferPointer(scratch)
        let length = Int(unsafe words.loadUnaligned(as: UInt32.self))
        unsafe bytes.append(contentsOf: words[..<length])
    }

    private mutating func message(_ type: nf_tables_msg_types, flags: Int32, _ body: (UnsafeMutablePointer<nlmsghdr>) -> Void) {
        guard
            let header = unsafe nftnl_nlmsg_build_hdr(
                scratch.baseAddress, UInt16(type.rawValue), Self.inet, UInt16(truncatingIfNeeded: flags | NLM_F_REQUEST), sequence)
        else { return }
        sequence += 1
        unsafe body(header)
        appendScratch()
    }

    // Tables, chains, rules, counters.

    mutating func addTable(flags: UInt32) {
        let made = unsafe allocated(nftnl_table_alloc())
        defer { unsafe nftnl_table_free(made) }
        unsafe nftnl_table_set_u32(made, UInt16(NFTNL_TABLE_FAMILY.rawValue), UInt32(Self.inet))
        unsafe nftnl_table_set_str(made, UInt16(NFTNL_TABLE_NAME.rawValue), table)
        unsafe nftnl_table_set_u32(made, UInt16(NFTNL_TABLE_FLAGS.rawValue), flags)
        unsafe message(NFT_MSG_NEWTABLE, flags: NLM_F_CREATE) { unsafe nftnl_table_nlmsg_build_payload($0, made) }
    }

    mutating func deleteTable() {
        let made = unsafe allocated(nftnl_table_alloc())
        defer { unsafe nftnl_table_free(made) }
        unsafe nftnl_table_set_u32(made, UInt16(NFTNL_TABLE_FAMILY.rawValue), UInt32(Self.inet))
        unsafe nftnl_table_set_str(made, UInt16(NFTNL_TABLE_NAME.rawValue), table)
        unsafe message(NFT_MSG_DELTABLE, flags: 0) { unsafe nftnl_table_nlmsg_build_payload($0, made) }
    }

    mutating func addChain(_ chain: Chain) {
        let made = unsafe allocated(nftnl_chain_alloc())
        defer { unsafe nftnl_chain_free(made) }
        unsafe nftnl_chain_set_str(made, UInt16(NFTNL_CHAIN_TABLE.rawValue), table)
        unsafe nftnl_chain_set_str(made, UInt16(NFTNL_CHAIN_NAME.rawValue), chain.name)
        if let hook = chain.hook {
            unsafe nftnl_chain_set_str(made, UInt16(NFTNL_CHAIN_TYPE.rawValue), hook.type)
            unsafe nftnl_chain_set_u32(made, UInt16(NFTNL_CHAIN_HOOKNUM.rawValue), hook.number)
            unsafe nftnl_chain_set_s32(made, UInt16(NFTNL_CHAIN_PRIO.rawValue), hook.priority)
            unsafe nftnl_chain_set_u32(made, UInt16(NFTNL_CHAIN_POLICY.rawValue), UInt32(NF_ACCEPT))
        }
        unsafe message(NFT_MSG_NEWCHAIN, flags: NLM_F_CREATE) { unsafe nftnl_chain_nlmsg_build_payload($0, made) }
    }

    mutating func addCounter(_ counter: TableCounter) {
        let made = unsafe allocated(nftnl_obj_alloc())
        defer { unsafe nftnl_obj_free(made) }
        unsafe nftnl_obj_set_u32(made, UInt16(NFTNL_OBJ_FAMILY), UInt32(Self.inet))
        unsafe nftnl_obj_set_str(made, UInt16(NFTNL_OBJ_TABLE), table)
        unsafe nftnl_obj_set_str(made, UInt16(NFTNL_OBJ_NAME), counter.rawValue)
        unsafe nftnl_obj_set_u32(made, UInt16(NFTNL_OBJ_TYPE), UInt32(NFT_OBJECT_COUNTER))
        unsafe message(NFT_MSG_NEWOBJ, flags: NLM_F_CREATE) { unsafe nftnl_obj_nlmsg_build_payload($0, made) }
    }

    /// Deletes every rule of the table.
    mutating func deleteRules() {
        let made = unsafe allocated(nftnl_rule_alloc())
        defer { unsafe nftnl_rule_free(made) }
        unsafe nftnl_rule_set_str(made, UInt16(NFTNL_RULE_TABLE.rawValue), table)
        unsafe message(NFT_MSG_DELRULE, flags: 0) { unsafe nftnl_rule_nlmsg_build_payload($0, made) }
    }

    mutating func addRule(_ rule: Rule) {
        let made = unsafe allocated(nftnl_rule_alloc())
        defer { unsafe nftnl_rule_free(made) }
        unsafe nftnl_rule_set_str(made, UInt16(NFTNL_RULE_TABLE.rawValue), table)
        unsafe nftnl_rule_set_str(made, UInt16(NFTNL_RULE_CHAIN.rawValue), rule.chain)
        if let comment = rule.comment {
            // NFTNL_UDATA_RULE_COMMENT: type, length, text with its final zero (libnftnl/udata.h).
            let text = Array(comment.utf8.prefix(127)) + [0]
            let userData = [0, UInt8(text.count)] + text
            unsafe nftnl_rule_set_data(made, UInt16(NFTNL_RULE_USERDATA.rawValue), userData, UInt32(userData.count))
        }
        for expression in rule.expressions { unsafe nftnl_rule_add_expr(made, expression.makeNFTNL()) }
        unsafe message(NFT_MSG_NEWRULE, flags: NLM_F_CREATE | NLM_F_APPEND) { unsafe nftnl_rule_nlmsg_build_payload($0, made) }
    }

    // Sets and their elements.

    mutating func addSet(_ set: ElementSet, id: UInt32) {
        let made = unsafe allocated(nftnl_set_alloc())
        defer { unsafe nftnl_set_free(made) }
        unsafe nftnl_set_set_u32(made, UInt16(NFTNL_SET_FAMILY.rawValue), UInt32(Self.inet))
        unsafe nftnl_set_set_str(made, UInt16(NFTNL_SET_TABLE.rawValue), table)
        unsafe nftnl_set_set_str(made, UInt16(NFTNL_SET_NAME.rawValue), set.name)
        unsafe nftnl_set_set_u32(made, UInt16(NFTNL_SET_ID.rawValue), id)
        unsafe nftnl_set_set_u32(made, UInt16(NFTNL_SET_KEY_TYPE.rawValue), set.keyType)
        unsafe nftnl_set_set_u32(made, UInt16(NFTNL_SET_KEY_LEN.rawValue), set.keyLength)
        if let data = set.data {
            unsafe nftnl_set_set_u32(made, UInt16(NFTNL_SET_DATA_TYPE.rawValue), data.type)
            unsafe nftnl_set_set_u32(made, UInt16(NFTNL_SET_DATA_LEN.rawValue), data.length)
        }
        if set.isLease {
            let flags = NFT_SET_MAP.rawValue | NFT_SET_TIMEOUT.rawValue | NFT_SET_EVAL.rawValue
            unsafe nftnl_set_set_u32(made, UInt16(NFTNL_SET_FLAGS.rawValue), flags)
            unsafe nftnl_set_set_u64(made, UInt16(NFTNL_SET_TIMEOUT.rawValue), ElementSet.leaseMilliseconds)
            unsafe nftnl_set_set_u32(made, UInt16(NFTNL_SET_DESC_SIZE.rawValue), ElementSet.leasesMax)
        }
        if set.isFilledByRules {
            unsafe nftnl_set_set_u32(made, UInt16(NFTNL_SET_FLAGS.rawValue), NFT_SET_TIMEOUT.rawValue | NFT_SET_EVAL.rawValue)
            unsafe nftnl_set_set_u64(made, UInt16(NFTNL_SET_TIMEOUT.rawValue), ElementSet.limitMilliseconds)
            unsafe nftnl_set_set_u32(made, UInt16(NFTNL_SET_DESC_SIZE.rawValue), ElementSet.limitedMax)
        }
        if !set.isConcatenation {
            // NFTNL_UDATA_SET_KEYBYTEORDER: 2 is network byte order, which the nft program needs to print the elements.
            let userData: [UInt8] = [0, 4] + Expression.native(2)
            unsafe nftnl_set_set_data(made, UInt16(NFTNL_SET_USERDATA.rawValue), userData, UInt32(userData.count))
        }
        unsafe message(NFT_MSG_NEWSET, flags: NLM_F_CREATE) { unsafe nftnl_set_nlmsg_build_payload($0, made) }
    }

    /// Deletes every element of the set.
    mutating func deleteElements(of set: ElementSet) { elements(NFT_MSG_DELSETELEM, of: set, keys: [], flags: 0) }

    mutating func deleteElements(of set: ElementSet, keys: [[UInt8]]) {
        for start in stride(from: 0, to: keys.count, by: Self.elementsPerMessage) {
            let piece = keys[start..<min(keys.count, start + Self.elementsPerMessage)]
            elements(NFT_MSG_DELSETELEM, of: set, keys: piece, flags: 0)
        }
    }

    mutating func addElements(to set: ElementSet, keys: [[UInt8]]) {
        for start in stride(from: 0, to: keys.count, by: Self.elementsPerMessage) {
            let piece = keys[start..<min(keys.count, start + Self.elementsPerMessage)]
            elements(NFT_MSG_NEWSETELEM, of: set, keys: piece, flags: NLM_F_CREATE)
        }
    }

    private mutating func elements(_ type: nf_tables_msg_types, of set: ElementSet, keys: ArraySlice<[UInt8]>, flags: Int32) {
        let made = unsafe allocated(nftnl_set_alloc())
        defer { unsafe nftnl_set_free(made) }
        unsafe nftnl_set_set_str(made, UInt16(NFTNL_SET_TABLE.rawValue), table)
        unsafe nftnl_set_set_str(made, UInt16(NFTNL_SET_NAME.rawValue), set.name)
        for key in keys {
            let element = unsafe allocated(nftnl_set_elem_alloc())
            unsafe nftnl_set_elem_set(element, UInt16(NFTNL_SET_ELEM_KEY), key, UInt32(key.count))
            unsafe nftnl_set_elem_add(made, element)  // the set owns it now
        }
        unsafe message(type, flags: flags) { unsafe nftnl_set_elems_nlmsg_build_payload($0, made) }
    }
}

/// What an allocator of libnftnl gave. It returns nil only when memory is exhausted, where Swift itself ends the process as well.
func allocated(_ pointer: OpaquePointer?) -> OpaquePointer {
    guard let pointer = unsafe pointer else { fatalError("libnftnl: out of memory") }
    return unsafe pointer
}
