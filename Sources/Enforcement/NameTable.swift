import DomainNames
import NetworkTypes
import PolicyEngine

/// Which client resolved which name to which address, and until when. One writer, no readers on other threads: what the
/// verdict threads may know of it is published to the AddressTable, what must outlive the process to the BindingStore.
///
/// A binding is the triple (client, name, address). It is *live* until its expiry; then it goes, unless a flow was admitted
/// by it: then it is *draining*, good only for flows that were admitted before, until no such flow is left.
public struct NameTable: ~Copyable {
    private struct Triple: Hashable {
        let client: EndpointID
        let name: Int32
        let address: IPAddress
    }

    private struct ClientAddress: Hashable {
        let client: EndpointID
        let address: IPAddress
    }

    private struct ClientName: Hashable {
        let client: EndpointID
        let name: Int32
    }

    private struct Record {
        var client: EndpointID
        var name: Int32
        var address: IPAddress
        var expiry: Instant
        var state: BindingStore.State
        /// All of its numbers found a place in the table: only then may a renewal be left out.
        var isPublished = false
        /// Next record of the same client and address; -1 at the end.
        var next: Int32
    }

    private struct Name {
        var name: DomainName
        var references: Int
        /// Numbers of all patterns that match. Those that policy no longer has are taken out by the sweep.
        var numbers: [PatternNumber]
    }

    private struct Client {
        var names = 0
        var bindings = 0
    }

    /// After so many seconds every expired record has been looked at, given a tick a second.
    public static let sweepSecondsMax: UInt64 = 60

    public let limits: BindingLimits
    private let table: AddressTable
    private let store: BindingStore
    private var policy: CompiledPolicy
    private var clients: [EndpointID: Client] = [:]
    private var names: [Name] = []
    private var freeNames: [Int32] = []
    private var nameNumbers: [DomainName: Int32] = [:]
    private var records: [Record] = []
    private var freeRecords: [Int32] = []
    private var byTriple: [Triple: Int32] = [:]
    private var firstOfAddress: [ClientAddress: Int32] = [:]
    private var addressCounts: [ClientName: Int] = [:]
    /// From `adopt` to `settle`: verdict threads may still use it.
    private var policyBefore: CompiledPolicy?
    private var sweepPosition = 0
    public private(set) var counters = NameTableCounters()

    /// Begins with what the store has kept, and publishes it. Bindings of clients that `policy` does not know are dropped.
    public init(limits: BindingLimits, table: AddressTable, store: BindingStore, policy: CompiledPolicy, now: Instant) {
        precondition(store.capacity >= limits.bindings, "the store is smaller than the limit")
        self.limits = limits
        self.table = table
        self.store = store
        self.policy = policy
        for endpoint in policy.endpoints { clients[endpoint.id] = Client() }
        recover(now: now)
    }

    private mutating func recover(now: Instant) {
        guard store.wasKept else { return }
        let latest = now.advanced(bySeconds: UInt64(max(limits.ceilingSeconds, limits.floorSeconds)) + UInt64(limits.graceSeconds))
        for number in 0..<store.usedCount {
            guard let entry = store.entry(number) else { continue }
            store.setState(number, .free)
            let isRecent = entry.expiry.advanced(bySeconds: Self.sweepSecondsMax) >= now
            guard clients[entry.client] != nil, entry.expiry <= latest, entry.state == .draining || isRecent else { continue }
            guard case .success = observe(entry.name, [entry.address], expiry: entry.expiry, client: entry.client) else { continue }
            // Whether a flow was admitted by it is not written down: suppose so; conntrack will tell.
            table.noteAdmission(entry.client, entry.address, now: Instant(nanoseconds: 1))
            counters.recovered += 1
        }
        store.setUsedCount(records.count)
    }

    public var bindingCount: Int { byTriple.count }
    public var nameCount: Int { nameNumbers.count }

    // MARK: Learning

    /// Learns that `client` resolved `name` to `addresses`, publishes it, and only then returns. On failure nothing more may
    /// be released to the client; what was learned of the answer until then stays and expires as usual.
    public mutating func learn(
        _ name: DomainName, _ addresses: [IPAddress], timeToLiveSeconds: UInt32, client: EndpointID, now: Instant
    ) -> Result<Void, NameTableFullness> {
        let expiry = now.advanced(bySeconds: limits.leaseSeconds(timeToLive: timeToLiveSeconds))
        // Most answers come out of the cache to a client that has had them a moment ago.
        if isHeld(name, addresses, client, until: expiry.nanoseconds - min(expiry.nanoseconds, limits.renewalSlackNanoseconds)) {
            return .success(())
        }
        let result = observe(name, addresses, expiry: expiry, client: client)
        if case .failure(let fullness) = result { counters.note(fullness) }
        return result
    }

    /// Whether the client holds all of these addresses under this name, live at least until then, and published last under it.
    private func isHeld(_ name: DomainName, _ addresses: [IPAddress], _ client: EndpointID, until expiry: UInt64) -> Bool {
        for address in addresses {
            guard let record = table.record(client, address, anyName), record < records.count, records[record].state == .live,
                records[record].isPublished, records[record].expiry.nanoseconds >= expiry, records[record].client == client,
                records[record].address == address,
                names[Int(records[record].name)].name == name
            else { return false }
        }
        return true
    }

