import CLinux
import DNSMessages
import Enforcement
import Glibc
import NetworkTypes

/// TCP to upstreams, with TLS or without: a few connections to each, kept open, shared by questions, answered in any order (RFC 7766 §6.2.1).
extension DNSWorkerCore {
    func upstreamConnection(_ slot: Int, _ generation: UInt32) -> UpstreamConnection? {
        guard upstreamConnections.indices.contains(slot), let connection = upstreamConnections[slot], connection.generation == generation
        else { return nil }
        return connection
    }

    /// The one that an attempt over TCP has its question on, unless it is gone.
    func connection(of attempt: UpstreamAttempt) -> UpstreamConnection? {
        attempt.isTCP ? upstreamConnection(attempt.connection.slot, attempt.connection.generation) : nil
    }

    // MARK: asking

    /// Why there is no connection.
    enum ConnectFailure: Error {
        /// Nobody takes it there, or no way leads there.
        case refused
        /// It is not the upstream's fault: there are too many questions, or no memory or descriptors.
        case local
    }

    /// The connection that the next question to an upstream should take: the one with the fewest, or a new one if that has many.
    mutating func connection(to upstream: Int, ofZone zone: Int) throws(ConnectFailure) -> UpstreamConnection {
        let pool = upstreamPools[zones[zone].firstUpstream + upstream]
        var best: UpstreamConnection?
        for slot in pool {
            guard let connection = upstreamConnections[slot], connection.questions.count < UpstreamConnection.questionsMax else { continue }
            if connection.questions.count < best?.questions.count ?? .max { best = connection }
        }
        if let best, best.questions.count < UpstreamConnection.questionsBeforeAnother || pool.count >= connectionsMax(ofZone: zone) {
            counters.add(.upstreamConnectionsReused)
            return best
        }
        guard pool.count < connectionsMax(ofZone: zone) else { throw .local }
        do throws(ConnectFailure) {
            return try connect(to: upstream, ofZone: zone)
        } catch {
            guard let best else { throw error }
            return best
        }
    }

    private func connectionsMax(ofZone zone: Int) -> Int { max(1, zones[zone].options.connectionsPerUpstreamMax) }

    /// Begins to connect. Throws if the kernel refuses at once.
    private mutating func connect(to upstream: Int, ofZone zone: Int) throws(ConnectFailure) -> UpstreamConnection {
        guard let slot = freeUpstreamConnections.last else { throw .local }
        let target = zones[zone].addresses[upstream]
        let descriptor = DNSSockets.newSocket(target.address.family, SOCK_STREAM)
        guard descriptor >= 0 else { throw .local }
        let number = zones[zone].firstUpstream + upstream
        var tls: TLSClient?
        if let identity = target.tls {
            tls = TLSClient(identity, resuming: tlsStates[number].ticket, now: now)
            guard tls != nil else {
                close(descriptor)
                throw .local
            }
        }
        let connection = UpstreamConnection(
            descriptor: descriptor, slot: slot, generation: nextGeneration(), upstream: number, tls: tls, now: now)
        var failure = ConnectFailure.local
        do throws(DNSSocketError) {
            if let mark = configuration.upstreamMark { try DNSSockets.set(descriptor, SOL_SOCKET, SO_MARK, Int32(bitPattern: mark)) }
            try DNSSockets.set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            let status = unsafe SocketAddress(target.address, port: target.port).withPointer { unsafe Glibc.connect(descriptor, $0, $1) }
            if status != 0, errno != EINPROGRESS {
                let code = errno
                if UpstreamConnection.refusals.contains(code) { failure = .refused }
                throw DNSSocketError(.connect, code: code)
            }
            try poll.add(
                descriptor, token: Self.token(.upstream, slot: slot, generation: connection.generation), reads: true, writes: true)
        } catch {
            throw failure
        }
        freeUpstreamConnections.removeLast()
        upstreamConnections[slot] = connection
        upstreamPools[number].append(slot)
        if connection.isShakingHands { limitHandshake(connection) }
        counters.add(.upstreamConnectionsOpened)
        counters.set(.upstreamConnectionsOpen, upstreamConnections.count - freeUpstreamConnections.count)
        return connection
    }

    /// Sends what is queued, or has the poll tell when it can be. A broken connection tells so itself, by an event.
    mutating func flush(_ connection: UpstreamConnection) {
        let isWhole = connection.flush()
        let writes = isWhole && connection.unsentBytes > 0
        guard writes != connection.writes else { return }
        connection.writes = writes
        let token = Self.token(.upstream, slot: connection.slot, generation: connection.generation)
        // Fails if there is no memory: the questions on it time out, and it is closed then.
        try? poll.modify(connection.descriptor, token: token, reads: true, writes: writes)
    }

    /// Nobody waits for the answer to this question any more.
    mutating func abandon(_ id: UInt16, on connection: UpstreamConnection) {
        connection.abandon(id)
        guard connection.waited == 0 else { return }
        // A server that leaves questions without a word would use up the places.
        if connection.questions.count >= UpstreamConnection.questionsBeforeAnother { release(connection) } else { beginIdling(connection) }
    }

    mutating func beginIdling(_ connection: UpstreamConnection) {
        // It is closed at the end of its time for the handshake.
        guard !connection.isShakingHands else { return }
        let zone = upstreams[connection.upstream].zone
        let idle = UInt64(max(0, zones[zone].options.idleSeconds))
        upstreamIdleDeadlines.set(connection.slot, deadline: now.advanced(bySeconds: idle))
    }

    // MARK: ready

