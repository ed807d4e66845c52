import CLinux
import Glibc

/// Sends a batch in as few packets as its peers allow: datagrams that go the same way leave as one, which the kernel takes apart again
/// (udp(7), `UDP_SEGMENT`), within the node only when the peer's socket takes it. What the network stack does for a packet it then does once
/// for, say, both answers of one getaddrinfo(3).
///
///     one train:  all of one length, but for the last, which may be shorter; 64 at most, 60,000 bytes
///     control:    that of the way (40 bytes at most) | UDP_SEGMENT (24)
///
/// A train that the kernel refuses, as it does where the way's MTU is below a datagram's length, is sent datagram by datagram.
@safe
struct DatagramTrains: ~Copyable {
    private struct Train {
        /// Where its datagrams stand in `order`.
        var first: Int
        var count: Int
    }

    private static let bytesMax = 60_000
    /// What fits the least MTU of IPv6 (RFC 8200 §5): longer datagrams travel alone.
    private static let datagramBytesMax = 1_232
    private static let controlBytes = 64
    private static let slotCount = 128
    private static let none = UInt8.max

    private let capacity: Int
    private let messages: UnsafeMutablePointer<exeat_mmsghdr>
    private let vectors: UnsafeMutablePointer<iovec>
    private let controls: UnsafeMutableRawPointer
    private let trains: UnsafeMutablePointer<Train>
    /// Indices of datagrams, train by train.
    private let order: UnsafeMutablePointer<UInt8>
    /// By datagram: the next one that goes the same way.
    private let next: UnsafeMutablePointer<UInt8>
    /// By datagram that is the first of its way: the last one.
    private let last: UnsafeMutablePointer<UInt8>
    /// By hash: the first datagram of a way.
    private let slots: UnsafeMutablePointer<UInt8>

    /// For batches of this capacity, 64 at most: the kernel takes no more segments.
    init(capacity: Int) {
        precondition(capacity <= 64, "segments")
        self.capacity = capacity
        unsafe messages = .allocate(capacity: capacity)
        unsafe messages.initialize(repeating: exeat_mmsghdr(), count: capacity)
        unsafe vectors = .allocate(capacity: capacity)
        unsafe vectors.initialize(repeating: iovec(), count: capacity)
        unsafe controls = .allocate(byteCount: capacity * Self.controlBytes, alignment: 8)
        unsafe trains = .allocate(capacity: capacity)
        unsafe trains.initialize(repeating: Train(first: 0, count: 0), count: capacity)
        unsafe order = .allocate(capacity: capacity)
        unsafe next = .allocate(capacity: capacity)
        unsafe last = .allocate(capacity: capacity)
        unsafe slots = .allocate(capacity: Self.slotCount)
        unsafe order.initialize(repeating: 0, count: capacity)
        unsafe next.initialize(repeating: 0, count: capacity)
        unsafe last.initialize(repeating: 0, count: capacity)
        unsafe slots.initialize(repeating: Self.none, count: Self.slotCount)
    }

    deinit {
        unsafe messages.deallocate()
        unsafe vectors.deallocate()
        unsafe controls.deallocate()
        unsafe trains.deallocate()
        unsafe order.deallocate()
        unsafe next.deallocate()
        unsafe last.deallocate()
        unsafe slots.deallocate()
    }

    /// Sends the first `count` datagrams of `batch`, those of one way in no certain order.
    ///
    /// - Returns: how many the kernel refused, and how many left together with others.
    mutating func send(_ count: Int, of batch: borrowing DatagramBatch, to descriptor: Int32) -> (lost: Int, coalesced: Int) {
        precondition(count <= capacity && count <= batch.capacity, "datagram count")
        guard count > 1 else { return (batch.send(0..<count, to: descriptor), 0) }
        let trainCount = couple(count, batch)
        guard trainCount < count else { return (batch.send(0..<count, to: descriptor), 0) }
        var sent = 0
        var lost = 0
        var coalesced = 0
        while sent < trainCount {
            let now = Int(unsafe exeat_sendmmsg(descriptor, messages + sent, UInt32(trainCount - sent), 0))
            if now > 0 {
                for train in sent..<sent + now where unsafe trains[train].count > 1 { unsafe coalesced += trains[train].count }
                sent += now
            } else if now < 0, errno == EINTR {
                continue
            } else {
                lost += sendAlone(unsafe trains[sent], batch, descriptor)
                sent += 1
            }
        }
        return (lost, coalesced)
    }

