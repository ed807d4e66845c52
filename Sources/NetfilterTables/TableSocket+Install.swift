import CNetfilter
import Glibc
import Netlink
import NetworkTypes

extension TableSocket {
    /// Makes the table, or replaces all of an existing one (ours, or left behind by a dead owner), in one transaction: before it
    /// packets meet the old rules and sets, after it the new ones, and at no moment none.
    ///
    /// If the chains and sets of the existing table are those that we would make, they stay, and with them packets in the queue and
    /// counters. Else the table is deleted and made again within the transaction; then the kernel drops packets in the queue.
    public mutating func install(_ configuration: TableConfiguration, contents: TableContents = TableContents()) throws(TableError) {
        let ruleset = try Ruleset(configuration)
        if let bad = contents.current.first(where: { !(1...configuration.mark.generationMax).contains($0.value) }) {
            throw .badConfiguration("generation \(bad.value) of \(bad.key) is not in 1...\(configuration.mark.generationMax)")
        }
        let table = configuration.tableName
        let operation = "install table inet \(table)"
        let state = try tableState(table)
        var fits = state == nil
        if !fits { fits = try hasLayout(of: ruleset, table: table) }
        if fits {
            do {
                let batch = Self.installBatch(configuration, ruleset, contents, deletesTable: false)
                try transact(batch, operation, table: table)
                self.configuration = configuration
                mirror = contents
                return
            } catch .refused(let error) where state != nil && error.errno != EPERM && error.errno != EMSGSIZE {
                // Something of the old table cannot be changed in place (flags, a chain's hook, a set's key): make it anew.
            }
        }
        try transact(Self.installBatch(configuration, ruleset, contents, deletesTable: true), operation, table: table)
        self.configuration = configuration
        mirror = contents
    }

    /// The transaction of `install` as bytes.
    static func installBatch(
        _ configuration: TableConfiguration, _ ruleset: Ruleset, _ contents: TableContents, deletesTable: Bool
    ) -> [UInt8] {
        let flags: UInt32 =
            switch configuration.ownership {
            case .ownerPersist: 0x2 | 0x4  // NFT_TABLE_F_OWNER, NFT_TABLE_F_PERSIST (Linux 6.9; not in older headers)
            case .none: 0
            }
        var batch = BatchWriter(table: configuration.tableName)
        if deletesTable { batch.deleteTable() }
        batch.addTable(flags: flags)
        if !deletesTable { batch.deleteRules() }
        for counter in TableCounter.allCases { batch.addCounter(counter) }
        for (index, set) in ElementSet.all.enumerated() {
            batch.addSet(set, id: UInt32(index) + 1)
            if !deletesTable { batch.deleteElements(of: set) }
        }
        for chain in ruleset.chains { batch.addChain(chain) }
        for rule in ruleset.rules { batch.addRule(rule) }
        for family: IPFamily in [.v4, .v6] {
            batch.addElements(
                to: .known(family), keys: contents.known.filter { $0.address.family == family }.sorted().map { ElementSet.key($0) })
            batch.addElements(
                to: .policed(family), keys: contents.policed.filter { $0.family == family }.sorted().map { ElementSet.key($0) })
            batch.addElements(
                to: .capped(family), keys: contents.capped.filter { $0.family == family }.sorted().map { ElementSet.key($0) })
            batch.addElements(
                to: .current(family),
                keys: contents.current.filter { $0.key.family == family }.sorted { $0.key < $1.key }.map {
                    ElementSet.key($0.key, mark: configuration.mark.deposit($0.value))
                })
            batch.addElements(
                to: .upstreams(family), keys: contents.upstreams.filter { $0.family == family }.sorted().map { ElementSet.key($0) })
            batch.addElements(
                to: .trusted(family), keys: contents.trusted.filter { $0.family == family }.sorted().map { ElementSet.key($0) })
            let ofClasses = contents.classes.filter { $0.address.family == family }
            batch.addElements(
                to: .classes(family),
                keys: ofClasses.sorted { ($0.address, $0.generation) < ($1.address, $1.generation) }.map {
                    ElementSet.key($0.address, mark: configuration.mark.deposit($0.generation))
                })
        }
        batch.finish()
        return batch.bytes
    }

    /// Whether the existing table has exactly the chains and sets of the ruleset (their hooks are compared by the kernel).
    private func hasLayout(of ruleset: Ruleset, table: String) throws(TableError) -> Bool {
        let chains = try names(NFT_MSG_GETCHAIN, attribute: 3, tableAttribute: 1, table: table)  // NFTA_CHAIN_NAME, _TABLE
        guard chains == Set(ruleset.chains.map(\.name)) else { return false }
        let sets = try names(NFT_MSG_GETSET, attribute: 2, tableAttribute: 1, table: table)  // NFTA_SET_NAME, _TABLE
        return sets == Set(ElementSet.all.map(\.name))
    }
}
