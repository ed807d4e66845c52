import CAllocationCounter
import Enforcement
import EnforcementTesting
import NetworkTypes
import PolicyEngine
import Testing

struct HoldTests {
    private static func ticket(_ endpoint: UInt32, _ flights: QueryFlights, isStale: Bool = false) -> HoldTicket {
        let id = EndpointID(rawValue: endpoint)
        return HoldTicket(endpoint: id, flights: flights.state(of: id), isStale: isStale, redial: nil)
    }

    /// In flight, and changes.
    private static func counts(_ flights: QueryFlights, _ endpoint: EndpointID) -> [UInt32] {
        let state = flights.state(of: endpoint)
        return [state.inFlight, state.changes]
    }

    /// The packets that a pass looks at; all of them leave.
    private static func released(_ room: inout HoldRoom, _ flights: QueryFlights, at milliseconds: UInt64) -> [UInt32] {
        var ids: [UInt32] = []
        guard room.beginPass(changes: flights.changes, now: Instant(nanoseconds: milliseconds * 1_000_000)) else { return [] }
        while let entry = room.next(flights) {
            ids.append(entry.id)
            room.release(entry)
        }
        return ids
    }

    @Test func `queries in flight and changes are counted for each endpoint`() {
        let flights = QueryFlights(endpointsMax: 3)
        let (one, two, four) = (EndpointID(rawValue: 0), EndpointID(rawValue: 1), EndpointID(rawValue: 4))
        flights.noteAnswer(one)
        #expect(Self.counts(flights, one) == [0, 0], "nobody waits who asks nothing")
        flights.begin(one)
        flights.begin(one)
        flights.noteAnswer(one)
        flights.end(one)
        flights.begin(two)
        flights.cancel(two)
        #expect(Self.counts(flights, one) == [1, 2])
        #expect(Self.counts(flights, two) == [0, 0])
        #expect(flights.changes == 2)
        // Beyond the size they share.
        #expect(flights.state(of: four) == flights.state(of: one))
        for _ in 0..<5 {
            flights.begin(two)
            flights.end(two)
        }
        #expect(Self.counts(flights, two) == [0, 5])
    }

    /// A pod that asks without end has as many changes within hours.
    @Test func `changes of an endpoint are counted on from 0 when their number is over`() {
        let flights = QueryFlights(endpointsMax: 4, changes: .max - 1)
        let (one, two) = (EndpointID(rawValue: 1), EndpointID(rawValue: 2))
        for _ in 0..<3 { flights.begin(one) }
        flights.noteAnswer(one)
        #expect(Self.counts(flights, one) == [3, .max])
        flights.end(one)
        #expect(Self.counts(flights, one) == [2, 0])
        flights.begin(two)
        for _ in 0..<3 { flights.noteAnswer(two) }
        #expect(Self.counts(flights, two) == [1, 1])
        flights.end(one)
        flights.end(one)
        flights.cancel(two)
        #expect(Self.counts(flights, one) == [0, 2] && Self.counts(flights, two) == [0, 1])
        #expect(flights.changes == 7)
    }

    @Test func `a pass gives the packets of endpoints for which something changed, and those whose time is over`() {
        let flights = QueryFlights(endpointsMax: 16)
        var room = HoldRoom(capacity: 8, milliseconds: 100)
        let packet: [UInt8] = [1, 2, 3]
        for (id, endpoint) in [(1, 1), (2, 2), (3, 1), (4, 3)] as [(UInt32, UInt32)] {
            flights.begin(EndpointID(rawValue: endpoint))
            room.append(
                id, tag: 10 + id, packet.span, Self.ticket(endpoint, flights, isStale: id == 4), isRedialled: false,
                now: Instant(nanoseconds: UInt64(id) * 1_000_000))
        }
        let ids1 = Self.released(&room, flights, at: 10)
        #expect(ids1 == [4], "something was published meanwhile")
        let ids2 = Self.released(&room, flights, at: 11)
        #expect(ids2 == [])
        flights.end(EndpointID(rawValue: 1))
        let ids3 = Self.released(&room, flights, at: 12)
        #expect(ids3 == [1, 3])
        let ids4 = Self.released(&room, flights, at: 101)
        #expect(ids4 == [])
        let ids5 = Self.released(&room, flights, at: 102)
        #expect(ids5 == [2])
        let count = room.count
        #expect(count == 0)
    }

