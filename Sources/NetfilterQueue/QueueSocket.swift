import CLinux
import CNetfilter
import Glibc
import Netlink
import NetworkTypes

/// One NFQUEUE: the packets that wait in it are decided by a handler, in batches, on one thread.
///
/// While the socket is open (also as a duplicate of its descriptor in another process) nobody else can bind the queue; when the last
/// duplicate is closed, the kernel drops what waits.
public struct QueueSocket: ~Copyable {
    public let queue: UInt16
    @usableFromInline var tally = QueueCounters()
    @usableFromInline let socket: NetlinkSocket
    let options: QueueOptions
    @usableFromInline var buffers: QueueBuffers
    @usableFromInline var held: HeldPackets
    @usableFromInline let holdNanoseconds: UInt64
    /// Binds a queue that nobody holds.
    public init(queue: UInt16, options: QueueOptions = QueueOptions()) throws(QueueError) {
        try self.init(queue: queue, options: options, descriptor: nil)
    }

    /// Takes over the socket of an owner that has died, by a descriptor that somebody kept open.
    ///
    /// Packets that the dead owner had received and not decided still wait in the kernel. They are sent into their chain again
    /// (`NF_REPEAT`), whose rules queue them anew: none is lost, none passes undecided. Call it in the queue's network namespace.
    public init(adopting descriptor: Int32, queue: UInt16, options: QueueOptions = QueueOptions()) throws(QueueError) {
        try self.init(queue: queue, options: options, descriptor: descriptor)
    }

    private init(queue: UInt16, options: QueueOptions, descriptor: Int32?) throws(QueueError) {
        self.queue = queue
        self.options = options
        buffers = QueueBuffers(copyRange: options.copyRange)
        held = HeldPackets(capacity: options.heldMax)
        holdNanoseconds = UInt64(options.holdMilliseconds) * 1_000_000
        socket = try Self.open(queue: queue, options: options, descriptor: descriptor)
    }

    private static func open(queue: UInt16, options: QueueOptions, descriptor: Int32?) throws(QueueError) -> NetlinkSocket {
        do {
            let socket = if let descriptor { try NetlinkSocket(adopting: descriptor) } else { try NetlinkSocket() }
            try socket.setBuffers(receive: options.receiveBuffer, send: nil)
            // NETLINK_NO_ENOBUFS: an overrun drops packets, which the kernel counts; it must not end the batch as an error.
            try socket.setOption(level: 270, name: 5, 1, "NETLINK_NO_ENOBUFS")
            if descriptor != nil { try requeueStranded(socket, queue) }
            try configure(socket, queue, bind: descriptor == nil, options)
            return socket
        } catch {
            throw named(error, queue)
        }
    }

    /// EPERM at a queue that somebody holds, with whoever does.
    static func named(_ error: NetlinkError, _ queue: UInt16) -> QueueError {
        guard error.errno == EPERM, let row = QueueStatistics.all().first(where: { $0.queue == queue }) else { return .failed(error) }
        return .heldByOther(queue: queue, portID: row.portID, holders: NetlinkPeer.holders(ofPort: row.portID))
    }

    /// The configuration messages of libnetfilter_queue's `nfq_nlmsg_cfg_*`, each acknowledged.
    static func configure(_ socket: borrowing NetlinkSocket, _ queue: UInt16, bind: Bool, _ options: QueueOptions)
        throws(NetlinkError)
    {
        if bind {
            try unsafe request(socket, queue, "bind queue \(queue)") {
                unsafe nfq_nlmsg_cfg_put_cmd($0, UInt16(AF_UNSPEC), UInt8(NFQNL_CFG_CMD_BIND.rawValue))
            }
        }
        try unsafe request(socket, queue, "set copy range, length and flags of queue \(queue)") { header in
            unsafe nfq_nlmsg_cfg_put_params(header, UInt8(NFQNL_COPY_PACKET.rawValue), Int32(clamping: min(options.copyRange, 65_531)))
            unsafe nfq_nlmsg_cfg_put_qmaxlen(header, options.lengthMax)
            let gso: UInt32 = 1 << 2  // NFQA_CFG_F_GSO
            let failOpen: UInt32 = 1 << 0  // NFQA_CFG_F_FAIL_OPEN
            unsafe mnl_attr_put_u32(
                header, UInt16(NFQA_CFG_FLAGS.rawValue),
                ((options.takesAggregates ? gso : 0) | (options.failsOpen ? failOpen : 0)).bigEndian)
            unsafe mnl_attr_put_u32(header, UInt16(NFQA_CFG_MASK.rawValue), (gso | failOpen).bigEndian)
        }
    }

