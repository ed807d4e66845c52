import DomainNames
import NetworkTypes
import PolicyEngine

/// Which client resolved which name to which address, and until when. One writer, no readers on other threads: what the
/// verdict threads may know of it is published to the AddressTable, what must outlive the process to the BindingStore.
///
/// A binding is the triple (client, name, address). It is *live* until its expiry, or until newer addresses of its name need the room.
/// Then it goes, unless a flow was admitted by it while it lived: then it is *draining*, good only for flows that were admitted before,
/// until two sweeps over conntrack, one after the other, have seen no flow to any draining address of its name. A client has no more
/// than `drainingPerClient` of these: what no flow uses goes first.
///
/// What goes for good is *remembered* for `redialSeconds`, so that its name can be resolved again when the client still dials the address. A
/// remembered binding counts for nothing and nowhere, is not written to the store, and goes first when room is needed.
public struct NameTable: ~Copyable {
    static let sweepsUnseenMax: UInt8 = 2

    /// After so many seconds every expired record has been looked at, given a tick a second.
    public static let sweepSecondsMax: UInt64 = 60

    public let limits: BindingLimits
    let table: AddressTable
    let store: BindingStore
    /// Where names in hellos are looked up; nil if nobody does.
    let index: NameIndex?
    var policy: CompiledPolicy
    var clients: [EndpointID: Client] = [:]
    var names = Pool<Name>()
    var nameNumbers: [DomainName: Int32] = [:]
    var records: [Record] = []
    var freeRecords: [Int32] = []
    var byTriple = NumberIndex()
    var addressLists = Pool<AddressList>()
    var byAddress = NumberIndex()
    var nameLists = Pool<NameList>()
    var byName = NumberIndex()
    /// The one that is being learned for; -1 otherwise.
    var heldList: Int32 = -1
    /// Of `fetch`, so that it is not left out.
    var fetched: UInt64 = 0
    var clientsOverDrainingMax: Set<EndpointID> = []
    var bindingsMade: UInt64 = 0
    var namesBound = 0
    var rememberedCount = 0
    /// Remembered records in the order in which they came to be so, with that of their making; some have gone meanwhile.
    var remembered: [(record: Int32, order: UInt64)] = []
    var rememberedHead = 0
    /// For whom expired bindings were looked for since the last tick; nil is the node.
    var madeRoomFor: Set<EndpointID?> = []
    /// From `adopt` to `settle`: verdict threads may still use it.
    var policyBefore: CompiledPolicy?
    var sweepPosition = 0
    public internal(set) var counters = NameTableCounters()