    @Test func `a packet that is kept waits for the next change, with its bytes`() throws {
        let flights = QueryFlights(endpointsMax: 16)
        var room = HoldRoom(capacity: 4, milliseconds: 100)
        let one = EndpointID(rawValue: 1)
        flights.begin(one)
        flights.begin(one)
        for id: UInt32 in 1...3 {
            let packet = [UInt8](repeating: UInt8(id), count: 300)
            room.append(id, tag: 0, packet.span, Self.ticket(1, flights), isRedialled: false, now: Instant(nanoseconds: 0))
        }
        flights.end(one)
        let begins = room.beginPass(changes: flights.changes, now: Instant(nanoseconds: 1))
        #expect(begins)
        var seen: [UInt32] = []
        while let entry = room.next(flights) {
            seen.append(entry.id)
            let bytes = unsafe Array(room.packet(entry))
            #expect(bytes == [UInt8](repeating: UInt8(entry.id), count: HoldRoom.packetBytesMax))
            if entry.id == 2 { room.release(entry) } else { room.keep(entry, Self.ticket(1, flights), isRedialled: entry.id == 3) }
        }
        #expect(seen == [1, 2, 3])
        let ids6 = Self.released(&room, flights, at: 1)
        #expect(ids6 == [])
        // The place that became free is used again, the others are untouched.
        let packet = [UInt8](repeating: 9, count: 20)
        room.append(9, tag: 0, packet.span, Self.ticket(1, flights), isRedialled: false, now: Instant(nanoseconds: 2))
        flights.end(one)
        let beginsAgain = room.beginPass(changes: flights.changes, now: Instant(nanoseconds: 3))
        #expect(beginsAgain)
        var left: [String] = []
        while let entry = room.next(flights) {
            let bytes = unsafe Array(room.packet(entry))
            left.append("\(entry.id) \(bytes.first ?? 0) \(bytes.count) \(entry.isRedialled)")
            room.release(entry)
        }
        #expect(left == ["1 1 256 false", "3 3 256 true", "9 9 20 false"])
    }

    @Test func `one endpoint gets so much room and no more`() {
        let flights = QueryFlights(endpointsMax: 16)
        var room = HoldRoom(capacity: 100, milliseconds: 100)
        var held: [UInt32: Int] = [:]
        let packet: [UInt8] = [0]
        var id: UInt32 = 0
        for round in 0..<3 {
            for endpoint: UInt32 in [1, 2] {
                for _ in 0..<(endpoint == 1 ? 200 : 20) where room.hasRoom(for: EndpointID(rawValue: endpoint)) {
                    id += 1
                    room.append(id, tag: 0, packet.span, Self.ticket(endpoint, flights), isRedialled: false, now: Instant(nanoseconds: 0))
                    held[endpoint, default: 0] += 1
                }
            }
            #expect(held == [1: 64, 2: 20], "round \(round)")
            for endpoint: UInt32 in [3, 4] {
                while room.hasRoom(for: EndpointID(rawValue: endpoint)) {
                    room.append(0, tag: 0, packet.span, Self.ticket(endpoint, flights), isRedialled: false, now: Instant(nanoseconds: 0))
                }
            }
            let count = room.count
            #expect(count == 100)
            held = [:]
            if round == 1 {
                room.removeAll()
            } else {
                let ids = Self.released(&room, flights, at: 1_000)
                #expect(ids.count == 100)
            }
        }
        var off = HoldRoom(capacity: 100, milliseconds: 0)
        let (hasRoom, begins) = (off.hasRoom(for: EndpointID(rawValue: 1)), off.beginPass(changes: 1, now: Instant(seconds: 1)))
        #expect(!hasRoom && !begins)
    }

    // MARK: What waits

    private final class Scene {
        let bindings: TestBindings
        let flights = QueryFlights(endpointsMax: 16)
        let facts = Ring<FlowRecord>(capacity: 16, filler: .filler)
        private var engine: VerdictEngine

        init(mode: VerdictEngine.Mode = .enforce, redialSeconds: UInt32 = 60, isOff: Bool = false) throws {
            var limits = BindingLimits.small
            limits.redialSeconds = redialSeconds
            bindings = try TestBindings(TestPolicy.allow("'*.example.org'", app: "== \"web\""), limits: limits)
            let published = Published(bindings.policy)
            engine = VerdictEngine(
                policy: published, table: bindings.table, facts: facts, counters: VerdictCounters(), mode: mode, denyAction: .reject,
                flights: isOff ? nil : flights, redialSeconds: redialSeconds)
        }

        /// `isAnswered`: a query of web ends between the beginning of the batch and the packet.
        func decide(
            _ destination: String, client: String = "web", at seconds: UInt64 = 1, isReply: Bool = false, wasAdmitted: Bool = false,
            patience: VerdictEngine.Patience = .answersAndRedial, isAnswered: Bool = false
        ) -> String {
            let source = TestPolicy.endpoints.first { $0.name == client }?.addresses[0] ?? address("198.51.100.77")
            let flow = FlowTuple(
                source: source, destination: address(destination), transport: .tcp, sourcePort: 40_000, destinationPort: 443)
            engine.beginBatch(now: Instant(seconds: seconds))
            if isAnswered {
                flights.begin(TestPolicy.web)
                flights.end(TestPolicy.web)
            }
            let state = VerdictEngine.FlowState(isReply: isReply, wasAdmitted: wasAdmitted)
            let packet = PacketBuilder.packet(flow)
            let verdict = engine.decide(packet.span, state, patience: patience)
            switch verdict {
            case .allow, .lease, .pending, .observe, .checked: return "allow"
            case .reject, .drop, .revoke: return "refuse"
            case .hold(let ticket):
                let isTold = facts.popFirst() != nil
                #expect(!isTold, "only the last verdict is told of")
                return "hold" + (ticket.isStale ? " stale" : "") + (ticket.redial == nil ? "" : " redial")
            }
        }
    }

