import NetworkTypes

/// Reads the names out of the datagrams of one UDP flow that carries QUIC.
///
/// Every Initial packet is opened: with the keys of a connection that is known, else with those of its own destination connection ID, which
/// makes it the first of another connection; one that several keys open is a fault. Packets of 0-RTT and Handshake cannot be opened: alone they tell nothing, and behind or
/// before an Initial they are what comes with it. A packet with a short header ends the reading of its datagram.
public struct DatagramNameCheck: Sendable {
    private let limits: NameCheckLimits
    private var connections: [QUICConnection] = []
    /// Places in `connections` that had packets since the last name was told.
    private var untold: [Int] = []
    private var told: SeenName?
    /// Initial packets of the payload at hand.
    private var initials = 0
    private var now = Instant(nanoseconds: 0)

    public init(limits: NameCheckLimits = NameCheckLimits()) { self.limits = limits }

    /// Memory in use for data that was put together.
    public var byteCount: Int { connections.reduce(0) { $0 + $1.byteCount } }

    /// Some connection had packets and has no name yet, or not been told.
    public var isWaiting: Bool { !untold.isEmpty }

    /// Takes the payload of one UDP packet. An aggregate (GSO) holds several datagrams one behind the other; with their size given in
    /// `segmentBytes` it is split there, else it is read on as far as packets say how long they are, and no other may begin in it.
    ///
    /// A name is told when each connection that had packets has one, and all the same.
    public mutating func handle(
        _ payload: Span<UInt8>, isAggregate: Bool = false, segmentBytes: Int? = nil, now: Instant = Instant(nanoseconds: 0)
    ) -> NameReading {
        self.now = now
        initials = 0
        do throws(NameFault) {
            if let segmentBytes {
                for range in DatagramSplit(count: payload.count, segmentBytes: segmentBytes) {
                    try read(payload.extracting(range), isAggregate: false)
                }
            } else {
                try read(payload, isAggregate: isAggregate)
            }
            return try reading()
        } catch {
            untold.removeAll()
            return .fault(error)
        }
    }

    private mutating func reading() throws(NameFault) -> NameReading {
        guard !untold.isEmpty else { return told.map { .name($0) } ?? .needsMore }
        var seen: SeenName?
        for place in untold {
            guard let name = connections[place].name else { return .needsMore }
            if let seen, seen.name != name.name { throw .nameChanged }
            seen = name
        }
        untold.removeAll()
        told = seen
        return seen.map { .name($0) } ?? .needsMore
    }

    /// What was put together of connections without a name is not waited for any more: the packets that brought it were dropped.
    public mutating func giveUp() { untold.removeAll() }

    /// Forgets connections that have been silent for as long as a flow is remembered, and that nothing waits for.
    private mutating func forgetSilent() {
        var kept: [QUICConnection] = []
        var keptUntold: [Int] = []
        for place in connections.indices {
            let isUntold = untold.contains(place)
            guard isUntold || now < connections[place].lastSeen.advanced(bySeconds: limits.settledDatagramSeconds) else { continue }
            if isUntold { keptUntold.append(kept.count) }
            kept.append(connections[place])
        }
        connections = kept
        untold = keptUntold
    }

    private mutating func read(_ datagram: Span<UInt8>, isAggregate: Bool) throws(NameFault) {
        guard datagram.count > 0 else { throw .notQUIC }
        if datagram[0] & 0x80 == 0, connections.isEmpty { throw .notQUIC }
        var starts: [Int] = []
        var position = 0
        // What has no length of its own reaches to the end of the datagram.
        while position < datagram.count, datagram[position] & 0x80 != 0 {
            let header = try QUICLongHeader(parsing: datagram, at: position)
            if header.type == .initial { try take(header, datagram) }
            starts.append(position)
            position = header.end
        }
        guard isAggregate else { return }
        if Self.mayHideHello(datagram, besides: starts) { throw .unreadableAggregate }
    }

    /// Whether a datagram of an aggregate (GSO) could begin with a hello at another place than these.
    ///
    /// Where its datagrams begin is known to the kernel alone. One that began within a packet, be it in a token, would be read by the server and not
    /// here: so nothing there may look like a hello's first bytes, in any version that servers have been known to speak.
    public static func mayHideHello(_ aggregate: Span<UInt8>, besides starts: [Int] = []) -> Bool {
        var next = 0
        var place = 0
        while place + 4 < aggregate.count {
            defer { place += 1 }
            if next < starts.count, starts[next] == place {
                next += 1
                continue
            }
            guard aggregate[place] & 0x80 != 0 else { continue }
            var version: UInt32 = 0
            for byte in 1...4 { version = version << 8 | UInt32(aggregate[place + byte]) }
            switch version {
            // RFC 9000, RFC 9369, drafts 27 to 34, Q043, Q046, Q050, T050, T051, mvfst.
            case 1, 0x6b33_43cf, 0xff00_001b...0xff00_0022, 0x5130_3433, 0x5130_3436, 0x5130_3530, 0x5430_3530, 0x5430_3531,
                0xface_b001...0xface_b00e:
                return true
            default: continue
            }
        }
        return false
    }

    private mutating func take(_ header: QUICLongHeader, _ datagram: Span<UInt8>) throws(NameFault) {
        initials += 1
        guard initials <= limits.initialsPerPayload else { throw .tooManyPieces }
        var owner: Int?
        var opened: QUICInitialKeys.Opened?
        for place in connections.indices {
            guard let packet = connections[place].open(header, of: datagram) else { continue }
            // AES-GCM does not commit to its key: such a packet was made so that the server reads another hello in it.
            guard opened == nil else { throw .undecryptableInitial }
            opened = packet
            owner = place
        }
        var destinationID: [UInt8] = []
        for place in header.destinationID { destinationID.append(datagram[place]) }
        var connection = QUICConnection(originalID: destinationID, limits: limits)
        if !destinationID.isEmpty, !connections.contains(where: { $0.originalID == destinationID }),
            let packet = connection.open(header, of: datagram)
        {
            guard opened == nil else { throw .undecryptableInitial }
            opened = packet
        }
        guard let opened else { throw .undecryptableInitial }
        if let owner {
            connections[owner].lastSeen = now
            try connections[owner].take(opened)
            if !untold.contains(owner) { untold.append(owner) }
            return
        }
        connection.lastSeen = now
        try connection.take(opened)
        if connections.count >= limits.connectionsPerFlow { forgetSilent() }
        guard connections.count < limits.connectionsPerFlow else { throw .tooManyQUICConnections }
        untold.append(connections.count)
        connections.append(connection)
    }
}
