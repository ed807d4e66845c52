import CLinux
import CNetfilter
import Glibc
import Netlink

extension QueueSocket {
    /// Waits for packets (a negative timeout: for ever), takes up to 64, decides them all and sends the verdicts in one message.
    ///
    /// Every packet gets a verdict: those that cannot be decoded are dropped. Allocates nothing.
    ///
    /// - Returns: the number of packets decided; 0 after the timeout or an interrupting signal.
    /// - Throws: when the socket does not work any more. A full buffer (`ENOBUFS`) and refused verdicts are counted, not thrown.
    @inlinable
    public mutating func serve<Handler: PacketHandler & ~Copyable>(
        _ handler: inout Handler, timeoutMilliseconds: Int32
    ) throws(QueueError) -> Int {
        let received = try receiveBatch(timeoutMilliseconds: timeoutMilliseconds)
        guard received > 0 else { return 0 }
        handler.beginBatch()
        buffers.verdictBytes = 0
        var decided = 0
        for index in 0..<received {
            // One packet per datagram, and one verdict slot per datagram: the kernel never packs several into one.
            var id: UInt32 = 0
            var verdict: PacketVerdict?
            let bytes = unsafe buffers.slot(index)
            let span = unsafe bytes.span
            var offset = 0
            switch QueueMessage.next(in: span, at: &offset) {
            case .packet(let packet, let start, let end):
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
            case .other, nil:
                break
            }
            if let verdict { buffers.append(id: id, queue: queue, verdict) }
        }
        tally.packets += UInt64(decided)
        tally.batches += 1
        sendVerdicts()
        return decided
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