    @Test func `what would be refused for want of a name waits while its own client has a query in flight`() throws {
        let scene = try Scene()
        #expect(scene.decide("192.0.2.1") == "refuse", "nothing is in flight")
        while scene.facts.popFirst() != nil {}
        scene.flights.begin(TestPolicy.db)
        #expect(scene.decide("192.0.2.1") == "refuse", "somebody else's query")
        while scene.facts.popFirst() != nil {}
        scene.flights.begin(TestPolicy.web)
        #expect(scene.decide("192.0.2.1") == "hold")
        #expect(scene.decide("192.0.2.1", patience: .none) == "refuse")
        #expect(scene.decide("192.0.2.1", isReply: true) == "refuse", "a packet of the other side")
        #expect(scene.decide("192.0.2.1", wasAdmitted: true) == "refuse", "a flow that was admitted")
        while scene.facts.popFirst() != nil {}
        try scene.bindings.learn("www.example.net", "192.0.2.2")
        #expect(scene.decide("192.0.2.2") == "hold", "held under another name")
        try scene.bindings.learn("www.example.org", "192.0.2.2")
        #expect(scene.decide("192.0.2.2") == "allow")
        // No rule of these has names: no answer could help.
        scene.flights.begin(TestPolicy.job)
        #expect(scene.decide("192.0.2.1", client: "job") == "allow")
    }

    @Test func `an answer that comes during a batch is looked for once more`() throws {
        let scene = try Scene()
        #expect(scene.decide("192.0.2.1", isAnswered: true) == "hold stale")
        #expect(scene.decide("192.0.2.1") == "refuse")
    }

    @Test(arguments: [true, false])
    func `nothing waits in audit mode, or where it is switched off`(isAudit: Bool) throws {
        let scene = try Scene(mode: isAudit ? .audit : .enforce, isOff: !isAudit)
        scene.flights.begin(TestPolicy.web)
        #expect(scene.decide("192.0.2.1") == (isAudit ? "allow" : "refuse"))
    }

    @Test func `an address whose binding has ended a moment ago is redialled by its own client alone`() throws {
        let scene = try Scene()
        try scene.bindings.learn("www.example.org", "192.0.2.1", "192.0.2.2", ttl: 20, at: 0)
        try scene.bindings.learn("www.example.net", "192.0.2.3", ttl: 20, at: 0)
        #expect(scene.decide("192.0.2.1", at: 30) == "allow")
        for isSwept in [false, true] {
            if isSwept {
                scene.bindings.sweep(at: 31)
                // A flow was admitted by one: it drains.
                #expect(scene.bindings.names.bindingCount == 1)
            }
            while scene.facts.popFirst() != nil {}
            #expect(scene.decide("192.0.2.1", at: 31) == "hold redial")
            #expect(scene.decide("192.0.2.2", at: 90) == "hold redial")
            #expect(scene.decide("192.0.2.2", at: 31, patience: .answers) == "refuse", "it was asked for already")
            #expect(scene.decide("192.0.2.2", at: 91) == "refuse", "the window is over")
            #expect(scene.decide("192.0.2.3", at: 31) == "refuse", "policy does not allow that name")
            #expect(scene.decide("192.0.2.4", at: 31) == "refuse", "never resolved")
        }
        while scene.facts.popFirst() != nil {}
        scene.flights.begin(TestPolicy.web)
        #expect(scene.decide("192.0.2.2", at: 31) == "hold redial")
    }

    @Test func `refusals that could have waited are decided without an allocation`() throws {
        let scene = try Scene()
        try scene.bindings.learn("www.example.org", "192.0.2.1", ttl: 20, at: 0)
        let published = Published(scene.bindings.policy)
        var engine = VerdictEngine(
            policy: published, table: scene.bindings.table, facts: scene.facts, counters: VerdictCounters(), mode: .enforce,
            denyAction: .reject, flights: scene.flights, redialSeconds: 60)
        let source = scene.bindings.policy.endpoints.first { $0.name == "web" }?.addresses.first { $0.family == .v4 }
        let packets = ["192.0.2.1", "192.0.2.2"].map {
            PacketBuilder.packet(
                FlowTuple(
                    source: source ?? address("198.51.100.77"), destination: address($0), transport: .tcp, sourcePort: 40_000,
                    destinationPort: 443))
        }
        let state = VerdictEngine.FlowState(isReply: false, wasAdmitted: false)
        var holds = 0
        var before = exeat_allocations_of_this_thread()
        for number in 0..<10_000 {
            if number == 10 { before = exeat_allocations_of_this_thread() }
            engine.beginBatch(now: Instant(seconds: 31))
            let packet = number & 1 == 0 ? packets[0] : packets[1]
            if case .hold = engine.decide(packet.span, state, patience: .answersAndRedial) { holds += 1 }
            _ = scene.facts.popFirst()
        }
        #expect(exeat_allocations_of_this_thread() == before)
        #expect(holds == 5_000)
    }
}
