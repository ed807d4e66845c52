import PolicyModel

/// Policies and tiers, and their order.
extension PolicyCompiler {
    private mutating func takeSlot(_ key: OrderKey) -> UInt32 {
        let slot = freeSlots.popLast() ?? UInt32(records.count)
        if Int(slot) == records.count {
            records.append(nil)
            isUniversal.append(false)
            orderKeys.append(nil)
            orderHashes.append(0)
            ranks.append(0)
        }
        orderKeys[Int(slot)] = key
        orderHashes[Int(slot)] = key.hash
        return slot
    }

    // MARK: Tiers

    mutating func setTier(_ tier: Tier, _ changes: inout Changes) {
        let old = tiers[tier.name]
        let key = OrderKey(tier)
        let slot = old?.slot ?? takeSlot(key)
        if let old { ruleNumbers.release(old.origin) }
        tiers[tier.name] = TierRecord(tier, slot: slot, origin: ruleNumbers.register(.tier(tier)), id: newID())
        orderKeys[Int(slot)] = key
        orderHashes[Int(slot)] = key.hash
        changes.order = true
        changes.sources = true
        guard old != nil else { return }
        // Its policies go where it goes, and every program that has it is another one.
        for record in records {
            guard let record, record.policy.tier == tier.name else { continue }
            let key = OrderKey(record.policy, in: tier)
            orderKeys[Int(record.slot)] = key
            orderHashes[Int(record.slot)] = key.hash
        }
        changes.all = true
    }

    mutating func removeTier(_ name: String, _ changes: inout Changes) {
        guard let old = tiers[name] else { return }
        if name == Tier.defaultName {
            setTier(.default, &changes)
        } else if records.contains(where: { $0?.policy.tier == name }) {
            // Checked resources have no policy in a tier that is not there.
            setTier(Tier(name: name), &changes)
        } else {
            tiers[name] = nil
            ruleNumbers.release(old.origin)
            orderKeys[Int(old.slot)] = nil
            freeSlots.append(old.slot)
            changes.order = true
            changes.sources = true
        }
    }

    // MARK: Policies

    mutating func setPolicy(_ key: ResourceKey, _ policy: NetworkPolicy, _ changes: inout Changes) {
        // A tier that nobody defined comes last and denies: never a wider policy.
        if tiers[policy.tier] == nil { setTier(Tier(name: policy.tier), &changes) }
        guard let tier = tiers[policy.tier]?.tier else { return }
        let orderKey = OrderKey(policy, in: tier)
        let slot: UInt32
        if let known = policySlots[key] {
            slot = known
            dropRecord(slot, &changes)
            if orderKeys[Int(slot)] != orderKey {
                leaveOrder(slot, changes)
                orderKeys[Int(slot)] = orderKey
                orderHashes[Int(slot)] = orderKey.hash
                enterOrder(slot, &changes)
            }
        } else {
            slot = takeSlot(orderKey)
            policySlots[key] = slot
            enterOrder(slot, &changes)
        }
        let record = PolicyRecord(
            policy, slot: slot, origin: ruleNumbers.register(.policy(policy)), exclusiveByDefault: options.exclusiveByDefault)
        records[Int(slot)] = record
        if record.isStaged {
            stagedSlots.insert(slot)
            changes.staged = true
        }
        isUniversal[Int(slot)] = record.selector.isAll
        if record.governsEgress {
            policyIndex.insert(slot, record.selector)
            if record.isExclusive { exclusiveSlots.insert(slot) }
        }
        changes.slots.insert(slot)
    }

    mutating func removePolicy(_ key: ResourceKey, _ changes: inout Changes) {
        guard let slot = policySlots.removeValue(forKey: key) else { return }
        dropRecord(slot, &changes)
        leaveOrder(slot, changes)
        orderKeys[Int(slot)] = nil
        freeSlots.append(slot)
        changes.slots.insert(slot)
    }

    private mutating func dropRecord(_ slot: UInt32, _ changes: inout Changes) {
        guard let record = records[Int(slot)] else { return }
        changes.dropped += record.blocks.values
        if record.governsEgress { policyIndex.remove(slot) }
        if stagedSlots.remove(slot) != nil { changes.staged = true }
        exclusiveSlots.remove(slot)
        ruleNumbers.release(record.origin)
        records[Int(slot)] = nil
    }

    // MARK: Order

    /// Few changes move single places; the rest is sorted once at the end.
    private static let insertionsMax = 8

    private mutating func enterOrder(_ slot: UInt32, _ changes: inout Changes) {
        guard !changes.order else { return }
        if changes.slots.count >= Self.insertionsMax {
            changes.order = true
            return
        }
        guard let key = orderKeys[Int(slot)] else { return }
        var (low, high) = (0, order.count)
        while low < high {
            let middle = (low + high) / 2
            if let other = orderKeys[Int(order[middle])], other < key { low = middle + 1 } else { high = middle }
        }
        order.insert(slot, at: low)
        for place in low..<order.count { ranks[Int(order[place])] = UInt32(place) }
    }

    private mutating func leaveOrder(_ slot: UInt32, _ changes: borrowing Changes) {
        guard !changes.order else { return }
        let place = Int(ranks[Int(slot)])
        order.remove(at: place)
        for place in place..<order.count { ranks[Int(order[place])] = UInt32(place) }
    }

    mutating func sortOrder(_ changes: inout Changes) {
        order = orderKeys.indices.filter { orderKeys[$0] != nil }.map { UInt32($0) }
        let keys = orderKeys
        order.sort { left, right in
            guard let left = keys[Int(left)], let right = keys[Int(right)] else { return false }
            return left < right
        }
        for place in order.indices { ranks[Int(order[place])] = UInt32(place) }
    }
}
