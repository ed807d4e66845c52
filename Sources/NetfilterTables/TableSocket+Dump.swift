import CNetfilter
import Glibc
import Netlink
import NetworkTypes

extension TableSocket {
    /// What is known of an existing table.
    struct TableState {
        /// `NFTA_TABLE_OWNER`: the port id of the owning socket, nil if nobody owns it now.
        var owner: UInt32?
        var flags: UInt32
    }

    /// Reads the sets as they are in the kernel. `mark` must be the layout that they were written with.
    ///
    /// A dump misses elements while the kernel grows the hash table of a set in the background, and does not say so: what is returned
    /// was read twice in a row.
    public func contents(mark: MarkLayout = .standard, table: String = "exeat") throws(TableError) -> TableContents {
        var previous: TableContents?
        for _ in 0..<32 {
            var contents = TableContents()
            var isConsistent = true
            for family: IPFamily in [.v4, .v6] {
                let count = family == .v4 ? 4 : 16
                try elements(of: .known(family), table: table, &isConsistent) { key in
                    guard key.count == 16 + count, let address = IPAddress(networkBytes: key.extracting(16..<16 + count)) else { return }
                    var name: [UInt8] = []
                    for index in 0..<16 where key[index] != 0 { name.append(key[index]) }
                    contents.known.insert(KnownEndpoint(interface: String(decoding: name, as: UTF8.self), address: address))
                }
                try elements(of: .policed(family), table: table, &isConsistent) { key in
                    if let address = IPAddress(networkBytes: key) { contents.policed.insert(address) }
                }
                try elements(of: .capped(family), table: table, &isConsistent) { key in
                    if let address = IPAddress(networkBytes: key) { contents.capped.insert(address) }
                }
                try elements(of: .upstreams(family), table: table, &isConsistent) { key in
                    if let address = IPAddress(networkBytes: key) { contents.upstreams.insert(address) }
                }
                try elements(of: .trusted(family), table: table, &isConsistent) { key in
                    if let address = IPAddress(networkBytes: key) { contents.trusted.insert(address) }
                }
                try elements(of: .current(family), table: table, &isConsistent) { key in
                    guard key.count == count + 4, let address = IPAddress(networkBytes: key.extracting(0..<count)) else { return }
                    let generation = mark.extract(key.netlinkNative32(at: count))
                    // Two are none of ours: 0 is nobody's generation, so that this differs from whatever was written.
                    if let other = contents.current.updateValue(generation, forKey: address), other != generation {
                        contents.current[address] = 0
                    }
                }
                try elements(of: .classes(family), table: table, &isConsistent) { key in
                    guard key.count == count + 4, let address = IPAddress(networkBytes: key.extracting(0..<count)) else { return }
                    contents.classes.insert(
                        ClassGeneration(address: address, generation: mark.extract(key.netlinkNative32(at: count))))
                }
            }
            if isConsistent, contents == previous { return contents }
            previous = isConsistent ? contents : nil
        }
        throw .refused(NetlinkError("read the sets of table inet \(table): they change all the time", errno: EAGAIN))
    }