    private func sendAlone(_ train: Train, _ batch: borrowing DatagramBatch, _ descriptor: Int32) -> Int {
        guard train.count > 1 else { return 1 }
        var lost = 0
        for place in train.first..<train.first + train.count {
            let index = Int(unsafe order[place])
            lost += batch.send(index..<index + 1, to: descriptor)
        }
        return lost
    }

    /// Puts the datagrams into trains and writes the messages; the number of trains.
    private func couple(_ count: Int, _ batch: borrowing DatagramBatch) -> Int {
        unsafe slots.update(repeating: Self.none, count: Self.slotCount)
        for index in 0..<count {
            unsafe next[index] = Self.none
            unsafe last[index] = UInt8(index)
            guard batch.length(index) <= Self.datagramBytesMax, let first = find(index, batch) else { continue }
            unsafe next[Int(last[first])] = UInt8(index)
            unsafe last[first] = UInt8(index)
            // It heads no way.
            unsafe last[index] = Self.none
        }
        var trainCount = 0
        var placed = 0
        for index in 0..<count where unsafe last[index] != Self.none {
            let first = placed
            var member = UInt8(index)
            repeat {
                insert(member, from: first, to: placed, batch)
                placed += 1
                member = unsafe next[Int(member)]
            } while member != Self.none
            trainCount = write(first, placed, batch, trainCount)
        }
        return trainCount
    }

    /// The first datagram that goes the same way; nil if this is the first.
    private func find(_ index: Int, _ batch: borrowing DatagramBatch) -> Int? {
        var slot = Int(truncatingIfNeeded: batch.wayHash(index) % UInt64(Self.slotCount))
        while true {
            let first = unsafe slots[slot]
            guard first != Self.none else {
                unsafe slots[slot] = UInt8(index)
                return nil
            }
            if batch.goesTheSameWay(Int(first), index) { return Int(first) }
            slot = (slot + 1) % Self.slotCount
        }
    }

    /// Keeps the places `from..<to` of `order` in order of length, the longest first.
    private func insert(_ member: UInt8, from first: Int, to end: Int, _ batch: borrowing DatagramBatch) {
        let length = batch.length(Int(member))
        var place = end
        while place > first, batch.length(Int(unsafe order[place - 1])) < length {
            unsafe order[place] = unsafe order[place - 1]
            place -= 1
        }
        unsafe order[place] = member
    }

    /// Writes the messages of one way, whose datagrams stand in `order`; the number of trains then.
    private func write(_ first: Int, _ end: Int, _ batch: borrowing DatagramBatch, _ trainCount: Int) -> Int {
        var trainCount = trainCount
        var start = first
        while start < end {
            let length = batch.length(Int(unsafe order[start]))
            var bytes = 0
            var place = start
            while place < end, bytes + length <= Self.bytesMax {
                let own = batch.length(Int(unsafe order[place]))
                unsafe vectors[place] = batch.vector(Int(unsafe order[place]))
                bytes += own
                place += 1
                if own < length { break }
            }
            let head = Int(unsafe order[start])
            var header = unsafe batch.header(head)
            unsafe header.msg_iov = vectors + start
            unsafe header.msg_iovlen = place - start
            if place - start > 1 {
                let control = unsafe controls + trainCount * Self.controlBytes
                let wayBytes = unsafe Int(header.msg_controllen)
                precondition(wayBytes <= ReturnPath.controlBytesMax, "ancillary data")
                if wayBytes > 0 { unsafe control.copyMemory(from: header.msg_control, byteCount: wayBytes) }
                // cmsghdr: length (8) | level (4) | type (4) | segment (2), padded to 8 (linux/udp.h: UDP_SEGMENT is 103).
                unsafe control.storeBytes(of: 18, toByteOffset: wayBytes, as: Int.self)
                unsafe control.storeBytes(of: Int32(IPPROTO_UDP), toByteOffset: wayBytes + 8, as: Int32.self)
                unsafe control.storeBytes(of: 103, toByteOffset: wayBytes + 12, as: Int32.self)
                unsafe control.storeBytes(of: UInt64(length), toByteOffset: wayBytes + 16, as: UInt64.self)
                unsafe header.msg_control = control
                unsafe header.msg_controllen = wayBytes + 24
            }
            unsafe messages[trainCount].header = header
            unsafe trains[trainCount] = Train(first: start, count: place - start)
            trainCount += 1
            start = place
        }
        return trainCount
    }
}