    /// Sends one configuration message and waits for its acknowledgement. Packets that arrive meanwhile are read too; they are sent
    /// into their chain again, which queues them anew.
    private static func request(
        _ socket: borrowing NetlinkSocket, _ queue: UInt16, _ operation: String, _ body: (UnsafeMutablePointer<nlmsghdr>) -> Void
    ) throws(NetlinkError) {
        var message = [UInt8](repeating: 0, count: 512)
        let length = unsafe message.withUnsafeMutableBytes { space -> Int in
            guard
                let header = unsafe nfq_nlmsg_put(
                    space.baseAddress?.assumingMemoryBound(to: CChar.self), Int32(NFQNL_MSG_CONFIG.rawValue), UInt32(queue))
            else { return 0 }
            unsafe header.pointee.nlmsg_flags |= UInt16(NLM_F_ACK)
            unsafe body(header)
            return Int(unsafe header.pointee.nlmsg_len)
        }
        try socket.send(Array(message[..<length]), operation)
        if let lost = try acknowledged(socket, operation) { try repeatAll(socket, queue, upTo: lost) }
    }

    /// Reads until the acknowledgement; the last packet id among what came before it.
    private static func acknowledged(_ socket: borrowing NetlinkSocket, _ operation: String) throws(NetlinkError) -> UInt32? {
        var buffer = [UInt8](repeating: 0, count: 131_072)
        var lost: UInt32?
        while true {
            guard let count = try socket.receive(into: &buffer, operation) else {
                // The kernel answers before send(2) returns: nothing there means that the answer did not fit into the buffer.
                throw NetlinkError(operation, errno: ENOBUFS)
            }
            let span = buffer.span.extracting(0..<count)
            var offset = 0
            while let message = QueueMessage.next(in: span, at: &offset) {
                switch message {
                case .error(0): return lost
                // Of a verdict that found nothing waiting; no configuration message is answered so.
                case .error(ENOENT): break
                case .error(let error): throw NetlinkError(operation, errno: error)
                case .packet(let packet, _, _): lost = packet.id
                case .malformed(let id): lost = id ?? lost
                case .other: break
                }
            }
        }
    }

    /// Sends all waiting packets with ids up to this one into their chain again (`NFQNL_MSG_VERDICT_BATCH`).
    private static func repeatAll(_ socket: borrowing NetlinkSocket, _ queue: UInt16, upTo id: UInt32) throws(NetlinkError) {
        var writer = NetlinkWriter()
        writer.begin(
            type: 3 << 8 | 3, flags: UInt16(NLM_F_REQUEST), sequence: 0, family: UInt8(AF_UNSPEC), resource: queue)
        let words = [UInt32(NF_REPEAT), id]
        writer.attribute(2, words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } })  // NFQA_VERDICT_HDR
        writer.end()
        try socket.send(writer.bytes, "re-queue the packets of queue \(queue)")
    }

    /// What the previous owner of the socket has left: messages that nobody will answer are discarded, their packets re-queued.
    private static func requeueStranded(_ socket: borrowing NetlinkSocket, _ queue: UInt16) throws(NetlinkError) {
        var buffer = [UInt8](repeating: 0, count: 131_072)
        var last: UInt32?
        while let count = try socket.receive(into: &buffer, "adopt queue \(queue)") {
            let span = buffer.span.extracting(0..<count)
            var offset = 0
            while let message = QueueMessage.next(in: span, at: &offset) {
                if case .packet(let packet, _, _) = message { last = packet.id }
            }
        }
        if let known = QueueStatistics.all().first(where: { $0.queue == queue && $0.portID == socket.portID }) {
            last = UInt32(truncatingIfNeeded: known.lastID)
        }
        if let last { try repeatAll(socket, queue, upTo: last) }
    }

    public var counters: QueueCounters { tally }
    /// Packets that wait for the handler's release.
    public var heldCount: Int { held.count }
    public var descriptor: Int32 { socket.descriptor }
    public var portID: UInt32 { socket.portID }
}