    /// Reads the named counters.
    public func counters(table: String = "exeat") throws(TableError) -> [CounterValue] {
        var values: [CounterValue] = []
        let request = Self.dumpRequest(NFT_MSG_GETOBJ) { $0.attribute(1, Array(table.utf8) + [0]) }  // NFTA_OBJ_TABLE
        _ = try dump(request, "read the counters of table inet \(table)") { bytes, message in
            var offset = message.payloadStart + 4
            var isOurs = false
            var name = ""
            var packets: UInt64 = 0
            var counted: UInt64 = 0
            while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
                switch attribute.type {
                case 1: isOurs = Self.text(bytes, attribute) == table
                case 2: name = Self.text(bytes, attribute)  // NFTA_OBJ_NAME
                case 4:  // NFTA_OBJ_DATA: NFTA_COUNTER_BYTES, NFTA_COUNTER_PACKETS
                    var inner = attribute.start
                    while let field = NetlinkAttribute(in: bytes, at: &inner, end: attribute.end) {
                        guard field.count == 8 else { continue }
                        if field.type == 1 { counted = bytes.netlinkBig64(at: field.start) }
                        if field.type == 2 { packets = bytes.netlinkBig64(at: field.start) }
                    }
                default: break
                }
            }
            if isOurs, TableCounter(rawValue: name) != nil { values.append(CounterValue(reason: name, packets: packets, bytes: counted)) }
        }
        return values.sorted { $0.reason < $1.reason }
    }

    /// Elements of `leases4` and `leases6`; some may have ended and wait to be collected.
    ///
    /// Kernels before 6.16 do not say how many elements a set has: there the elements are read.
    public func leaseCount(table: String = "exeat") throws(TableError) -> Int {
        var counts: [String: Int] = [:]
        let request = Self.dumpRequest(NFT_MSG_GETSET) { $0.attribute(1, Array(table.utf8) + [0]) }  // NFTA_SET_TABLE
        _ = try dump(request, "list the sets of table inet \(table)") { bytes, message in
            var offset = message.payloadStart + 4
            var isOurs = false
            var name = ""
            var count: Int?
            while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
                switch attribute.type {
                case 1: isOurs = Self.text(bytes, attribute) == table
                case 2: name = Self.text(bytes, attribute)  // NFTA_SET_NAME
                case 20 where attribute.count == 4: count = Int(bytes.netlinkBig32(at: attribute.start))  // NFTA_SET_COUNT
                default: break
                }
            }
            if isOurs, let count { counts[name] = count }
        }
        var total = 0
        for set in [ElementSet.leases(.v4), .leases(.v6)] {
            if let count = counts[set.name] {
                total += count
            } else {
                var isConsistent = true
                try elements(of: set, table: table, &isConsistent) { _ in total += 1 }
            }
        }
        return total
    }

    /// Addresses that the question limit has held back within the last minute. It may miss some that are being added.
    public func limitedAddresses(table: String = "exeat") throws(TableError) -> Set<IPAddress> {
        var addresses: Set<IPAddress> = []
        var isConsistent = true
        for family: IPFamily in [.v4, .v6] {
            try elements(of: .limited(family), table: table, &isConsistent) { key in
                if let address = IPAddress(networkBytes: key) { addresses.insert(address) }
            }
        }
        return addresses
    }

    /// Nil if there is no such table.
    func tableState(_ table: String) throws(TableError) -> TableState? {
        try dumpWhole(Self.dumpRequest(NFT_MSG_GETTABLE) { _ in }, "list the tables", into: TableState?.none) { found, bytes, message in
            var offset = message.payloadStart + 4
            var state = TableState(owner: nil, flags: 0)
            var isOurs = false
            while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
                switch attribute.type {
                case 1: isOurs = Self.text(bytes, attribute) == table  // NFTA_TABLE_NAME
                case 2 where attribute.count == 4: state.flags = bytes.netlinkBig32(at: attribute.start)  // NFTA_TABLE_FLAGS
                case 7 where attribute.count == 4: state.owner = bytes.netlinkBig32(at: attribute.start)  // NFTA_TABLE_OWNER
                default: break
                }
            }
            if isOurs { found = state }
        }
    }

    /// The names in a table.
    func names(_ type: nf_tables_msg_types, attribute wanted: UInt16, tableAttribute: UInt16, table: String) throws(TableError) -> Set<
        String
    > {
        try dumpWhole(Self.dumpRequest(type) { _ in }, "list table inet \(table)", into: []) { names, bytes, message in
            var offset = message.payloadStart + 4
            var isOurs = false
            var name = ""
            while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
                if attribute.type == tableAttribute { isOurs = Self.text(bytes, attribute) == table }
                if attribute.type == wanted { name = Self.text(bytes, attribute) }
            }
            if isOurs { names.insert(name) }
        }
    }

    /// Gives the key of each element.
    private func elements(
        of set: ElementSet, table: String, _ isConsistent: inout Bool, _ body: (Span<UInt8>) -> Void
    ) throws(TableError) {
        let request = Self.dumpRequest(NFT_MSG_GETSETELEM) {
            $0.attribute(1, Array(table.utf8) + [0])  // NFTA_SET_ELEM_LIST_TABLE
            $0.attribute(2, Array(set.name.utf8) + [0])  // NFTA_SET_ELEM_LIST_SET
        }
        let isWhole = try dump(request, "read set \(set.name) of table inet \(table)") { bytes, message in
            var offset = message.payloadStart + 4
            while let list = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
                guard list.type == 3 else { continue }  // NFTA_SET_ELEM_LIST_ELEMENTS
                var inner = list.start
                while let element = NetlinkAttribute(in: bytes, at: &inner, end: list.end) {
                    var field = element.start
                    while let part = NetlinkAttribute(in: bytes, at: &field, end: element.end) {
                        guard part.type == 1 else { continue }  // NFTA_SET_ELEM_KEY
                        var data = part.start
                        if let value = NetlinkAttribute(in: bytes, at: &data, end: part.end), value.type == 1 {  // NFTA_DATA_VALUE
                            body(bytes.extracting(value.start..<value.end))
                        }
                    }
                }
            }
        }
        if !isWhole { isConsistent = false }
    }

    /// A dump between whose parts nobody has changed anything: the kernel counts what it has told already, so that a change of any table may have it
    /// leave something out, or tell it twice. Where others change theirs all the time, the last of some.
    func dumpWhole<Value>(
        _ request: [UInt8], _ operation: String, into empty: Value, _ body: (inout Value, Span<UInt8>, NetlinkMessage) -> Void
    ) throws(TableError) -> Value {
        var value = empty
        for _ in 0..<Self.dumpsMax {
            value = empty
            if try dump(request, operation, { body(&value, $0, $1) }) { break }
        }
        return value
    }

    private static let dumpsMax = 32

    func dump(
        _ request: [UInt8], _ operation: String, _ body: (Span<UInt8>, NetlinkMessage) -> Void
    ) throws(TableError) -> Bool {
        do {
            return try socket.dump(request, operation, body)
        } catch {
            throw .refused(error)
        }
    }

    static func dumpRequest(_ type: nf_tables_msg_types, _ body: (inout NetlinkWriter) -> Void) -> [UInt8] {
        var writer = NetlinkWriter()
        writer.begin(
            type: UInt16(NFNL_SUBSYS_NFTABLES) << 8 | UInt16(type.rawValue), flags: UInt16(NLM_F_REQUEST | NLM_F_DUMP), sequence: 1,
            family: 1)  // NFPROTO_INET
        body(&writer)
        writer.end()
        return writer.bytes
    }

    /// A string attribute without its final zero.
    static func text(_ bytes: Span<UInt8>, _ attribute: NetlinkAttribute) -> String {
        var text: [UInt8] = []
        for index in attribute.start..<attribute.end where bytes[index] != 0 { text.append(bytes[index]) }
        return String(decoding: text, as: UTF8.self)
    }
}
