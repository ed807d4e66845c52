import NameInspection
import NetworkTypes
import Testing

struct NameCheckTableTests {
    static let client = EndpointID(rawValue: 1)
    static let other = EndpointID(rawValue: 2)
    static let start = Instant(seconds: 1_000)

    static func flow(_ port: UInt16 = 40_000, _ transport: TransportProtocol = .tcp) -> InspectedFlow {
        InspectedFlow(
            source: .of("192.0.2.1"), destination: .of("198.51.100.1"), transport: transport, sourcePort: port, destinationPort: 443)
    }

    static let hello = SegmentTests.hello
    static let first = Array(hello[..<60])
    static let rest = Array(hello[60...])

    private static func decision(
        _ flow: InspectedFlow, _ reading: NameReading, _ packets: [UInt32], of client: EndpointID = client, isRepeated: Bool = false
    ) -> NameDecision {
        let finding: NameDecision.Finding
        switch reading {
        case .name(let name): finding = .name(name)
        case .fault(let fault): finding = .fault(fault)
        case .needsMore: preconditionFailure("a decision has a finding")
        }
        return NameDecision(flow: flow, client: client, finding: finding, packets: packets, isRepeated: isRepeated)
    }

    private static func opened(_ limits: NameCheckLimits = NameCheckLimits(), flows: UInt16 = 1) -> NameCheckTable {
        var table = NameCheckTable(limits: limits)
        for port in 0..<flows { _ = table.open(flow(40_000 + port), of: client, synSequence: 99, now: start) }
        return table
    }

    private static func segment(
        _ table: inout NameCheckTable, _ id: UInt32, _ bytes: [UInt8], at offset: UInt32 = 0, port: UInt16 = 40_000, flags: UInt8 = 0x18,
        now: Instant = start
    ) -> NameAction {
        let sequence = flags & 2 != 0 ? 99 : 100 &+ offset
        return table.handle(flow(port), of: client, packet: id, sequence: sequence, flags: flags, bytes.span, now: now)
    }

    @Test func `packets wait until the name is whole, then all of them are decided`() {
        var table = Self.opened()
        #expect(Self.segment(&table, 1, []) == .pass)
        #expect(Self.segment(&table, 2, Self.rest, at: 60) == .hold)
        #expect(table.waitingPacketCount == 1)
        #expect(Self.segment(&table, 3, Self.first) == .decided(Self.decision(Self.flow(), name("www.example.org"), [2, 3])))
        #expect(table.waitingPacketCount == 0)
        // What comes before `settle` is refused, what comes after it is treated alike.
        #expect(Self.segment(&table, 4, Self.rest, at: 60) == .settled(isAllowed: false))
        table.settle(Self.flow(), isAllowed: true)
        #expect(Self.segment(&table, 5, Self.rest, at: 60) == .settled(isAllowed: true))
        #expect(table.counters.opened == 1)
        #expect(table.counters[.tls] == 1)
    }

    @Test func `a segment that brings nothing new does not wait`() {
        var table = Self.opened()
        #expect(Self.segment(&table, 1, Self.first) == .hold)
        #expect(Self.segment(&table, 2, Self.first) == .drop)
        #expect(Self.segment(&table, 3, Self.rest, at: 60) == .decided(Self.decision(Self.flow(), name("www.example.org"), [1, 3])))
    }

    @Test func `a difference in an overlap is a fault for all that wait`() {
        var table = Self.opened()
        #expect(Self.segment(&table, 1, Self.first) == .hold)
        let changed = Self.first.map { $0 ^ 1 }
        #expect(Self.segment(&table, 2, changed) == .decided(Self.decision(Self.flow(), .fault(.overlapDiffers), [1, 2])))
        table.settle(Self.flow(), isAllowed: false)
        #expect(Self.segment(&table, 3, Self.hello) == .settled(isAllowed: false))
        #expect(table.counters[.overlapDiffers] == 1)
    }

    @Test func `data of a connection whose SYN was not seen is a fault`() {
        var table = NameCheckTable()
        #expect(Self.segment(&table, 1, Self.hello) == .decided(Self.decision(Self.flow(), .fault(.unknownStart), [1])))
        #expect(table.flowCount == 0)
    }

