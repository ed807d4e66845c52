import CLinux
import CNetfilter
import Glibc
import Netlink

/// Events of connection tracking in the network namespace in which the socket was opened.
///
/// The kernel sends one datagram for each event and waits for nobody: when the receive buffer is full, events are lost and the next
/// read says so (`ENOBUFS`, netlink(7)). Whoever follows flows then reads the table anew (`ConntrackSocket.dump`). Entries that were
/// made while nobody listened end without an event, if `net.netfilter.nf_conntrack_events` is 2, the kernel's default.
@safe
public struct ConntrackEventSocket: ~Copyable {
    /// What a read has found.
    public struct Reading: Hashable, Sendable {
        public var events = 0
        /// Datagrams that could not be read: not from the kernel's conntrack, or too long.
        public var malformed = 0
        /// Events were lost: read the table anew.
        public var hasLost = false
    }

    private static let slotCount = 64
    /// An event takes less than 500 bytes, labels and a security context included.
    private static let slotSize = 4_096

    private let socket: NetlinkSocket
    private let slots: UnsafeMutablePointer<UInt8>
    private let vectors: UnsafeMutablePointer<iovec>
    private let headers: UnsafeMutablePointer<exeat_mmsghdr>

    /// Listens to events of these kinds.
    ///
    /// - Parameters:
    ///   - markMask: where it is not 0, the kernel hands over only events of flows that have one of these bits in their mark.
    ///   - receiveBytes: the kernel's buffer, beyond the system's limit; an event takes about 1 KB of it.
    public init(_ kinds: Set<ConntrackEvent.Kind>, markMask: UInt32 = 0, receiveBytes: Int32 = 16 << 20) throws(ConntrackError) {
        socket = try Self.open(kinds, markMask, receiveBytes)
        unsafe slots = .allocate(capacity: Self.slotSize * Self.slotCount)
        unsafe vectors = .allocate(capacity: Self.slotCount)
        unsafe headers = .allocate(capacity: Self.slotCount)
        unsafe slots.initialize(repeating: 0, count: Self.slotSize * Self.slotCount)
        for index in 0..<Self.slotCount {
            unsafe (vectors + index).initialize(to: iovec(iov_base: slots + index * Self.slotSize, iov_len: Self.slotSize))
            var header = unsafe exeat_mmsghdr()
            unsafe header.header.msg_iov = vectors + index
            unsafe header.header.msg_iovlen = 1
            unsafe (headers + index).initialize(to: header)
        }
    }

    private static func open(_ kinds: Set<ConntrackEvent.Kind>, _ markMask: UInt32, _ receiveBytes: Int32) throws(ConntrackError)
        -> NetlinkSocket
    {
        do throws(NetlinkError) {
            let socket = try NetlinkSocket()
            try socket.setBuffers(receive: receiveBytes, send: nil)
            // Before the groups: nothing unfiltered is ever received.
            if markMask != 0 { try filter(socket, markMask) }
            for kind in kinds.sorted(by: { $0.rawValue < $1.rawValue }) {
                let group: Int32 =
                    switch kind {
                    case .began: 1  // NFNLGRP_CONNTRACK_NEW
                    case .changed: 2  // NFNLGRP_CONNTRACK_UPDATE
                    case .ended: 3  // NFNLGRP_CONNTRACK_DESTROY
                    }
                try socket.setOption(level: 270, name: 1, group, "NETLINK_ADD_MEMBERSHIP \(group)")
            }
            return socket
        } catch {
            throw .failed(error)
        }
    }

    deinit {
        unsafe slots.deallocate()
        unsafe vectors.deallocate()
        unsafe headers.deallocate()
    }

    /// Readable when there are events, or when some were lost.
    public var descriptor: Int32 { socket.descriptor }

    /// A classic BPF program (socket(7), `SO_ATTACH_FILTER`): an event whose `CTA_MARK` has none of the bits is not handed over. The kernel leaves the
    /// attribute out where the mark is 0.
    private static func filter(_ socket: borrowing NetlinkSocket, _ markMask: UInt32) throws(NetlinkError) {
        // SKF_AD_OFF + SKF_AD_NLATTR: looks for the attribute X from offset A on; A is its offset, or 0.
        let findAttribute = UInt32(bitPattern: -0x1000 + 12)
        var program: [sock_filter] = [
            sock_filter(code: 0x00, jt: 0, jf: 0, k: 20),  // ld #20: behind nlmsghdr and nfgenmsg
            sock_filter(code: 0x01, jt: 0, jf: 0, k: 8),  // ldx #CTA_MARK
            sock_filter(code: 0x20, jt: 0, jf: 0, k: findAttribute),  // ld [nlattr]
            sock_filter(code: 0x15, jt: 4, jf: 0, k: 0),  // jeq #0: none
            sock_filter(code: 0x07, jt: 0, jf: 0, k: 0),  // tax
            sock_filter(code: 0x40, jt: 0, jf: 0, k: 4),  // ld [x + 4]
            sock_filter(code: 0x45, jt: 0, jf: 1, k: markMask),  // jset #mask
            sock_filter(code: 0x06, jt: 0, jf: 0, k: .max),  // ret: all of it
            sock_filter(code: 0x06, jt: 0, jf: 0, k: 0),  // ret #0
        ]
        let count = UInt16(program.count)
        let status = unsafe program.withUnsafeMutableBufferPointer { instructions in
            var filter = unsafe sock_fprog(len: count, filter: instructions.baseAddress)
            return unsafe setsockopt(
                socket.descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &filter, socklen_t(MemoryLayout<sock_fprog>.size))
        }
        guard status == 0 else { throw NetlinkError("setsockopt SO_ATTACH_FILTER", errno: errno) }
    }

    /// Gives the events that are there now to `body`, at most `countMax` and one batch more. Does not wait; poll(2) the descriptor.
    public mutating func read(countMax: Int = 16_384, _ body: (ConntrackEvent) -> Void) throws(ConntrackError) -> Reading {
        var reading = Reading()
        while reading.events + reading.malformed < countMax {
            let received = unsafe exeat_recvmmsg(socket.descriptor, headers, UInt32(Self.slotCount), Int32(MSG_DONTWAIT))
            if received < 0 {
                switch errno {
                case EINTR: continue
                case EAGAIN: return reading
                case ENOBUFS: reading.hasLost = true
                case let error: throw .failed(NetlinkError("read conntrack events", errno: error))
                }
                continue
            }
            for index in 0..<Int(received) {
                let header = unsafe headers[index]
                guard unsafe header.header.msg_flags & Int32(MSG_TRUNC) == 0 else {
                    reading.malformed += 1
                    continue
                }
                let bytes = unsafe UnsafeBufferPointer(start: slots + index * Self.slotSize, count: min(Int(header.length), Self.slotSize))
                let count = unsafe Self.decode(bytes.span, body)
                if count == 0 { reading.malformed += 1 } else { reading.events += count }
            }
            if received < Self.slotCount { return reading }
        }
        return reading
    }

    /// The events of one datagram; the kernel puts one into each.
    private static func decode(_ bytes: Span<UInt8>, _ body: (ConntrackEvent) -> Void) -> Int {
        var offset = 0
        var count = 0
        while let message = NetlinkMessage(in: bytes, at: &offset) {
            guard let event = ConntrackEvent(decoding: bytes, message) else { continue }
            body(event)
            count += 1
        }
        return count
    }
}
