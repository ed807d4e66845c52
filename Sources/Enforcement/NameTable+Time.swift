import NetworkTypes

/// What becomes of bindings as time goes by.
extension NameTable {
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
    func firstEndingFirst(_ ended: [Int32]) -> [Int32] {
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

    mutating func drain(_ record: Int32) {
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
    mutating func makeRoom(for client: EndpointID?, now: Instant) {
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

    /// Lets the live bindings of one client and name that would end first drain from now on, until a sixteenth of the limit is free: so a
    /// name whose addresses never end has its thousands looked through once for hundreds of answers, not for each.
    mutating func endOldest(ofName list: Int32, except answer: Set<IPAddress>, now: Instant) {
        var others: [(record: Int32, expiry: Instant, order: UInt64)] = []
        var next = nameLists[list].first
        while next >= 0 {
            let entry = records[Int(next)]
            if entry.state == .live, !answer.contains(entry.address) { others.append((next, entry.expiry, entry.order)) }
            next = entry.nextOfName
        }
        others.sort { ($0.expiry, $0.order) < ($1.expiry, $1.order) }
        let kept = limits.addressesPerName - limits.addressesPerName / 16
        for (record, expiry, _) in others.prefix(nameLists[list].live - kept) {
            if expiry > now {
                records[Int(record)].expiry = now
                store.setExpiry(Int(record), now)
                republish(record, expiry: expiry)
                publishInIndex(record)
                counters.evicted += 1
            }
            drain(record)
        }
    }

    public var drainingCount: Int { records.count { $0.state == .draining } }

    /// After a complete sweep over conntrack that began at `began`: bindings go that ended before, if neither this sweep nor the last saw a
    /// flow to any draining address of the same client and name. `isInUse` is asked for each (client, address).
    public mutating func releaseDraining(sweepBegan began: Instant, unless isInUse: (EndpointID, IPAddress) -> Bool) {
        var namesInUse: Set<Int32> = []
        let ended = records.indices.filter { records[$0].state != .free && records[$0].expiry < began }
        for number in firstEndingFirst(ended.map { Int32($0) }) {
            let record = Int(number)
            end(number, now: began)
            guard records[record].state == .draining else { continue }
            let isUsed = isInUse(records[record].client, records[record].address)
            records[record].use = isUsed ? .flow : .none
            if isUsed {
                namesInUse.insert(records[record].ofName)
            }
        }
        for record in records.indices where records[record].state == .draining && records[record].expiry < began {
            if namesInUse.contains(records[record].ofName) {
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
}
