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
    private struct Triple: Hashable {
        let client: EndpointID
        let name: Int32
        let address: IPAddress

        func hash(into hasher: inout Hasher) {
            hasher.combine(UInt64(client.rawValue) << 32 | UInt64(UInt32(bitPattern: name)))
            hasher.combine(address.lower)
            if address.upper != 0 { hasher.combine(address.upper) }
        }
    }

    private struct ClientAddress: Hashable {
        let client: EndpointID
        let address: IPAddress
    }

    private struct ClientName: Hashable {
        let client: EndpointID
        let name: Int32
    }

    private enum State {
        case free
        case live
        case draining
        case remembered
    }

    private struct Record {
        var client: EndpointID
        var name: Int32
        var address: IPAddress
        var expiry: Instant
        var state: State
        /// All of its numbers found a place in the table: only then may a renewal be left out.
        var isPublished = false
        /// Sweeps over conntrack, one after the other, that saw no flow for its name since it drains.
        var unseenSweeps: UInt8 = 0
        var use = Use.unknown
        /// Rises with each binding that is made.
        var order: UInt64 = 0
        /// Neighbours among the records of the same client and address; -1 at the ends.
        var next: Int32
        var previous: Int32 = -1
        /// Neighbours among the records of the same client and name; -1 at the ends.
        var nextOfName: Int32 = -1
        var previousOfName: Int32 = -1
    }

    /// What the last sweep over conntrack said of a draining record.
    private enum Use {
        case unknown
        case flow
        case none
    }

    /// The records of one client and name.
    private struct NameList {
        var first: Int32 = -1
        var live = 0

        /// Puts a live record in front: which one was there, and whether this is the only live one.
        mutating func prepend(_ record: Int32) -> (second: Int32, isOnlyLive: Bool) {
            let second = first
            first = record
            return (second, noteLive())
        }

        /// Whether it is the only one.
        mutating func noteLive() -> Bool {
            live += 1
            return live == 1
        }

        /// Whether it was the only one.
        mutating func noteLiveNoMore() -> Bool {
            live -= 1
            return live == 0
        }
    }

    /// The records of one client and address, the newest first.
    private struct AddressList {
        var first: Int32 = -1
        /// Live and draining.
        var bound = 0

        /// Puts a live record in front: which one was there.
        mutating func prepend(_ record: Int32) -> Int32 {
            let second = first
            first = record
            bound += 1
            return second
        }
    }

    private struct Name {
        var name: DomainName
        var references: Int
        /// Of these, live and draining.
        var bound = 0
        /// Numbers of all patterns that match. Those that policy no longer has are taken out by the sweep.
        var numbers: [PatternNumber]
    }

    private struct Client {
        /// Those with live bindings.
        var names = 0
        /// Live and draining.
        var bindings = 0
        var draining = 0
        var remembered = 0

        mutating func noteBinding(isNewName: Bool) {
            bindings += 1
            if isNewName { names += 1 }
        }
    }

    private static let sweepsUnseenMax: UInt8 = 2

    /// After so many seconds every expired record has been looked at, given a tick a second.
    public static let sweepSecondsMax: UInt64 = 60

    public let limits: BindingLimits
    private let table: AddressTable
    private let store: BindingStore
    /// Where names in hellos are looked up; nil if nobody does.
    private let index: NameIndex?
    private var policy: CompiledPolicy
    private var clients: [EndpointID: Client] = [:]
    private var names: [Name] = []
    private var freeNames: [Int32] = []
    private var nameNumbers: [DomainName: Int32] = [:]
    private var records: [Record] = []
    private var freeRecords: [Int32] = []
    private var byTriple: [Triple: Int32] = [:]
    private var addressLists: [ClientAddress: AddressList] = [:]
    private var nameLists: [ClientName: NameList] = [:]
    private var clientsOverDrainingMax: Set<EndpointID> = []
    private var bindingsMade: UInt64 = 0
    private var namesBound = 0
    private var rememberedCount = 0
    /// Remembered records in the order in which they came to be so, with that of their making; some have gone meanwhile.
    private var remembered: [(record: Int32, order: UInt64)] = []
    private var rememberedHead = 0
    /// For whom expired bindings were looked for since the last tick; nil is the node.
    private var madeRoomFor: Set<EndpointID?> = []
    /// From `adopt` to `settle`: verdict threads may still use it.
    private var policyBefore: CompiledPolicy?
    private var sweepPosition = 0
    public private(set) var counters = NameTableCounters()

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
                names[Int(records[record].name)].name == name
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
        // Held on to: making room may take its last binding.
        names[Int(number)].references += 1
        defer {
            names[Int(number)].references -= 1
            releaseIfUnused(number)
        }
        let clientName = ClientName(client: client, name: number)
        let list = nameLists[clientName, default: NameList()]
        if list.live == 0, expiry > now, known.names >= limits.namesPerClient { return .failure(.namesPerClient) }
        let result = hold(addresses, clientName, isKnown: list.first >= 0, bindings: known.bindings, expiry: expiry, now: now)
        if list.live + addresses.count > limits.addressesPerName,
            nameLists[clientName, default: NameList()].live > limits.addressesPerName
        {
            endOldest(clientName, except: Set(addresses), now: now)
        }
        return result
    }

    /// Up to the address that finds no room. `isKnown`: there are records of this client and name; `bindings`: of the client.
    private mutating func hold(
        _ addresses: [IPAddress], _ clientName: ClientName, isKnown: Bool, bindings: Int, expiry: Instant, now: Instant
    ) -> Result<Void, NameTableFullness> {
        let (client, number) = (clientName.client, clientName.name)
        // What is held already first, so that it is not taken for what gives room.
        for address in isKnown ? addresses : [] {
            guard let record = byTriple[Triple(client: client, name: number, address: address)] else { continue }
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
        var left = limits.bindingsPerClient - clients[client]!.bindings
        for address in addresses {
            let triple = Triple(client: client, name: number, address: address)
            guard byTriple[triple] == nil else { continue }
            guard left > 0 else { return .failure(.bindingsPerClient) }
            left -= 1
            guard let record = takeRecord() else { return .failure(.bindings) }
            insert(triple, expiry: expiry, record: record)
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

    private mutating func insert(_ triple: Triple, expiry: Instant, record: Int32) {
        let clientAddress = ClientAddress(client: triple.client, address: triple.address)
        let clientName = ClientName(client: triple.client, name: triple.name)
        let (second, isOnlyLive) = nameLists[clientName, default: NameList()].prepend(record)
        let next = addressLists[clientAddress, default: AddressList()].prepend(record)
        bindingsMade += 1
        records[Int(record)] = Record(
            client: triple.client, name: triple.name, address: triple.address, expiry: expiry, state: .live, order: bindingsMade,
            next: next, nextOfName: second)
        if next >= 0 { records[Int(next)].previous = record }
        if second >= 0 { records[Int(second)].previousOfName = record }
        byTriple[triple] = record
        names[Int(triple.name)].references += 1
        noteBound(triple.name)
        clients[triple.client]!.noteBinding(isNewName: isOnlyLive)
        store.write(Int(record), client: triple.client, address: triple.address, name: names[Int(triple.name)].name, expiry: expiry)
    }

    private mutating func noteLive(_ record: Int32) {
        let clientName = ClientName(client: records[Int(record)].client, name: records[Int(record)].name)
        if nameLists[clientName]!.noteLive() { clients[clientName.client]?.names += 1 }
    }

    private mutating func noteLiveNoMore(_ record: Int32) {
        let clientName = ClientName(client: records[Int(record)].client, name: records[Int(record)].name)
        if nameLists[clientName]!.noteLiveNoMore() { clients[clientName.client]?.names -= 1 }
    }

    /// Lets the live bindings of one client and name that would end first drain from now on, until a sixteenth of the limit is free: so a
    /// name whose addresses never end has its thousands looked through once for hundreds of answers, not for each.
    private mutating func endOldest(_ clientName: ClientName, except answer: Set<IPAddress>, now: Instant) {
        var others: [(record: Int32, expiry: Instant, order: UInt64)] = []
        var next = nameLists[clientName]!.first
        while next >= 0 {
            let entry = records[Int(next)]
            if entry.state == .live, !answer.contains(entry.address) { others.append((next, entry.expiry, entry.order)) }
            next = entry.nextOfName
        }
        others.sort { ($0.expiry, $0.order) < ($1.expiry, $1.order) }
        let kept = limits.addressesPerName - limits.addressesPerName / 16
        for (record, expiry, _) in others.prefix(nameLists[clientName]!.live - kept) {
            if expiry > now {
                records[Int(record)].expiry = now
                store.setExpiry(Int(record), now)
                republish(record, expiry: expiry)
                _ = index?.publish(
                    clientName.client, records[Int(record)].address, names[Int(clientName.name)].name, expiry: now, record: Int(record))
                counters.evicted += 1
            }
            drain(record)
        }
    }

    private mutating func noteBound(_ name: Int32) {
        names[Int(name)].bound += 1
        if names[Int(name)].bound == 1 { namesBound += 1 }
    }

    private mutating func noteBoundNoMore(_ name: Int32) {
        names[Int(name)].bound -= 1
        if names[Int(name)].bound == 0 { namesBound -= 1 }
    }

    /// Publishes one record under "any name" and under every number of its name. What is remembered gives way.
    private mutating func publish(_ record: Int32) -> Bool {
        if tryToPublish(record) { return true }
        guard rememberedCount > 0, records[Int(record)].state != .remembered else { return false }
        while let oldest = takeOldestRemembered() { forget(oldest) }
        return tryToPublish(record)
    }

    private mutating func tryToPublish(_ record: Int32) -> Bool {
        let entry = records[Int(record)]
        let isRemembered = entry.state == .remembered
        var succeeded = table.publish(
            entry.client, entry.address, anyName, expiry: entry.expiry, record: Int(record), isRemembered: isRemembered)
        for number in names[Int(entry.name)].numbers {
            let isThere = table.publish(
                entry.client, entry.address, number, expiry: entry.expiry, record: Int(record), isRemembered: isRemembered)
            succeeded = isThere && succeeded
        }
        if let index, !isRemembered {
            // A name that finds no room cannot be confirmed; its addresses are as good as before.
            let name = names[Int(entry.name)].name
            if !index.publish(entry.client, entry.address, name, expiry: entry.expiry, record: Int(record)) { counters.unindexed += 1 }
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
        guard let oldest = takeOldestRemembered() else { return nil }
        forget(oldest)
        return freeRecords.popLast()
    }

    // MARK: Remembering

    /// The name of an ended binding that is remembered, or of one that is held again by now; nil of any other.
    public func name(ofRecord record: Int, client: EndpointID, address: IPAddress, now: Instant) -> DomainName? {
        guard records.indices.contains(record), records[record].state != .free, records[record].client == client,
            records[record].address == address,
            records[record].expiry.advanced(bySeconds: UInt64(limits.redialSeconds)) >= now
        else { return nil }
        return names[Int(records[record].name)].name
    }

    /// A binding that is to go is remembered instead, within window and limits.
    private mutating func rememberOrRemove(_ record: Int32, now: Instant) {
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
        index?.withdraw(entry.client, entry.address, names[Int(entry.name)].name)
        forgetAdmissionUnlessHeld(entry.client, entry.address)
    }

    private mutating func forget(_ record: Int32) {
        precondition(records[Int(record)].state == .remembered, "only what is remembered is forgotten")
        remove(record)
    }

    private mutating func takeOldestRemembered() -> Int32? {
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
    private mutating func trimRemembered() {
        while rememberedHead < remembered.count {
            let (record, order) = remembered[rememberedHead]
            if records[Int(record)].state == .remembered, records[Int(record)].order == order { break }
            rememberedHead += 1
        }
        guard 2 * rememberedHead >= remembered.count else { return }
        remembered.removeFirst(rememberedHead)
        rememberedHead = 0
    }

    /// As long as an address is held under some name, flows that were admitted by it count for that name too.
    private func forgetAdmissionUnlessHeld(_ client: EndpointID, _ address: IPAddress) {
        guard addressLists[ClientAddress(client: client, address: address)].map({ $0.bound == 0 }) ?? true else { return }
        table.forgetAdmission(client, address)
    }

    /// Takes a live or draining record out of the counts.
    private mutating func noteEnded(_ record: Int32) {
        let entry = records[Int(record)]
        if entry.state == .live { noteLiveNoMore(record) } else { clients[entry.client]?.draining -= 1 }
        clients[entry.client]?.bindings -= 1
        addressLists[ClientAddress(client: entry.client, address: entry.address)]!.bound -= 1
        noteBoundNoMore(entry.name)
    }

    // MARK: Time

    /// Looks at up to `count` records, from where the last call stopped: expired ones drain or go. Call it every tick.
    public mutating func sweep(_ count: Int, now: Instant) {
        madeRoomFor = []
        var ended: [Int32] = []
        for _ in 0..<min(count, records.count) {
            if sweepPosition >= records.count { sweepPosition = 0 }
            let record = sweepPosition
            sweepPosition += 1
            if records[record].state != .free { forgetStaleNumbers(Int32(record)) }
            if records[record].state != .free, records[record].expiry < now { ended.append(Int32(record)) }
        }
        for record in firstEndingFirst(ended) { end(record, now: now) }
        enforceDrainingMax()
        if limits.redialSeconds > 0 { trimRemembered() }
    }

    /// Of an address with thousands of names the one that ends last is published: ended first, it would have the others looked through for the next.
    private func firstEndingFirst(_ ended: [Int32]) -> [Int32] {
        ended.sorted { (records[Int($0)].expiry, records[Int($0)].order) < (records[Int($1)].expiry, records[Int($1)].order) }
    }

    /// An expired binding drains if a flow was admitted by it, and goes otherwise; a remembered one goes when its window is over.
    private mutating func end(_ record: Int32, now: Instant) {
        let entry = records[Int(record)]
        if entry.state == .remembered {
            if entry.expiry.advanced(bySeconds: UInt64(limits.redialSeconds)) <= now { forget(record) }
        } else if !table.isDraining(entry.client, entry.address, expiry: entry.expiry.nanoseconds) {
            rememberOrRemove(record, now: now)
            counters.expired += 1
        } else if entry.state == .live {
            drain(record)
        }
    }

    private mutating func drain(_ record: Int32) {
        let client = records[Int(record)].client
        records[Int(record)].state = .draining
        records[Int(record)].unseenSweeps = 0
        records[Int(record)].use = .unknown
        store.setState(Int(record), .draining)
        noteLiveNoMore(record)
        counters.drained += 1
        guard clients[client] != nil else { return }
        clients[client]!.draining += 1
        if clients[client]!.draining > limits.drainingPerClient { clientsOverDrainingMax.insert(client) }
    }

    private mutating func enforceDrainingMax() {
        guard !clientsOverDrainingMax.isEmpty else { return }
        var found: [EndpointID: [Int32]] = [:]
        for record in records.indices where records[record].state == .draining && clientsOverDrainingMax.contains(records[record].client) {
            found[records[record].client, default: []].append(Int32(record))
        }
        clientsOverDrainingMax = []
        for draining in found.values where draining.count > limits.drainingPerClient {
            var ordered = draining.map { record in
                let entry = records[Int(record)]
                return (record: record, isIdle: entry.use == .none, expiry: entry.expiry, order: entry.order)
            }
            ordered.sort { one, other in
                one.isIdle == other.isIdle ? (one.expiry, one.order) < (other.expiry, other.order) : one.isIdle
            }
            for item in ordered.prefix(draining.count - limits.drainingPerClient) {
                remove(item.record)
                counters.drainingEvicted += 1
            }
        }
    }

    /// When a client or the node is full, what expired there goes at once, unless it drains for a flow; at most once a tick.
    private mutating func makeRoom(for client: EndpointID?, now: Instant) {
        guard madeRoomFor.insert(client).inserted else { return }
        let ended = records.indices.filter {
            (client == nil || records[$0].client == client) && records[$0].state != .free && records[$0].expiry < now
        }
        for record in firstEndingFirst(ended.map { Int32($0) }) {
            end(record, now: now)
            guard records[Int(record)].state == .draining, records[Int(record)].use == .none else { continue }
            rememberOrRemove(record, now: now)
            counters.expired += 1
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

    /// After a complete sweep over conntrack that began at `began`: bindings go that ended before, if neither this sweep nor the last saw a
    /// flow to any draining address of the same client and name. `isInUse` is asked for each (client, address).
    public mutating func releaseDraining(sweepBegan began: Instant, unless isInUse: (EndpointID, IPAddress) -> Bool) {
        var namesInUse: Set<ClientName> = []
        let ended = records.indices.filter { records[$0].state != .free && records[$0].expiry < began }
        for number in firstEndingFirst(ended.map { Int32($0) }) {
            let record = Int(number)
            end(number, now: began)
            guard records[record].state == .draining else { continue }
            let isUsed = isInUse(records[record].client, records[record].address)
            records[record].use = isUsed ? .flow : .none
            if isUsed {
                namesInUse.insert(ClientName(client: records[record].client, name: records[record].name))
            }
        }
        for record in records.indices where records[record].state == .draining && records[record].expiry < began {
            if namesInUse.contains(ClientName(client: records[record].client, name: records[record].name)) {
                records[record].unseenSweeps = 0
                continue
            }
            records[record].unseenSweeps += 1
            guard records[record].unseenSweeps >= Self.sweepsUnseenMax else { continue }
            rememberOrRemove(Int32(record), now: began)
            counters.expired += 1
        }
        enforceDrainingMax()
    }

    private mutating func remove(_ record: Int32) {
        let entry = records[Int(record)]
        let clientAddress = ClientAddress(client: entry.client, address: entry.address)
        let clientName = ClientName(client: entry.client, name: entry.name)
        if entry.state == .remembered {
            clients[entry.client]?.remembered -= 1
            rememberedCount -= 1
        } else {
            noteEnded(record)
        }
        // Out of the chains.
        if entry.next >= 0 { records[Int(entry.next)].previous = entry.previous }
        if entry.previous >= 0 {
            records[Int(entry.previous)].next = entry.next
        } else if entry.next >= 0 {
            addressLists[clientAddress]!.first = entry.next
        } else {
            addressLists[clientAddress] = nil
        }
        if entry.nextOfName >= 0 { records[Int(entry.nextOfName)].previousOfName = entry.previousOfName }
        if entry.previousOfName >= 0 {
            records[Int(entry.previousOfName)].nextOfName = entry.nextOfName
        } else if entry.nextOfName >= 0 {
            nameLists[clientName]!.first = entry.nextOfName
        } else {
            nameLists[clientName] = nil
        }
        republish(record, expiry: entry.expiry)
        index?.withdraw(entry.client, entry.address, names[Int(entry.name)].name)
        byTriple[Triple(client: entry.client, name: entry.name, address: entry.address)] = nil
        names[Int(entry.name)].references -= 1
        releaseIfUnused(entry.name)
        records[Int(record)].state = .free
        store.setState(Int(record), .free)
        freeRecords.append(record)
        if rememberedCount > 0 { forgetAdmissionUnlessHeld(entry.client, entry.address) }
    }

    /// Brings what is published of a record that ended, is only remembered or is out of its chain to what all records of the same client and
    /// address say: what is remembered says something only where there is nothing else.
    ///
    /// An address may be that of thousands of names, so they are looked through only where it was this one that was published. `expiry` is
    /// the record's from before.
    private func republish(_ record: Int32, expiry: Instant) {
        let entry = records[Int(record)]
        let first = addressLists[ClientAddress(client: entry.client, address: entry.address)]?.first ?? -1
        for number in names[Int(entry.name)].numbers where isAffected(number) { republish(number, entry, first) }
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
            if number == anyName || names[Int(other.name)].numbers.contains(number), latest < 0 || isBetter(other, records[Int(latest)]) {
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
        for record in records where record.state == .live || record.state == .draining {
            body(
                record.client, names[Int(record.name)].name, record.address, record.expiry, record.state == .live ? .live : .draining)
        }
    }
}
