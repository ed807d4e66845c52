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
        /// Selector numbers of all lists whose patterns match, under the policy in use and, until `settle`, the one before.
        var numbers: [SelectorNumber]
        /// Those among them that only the policy before names.
        var retiring: [SelectorNumber] = []
    }

    private struct Client {
        /// What its rules name, ascending, under the policy in use and, until `settle`, the one before.
        var selectors: [SelectorNumber]
        /// Those among them that only the policy before names, ascending.
        var retiring: [SelectorNumber] = []
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
        for endpoint in policy.endpoints { clients[endpoint.id] = Client(selectors: endpoint.selectors) }
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
            guard let record = table.record(client, address, anyNameSelector), record < records.count, records[record].state == .live,
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
            guard publish(record, selectors: clients[client]!.selectors) else {
                return .failure(.bindings)
            }
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

    /// Publishes one record under "any name" and under every number of its name that the client's rules use.
    private mutating func publish(_ record: Int32, selectors: [SelectorNumber]) -> Bool {
        let entry = records[Int(record)]
        var succeeded = table.publish(entry.client, entry.address, anyNameSelector, expiry: entry.expiry, record: Int(record))
        for number in names[Int(entry.name)].numbers where selectors.containsSorted(number) {
            succeeded = table.publish(entry.client, entry.address, number, expiry: entry.expiry, record: Int(record)) && succeeded
        }
        records[Int(record)].isPublished = succeeded
        return succeeded
    }

    private mutating func intern(_ name: DomainName) -> Int32 {
        if let known = nameNumbers[name] { return known }
        var entry = Name(name: name, references: 0, numbers: [])
        match(&entry)
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

    /// Sets the numbers of a name by the policy in use and the one before, if that is not settled.
    private func match(_ entry: inout Name) {
        entry.numbers.removeAll(keepingCapacity: true)
        entry.retiring.removeAll(keepingCapacity: true)
        policy.domains.appendNumbers(matching: entry.name, to: &entry.numbers)
        guard let policyBefore else { return }
        var earlier: [SelectorNumber] = []
        policyBefore.domains.appendNumbers(matching: entry.name, to: &earlier)
        entry.retiring = earlier.filter { !entry.numbers.contains($0) }
        entry.numbers += entry.retiring
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
        if firstOfAddress[clientAddress] == nil { table.withdraw(entry.client, entry.address, anyNameSelector) }
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

    private func isPublished(_ number: SelectorNumber, _ clientAddress: ClientAddress) -> Bool {
        var record = firstOfAddress[clientAddress] ?? -1
        while record >= 0 {
            if names[Int(records[Int(record)].name)].numbers.contains(number) { return true }
            record = records[Int(record)].next
        }
        return false
    }

    // MARK: Policy

    /// Publishes every binding under the numbers of a new policy; call it before the policy is published to the verdict
    /// threads. Until `settle` the numbers of the policy before stay and are kept up, for what is learned meanwhile too:
    /// verdict threads may still use it.
    public mutating func adopt(_ newPolicy: CompiledPolicy) {
        settle()
        policyBefore = policy
        policy = newPolicy
        let oldClients = clients
        clients = [:]
        for endpoint in newPolicy.endpoints {
            var client = oldClients[endpoint.id] ?? Client(selectors: [])
            client.retiring = client.selectors.filter { !endpoint.selectors.containsSorted($0) }
            client.selectors = (endpoint.selectors + client.retiring).sorted()
            clients[endpoint.id] = client
        }
        for number in nameNumbers.values {
            var entry = names[Int(number)]
            match(&entry)
            names[Int(number)] = entry
        }
        for record in records.indices where records[record].state != .free {
            if let client = clients[records[record].client] {
                if !publish(Int32(record), selectors: client.selectors) { counters.note(.bindings) }
            } else {
                remove(Int32(record))
            }
        }
    }

    /// Withdraws the numbers of the policy before: call it when no verdict thread uses that policy any more.
    public mutating func settle() {
        guard policyBefore != nil else { return }
        policyBefore = nil
        for number in nameNumbers.values {
            let retiring = names[Int(number)].retiring
            if !retiring.isEmpty { names[Int(number)].numbers.removeAll { retiring.contains($0) } }
        }
        for record in records.indices where records[record].state != .free {
            let entry = records[record]
            let clientAddress = ClientAddress(client: entry.client, address: entry.address)
            for number in names[Int(entry.name)].retiring where !isPublished(number, clientAddress) {
                table.withdraw(entry.client, entry.address, number)
            }
            guard let retiring = clients[entry.client]?.retiring, !retiring.isEmpty else { continue }
            for number in names[Int(entry.name)].numbers where retiring.containsSorted(number) {
                table.withdraw(entry.client, entry.address, number)
            }
        }
        for number in nameNumbers.values { names[Int(number)].retiring.removeAll() }
        for id in Array(clients.keys) {
            guard let retiring = clients[id]?.retiring, !retiring.isEmpty else { continue }
            clients[id]?.selectors.removeAll { retiring.containsSorted($0) }
            clients[id]?.retiring.removeAll()
        }
    }

    // MARK: Reports

    /// Calls `body` for every binding, in no order.
    public func forEachBinding(_ body: (EndpointID, DomainName, IPAddress, Instant, BindingStore.State) -> Void) {
        for record in records where record.state != .free {
            body(record.client, names[Int(record.name)].name, record.address, record.expiry, record.state)
        }
    }
}

extension [SelectorNumber] {
    /// Binary search; the array is ascending.
    func containsSorted(_ wanted: SelectorNumber) -> Bool {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle] == wanted { return true }
            if self[middle] < wanted { low = middle + 1 } else { high = middle }
        }
        return false
    }
}
