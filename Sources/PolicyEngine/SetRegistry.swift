import PolicyModel

/// Address sets and their members, each kept up to date when the other changes.
///
/// A rule refers to its set by number. Who belongs to which set is kept at the members, so that a decision goes from the destination to its
/// members and from there to sets, and a change of one endpoint touches that endpoint's list and nothing else.
struct SetRegistry {
    private(set) var sets: [AddressSetRecord?] = []
    private var numbers: [AddressSetKind: UInt32] = [:]
    private var freeSets: [UInt32] = []
    private var index = LabelIndex()
    /// Sets of which the members are not known yet.
    private var pending: [UInt32] = []

    private(set) var members: [MemberRecord?] = []
    private var freeMembers: [UInt32] = []

    /// Sets whose content is other than when it was last taken note of.
    private(set) var changedSets: Set<UInt32> = []
    /// Members whose published list is to be made anew.
    private(set) var changedMembers: Set<UInt32> = []
    private(set) var hostsChanged = true
    private(set) var netsChanged = true
    private(set) var namesChanged = true

    var setCount: Int { sets.count - freeSets.count }
    var memberCount: Int { members.count - freeMembers.count }

    mutating func noteTaken() {
        changedSets = []
        changedMembers = []
        hostsChanged = false
        netsChanged = false
        namesChanged = false
    }

    // MARK: Sets

    /// The number of the set, to be given back with `release`. Its members are known after `evaluatePending`.
    mutating func acquire(_ kind: AddressSetKind, _ selector: Selector?) -> (number: UInt32, textHash: UInt64) {
        if let number = numbers[kind], let set = sets[Int(number)] {
            set.users += 1
            return (number, set.textHash)
        }
        let number = freeSets.popLast() ?? UInt32(sets.count)
        if Int(number) == sets.count { sets.append(nil) }
        let set = AddressSetRecord(number: number, kind: kind, selector: selector, textHash: StableHash.hash(kind.text))
        set.users = 1
        sets[Int(number)] = set
        numbers[kind] = number
        if let selector { index.insert(number, selector) }
        pending.append(number)
        changedSets.insert(number)
        return (number, set.textHash)
    }

    mutating func release(_ number: UInt32) {
        guard let set = sets[Int(number)] else { preconditionFailure("a set is released as often as it was acquired") }
        set.users -= 1
        guard set.users == 0 else { return }
        for member in set.members {
            guard let record = members[Int(member)] else { continue }
            replaceEntries(of: record, record.entries.filter { $0 >> 32 != UInt64(number) })
        }
        if set.selector != nil { index.remove(number) }
        numbers[set.kind] = nil
        sets[Int(number)] = nil
        freeSets.append(number)
        changedSets.remove(number)
        if let place = pending.firstIndex(of: number) { pending.remove(at: place) }
    }

    /// Finds the members of new sets.
    mutating func evaluatePending() {
        guard !pending.isEmpty else { return }
        let new = pending.compactMap { sets[Int($0)] }
        pending = []
        var fresh = LabelIndex()
        let usesIndex = new.count > 16
        if usesIndex {
            for set in new { if let selector = set.selector { fresh.insert(set.number, selector) } }
        }
        for record in members {
            guard let record else { continue }
            var added: Set<UInt64> = []
            if record.content.kind == .slice {
                if let service = record.content.service, let number = numbers[service], let set = sets[Int(number)],
                    new.contains(where: { $0.number == number })
                {
                    added.formUnion(record.entries(in: set))
                }
            } else if usesIndex {
                fresh.forEachCandidate(record.content.labels) { number in
                    if let set = sets[Int(number)] { added.formUnion(record.entries(in: set)) }
                }
            } else {
                for set in new { added.formUnion(record.entries(in: set)) }
            }
            if !added.isEmpty { replaceEntries(of: record, added.union(record.entries).sorted()) }
        }
    }

    // MARK: Members

    mutating func insertMember(_ content: MemberRecord.Content) -> UInt32 {
        let number = freeMembers.popLast() ?? UInt32(members.count)
        if Int(number) == members.count { members.append(nil) }
        let record = MemberRecord(number: number, content)
        members[Int(number)] = record
        changedMembers.insert(number)
        replaceEntries(of: record, entries(of: record))
        return number
    }