    private mutating func observe(
        _ name: DomainName, _ addresses: [IPAddress], expiry: Instant, client: EndpointID
    ) -> Result<Void, NameTableFullness> {
        guard let known = clients[client] else { return .failure(.unknownClient) }
        let number = intern(name)
        defer { releaseIfUnused(number) }
        let clientName = ClientName(client: client, name: number)
        if addressCounts[clientName] == nil, known.names >= limits.namesPerClient { return .failure(.namesPerClient) }
        for address in addresses {
            let triple = Triple(client: client, name: number, address: address)
            let record: Int32
            if let existing = byTriple[triple] {
                record = existing
                extend(existing, to: expiry)
            } else {
                guard addressCounts[clientName, default: 0] < limits.addressesPerName else { return .failure(.addressesPerName) }
                guard clients[client]!.bindings < limits.bindingsPerClient else { return .failure(.bindingsPerClient) }
                guard let free = takeRecord() else { return .failure(.bindings) }
                record = free
                insert(triple, expiry: expiry, record: free)
            }
            guard publish(record) else { return .failure(.bindings) }
        }
        return .success(())
    }

    private mutating func extend(_ record: Int32, to expiry: Instant) {
        let position = Int(record)
        if records[position].expiry < expiry {
            records[position].expiry = expiry
            store.setExpiry(position, expiry)
        }
        if records[position].state == .draining {
            records[position].state = .live
            store.setState(position, .live)
        }
    }

    private mutating func insert(_ triple: Triple, expiry: Instant, record: Int32) {
        let clientAddress = ClientAddress(client: triple.client, address: triple.address)
        records[Int(record)] = Record(
            client: triple.client, name: triple.name, address: triple.address, expiry: expiry, state: .live,
            next: firstOfAddress[clientAddress] ?? -1)
        firstOfAddress[clientAddress] = record
        byTriple[triple] = record
        names[Int(triple.name)].references += 1
        let clientName = ClientName(client: triple.client, name: triple.name)
        if addressCounts[clientName, default: 0] == 0 { clients[triple.client]!.names += 1 }
        addressCounts[clientName, default: 0] += 1
        clients[triple.client]!.bindings += 1
        store.write(Int(record), client: triple.client, address: triple.address, name: names[Int(triple.name)].name, expiry: expiry)
    }

    /// Publishes one record under "any name" and under every number of its name.
    private mutating func publish(_ record: Int32) -> Bool {
        let entry = records[Int(record)]
        var succeeded = table.publish(entry.client, entry.address, anyName, expiry: entry.expiry, record: Int(record))
        for number in names[Int(entry.name)].numbers {
            succeeded = table.publish(entry.client, entry.address, number, expiry: entry.expiry, record: Int(record)) && succeeded
        }
        records[Int(record)].isPublished = succeeded
        return succeeded
    }

    private mutating func intern(_ name: DomainName) -> Int32 {
        if let known = nameNumbers[name] { return known }
        var entry = Name(name: name, references: 0, numbers: [])
        policy.appendPatterns(matching: name, to: &entry.numbers)
        if let policyBefore {
            let count = entry.numbers.count
            policyBefore.appendPatterns(matching: name, to: &entry.numbers)
            let earlier = entry.numbers[count...].filter { !entry.numbers[..<count].contains($0) }
            entry.numbers.replaceSubrange(count..., with: earlier)
        }
        let number: Int32
        if let free = freeNames.popLast() {
            number = free
            names[Int(free)] = entry
        } else {
            number = Int32(names.count)
            names.append(entry)
        }
        nameNumbers[name] = number
        return number
    }

    private mutating func releaseIfUnused(_ number: Int32) {
        guard names[Int(number)].references == 0 else { return }
        nameNumbers[names[Int(number)].name] = nil
        freeNames.append(number)
    }

    private mutating func takeRecord() -> Int32? {
        if let free = freeRecords.popLast() { return free }
        if records.count < limits.bindings {
            records.append(
                Record(
                    client: EndpointID(rawValue: 0), name: 0, address: IPAddress(v4: 0), expiry: Instant(nanoseconds: 0), state: .free,
                    next: -1))
            return Int32(records.count - 1)
        }
        return nil
    }

    // MARK: Time

    /// Looks at up to `count` records, from where the last call stopped: expired ones drain or go. Call it every tick.
    public mutating func sweep(_ count: Int, now: Instant) {
        for _ in 0..<min(count, records.count) {
            if sweepPosition >= records.count { sweepPosition = 0 }
            let record = sweepPosition
            sweepPosition += 1
            if records[record].state != .free { forgetStaleNumbers(Int32(record)) }
            guard records[record].state == .live, records[record].expiry < now else { continue }
            if table.isDraining(records[record].client, records[record].address, expiry: records[record].expiry.nanoseconds) {
                records[record].state = .draining
                store.setState(record, .draining)
                counters.drained += 1
            } else {
                remove(Int32(record))
                counters.expired += 1
            }
        }
    }