    mutating func upstreamConnectionIsReady<G: AnswerGate & ~Copyable>(
        _ slot: Int, _ generation: UInt32, _ event: EventPoll.Readiness, gate: inout G
    ) {
        guard let connection = upstreamConnection(slot, generation) else { return }
        if event.isWritable, !event.isBroken {
            connection.hasConnected = true
            flush(connection)
        }
        guard event.isReadable || event.isBroken else { return }
        let buffer = unsafe upstreamBuffer
        let count = unsafe recv(connection.descriptor, buffer.baseAddress, buffer.count, 0)
        guard count > 0 else {
            if count < 0, errno == EAGAIN || errno == EINTR { return }
            connection.noteEnd(error: count == 0 ? 0 : errno)
            return breakOff(connection, count == 0 && connection.isShakingHands ? .protocolError : nil, gate: &gate)
        }
        now = Self.clock()
        connection.hasConnected = true
        connection.heardAt = now
        let bytes = unsafe UnsafeBufferPointer(rebasing: buffer[..<count])
        let wasShakingHands = connection.isShakingHands
        do throws(TLSFault) {
            try connection.receive(unsafe bytes.span)
        } catch {
            return breakOff(connection, error, gate: &gate)
        }
        if connection.tls != nil {
            if wasShakingHands, !connection.isShakingHands { handshakeIsDone(connection) }
            flush(connection)
            guard connection.unsentBytes <= UpstreamConnection.unsentBytesMax else { return breakOff(connection, nil, gate: &gate) }
        }
        while upstreamConnections[slot] === connection, let message = connection.nextMessage() {
            guard receive(message, on: connection, gate: &gate) else { return breakOff(connection, nil, gate: &gate) }
        }
        if upstreamConnections[slot] === connection, connection.hasEnded { breakOff(connection, nil, gate: &gate) }
    }

    /// One message; false if the connection is no use: it speaks no DNS, or of what was never asked.
    private mutating func receive<G: AnswerGate & ~Copyable>(
        _ message: [UInt8], on connection: UpstreamConnection, gate: inout G
    ) -> Bool {
        guard message.count >= 12, message[2] & 0x80 != 0 else {
            counters.add(.wrongForm)
            return false
        }
        guard let asker = connection.end(UInt16(message[0]) << 8 | UInt16(message[1])) else {
            counters.add(.wrongIdentifier)
            connection.strays += 1
            return connection.strays < configuration.wrongRepliesMax
        }
        if !connection.hasServed { keepTicket(of: connection) }
        connection.hasServed = true
        if connection.waited == 0 { beginIdling(connection) }
        guard let asker, let transaction = transactions[asker.slot], transaction.generation == asker.generation else { return true }
        receive(message.span, asker.slot, transaction, place: asker.place, readAt: now, gate: &gate)
        return true
    }

    // MARK: ending

    /// It had no question for long, or its handshake takes too long.
    mutating func upstreamConnectionIsIdle<G: AnswerGate & ~Copyable>(_ slot: Int, gate: inout G) {
        guard let connection = upstreamConnections[slot] else { return }
        guard !connection.isShakingHands else { return breakOff(connection, .handshakeTimeout, gate: &gate) }
        if connection.waited == 0 { release(connection) }
    }

    /// A question got no answer in time. If nothing at all has come on its connection since it was asked, the way is broken: it takes no more
    /// questions, and those on it need not wait as long. It is returned then, for ``failOver(_:gate:)``.
    mutating func giveUpIfSilent(_ attempt: UpstreamAttempt) -> UpstreamConnection? {
        guard let connection = connection(of: attempt), connection.heardAt <= attempt.askedAt else { return nil }
        if connection.isShakingHands { note(.handshakeTimeout, of: connection) }
        release(connection)
        return connection
    }

    private mutating func breakOff<G: AnswerGate & ~Copyable>(_ connection: UpstreamConnection, _ fault: TLSFault?, gate: inout G) {
        if let fault { note(fault, of: connection) }
        release(connection)
        failOver(connection, gate: &gate)
    }

    /// Every question that was waited for on a connection that is gone takes its next step.
    mutating func failOver<G: AnswerGate & ~Copyable>(_ connection: UpstreamConnection, gate: inout G) {
        for case .some(let asker) in connection.questions.values {
            guard let transaction = transactions[asker.slot], transaction.generation == asker.generation else { continue }
            let attempt = transaction[asker.place]
            if let fault = connection.fault { transaction.lastTLSFault = fault }
            guard attempt.isOpen, attempt.isTCP, attempt.connection == (connection.slot, connection.generation) else { continue }
            if connection.hasServed, !transaction.isProbe, transaction.plan.mayAskAnew(asker.place) {
                counters.add(.upstreamConnectionsReopened)
                take(.streamEnded, place: asker.place, asker.slot, transaction, gate: &gate)
            } else {
                counters.add(connection.tls == nil ? .upstreamTCPFailures : .upstreamTLSFailures)
                take(connection.hasConnected ? .failed : .notConnected, place: asker.place, asker.slot, transaction, gate: &gate)
            }
        }
    }

    private mutating func release(_ connection: UpstreamConnection) {
        guard upstreamConnections[connection.slot] === connection else { return }
        if let tls = connection.tls {
            keepTicket(of: connection)
            tls.end()
            // As much as the kernel takes: the server loses nothing by the rest.
            _ = connection.flush()
        }
        upstreamConnections[connection.slot] = nil
        freeUpstreamConnections.append(connection.slot)
        upstreamPools[connection.upstream].removeAll { $0 == connection.slot }
        upstreamIdleDeadlines.remove(connection.slot)
        poll.remove(connection.descriptor)
        counters.set(.upstreamConnectionsOpen, upstreamConnections.count - freeUpstreamConnections.count)
    }
}
