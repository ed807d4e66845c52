import DomainNames
import NetworkTypes
import PolicyEngine

/// What the verdict threads and the readers of hellos may know of a record.
extension NameTable {
    /// Publishes one record under "any name" and under every number of its name. What is remembered gives way where it may be in the way: not for an
    /// address that has all the parts it may have.
    mutating func publish(_ record: Int32) -> Bool {
        if tryToPublish(record) { return true }
        guard rememberedCount > 0, table.isHalfFull, records[Int(record)].state != .remembered else { return false }
        while let oldest = takeOldestRemembered() { forget(oldest) }
        return tryToPublish(record)
    }

    private mutating func tryToPublish(_ record: Int32) -> Bool {
        let entry = records[Int(record)]
        let isRemembered = entry.state == .remembered
        let succeeded = table.publish(
            entry.client, entry.address, under: names[entry.name].numbers, expiry: entry.expiry, record: Int(record),
            isRemembered: isRemembered)
        if !isRemembered { publishInIndex(record) }
        records[Int(record)].isPublished = succeeded
        return succeeded
    }

    /// A name that finds no room cannot be confirmed; its addresses are as good as before.
    mutating func publishInIndex(_ record: Int32) {
        let entry = records[Int(record)]
        guard let index, let key = names[entry.name].indexKey else { return }
        if !index.publish(entry.client, entry.address, key, expiry: entry.expiry, record: Int(record)) { counters.unindexed += 1 }
    }

    func withdrawFromIndex(_ record: Int32) {
        let entry = records[Int(record)]
        if let index, let key = names[entry.name].indexKey { index.withdraw(entry.client, entry.address, key) }
    }

    /// Brings what is published of a record that ended, is only remembered or is out of its chain to what all records of the same client and
    /// address say: what is remembered says something only where there is nothing else.
    ///
    /// An address may be that of thousands of names, so they are looked through only where it was this one that was published. `expiry` is
    /// the record's from before.
    func republish(_ record: Int32, expiry: Instant) {
        let entry = records[Int(record)]
        let first = addressLists[entry.ofAddress].first
        for number in names[entry.name].numbers where isAffected(number) { republish(number, entry, first) }
        if isAffected(anyName) { republish(anyName, entry, first) }

        func isAffected(_ number: PatternNumber) -> Bool {
            guard first >= 0, let published = table.published(entry.client, entry.address, number) else { return true }
            // One that ends at the same moment is as good.
            return published.record == record || published.expiry < expiry
                || published.expiry == expiry && records[Int(published.record)].expiry != expiry
        }
    }

    private func republish(_ number: PatternNumber, _ entry: Record, _ first: Int32) {
        var latest: Int32 = -1
        var record = first
        while record >= 0 {
            let other = records[Int(record)]
            if number == anyName || names[other.name].numbers.contains(number), latest < 0 || isBetter(other, records[Int(latest)]) {
                latest = record
            }
            record = other.next
        }
        if latest >= 0 {
            table.replace(
                entry.client, entry.address, number, expiry: records[Int(latest)].expiry, record: Int(latest),
                isRemembered: records[Int(latest)].state == .remembered)
        } else {
            table.withdraw(entry.client, entry.address, number)
        }
    }

    private func isBetter(_ record: Record, _ other: Record) -> Bool {
        let (isBinding, isOtherBinding) = (record.state != .remembered, other.state != .remembered)
        return isBinding == isOtherBinding ? record.expiry > other.expiry : isBinding
    }

    /// Takes back the numbers of patterns that policy no longer has. They hurt nobody, because no number is given out twice, but they
    /// take up room.
    mutating func forgetStaleNumbers(_ record: Int32) {
        let entry = records[Int(record)]
        let name = entry.name
        let (policy, policyBefore) = (policy, policyBefore)
        let isStale = { (number: PatternNumber) in
            !policy.containsPattern(number) && !(policyBefore?.containsPattern(number) ?? false)
        }
        if names[name].numbers.contains(where: isStale) { names[name].numbers.removeAll(where: isStale) }
        table.withdraw(entry.client, entry.address, where: isStale)
    }
}
