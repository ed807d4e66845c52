import Enforcement
import Glibc
import NetworkTypes

/// The UDP front end: whole batches in, whole batches out.
extension DNSWorkerCore {
    /// Until nothing is left, but no more than four full batches at a time, so that upstreams and connections get their turn in a flood. Asking the
    /// socket again costs less than waiting, and under load something has come meanwhile.
    mutating func receiveDatagrams<G: AnswerGate & ~Copyable>(listener: Int, gate: inout G) {
        var left = 4 * received.capacity
        while left > 0 {
            let count = received.receive(from: listeners[listener].descriptor)
            for index in 0..<max(0, count) {
                guard !received.isCutShort(index) else {
                    counters.add(.queriesUDP)
                    counters.addMalformedQuery(.oversizedMessage)
                    continue
                }
                let path = received.returnPath(index)
                // Port 0 cannot be answered.
                guard let source = path.peer.address, path.peer.port != 0 else { continue }
                counters.add(.queriesUDP)
                let payload = unsafe received.payload(index)
                handle(unsafe payload.span, from: source, .datagram(listener: listener, path), gate: &gate)
            }
            flushDatagrams()
            if count <= 0 { return }
            left -= count
        }
    }

    /// Sends what was written, and closes the books on the misses among it.
    mutating func flushDatagrams() {
        if unsentCount > 0 {
            let descriptor = listeners[unsentListener].descriptor
            var sent = (lost: 0, coalesced: 0)
            if configuration.coalescesAnswers {
                sent = trains.send(unsentCount, of: unsent, to: descriptor)
            } else {
                sent.lost = unsent.send(0..<unsentCount, to: descriptor)
            }
            if sent.lost > 0 { counters.add(.datagramsLostAtSend, UInt64(sent.lost)) }
            if sent.coalesced > 0 { counters.add(.answersCoalesced, UInt64(sent.coalesced)) }
            unsentCount = 0
        }
        guard !unsentMisses.isEmpty else { return }
        let sentAt = Self.clock()
        for miss in unsentMisses {
            counters.addMiss(nanoseconds: sentAt.nanoseconds(since: miss.arrivedAt))
            counters.addRelease(nanoseconds: sentAt.nanoseconds(since: miss.readAt))
        }
        unsentMisses.removeAll(keepingCapacity: true)
    }
}
