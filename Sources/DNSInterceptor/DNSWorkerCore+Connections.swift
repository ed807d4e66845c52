import CLinux
import Enforcement
import Glibc
import NetworkTypes

/// The TCP front end (RFC 7766): framing, pipelining, limits.
extension DNSWorkerCore {
    /// The longest query taken over TCP, in bytes.
    private static var frameBytesMax: Int { 4_096 }

    func connection(_ slot: Int, _ generation: UInt32) -> ClientConnection? {
        guard let connection = connections[slot], connection.generation == generation else { return nil }
        return connection
    }

    /// Has the connection looked after at the end of the turn.
    mutating func mark(_ connection: ClientConnection) {
        guard !connection.isMarked else { return }
        connection.isMarked = true
        markedConnections.append(connection.slot)
    }

    // MARK: accepting

    mutating func acceptConnections<G: AnswerGate & ~Copyable>(listener: Int, gate: inout G) {
        for _ in 0..<64 {
            var storage = SocketAddress.emptyStorage
            var length = SocketAddress.storageLength
            let flags = Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
            let descriptor = unsafe withUnsafeMutableBytes(of: &storage) { bytes in
                let address = unsafe bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self)
                return unsafe exeat_accept4(listeners[listener].descriptor, address, &length, flags)
            }
            guard descriptor >= 0 else {
                switch errno {
                case EAGAIN, EWOULDBLOCK: return
                // Errors of the connection, which is gone, and not of the listener (accept(2)).
                case EINTR, ECONNABORTED, EPROTO, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH: continue
                default:
                    counters.add(.tcpAcceptErrors)
                    pause(listener: listener)
                    return
                }
            }
            guard let peer = SocketAddress(storage: storage, length: length).address else {
                close(descriptor)
                continue
            }
            let classNumber = listeners[listener].classNumber
            open(descriptor, peer, ClientShare(gate.client(at: peer, ofClass: classNumber), at: peer), classNumber)
        }
    }

    /// Without descriptors left, the waiting connection would be reported again and again: the listener rests for 100 ms.
    mutating func pause(listener: Int) {
        poll.remove(listeners[listener].descriptor)
        listeners[listener].pausedUntil = now.advanced(byNanoseconds: 100_000_000)
    }

    private mutating func open(_ descriptor: Int32, _ peer: IPAddress, _ share: ClientShare, _ classNumber: UInt8) {
        counters.add(.tcpAccepted)
        var ofClient = 0
        for case let other? in connections where other.share == share { ofClient += 1 }
        guard ofClient < configuration.tcpConnectionsPerClientMax else {
            counters.add(.tcpRefusedPerClient)
            close(descriptor)
            return
        }
        guard let slot = freeConnections.popLast() else {
            counters.add(.tcpRefusedTotal)
            close(descriptor)
            return
        }
        let connection = ClientConnection(
            descriptor: descriptor, slot: slot, generation: nextGeneration(), peer: peer, share: share, classNumber: classNumber)
        do throws(DNSSocketError) {
            try DNSSockets.set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            try poll.add(descriptor, token: Self.token(.connection, slot: slot, generation: connection.generation))
        } catch {
            counters.add(.tcpAcceptErrors)
            freeConnections.append(slot)
            return
        }
        connections[slot] = connection
        noteActivity(connection)
        counters.set(.tcpOpen, connections.count - freeConnections.count)
    }

    // MARK: ready

    mutating func connectionIsReady(_ slot: Int, _ generation: UInt32, _ event: EventPoll.Readiness) {
        guard let connection = connection(slot, generation) else { return }
        if event.isBroken { return hangUp(connection) }
        if event.isReadable, connection.reads {
            let buffer = unsafe upstreamBuffer
            let count = unsafe recv(connection.descriptor, buffer.baseAddress, 16_384, 0)
            if count > 0 {
                let bytes = unsafe UnsafeBufferPointer(rebasing: buffer[..<count])
                connection.receive(unsafe bytes.span)
            } else if count == 0 {
                connection.isReadClosed = true
            } else if errno != EAGAIN, errno != EINTR {
                return hangUp(connection)
            }
        }
        mark(connection)
    }

    /// Understands what was read, sends what was written, for every marked connection.
    mutating func serviceConnections<G: AnswerGate & ~Copyable>(gate: inout G) {
        // Connections marked meanwhile are appended and served in this loop too.
        var index = 0
        while index < markedConnections.count {
            if let connection = connections[markedConnections[index]], connection.isMarked {
                service(connection, gate: &gate)
                connection.isMarked = false
                // Sending made room for a query that was read already: no event will tell of it.
                if connections[connection.slot] === connection, mayTakeMore(connection), connection.hasFrame { mark(connection) }
            }
            index += 1
        }
        markedConnections.removeAll(keepingCapacity: true)
    }

    private mutating func service<G: AnswerGate & ~Copyable>(_ connection: ClientConnection, gate: inout G) {
        let origin = QueryOrigin.connection(slot: connection.slot, generation: connection.generation)
        while mayTakeMore(connection) {
            let frame: Range<Int>?
            do throws(ClientConnection.BadFrame) {
                frame = try connection.nextFrame(bytesMax: Self.frameBytesMax)
            } catch {
                counters.add(.tcpBadFrames)
                return hangUp(connection)
            }
            guard let frame else { break }
            noteActivity(connection)
            counters.add(.queriesTCP)
            let message = Array(connection.input[frame])
            if gate.client(at: connection.peer, ofClass: connection.classNumber) == nil { connection.isEnding = true }
            handle(message.span, from: connection.peer, origin, gate: &gate)
        }
        let hadUnsent = connection.unsentBytes > 0
        guard connection.flush() else { return hangUp(connection) }
        if hadUnsent, connection.unsentBytes == 0 { noteActivity(connection) }
        guard connection.unsentBytes <= configuration.tcpUnsentBytesMax else {
            counters.add(.tcpSlowReaders)
            return hangUp(connection)
        }
        if connection.isReadClosed || connection.isEnding, connection.waitingQueries == 0, connection.unsentBytes == 0 {
            return hangUp(connection)
        }
        let reads = mayTakeMore(connection) && !connection.isReadClosed
        let writes = connection.unsentBytes > 0
        guard reads != connection.reads || writes != connection.writes else { return }
        connection.reads = reads
        connection.writes = writes
        let token = Self.token(.connection, slot: connection.slot, generation: connection.generation)
        do throws(DNSSocketError) {
            try poll.modify(connection.descriptor, token: token, reads: reads, writes: writes)
        } catch {
            hangUp(connection)
        }
    }

    private func mayTakeMore(_ connection: ClientConnection) -> Bool {
        !isDraining && !connection.isEnding && connection.waitingQueries < configuration.tcpPipelineMax
            && connection.unsentBytes <= configuration.tcpUnsentBytesMax / 4
    }

    // MARK: ending

    /// A whole query came or all answers went: only that counts, not single bytes.
    private mutating func noteActivity(_ connection: ClientConnection) {
        let idle = UInt64(max(1, configuration.tcpIdleMilliseconds)) * 1_000_000
        idleDeadlines.set(connection.slot, deadline: now.advanced(byNanoseconds: idle))
    }

    mutating func connectionIsIdle(_ slot: Int) {
        guard let connection = connections[slot] else { return }
        if connection.unsentBytes > 0 {
            counters.add(.tcpSlowReaders)
        } else if connection.waitingQueries > 0 {
            // We are the slow ones; an answer or a failure comes within the total timeout.
            return noteActivity(connection)
        } else {
            counters.add(.tcpIdleClosed)
        }
        hangUp(connection)
    }

    /// Queries of it that still wait find nobody when their answer comes, and teach nothing.
    mutating func hangUp(_ connection: ClientConnection) {
        guard connections[connection.slot] === connection else { return }
        connections[connection.slot] = nil
        freeConnections.append(connection.slot)
        idleDeadlines.remove(connection.slot)
        counters.set(.tcpOpen, connections.count - freeConnections.count)
    }
}
