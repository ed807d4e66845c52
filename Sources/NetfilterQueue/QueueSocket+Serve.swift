import CLinux
import CNetfilter
import Glibc
import Netlink

extension QueueSocket {
    /// Waits for packets (a negative timeout: for ever), takes up to 64, decides them all and sends the verdicts in one message.
    ///
    /// Every packet gets a verdict: those that cannot be decoded are dropped, those that are held when they are released or have waited too
    /// long. While packets are held it waits no longer than until the first of them is overdue. Allocates nothing.
    ///
    /// - Returns: the number of packets decided; 0 after the timeout or an interrupting signal.
    /// - Throws: when the socket does not work any more. A full buffer (`ENOBUFS`) and refused verdicts are counted, not thrown.
    @inlinable
    public mutating func serve<Handler: PacketHandler & ~Copyable>(
        _ handler: inout Handler, timeoutMilliseconds: Int32
    ) throws(QueueError) -> Int {
        let received = try receiveBatch(timeoutMilliseconds: waitingTime(timeoutMilliseconds))
        guard received > 0 || held.count > 0 else { return 0 }
        handler.beginBatch()
        buffers.verdictBytes = 0
        var now: UInt64?
        var decided = 0
        // One packet per datagram, and one verdict slot per datagram: the kernel never packs several into one.
        for index in 0..<received {
            let bytes = unsafe buffers.slot(index)
            let span = unsafe bytes.span
            var offset = 0
            let message = QueueMessage.next(in: span, at: &offset) ?? .other
            unsafe buffers.messages[index] = message
            if case .packet(let packet, let start, let end) = message {
                handler.prefetch(packet, payload: span.extracting(start..<end))
            }
        }
        for index in 0..<received {
            var id: UInt32 = 0
            var verdict: PacketVerdict?
            switch unsafe buffers.messages[index] {
            case .packet(let packet, let start, let end):
                let bytes = unsafe buffers.slot(index)
                let span = unsafe bytes.span
                id = packet.id
                verdict = handler.decide(packet, payload: span.extracting(start..<end))
                decided += 1
            case .malformed(let badID):
                tally.malformed += 1
                if let badID {
                    id = badID
                    verdict = .drop
                }
            case .error(let error):
                if error != 0 { tally.verdictErrors += 1 }
            case .other:
                break
            }
            guard var verdict else { continue }
            if verdict == .hold {
                let time = now ?? Self.nanoseconds()
                now = time
                if held.append(id, deadline: time + holdNanoseconds) {
                    tally.held += 1
                    continue
                }
                tally.holdOverflows += 1
                verdict = .drop
            }
            buffers.append(id: id, queue: queue, verdict)
        }
        tally.packets += UInt64(decided)
        if received > 0 { tally.batches += 1 }
        while let release = handler.nextRelease() {
            // One that has waited too long meanwhile has its verdict.
            if release.verdict != .hold, held.remove(release.id) { answer(release.id, release.verdict) }
        }
        if held.count > 0 {
            let time = Self.nanoseconds()
            while let id = held.takeOverdue(now: time) {
                tally.heldTooLong += 1
                answer(id, .drop)
            }
        }
        sendVerdicts()
        return decided
    }

    /// Adds a verdict that belongs to no packet of this batch.
    @usableFromInline
    mutating func answer(_ id: UInt32, _ verdict: PacketVerdict) {
        if buffers.isFull {
            sendVerdicts()
            buffers.verdictBytes = 0
        }
        buffers.append(id: id, queue: queue, verdict)
    }

    /// At most until the first held packet is overdue; at least a millisecond, so that nothing spins.
    @usableFromInline
    func waitingTime(_ timeoutMilliseconds: Int32) -> Int32 {
        guard let deadline = held.nextDeadline else { return timeoutMilliseconds }
        let now = Self.nanoseconds()
        let rest = Int32(clamping: (max(deadline, now) - now) / 1_000_000 + 1)
        return timeoutMilliseconds < 0 ? rest : min(rest, timeoutMilliseconds)
    }

    @usableFromInline
    static func nanoseconds() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_BOOTTIME, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// recvmmsg(2) of what is there; polls first only when nothing is.
    @usableFromInline
    mutating func receiveBatch(timeoutMilliseconds: Int32) throws(QueueError) -> Int {
        let descriptor = socket.descriptor
        var mayWait = timeoutMilliseconds != 0
        while true {
            let count = unsafe exeat_recvmmsg(descriptor, buffers.headers, UInt32(QueueBuffers.count), Int32(MSG_DONTWAIT))
            if count > 0 { return Int(count) }
            let error = errno
            switch error {
            case EAGAIN:
                guard mayWait else { return 0 }
                mayWait = false
                var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                if unsafe poll(&polled, 1, timeoutMilliseconds) <= 0 { return 0 }
            case EINTR: return 0
            case ENOBUFS: tally.overruns += 1
            default: throw .failed(NetlinkError("receive from queue \(queue)", errno: error))
            }
        }
    }

    /// One datagram with all verdicts: the kernel carries them out one by one before send(2) returns.
    @usableFromInline
    mutating func sendVerdicts() {
        guard buffers.verdictBytes > 0 else { return }
        while true {
            let sent = unsafe send(socket.descriptor, buffers.verdicts, buffers.verdictBytes, 0)
            if sent == buffers.verdictBytes { return }
            if sent < 0, errno == EINTR { continue }
            tally.sendErrors += 1
            return
        }
    }
}