    /// Takes back the numbers of patterns that policy no longer has. They hurt nobody, because no number is given out twice, but they
    /// take up room.
    private mutating func forgetStaleNumbers(_ record: Int32) {
        let entry = records[Int(record)]
        let name = Int(entry.name)
        let (policy, policyBefore) = (policy, policyBefore)
        let isStale = { (number: PatternNumber) in
            !policy.containsPattern(number) && !(policyBefore?.containsPattern(number) ?? false)
        }
        if names[name].numbers.contains(where: isStale) { names[name].numbers.removeAll(where: isStale) }
        table.withdraw(entry.client, entry.address, where: isStale)
    }

    public var drainingCount: Int { records.count { $0.state == .draining } }

    /// Lets go of draining bindings that no flow uses any more. `isInUse` is asked for each (client, address).
    public mutating func releaseDraining(unless isInUse: (EndpointID, IPAddress) -> Bool) {
        for record in records.indices where records[record].state == .draining {
            guard !isInUse(records[record].client, records[record].address) else { continue }
            remove(Int32(record))
            counters.expired += 1
        }
    }

    private mutating func remove(_ record: Int32) {
        let entry = records[Int(record)]
        let clientAddress = ClientAddress(client: entry.client, address: entry.address)
        // Out of the chain.
        if firstOfAddress[clientAddress] == record {
            firstOfAddress[clientAddress] = entry.next >= 0 ? entry.next : nil
        } else {
            var before = firstOfAddress[clientAddress]!
            while records[Int(before)].next != record { before = records[Int(before)].next }
            records[Int(before)].next = entry.next
        }
        // What no other name of this client and address publishes goes.
        for number in names[Int(entry.name)].numbers where !isPublished(number, clientAddress) {
            table.withdraw(entry.client, entry.address, number)
        }
        if firstOfAddress[clientAddress] == nil { table.withdraw(entry.client, entry.address, anyName) }
        byTriple[Triple(client: entry.client, name: entry.name, address: entry.address)] = nil
        let clientName = ClientName(client: entry.client, name: entry.name)
        addressCounts[clientName]! -= 1
        if addressCounts[clientName] == 0 {
            addressCounts[clientName] = nil
            clients[entry.client]?.names -= 1
        }
        clients[entry.client]?.bindings -= 1
        names[Int(entry.name)].references -= 1
        releaseIfUnused(entry.name)
        records[Int(record)].state = .free
        store.setState(Int(record), .free)
        freeRecords.append(record)
    }

    private func isPublished(_ number: PatternNumber, _ clientAddress: ClientAddress) -> Bool {
        var record = firstOfAddress[clientAddress] ?? -1
        while record >= 0 {
            if names[Int(records[Int(record)].name)].numbers.contains(number) { return true }
            record = records[Int(record)].next
        }
        return false
    }

    // MARK: Policy

    /// Publishes the bindings under the patterns that a new policy brings; call it before the policy is published to the verdict
    /// threads. The cost follows the new patterns and what they match, not the policy. Until `settle` the numbers of patterns that went
    /// stay, and what is learned meanwhile is published under them too: verdict threads may still use the policy before.
    public mutating func adopt(_ newPolicy: CompiledPolicy) {
        let added = newPolicy.patterns(numberedFrom: policy.nextPattern)
        policyBefore = policy
        policy = newPolicy
        let oldClients = clients
        clients = [:]
        clients.reserveCapacity(newPolicy.endpoints.count)
        for endpoint in newPolicy.endpoints { clients[endpoint.id] = oldClients[endpoint.id] ?? Client() }
        if oldClients.keys.contains(where: { clients[$0] == nil }) {
            for record in records.indices where records[record].state != .free && clients[records[record].client] == nil {
                remove(Int32(record))
            }
        }
        guard !added.isEmpty, !nameNumbers.isEmpty else { return }
        var builder = DomainTrie.Builder()
        for (number, pattern) in added { builder.insert(pattern, number: number) }
        let trie = builder.freeze()
        var changed = [Bool](repeating: false, count: names.count)
        for number in nameNumbers.values {
            let before = names[Int(number)].numbers.count
            trie.appendNumbers(matching: names[Int(number)].name, to: &names[Int(number)].numbers)
            changed[Int(number)] = names[Int(number)].numbers.count > before
        }
        for record in records.indices where records[record].state != .free && changed[Int(records[record].name)] {
            if !publish(Int32(record)) { counters.note(.bindings) }
        }
    }

    /// Call it when no verdict thread uses the policy before any more.
    public mutating func settle() { policyBefore = nil }

    // MARK: Reports

    /// Calls `body` for every binding, in no order.
    public func forEachBinding(_ body: (EndpointID, DomainName, IPAddress, Instant, BindingStore.State) -> Void) {
        for record in records where record.state != .free {
            body(record.client, names[Int(record.name)].name, record.address, record.expiry, record.state)
        }
    }
}