    @Test func `a SYN with the whole hello is decided, one with a part has to come again without data`() {
        var whole = Self.opened()
        #expect(Self.segment(&whole, 1, Self.hello, flags: 2) == .decided(Self.decision(Self.flow(), name("www.example.org"), [1])))
        var part = Self.opened()
        #expect(Self.segment(&part, 1, Self.first, flags: 2) == .drop)
        #expect(part.waitingPacketCount == 0)
        #expect(Self.segment(&part, 2, Self.hello) == .decided(Self.decision(Self.flow(), name("www.example.org"), [2])))
    }

    @Test func `the same SYN again changes nothing, another one begins anew unless packets wait`() {
        var table = Self.opened()
        #expect(table.open(Self.flow(), of: Self.client, synSequence: 99, now: Self.start) == true)
        #expect(table.counters.opened == 1)
        #expect(Self.segment(&table, 1, Self.first) == .hold)
        #expect(table.open(Self.flow(), of: Self.client, synSequence: 99, now: Self.start) == true)
        #expect(table.open(Self.flow(), of: Self.client, synSequence: 5_000, now: Self.start) == false)
        guard case .decided = Self.segment(&table, 2, Self.rest, at: 60) else {
            Issue.record("the hello is whole")
            return
        }
        #expect(table.open(Self.flow(), of: Self.client, synSequence: 5_000, now: Self.start) == true)
        #expect(table.flowCount == 1)
        let action = table.handle(
            Self.flow(), of: Self.client, packet: 3, sequence: 5_001, flags: 0x18, Self.hello.span, now: Self.start)
        #expect(action == .decided(Self.decision(Self.flow(), name("www.example.org"), [3])))
    }

    @Test func `a SYN with another number has a rival until the first one can be answered no more`() {
        let table = Self.opened()
        for (number, seconds, isRival) in [(UInt32(99), UInt64(0), false), (139, 0, true), (139, 119, true), (139, 120, false)] {
            let now = Self.start.advanced(bySeconds: seconds)
            #expect(table.hasRival(Self.flow(), of: Self.client, synSequence: number, now: now) == isRival, "\(number) after \(seconds) s")
        }
        #expect(!table.hasRival(Self.flow(7), of: Self.client, synSequence: 1, now: Self.start))
    }

    @Test func `what waits too long is decided`() throws {
        var table = Self.opened()
        #expect(table.nextDeadline == Self.start.advanced(bySeconds: 600))
        #expect(Self.segment(&table, 1, Self.first) == .hold)
        let due = Self.start.advanced(bySeconds: 5)
        // The deadline of a state that is over may be told first.
        #expect(try #require(table.nextDeadline) <= due)
        #expect(table.expire(now: Instant(nanoseconds: due.nanoseconds - 1)) == [])
        #expect(table.expire(now: due) == [Self.decision(Self.flow(), .fault(.timeout), [1])])
        #expect(table.expire(now: due) == [])
        #expect(table.counters[.timeout] == 1)
        #expect(table.waitingPacketCount == 0)
    }

    @Test func `later packets do not lengthen the wait`() {
        var table = Self.opened()
        #expect(Self.segment(&table, 1, Self.first) == .hold)
        #expect(Self.segment(&table, 2, Array(Self.rest[..<5]), at: 60, now: Self.start.advanced(bySeconds: 4)) == .hold)
        let due = Self.start.advanced(bySeconds: 5)
        #expect(table.expire(now: due) == [Self.decision(Self.flow(), .fault(.timeout), [1, 2])])
    }

    @Test func `flows are forgotten: without data after ten minutes, decided ones after a second`() {
        var table = Self.opened(flows: 2)
        guard case .decided = Self.segment(&table, 1, Self.hello) else {
            Issue.record("the hello is whole")
            return
        }
        #expect(table.flowCount == 2)
        #expect(table.expire(now: Self.start.advanced(bySeconds: 1)) == [])
        #expect(table.flowCount == 1)
        #expect(table.expire(now: Self.start.advanced(bySeconds: 600)) == [])
        #expect(table.flowCount == 0)
        #expect(table.flowCount(of: Self.client) == 0)
        #expect(table.counters.expired == 1)
        #expect(table.nextDeadline == nil)
    }

