import CLinux
import Glibc

/// The memory of one queue's loop, allocated once: 64 receive slots with their message headers, and room for 64 verdicts.
///
/// ```
/// slots:    [slot 0: one netlink datagram][slot 1]...[slot 63]
/// verdicts: [nlmsghdr 16 | nfgenmsg 4 | NFQA_VERDICT_HDR 12 | NFQA_MARK 8] x up to 64, packed, sent as one datagram
/// ```
@usableFromInline
@safe
struct QueueBuffers: ~Copyable {
    @usableFromInline static var count: Int { 64 }
    /// The longest verdict message.
    @usableFromInline static var verdictSize: Int { 40 }

    @usableFromInline let slotSize: Int
    @usableFromInline let slots: UnsafeMutablePointer<UInt8>
    @usableFromInline let vectors: UnsafeMutablePointer<iovec>
    @usableFromInline let headers: UnsafeMutablePointer<exeat_mmsghdr>
    /// What the datagrams of a batch say, one each.
    @usableFromInline let messages: UnsafeMutablePointer<QueueMessage>
    @usableFromInline let verdicts: UnsafeMutablePointer<UInt8>
    @usableFromInline var verdictBytes = 0

    init(copyRange: UInt32) {
        // The other attributes (headers, mark, interfaces, hardware address, lengths, time, cgroup) take less than 512 bytes.
        slotSize = (Int(min(copyRange, 65_531)) + 512 + 63) & ~63
        unsafe slots = .allocate(capacity: slotSize * Self.count)
        unsafe vectors = .allocate(capacity: Self.count)
        unsafe headers = .allocate(capacity: Self.count)
        unsafe messages = .allocate(capacity: Self.count)
        unsafe verdicts = .allocate(capacity: Self.verdictSize * Self.count)
        unsafe slots.initialize(repeating: 0, count: slotSize * Self.count)
        unsafe messages.initialize(repeating: .other, count: Self.count)
        unsafe verdicts.initialize(repeating: 0, count: Self.verdictSize * Self.count)
        for index in 0..<Self.count {
            unsafe (vectors + index).initialize(to: iovec(iov_base: slots + index * slotSize, iov_len: slotSize))
            var header = unsafe exeat_mmsghdr()
            unsafe header.header.msg_iov = vectors + index
            unsafe header.header.msg_iovlen = 1
            unsafe (headers + index).initialize(to: header)
        }
    }

    @inlinable
    deinit {
        unsafe slots.deallocate()
        unsafe vectors.deallocate()
        unsafe headers.deallocate()
        unsafe messages.deallocate()
        unsafe verdicts.deallocate()
    }

    /// Whether another verdict has room; every slot of a batch has.
    @inlinable var isFull: Bool { verdictBytes > Self.verdictSize * (Self.count - 1) }

    /// Appends one verdict message (`NFQNL_MSG_VERDICT`). There is room for one per slot.
    @inlinable
    mutating func append(id: UInt32, queue: UInt16, _ verdict: PacketVerdict) {
        precondition(verdictBytes <= Self.verdictSize * (Self.count - 1), "more verdicts than packets")
        let target = unsafe UnsafeMutableRawPointer(verdicts + verdictBytes)
        let length = verdict.setsMark ? 40 : 32
        // struct nlmsghdr, host byte order: NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_VERDICT, NLM_F_REQUEST
        unsafe target.storeBytes(of: UInt32(length), as: UInt32.self)
        unsafe target.storeBytes(of: 3 << 8 | 1, toByteOffset: 4, as: UInt16.self)
        unsafe target.storeBytes(of: 1, toByteOffset: 6, as: UInt16.self)
        unsafe target.storeBytes(of: 0, toByteOffset: 8, as: UInt64.self)
        // struct nfgenmsg: AF_UNSPEC, NFNETLINK_V0, the queue in network byte order
        unsafe target.storeBytes(of: 0, toByteOffset: 16, as: UInt16.self)
        unsafe target.storeBytes(of: queue.bigEndian, toByteOffset: 18, as: UInt16.self)
        // NFQA_VERDICT_HDR: verdict and id in network byte order
        unsafe target.storeBytes(of: 12, toByteOffset: 20, as: UInt16.self)
        unsafe target.storeBytes(of: 2, toByteOffset: 22, as: UInt16.self)
        unsafe target.storeBytes(of: verdict.code.bigEndian, toByteOffset: 24, as: UInt32.self)
        unsafe target.storeBytes(of: id.bigEndian, toByteOffset: 28, as: UInt32.self)
        if verdict.setsMark {  // NFQA_MARK
            unsafe target.storeBytes(of: 8, toByteOffset: 32, as: UInt16.self)
            unsafe target.storeBytes(of: 3, toByteOffset: 34, as: UInt16.self)
            unsafe target.storeBytes(of: verdict.mark.bigEndian, toByteOffset: 36, as: UInt32.self)
        }
        verdictBytes += length
    }

    /// The datagram in a slot, as long as recvmmsg(2) said; valid until the next receive.
    @inlinable
    func slot(_ index: Int) -> UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: slots + index * slotSize, count: min(Int(headers[index].length), slotSize))
    }
}
