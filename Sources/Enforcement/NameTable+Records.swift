import DomainNames
import NetworkTypes
import PolicyEngine

/// Names, records and the lists that they stand in.
extension NameTable {
    func hash(_ client: EndpointID, _ name: Int32, _ address: IPAddress) -> UInt32 {
        UInt32(truncatingIfNeeded: AddressTable.hash(UInt64(client.rawValue) << 32 | UInt64(UInt32(name)), address, table.seed))
    }

    private func hash(_ client: EndpointID, _ address: IPAddress) -> UInt32 {
        UInt32(truncatingIfNeeded: AddressTable.hash(UInt64(client.rawValue), address, table.seed))
    }

    private func hash(_ client: EndpointID, _ name: Int32) -> UInt32 { hash(client, name, IPAddress(v4: 0)) }

    // MARK: Names

    /// The number of a name. Whoever asks holds on to it with a reference, or has it released if it is unused.
    mutating func intern(_ name: DomainName) -> Int32 {
        if let known = nameNumbers[name] { return known }
        var entry = Name(name: name, indexKey: index?.key(of: name))
        policy.appendPatterns(matching: name, to: &entry.numbers)
        if let policyBefore {
            let count = entry.numbers.count
            policyBefore.appendPatterns(matching: name, to: &entry.numbers)
            let earlier = entry.numbers[count...].filter { !entry.numbers[..<count].contains($0) }
            entry.numbers.replaceSubrange(count..., with: earlier)
        }
        let number = names.insert(entry)
        nameNumbers[name] = number
        return number
    }

    mutating func releaseIfUnused(_ number: Int32) {
        guard names[number].references == 0 else { return }
        nameNumbers[names[number].name] = nil
        names.remove(number)
    }

    private mutating func noteBound(_ name: Int32) {
        names[name].bound += 1
        if names[name].bound == 1 { namesBound += 1 }
    }

    private mutating func noteBoundNoMore(_ name: Int32) {
        names[name].bound -= 1
        if names[name].bound == 0 { namesBound -= 1 }
    }

    // MARK: Lists

    /// The list of a client and name, made if there is none. It stays while it is `heldList`, with or without records.
    mutating func nameList(_ client: EndpointID, _ name: Int32) -> Int32 {
        let hash = hash(client, name)
        if let known = byName.find(hash, where: { nameLists[$0].name == name && nameLists[$0].client == client }) { return known }
        let list = nameLists.insert(NameList(client: client, name: name))
        byName.insert(list, hash: hash)
        return list
    }

    mutating func releaseIfEmpty(nameList list: Int32) {
        guard nameLists[list].first < 0, list != heldList else { return }
        byName.remove(list, hash: hash(nameLists[list].client, nameLists[list].name))
        nameLists.remove(list)
    }

    private func addressList(_ client: EndpointID, _ address: IPAddress, hash: UInt32) -> Int32? {
        byAddress.find(hash) { addressLists[$0].address == address && addressLists[$0].client == client }
    }

    /// As long as an address is held under some name, flows that were admitted by it count for that name too.
    func forgetAdmissionUnlessHeld(_ client: EndpointID, _ address: IPAddress) {
        let list = addressList(client, address, hash: hash(client, address))
        guard list.map({ addressLists[$0].bound == 0 }) ?? true else { return }
        table.forgetAdmission(client, address)
    }

    mutating func noteLive(_ record: Int32) {
        let list = records[Int(record)].ofName
        nameLists[list].live += 1
        if nameLists[list].live == 1 { clients[records[Int(record)].client]?.names += 1 }
    }

    mutating func noteLiveNoMore(_ record: Int32) {
        let list = records[Int(record)].ofName
        nameLists[list].live -= 1
        if nameLists[list].live == 0 { clients[records[Int(record)].client]?.names -= 1 }
    }

    /// Takes a live or draining record out of the counts.
    mutating func noteEnded(_ record: Int32) {
        let entry = records[Int(record)]
        if entry.state == .live { noteLiveNoMore(record) } else { clients[entry.client]?.draining -= 1 }
        clients[entry.client]?.bindings -= 1
        addressLists[entry.ofAddress].bound -= 1
        noteBoundNoMore(entry.name)
    }

    // MARK: Records

    /// The record of a client's name and address.
    func record(_ client: EndpointID, _ name: Int32, _ address: IPAddress, hash: UInt32) -> Int32? {
        byTriple.find(hash) { number in
            let record = records[Int(number)]
            return record.address == address && record.name == name && record.client == client
        }
    }