    @Test func `a client that is full does not take the room of others`() {
        var limits = NameCheckLimits()
        limits.flowsPerClient = 3
        limits.flows = 5
        var table = Self.opened(limits, flows: 4)
        #expect(table.flowCount(of: Self.client) == 3)
        #expect(table.counters.refused == 1)
        for port: UInt16 in 1...3 {
            #expect(table.open(Self.flow(port), of: Self.other, synSequence: 1, now: Self.start) == (port < 3))
        }
        #expect(table.flowCount == 5)
        // Others' data of a flow that was not opened is a fault, never let through.
        #expect(
            Self.segment(&table, 9, Self.hello, port: 40_003)
                == .decided(Self.decision(Self.flow(40_003), .fault(.unknownStart), [9])))
        let datagram = table.handle(Self.flow(1, .udp), of: Self.other, packet: 5, [0xc0].span, now: Self.start)
        #expect(datagram == .decided(Self.decision(Self.flow(1, .udp), .fault(.tooManyWaiting), [5], of: Self.other)))
    }

    @Test func `who has most connections without data gives way to who has few`() throws {
        var limits = NameCheckLimits()
        limits.flowsPerClient = 40
        limits.flows = 100
        var table = NameCheckTable(limits: limits)
        for client: UInt32 in 11...13 {
            for number: UInt16 in 0..<40 {
                _ = table.open(Self.flow(UInt16(client) * 100 + number), of: EndpointID(rawValue: client), synSequence: 99, now: Self.start)
            }
        }
        #expect(table.flowCount == 100 && (11...13).map { table.flowCount(of: EndpointID(rawValue: $0)) } == [40, 40, 20])
        for port: UInt16 in 0..<10 {
            let isOpen = table.open(Self.flow(port), of: Self.client, synSequence: 99, now: Self.start)
            #expect(isOpen)
            let action = Self.segment(&table, 1, Self.hello, port: port)
            #expect(action == .decided(Self.decision(Self.flow(port), name("www.example.org"), [1])))
        }
        #expect(table.flowCount == 100)
        // One that was forgotten is never let through.
        let places = (11...12).flatMap { client in (0..<40).map { UInt16(client * 100 + $0) } }
        let forgotten = try #require(places.first { !table.contains(Self.flow($0)) })
        let client = EndpointID(rawValue: UInt32(forgotten / 100))
        let action = table.handle(Self.flow(forgotten), of: client, packet: 2, sequence: 100, flags: 0x18, Self.hello.span, now: Self.start)
        #expect(action == .decided(Self.decision(Self.flow(forgotten), .fault(.unknownStart), [2], of: client)))
    }

    @Test func `connections that were never answered give way to the client's new ones, but none that may be`() {
        var limits = NameCheckLimits()
        limits.flowsPerClient = 3
        var table = Self.opened(limits, flows: 3)
        var isOpen = table.open(Self.flow(1), of: Self.client, synSequence: 99, now: Self.start.advanced(bySeconds: 119))
        #expect(!isOpen && table.counters.refused == 1)
        for port: UInt16 in 1...3 {
            isOpen = table.open(Self.flow(port), of: Self.client, synSequence: 99, now: Self.start.advanced(bySeconds: 120))
            #expect(isOpen && !table.contains(Self.flow(40_000 + port - 1)))
        }
        isOpen = table.open(Self.flow(4), of: Self.client, synSequence: 99, now: Self.start.advanced(bySeconds: 120))
        #expect(!isOpen && table.counters.expired == 3)
    }

    @Test func `what was decided gives way to what is new, of the same client and those decided first ahead`() throws {
        var limits = NameCheckLimits()
        limits.flowsPerClient = 3
        limits.flows = 4
        var table = Self.opened(limits, flows: 3)
        var isOpen = table.open(Self.flow(1), of: Self.other, synSequence: 1, now: Self.start)
        #expect(isOpen)
        for port: UInt16 in [40_001, 40_000] {
            let action = Self.segment(&table, 1, Self.hello, port: port)
            #expect(action == .decided(Self.decision(Self.flow(port), name("www.example.org"), [1])))
        }
        isOpen = table.open(Self.flow(40_003), of: Self.client, synSequence: 99, now: Self.start)
        #expect(isOpen)
        #expect(!table.contains(Self.flow(40_001)) && table.contains(Self.flow(40_000)))
        // Of UDP too, which is decided again with each hello.
        let quic = try QUICTests.initial(QUICTests.crypto(QUICTests.hello))
        _ = Self.datagram(&table, 2, quic)
        #expect(!table.contains(Self.flow(40_000)))
        _ = Self.datagram(&table, 3, quic)
        isOpen = table.open(Self.flow(40_004), of: Self.client, synSequence: 99, now: Self.start)
        #expect(isOpen)
        #expect(table.flowCount(of: Self.client) == 3 && table.flowCount(of: Self.other) == 1)
        // Those that are open stay.
        isOpen = table.open(Self.flow(40_005), of: Self.client, synSequence: 99, now: Self.start)
        #expect(!isOpen)
        #expect(table.contains(Self.flow(40_002)) && table.contains(Self.flow(40_003)) && table.contains(Self.flow(40_004)))
        #expect(table.counters.refused == 1)
    }

    struct Bound: Sendable {
        let text: String
        let path: any WritableKeyPath<NameCheckLimits, Int> & Sendable
        let value: Int
    }

    @Test(arguments: [
        Bound(text: "packets of a flow", path: \.packetsPerFlow, value: 2),
        Bound(text: "packets of a client", path: \.packetsPerClient, value: 2),
        Bound(text: "packets", path: \.packets, value: 2),
        Bound(text: "bytes of a client", path: \.bytesPerClient, value: 25),
    ])
    func `one packet too many is decided with those that wait`(bound: Bound) {
        var limits = NameCheckLimits()
        limits[keyPath: bound.path] = bound.value
        var table = Self.opened(limits)
        for id: UInt32 in 0..<2 {
            #expect(Self.segment(&table, id, Array(Self.hello[Int(id) * 10..<Int(id) * 10 + 10]), at: id * 10) == .hold)
        }
        #expect(
            Self.segment(&table, 2, Array(Self.hello[20..<30]), at: 20)
                == .decided(Self.decision(Self.flow(), .fault(.tooManyWaiting), [0, 1, 2])))
        #expect(table.waitingPacketCount == 0)
        // The room is there again.
        #expect(table.open(Self.flow(7), of: Self.client, synSequence: 99, now: Self.start) == true)
        #expect(Self.segment(&table, 3, Array(Self.hello[..<10]), port: 7) == .hold)
    }

    @Test func `what waited of a client that is gone is given back`() {
        var table = Self.opened(flows: 2)
        #expect(Self.segment(&table, 1, Self.first) == .hold)
        #expect(table.open(Self.flow(3), of: Self.other, synSequence: 99, now: Self.start) == true)
        #expect(table.remove(client: Self.client) == [1])
        #expect(table.flowCount == 1)
        #expect(table.waitingPacketCount == 0)
        #expect(table.expire(now: Self.start.advanced(bySeconds: 5)) == [])
    }

    // MARK: QUIC

    private static func datagram(
        _ table: inout NameCheckTable, _ id: UInt32, _ bytes: [UInt8], now: Instant = start
    ) -> NameAction {
        table.handle(flow(1, .udp), of: client, packet: id, bytes.span, now: now)
    }

    @Test func `datagrams wait until the name is whole; further packets are read too`() throws {
        var table = NameCheckTable()
        let half = QUICTests.large.count / 2
        let flow = Self.flow(1, .udp)
        #expect(Self.datagram(&table, 1, try QUICTests.initial(QUICTests.crypto(QUICTests.large[..<half]))) == .hold)
        #expect(
            Self.datagram(&table, 2, try QUICTests.initial(QUICTests.crypto(QUICTests.large[half...], at: half), 1))
                == .decided(Self.decision(flow, name("www.example.org", .quic), [1, 2])))
        table.settle(flow, isAllowed: true)
        let ack = try QUICTests.initial([2, 0, 0, 0, 0], 2, to: QUICTests.serverID)
        #expect(Self.datagram(&table, 3, ack) == .settled(isAllowed: true))
        #expect(Self.datagram(&table, 4, QUICTests.opaque(2, to: QUICTests.serverID)) == .settled(isAllowed: true))
        // A fault concerns its own packets only.
        #expect(
            Self.datagram(&table, 5, [0xc0, 0, 0, 0, 9, 1, 9, 0])
                == .decided(Self.decision(flow, .fault(.unknownQUICVersion), [5], isRepeated: true)))
        #expect(Self.datagram(&table, 6, ack) == .settled(isAllowed: true))
    }

    @Test func `another connection in a decided flow is decided by itself`() throws {
        var table = NameCheckTable()
        let flow = Self.flow(1, .udp)
        guard case .decided = Self.datagram(&table, 1, try QUICTests.initial(QUICTests.crypto(QUICTests.hello))) else {
            Issue.record("the hello is whole")
            return
        }
        table.settle(flow, isAllowed: true)
        let hello = HelloBuilder("b.test").message
        let keys: [UInt8] = [9, 8, 7, 6, 5, 4, 3, 2]
        #expect(Self.datagram(&table, 2, try QUICTests.initial(QUICTests.crypto(hello[..<50]), keys: keys)) == .hold)
        #expect(
            Self.datagram(&table, 3, try QUICTests.initial(QUICTests.crypto(hello[50...], at: 50), 1, keys: keys))
                == .decided(Self.decision(flow, name("b.test", .quic), [2, 3], isRepeated: true)))
        table.settle(flow, isAllowed: false)
        #expect(Self.datagram(&table, 4, QUICTests.opaque(2)) == .settled(isAllowed: false))
    }

    @Test func `a denied flow stays denied for packets that tell nothing`() {
        var table = NameCheckTable()
        let flow = Self.flow(1, .udp)
        #expect(Self.datagram(&table, 1, [1, 2, 3]) == .decided(Self.decision(flow, .fault(.notQUIC), [1])))
        table.settle(flow, isAllowed: false)
        #expect(Self.datagram(&table, 2, QUICTests.opaque(2)) == .settled(isAllowed: false))
        #expect(
            Self.datagram(&table, 3, [1, 2, 3]) == .decided(Self.decision(flow, .fault(.notQUIC), [3], isRepeated: true)))
        #expect(table.waitingPacketCount == 0)
    }

    @Test func `a QUIC flow is remembered for as long as it sends packets with long headers`() throws {
        var table = NameCheckTable()
        let flow = Self.flow(1, .udp)
        guard case .decided = Self.datagram(&table, 1, try QUICTests.initial(QUICTests.crypto(QUICTests.hello))) else {
            Issue.record("the hello is whole")
            return
        }
        table.settle(flow, isAllowed: true)
        #expect(Self.datagram(&table, 2, QUICTests.opaque(2), now: Self.start.advanced(bySeconds: 20)) == .settled(isAllowed: true))
        #expect(table.expire(now: Self.start.advanced(bySeconds: 30)) == [])
        #expect(table.flowCount == 1)
        #expect(table.expire(now: Self.start.advanced(bySeconds: 50)) == [])
        #expect(table.flowCount == 0)
    }

    @Test func `what is kept of decided QUIC flows counts, and the oldest give way`() throws {
        var limits = NameCheckLimits()
        limits.bytesPerClient = 40_000
        var table = NameCheckTable(limits: limits)
        // One byte far behind the hello: all up to it is kept.
        let wide = try QUICTests.initial(QUICTests.crypto(QUICTests.hello) + QUICTests.crypto([1], at: 16_000))
        for port: UInt16 in 1...16 {
            guard case .decided(let decision) = table.handle(Self.flow(port, .udp), of: Self.client, packet: 1, wide.span, now: Self.start)
            else {
                Issue.record("the hello is whole")
                return
            }
            #expect(decision.finding == Self.decision(Self.flow(port, .udp), name("www.example.org", .quic), [1]).finding)
            #expect(table.contains(Self.flow(port, .udp)))
        }
        #expect(table.flowCount == 2)
        // What waits takes the room of what is decided; more than may wait is refused.
        let half = try QUICTests.initial(QUICTests.crypto(QUICTests.large[..<50]) + QUICTests.crypto([1], at: 16_000))
        var answers: [NameAction] = []
        for port: UInt16 in 21...23 {
            answers.append(table.handle(Self.flow(port, .udp), of: Self.client, packet: 2, half.span, now: Self.start))
        }
        #expect(answers == [.hold, .hold, .decided(Self.decision(Self.flow(23, .udp), .fault(.tooManyWaiting), [2]))])
        #expect(table.handle(Self.flow(1, .udp), of: Self.other, packet: 3, half.span, now: Self.start) == .hold)
    }

    @Test func `a client that tries again and again in one flow is not locked out`() throws {
        var table = NameCheckTable()
        // A hello whose second half never comes.
        let abandoned = try QUICTests.initial(QUICTests.crypto(QUICTests.hello[..<50]), keys: [7, 7, 7, 7, 7, 7, 7, 7])
        let flow = Self.flow(1, .udp)
        for attempt: UInt8 in 0..<20 {
            let now = Self.start.advanced(bySeconds: 5 * UInt64(attempt))
            let packet = try QUICTests.initial(QUICTests.crypto(QUICTests.hello), keys: [UInt8](repeating: attempt, count: 8))
            let expired = table.expire(now: now)
            #expect(expired == (attempt == 1 ? [Self.decision(flow, .fault(.timeout), [2], isRepeated: true)] : []))
            let answer = Self.datagram(&table, 1, packet, now: now)
            guard attempt == 0 else {
                #expect(answer == .settled(isAllowed: true), "attempt \(attempt)")
                continue
            }
            #expect(answer == .decided(Self.decision(flow, name("www.example.org", .quic), [1])))
            table.settle(flow, isAllowed: true)
            #expect(Self.datagram(&table, 2, abandoned, now: now) == .hold)
        }
    }

    @Test func `0-RTT alone waits, and is decided in the end`() {
        var table = NameCheckTable()
        #expect(Self.datagram(&table, 1, QUICTests.opaque(1)) == .hold)
        let due = Self.start.advanced(bySeconds: 5)
        #expect(table.expire(now: due) == [Self.decision(Self.flow(1, .udp), .fault(.timeout), [1])])
    }

    // MARK: All together

    /// Whatever comes, nothing is lost: each packet is passed, dropped, settled, given back or decided exactly once, and the counts agree.
    @Test(arguments: UInt64(1)...20)
    func `every packet gets one answer`(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        var limits = NameCheckLimits()
        limits.flowsPerClient = 6
        limits.flows = 10
        limits.packetsPerFlow = 4
        limits.packetsPerClient = 8
        limits.packets = 12
        limits.bytesPerClient = 700
        var table = NameCheckTable(limits: limits)
        var waiting: Set<UInt32> = []
        var now = Self.start
        let quic = try QUICTests.initial(QUICTests.crypto(QUICTests.hello))
        func end(_ decision: NameDecision, with packet: UInt32?) {
            for id in decision.packets where id != packet {
                #expect(waiting.contains(id), "seed \(seed)")
                waiting.remove(id)
            }
            if let packet { #expect(decision.packets.last == packet) }
        }
        for id: UInt32 in 0..<3_000 {
            now = now.advanced(byNanoseconds: UInt64.random(in: 0..<200_000_000, using: &generator))
            let client = EndpointID(rawValue: UInt32.random(in: 0..<3, using: &generator))
            let isTCP = Int.random(in: 0..<4, using: &generator) > 0
            let flow = Self.flow(UInt16(client.rawValue * 100) + UInt16.random(in: 1..<10, using: &generator), isTCP ? .tcp : .udp)
            let action: NameAction
            if !isTCP {
                var bytes = quic
                if Bool.random(using: &generator) { bytes[Int.random(in: 0..<30, using: &generator)] ^= 1 }
                action = table.handle(flow, of: client, packet: id, bytes.span, now: now)
            } else if Int.random(in: 0..<3, using: &generator) == 0 {
                _ = table.open(flow, of: client, synSequence: UInt32.random(in: 0..<2, using: &generator), now: now)
                continue
            } else {
                let from = Int.random(in: 0..<Self.hello.count, using: &generator)
                let to = Int.random(in: from...Self.hello.count, using: &generator)
                let flags: UInt8 = Int.random(in: 0..<20, using: &generator) == 0 ? 2 : 0x10
                action = table.handle(
                    flow, of: client, packet: id, sequence: UInt32(from + 1), flags: flags, Self.hello[from..<to].span, now: now)
            }
            switch action {
            case .hold: waiting.insert(id)
            case .decided(let decision):
                end(decision, with: id)
                if Bool.random(using: &generator) { table.settle(flow, isAllowed: Bool.random(using: &generator)) }
            case .pass, .drop, .settled: break
            }
            for decision in table.expire(now: now) { end(decision, with: nil) }
            if Int.random(in: 0..<200, using: &generator) == 0 {
                for id in table.remove(client: client) {
                    #expect(waiting.contains(id), "seed \(seed)")
                    waiting.remove(id)
                }
            }
            #expect(table.waitingPacketCount == waiting.count, "seed \(seed)")
            #expect(table.flowCount <= limits.flows && waiting.count <= limits.packets)
        }
        for decision in table.expire(now: now.advanced(bySeconds: 5)) { end(decision, with: nil) }
        #expect(waiting.isEmpty)
        _ = table.expire(now: now.advanced(bySeconds: 5_000))
        #expect(table.flowCount == 0 && table.nextDeadline == nil)
    }
}