    /// Begins with what the store has kept, and publishes it. Bindings of clients that `policy` does not know are dropped.
    public init(
        limits: BindingLimits, table: AddressTable, store: BindingStore, index: NameIndex? = nil, policy: CompiledPolicy, now: Instant
    ) {
        precondition(store.capacity >= limits.bindings, "the store is smaller than the limit")
        self.limits = limits
        self.table = table
        self.store = store
        self.index = index
        self.policy = policy
        for endpoint in policy.endpoints { clients[endpoint.id] = Client() }
        // Filled from the front: its pages come as they are needed, and none is copied.
        records.reserveCapacity(limits.bindings)
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
            guard case .success = observe(entry.name, [entry.address], expiry: entry.expiry, client: entry.client, now: now) else {
                continue
            }
            // Whether a flow was admitted by it is not written down: suppose so; conntrack will tell.
            table.noteAdmission(entry.client, entry.address, now: Instant(nanoseconds: 1))
            counters.recovered += 1
        }
        store.setUsedCount(records.count)
    }

    /// Live and draining.
    public var bindingCount: Int { byTriple.count - rememberedCount }
    public var nameCount: Int { namesBound }

    // MARK: Learning

    /// Learns that `client` resolved `name` to `addresses`, publishes it, and only then returns. If the name has more addresses then than
    /// it may, those that would end first and are not in this answer drain. On failure nothing more may be released to the client; what
    /// was learned of the answer until then stays and expires as usual.
    public mutating func learn(
        _ name: DomainName, _ addresses: [IPAddress], timeToLiveSeconds: UInt32, client: EndpointID, now: Instant
    ) -> Result<Void, NameTableFullness> {
        let expiry = now.advanced(bySeconds: limits.leaseSeconds(timeToLive: timeToLiveSeconds))
        // Most answers come out of the cache to a client that has had them a moment ago.
        if isHeld(name, addresses, client, until: expiry.nanoseconds - min(expiry.nanoseconds, limits.renewalSlackNanoseconds)) {
            return .success(())
        }
        let result = observe(name, addresses, expiry: expiry, client: client, now: now)
        if case .failure(let fullness) = result { counters.note(fullness) }
        return result
    }

    /// Whether the client holds all of these addresses under this name, live at least until then, and published last under it.
    private func isHeld(_ name: DomainName, _ addresses: [IPAddress], _ client: EndpointID, until expiry: UInt64) -> Bool {
        for address in addresses {
            guard let record = table.record(client, address, anyName), record < records.count, records[record].state == .live,
                records[record].isPublished, records[record].expiry.nanoseconds >= expiry, records[record].client == client,
                records[record].address == address,
                names[records[record].name].name == name
            else { return false }
        }
        return true
    }

    private mutating func observe(
        _ name: DomainName, _ addresses: [IPAddress], expiry: Instant, client: EndpointID, now: Instant
    ) -> Result<Void, NameTableFullness> {
        guard let known = clients[client] else { return .failure(.unknownClient) }
        // Of one answer no address makes room for another.
        if addresses.count > limits.addressesPerName, Set(addresses).count > limits.addressesPerName { return .failure(.addressesPerName) }
        let number = intern(name)
        let list = nameList(client, number)
        // Held on to: making room may take their last binding.
        names[number].references += 1
        heldList = list
        defer {
            heldList = -1
            releaseIfEmpty(nameList: list)
            names[number].references -= 1
            releaseIfUnused(number)
        }
        let live = nameLists[list].live
        if live == 0, expiry > now, known.names >= limits.namesPerClient { return .failure(.namesPerClient) }
        let result = hold(addresses, list, bindings: known.bindings, expiry: expiry, now: now)
        if live + addresses.count > limits.addressesPerName, nameLists[list].live > limits.addressesPerName {
            endOldest(ofName: list, except: Set(addresses), now: now)
        }
        return result
    }

    /// Up to the address that finds no room. `bindings`: of the client.
    private mutating func hold(
        _ addresses: [IPAddress], _ list: Int32, bindings: Int, expiry: Instant, now: Instant
    ) -> Result<Void, NameTableFullness> {
        let (client, name) = (nameLists[list].client, nameLists[list].name)
        // What is held already first, so that it is not taken for what gives room.
        for address in nameLists[list].first >= 0 ? addresses : [] {
            guard let record = record(client, name, address, hash: hash(client, name, address)) else { continue }
            // It was no binding any more: it becomes a new one.
            if records[Int(record)].state == .remembered {
                forget(record)
                continue
            }
            extend(record, to: expiry)
            guard publish(record) else { return .failure(.bindings) }
        }
        // Room is made for all of them at once, so that their order is of no matter.
        if bindings + addresses.count > limits.bindingsPerClient { makeRoom(for: client, now: now) }
        if freeRecords.count + rememberedCount + limits.bindings - records.count < addresses.count { makeRoom(for: nil, now: now) }
        let room = limits.bindingsPerClient - clients[client]!.bindings
        var made = 0
        defer { clients[client]!.bindings += made }
        fetch(addresses, client, name)
        for address in addresses {
            let hash = hash(client, name, address)
            guard record(client, name, address, hash: hash) == nil else { continue }
            guard made < room else { return .failure(.bindingsPerClient) }
            guard let record = takeRecord() else { return .failure(.bindings) }
            insert(record, address, ofName: list, expiry: expiry, hash: hash)
            made += 1
            guard publish(record) else { return .failure(.bindings) }
            // One that was taken over from the process before.
            if expiry <= now { drain(record) }
        }
        return .success(())
    }

    private mutating func extend(_ record: Int32, to expiry: Instant) {
        let position = Int(record)
        if records[position].expiry < expiry {
            records[position].expiry = expiry
            store.setExpiry(position, expiry)
        }
        guard records[position].state == .draining else { return }
        records[position].state = .live
        store.setState(position, .live)
        clients[records[position].client]?.draining -= 1
        noteLive(record)
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
            let gone = records.indices.filter { records[$0].state != .free && clients[records[$0].client] == nil }
            for record in firstEndingFirst(gone.map { Int32($0) }) { remove(record) }
        }
        guard !added.isEmpty, !nameNumbers.isEmpty else { return }
        var builder = DomainTrie.Builder()
        for (number, pattern) in added { builder.insert(pattern, number: number) }
        let trie = builder.freeze()
        var changed = [Bool](repeating: false, count: names.slotCount)
        for number in nameNumbers.values {
            let before = names[number].numbers.count
            trie.appendNumbers(matching: names[number].name, to: &names[number].numbers)
            changed[Int(number)] = names[number].numbers.count > before
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
        for record in records where record.state == .live || record.state == .draining {
            body(
                record.client, names[record.name].name, record.address, record.expiry, record.state == .live ? .live : .draining)
        }
    }
}