    /// Reads where each address of an answer will be looked for, so that the processor waits for these places of memory all at once and not for one after
    /// the other: they are spread over tables of many megabytes, and the wait is most of what a binding costs.
    mutating func fetch(_ addresses: [IPAddress], _ client: EndpointID, _ name: Int32) {
        guard addresses.count > 1 else { return }
        let key = names[name].indexKey
        var read: UInt64 = 0
        for address in addresses {
            read ^= byTriple.firstSlot(hash(client, name, address)) ^ byAddress.firstSlot(hash(client, address))
            read ^= table.firstKey(client, address)
            if let index, let key { read ^= index.firstKey(client, address, key) }
        }
        fetched ^= read
    }

    /// A free one; the oldest that is only remembered gives way. Nil if there is none.
    mutating func takeRecord() -> Int32? {
        if let free = freeRecords.popLast() { return free }
        if records.count < limits.bindings {
            records.append(
                Record(client: EndpointID(rawValue: 0), name: 0, address: IPAddress(v4: 0), expiry: Instant(nanoseconds: 0), state: .free))
            return Int32(records.count - 1)
        }
        guard let oldest = takeOldestRemembered() else { return nil }
        forget(oldest)
        return freeRecords.popLast()
    }

    /// Makes the free record a live binding of the list's client and name. The caller counts it as one of the client's.
    mutating func insert(_ record: Int32, _ address: IPAddress, ofName: Int32, expiry: Instant, hash tripleHash: UInt32) {
        let (client, name) = (nameLists[ofName].client, nameLists[ofName].name)
        let hash = hash(client, address)
        let ofAddress: Int32
        if let known = addressList(client, address, hash: hash) {
            ofAddress = known
        } else {
            ofAddress = addressLists.insert(AddressList(client: client, address: address))
            byAddress.insert(ofAddress, hash: hash)
        }
        let (next, nextOfName) = (addressLists[ofAddress].first, nameLists[ofName].first)
        bindingsMade += 1
        records[Int(record)] = Record(
            client: client, name: name, address: address, expiry: expiry, state: .live, order: bindingsMade, ofAddress: ofAddress,
            next: next,
            ofName: ofName, nextOfName: nextOfName)
        if next >= 0 { records[Int(next)].previous = record }
        if nextOfName >= 0 { records[Int(nextOfName)].previousOfName = record }
        addressLists[ofAddress].first = record
        addressLists[ofAddress].bound += 1
        nameLists[ofName].first = record
        byTriple.insert(record, hash: tripleHash)
        names[name].references += 1
        noteBound(name)
        noteLive(record)
        let isKept = store.write(Int(record), client: client, address: address, name: names[name].name, expiry: expiry)
        if !isKept { counters.unkept += 1 }
    }

    mutating func remove(_ record: Int32) {
        let entry = records[Int(record)]
        if entry.state == .remembered {
            clients[entry.client]?.remembered -= 1
            rememberedCount -= 1
        } else {
            noteEnded(record)
        }
        if entry.next >= 0 { records[Int(entry.next)].previous = entry.previous }
        if entry.previous >= 0 { records[Int(entry.previous)].next = entry.next } else { addressLists[entry.ofAddress].first = entry.next }
        if entry.nextOfName >= 0 { records[Int(entry.nextOfName)].previousOfName = entry.previousOfName }
        if entry.previousOfName >= 0 {
            records[Int(entry.previousOfName)].nextOfName = entry.nextOfName
        } else {
            nameLists[entry.ofName].first = entry.nextOfName
        }
        republish(record, expiry: entry.expiry)
        withdrawFromIndex(record)
        byTriple.remove(record, hash: hash(entry.client, entry.name, entry.address))
        if addressLists[entry.ofAddress].first < 0 {
            byAddress.remove(entry.ofAddress, hash: hash(entry.client, entry.address))
            addressLists.remove(entry.ofAddress)
        }
        releaseIfEmpty(nameList: entry.ofName)
        names[entry.name].references -= 1
        releaseIfUnused(entry.name)
        records[Int(record)].state = .free
        store.setState(Int(record), .free)
        freeRecords.append(record)
        if rememberedCount > 0 { forgetAdmissionUnlessHeld(entry.client, entry.address) }
    }
}
