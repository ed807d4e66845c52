import Glibc
import NetworkTypes

extension TableSocket {
    /// Changes the sets; all changes are one transaction, up to some thousands; beyond that they are split between addresses, never
    /// within one. What is already as it should be is not sent. `install` must have gone before.
    public mutating func apply(_ changes: [TableChange]) throws(TableError) {
        guard let configuration else { throw .notInstalled }
        var start = 0
        while start < changes.count {
            var end = min(start + Self.changesPerTransaction, changes.count)
            while end < changes.count, changes[end].address == changes[end - 1].address { end += 1 }
            try applyOnce(changes[start..<end], configuration)
            start = end
        }
    }

    private static let changesPerTransaction = 16_384

    private mutating func applyOnce(_ changes: ArraySlice<TableChange>, _ configuration: TableConfiguration) throws(TableError) {
        // What each touched element shall be in the end.
        var known: [KnownEndpoint: Bool] = [:]
        var policed: [IPAddress: Bool] = [:]
        var current: [IPAddress: UInt32?] = [:]
        var capped: [IPAddress: Bool] = [:]
        var classes: [ClassGeneration: Bool] = [:]
        var upstreams: [IPAddress: Bool] = [:]
        var trusted: [IPAddress: Bool] = [:]
        for change in changes {
            switch change {
            case .addKnown(let endpoint): known[endpoint] = true
            case .removeKnown(let endpoint): known[endpoint] = false
            case .addPoliced(let address): policed[address] = true
            case .removePoliced(let address): policed[address] = false
            case .setCurrent(let address, let generation):
                guard (1...configuration.mark.generationMax).contains(generation) else {
                    throw .badConfiguration("generation \(generation) of \(address) is not in 1...\(configuration.mark.generationMax)")
                }
                current[address] = .some(generation)
            case .removeCurrent(let address): current[address] = .some(nil)
            case .addCapped(let address): capped[address] = true
            case .removeCapped(let address): capped[address] = false
            case .addClass(let generation): classes[generation] = true
            case .removeClass(let generation): classes[generation] = false
            case .addUpstream(let address): upstreams[address] = true
            case .removeUpstream(let address): upstreams[address] = false
            case .addTrusted(let address): trusted[address] = true
            case .removeTrusted(let address): trusted[address] = false
            }
        }
        do {
            guard let bytes = batch(configuration, known, policed, current, capped, classes, upstreams, trusted) else { return }
            try transact(bytes, "change the sets of table inet \(configuration.tableName)", table: configuration.tableName)
        } catch .refused(let error) where error.errno == ENOENT {
            // Somebody has edited a table that nobody owned: look again, once.
            mirror = try contents(mark: configuration.mark, table: configuration.tableName)
            guard let bytes = batch(configuration, known, policed, current, capped, classes, upstreams, trusted) else { return }
            try transact(bytes, "change the sets of table inet \(configuration.tableName)", table: configuration.tableName)
        }
        for (endpoint, isPresent) in known {
            if isPresent { mirror.known.insert(endpoint) } else { mirror.known.remove(endpoint) }
        }
        for (address, isPresent) in policed {
            if isPresent { mirror.policed.insert(address) } else { mirror.policed.remove(address) }
        }
        for (address, isPresent) in capped {
            if isPresent { mirror.capped.insert(address) } else { mirror.capped.remove(address) }
        }
        for (address, isPresent) in upstreams {
            if isPresent { mirror.upstreams.insert(address) } else { mirror.upstreams.remove(address) }
        }
        for (address, isPresent) in trusted {
            if isPresent { mirror.trusted.insert(address) } else { mirror.trusted.remove(address) }
        }
        for (address, generation) in current { mirror.current[address] = generation }
        for (generation, isPresent) in classes {
            if isPresent { mirror.classes.insert(generation) } else { mirror.classes.remove(generation) }
        }
    }

    /// The transaction that leads from the mirror to these, nil if nothing is to be done.
    private func batch(
        _ configuration: TableConfiguration, _ known: [KnownEndpoint: Bool], _ policed: [IPAddress: Bool],
        _ current: [IPAddress: UInt32?], _ capped: [IPAddress: Bool], _ classes: [ClassGeneration: Bool],
        _ upstreams: [IPAddress: Bool], _ trusted: [IPAddress: Bool]
    ) -> [UInt8]? {
        let mark = configuration.mark
        var batch = BatchWriter(table: configuration.tableName)
        let emptySize = batch.bytes.count
        for family: IPFamily in [.v4, .v6] {
            let knownChanges = known.filter { $0.key.address.family == family && mirror.known.contains($0.key) != $0.value }
            let policedChanges = policed.filter { $0.key.family == family && mirror.policed.contains($0.key) != $0.value }
            let currentChanges = current.filter { $0.key.family == family && mirror.current[$0.key] != $0.value }
            let cappedChanges = capped.filter { $0.key.family == family && mirror.capped.contains($0.key) != $0.value }
            batch.deleteElements(of: .capped(family), keys: cappedChanges.filter { !$0.value }.map { ElementSet.key($0.key) })
            batch.addElements(to: .capped(family), keys: cappedChanges.filter { $0.value }.map { ElementSet.key($0.key) })
            let upstreamChanges = upstreams.filter { $0.key.family == family && mirror.upstreams.contains($0.key) != $0.value }
            batch.deleteElements(of: .upstreams(family), keys: upstreamChanges.filter { !$0.value }.map { ElementSet.key($0.key) })
            batch.addElements(to: .upstreams(family), keys: upstreamChanges.filter { $0.value }.map { ElementSet.key($0.key) })
            let trustedChanges = trusted.filter { $0.key.family == family && mirror.trusted.contains($0.key) != $0.value }
            batch.deleteElements(of: .trusted(family), keys: trustedChanges.filter { !$0.value }.map { ElementSet.key($0.key) })
            batch.addElements(to: .trusted(family), keys: trustedChanges.filter { $0.value }.map { ElementSet.key($0.key) })
            batch.deleteElements(of: .known(family), keys: knownChanges.filter { !$0.value }.map { ElementSet.key($0.key) })
            batch.deleteElements(of: .policed(family), keys: policedChanges.filter { !$0.value }.map { ElementSet.key($0.key) })
            batch.deleteElements(
                of: .current(family),
                keys: currentChanges.compactMap { change in
                    mirror.current[change.key].map { ElementSet.key(change.key, mark: mark.deposit($0)) }
                })
            let classChanges = classes.filter { $0.key.address.family == family && mirror.classes.contains($0.key) != $0.value }
            func classKeys(_ isPresent: Bool) -> [[UInt8]] {
                classChanges.filter { $0.value == isPresent }.map { ElementSet.key($0.key.address, mark: mark.deposit($0.key.generation)) }
            }
            batch.deleteElements(of: .classes(family), keys: classKeys(false))
            batch.addElements(to: .classes(family), keys: classKeys(true))
            batch.addElements(to: .known(family), keys: knownChanges.filter { $0.value }.map { ElementSet.key($0.key) })
            batch.addElements(to: .policed(family), keys: policedChanges.filter { $0.value }.map { ElementSet.key($0.key) })
            batch.addElements(
                to: .current(family),
                keys: currentChanges.compactMap { change in
                    change.value.map { ElementSet.key(change.key, mark: mark.deposit($0)) }
                })
        }
        guard batch.bytes.count > emptySize else { return nil }
        batch.finish()
        return batch.bytes
    }
}