    /// Gives the member new content. Whoever calls it releases the names of the old one.
    mutating func updateMember(_ number: UInt32, _ content: MemberRecord.Content) {
        guard let record = members[Int(number)] else { return }
        let old = record.content
        let wasUnchanged =
            old.prefixes == content.prefixes && old.nameHash == content.nameHash
            && old.names.elementsEqual(content.names, by: { $0.pattern == $1.pattern && $0.port == $1.port })
        if wasUnchanged {
            record.content = content
            replaceEntries(of: record, entries(of: record))
        } else {
            // Out of every set with the old content, into every one with the new.
            replaceEntries(of: record, [])
            record.content = content
            record.addressHash = MemberRecord.hash(content.prefixes)
            replaceEntries(of: record, entries(of: record))
        }
    }

    /// Whoever calls it releases its names.
    mutating func removeMember(_ number: UInt32) {
        guard let record = members[Int(number)] else { return }
        replaceEntries(of: record, [])
        members[Int(number)] = nil
        changedMembers.insert(number)
        freeMembers.append(number)
    }

    private func entries(of record: MemberRecord) -> [UInt64] {
        var result: [UInt64] = []
        if record.content.kind == .slice {
            if let service = record.content.service, let number = numbers[service], let set = sets[Int(number)] {
                result = record.entries(in: set)
            }
        } else {
            index.forEachCandidate(record.content.labels) { number in
                if let set = sets[Int(number)] { result += record.entries(in: set) }
            }
        }
        // A candidate may come twice.
        result.sort()
        var kept = 0
        for place in result.indices where place == 0 || result[place] != result[kept - 1] {
            result[kept] = result[place]
            kept += 1
        }
        result.removeLast(result.count - kept)
        return result
    }

    /// Takes the member out of the sets that it leaves and puts it into those that it joins; both lists ascending.
    private mutating func replaceEntries(of record: MemberRecord, _ entries: [UInt64]) {
        let old = record.entries
        guard old != entries else { return }
        var (left, right) = (0, 0)
        while left < old.count || right < entries.count {
            if right == entries.count || (left < old.count && old[left] < entries[right]) {
                change(old[left], of: record, by: -1)
                left += 1
            } else if left == old.count || entries[right] < old[left] {
                change(entries[right], of: record, by: 1)
                right += 1
            } else {
                left += 1
                right += 1
            }
        }
        for entry in old {
            let number = UInt32(truncatingIfNeeded: entry >> 32)
            if !Self.holds(entries, number) { sets[Int(number)]?.members.remove(record.number) }
        }
        for entry in entries { sets[Int(entry >> 32)]?.members.insert(record.number) }
        record.entries = entries
        changedMembers.insert(record.number)
        // Members that belong to no set stand in no table.
        if old.isEmpty != entries.isEmpty {
            switch record.content.kind {
            case .endpoint, .slice: hostsChanged = true
            case .networkSet:
                netsChanged = true
                if !record.content.names.isEmpty { namesChanged = true }
            }
        }
    }

    private static func holds(_ entries: [UInt64], _ set: UInt32) -> Bool {
        var (low, high) = (0, entries.count)
        while low < high {
            let middle = (low + high) / 2
            if entries[middle] >> 32 < UInt64(set) { low = middle + 1 } else { high = middle }
        }
        return low < entries.count && entries[low] >> 32 == UInt64(set)
    }

    private mutating func change(_ entry: UInt64, of record: MemberRecord, by sign: Int) {
        guard let set = sets[Int(entry >> 32)] else { return }
        let contribution = record.contribution(entry)
        set.contentHash = sign > 0 ? set.contentHash &+ contribution : set.contentHash &- contribution
        if entry & 0xffff_ffff == 0 {
            for name in record.content.names {
                if name.port == 0 {
                    set.plainNames += sign
                } else {
                    set.portNames[name.port, default: 0] += sign
                    if set.portNames[name.port] == 0 { set.portNames[name.port] = nil }
                }
            }
        }
        changedSets.insert(set.number)
    }
}
