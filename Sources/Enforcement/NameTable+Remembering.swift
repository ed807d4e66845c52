import DomainNames
import NetworkTypes

/// What is kept of bindings that went, for clients that still dial their addresses.
extension NameTable {
    /// The name of an ended binding that is remembered, or of one that is held again by now; nil of any other.
    public func name(ofRecord record: Int, client: EndpointID, address: IPAddress, now: Instant) -> DomainName? {
        guard records.indices.contains(record), records[record].state != .free, records[record].client == client,
            records[record].address == address,
            records[record].expiry.advanced(bySeconds: UInt64(limits.redialSeconds)) >= now
        else { return nil }
        return names[records[record].name].name
    }

    /// A binding that is to go is remembered instead, within window and limits.
    mutating func rememberOrRemove(_ record: Int32, now: Instant) {
        let entry = records[Int(record)]
        guard limits.redialSeconds > 0, entry.expiry.advanced(bySeconds: UInt64(limits.redialSeconds)) > now,
            clients[entry.client].map({ $0.remembered < BindingLimits.rememberedPerClient }) ?? false
        else { return remove(record) }
        noteEnded(record)
        records[Int(record)].state = .remembered
        store.setState(Int(record), .free)
        clients[entry.client]!.remembered += 1
        rememberedCount += 1
        remembered.append((record, entry.order))
        counters.remembered += 1
        republish(record, expiry: entry.expiry)
        withdrawFromIndex(record)
        forgetAdmissionUnlessHeld(entry.client, entry.address)
    }

    mutating func forget(_ record: Int32) {
        precondition(records[Int(record)].state == .remembered, "only what is remembered is forgotten")
        remove(record)
    }

    mutating func takeOldestRemembered() -> Int32? {
        while rememberedHead < remembered.count {
            let (record, order) = remembered[rememberedHead]
            rememberedHead += 1
            if rememberedHead >= 1_024, 2 * rememberedHead >= remembered.count {
                remembered.removeFirst(rememberedHead)
                rememberedHead = 0
            }
            if records[Int(record)].state == .remembered, records[Int(record)].order == order { return record }
        }
        return nil
    }

    /// Those in front that have gone meanwhile.
    mutating func trimRemembered() {
        while rememberedHead < remembered.count {
            let (record, order) = remembered[rememberedHead]
            if records[Int(record)].state == .remembered, records[Int(record)].order == order { break }
            rememberedHead += 1
        }
        guard 2 * rememberedHead >= remembered.count else { return }
        remembered.removeFirst(rememberedHead)
        rememberedHead = 0
    }
}
