import CLinux
import Glibc
import NetworkTypes

/// Buffers of one recvmmsg(2) or sendmmsg(2) call, allocated once.
///
///     message i -> msghdr -> name    (28 bytes: SocketAddress)
///                         -> vector  -> payload (payloadBytes)
///                         -> control (64 bytes)
@safe
struct DatagramBatch: ~Copyable {
    let capacity: Int
    let payloadBytes: Int
    private let messages: UnsafeMutablePointer<exeat_mmsghdr>
    private let vectors: UnsafeMutablePointer<iovec>
    private let names: UnsafeMutablePointer<SocketAddress.Storage>
    private let payloads: UnsafeMutablePointer<UInt8>
    private let controls: UnsafeMutableRawPointer
    private static var controlBytes: Int { 64 }
    /// Datagrams whose lengths must be set anew before the next receive.
    private var receivedCount: Int

    init(capacity: Int, payloadBytes: Int) {
        self.capacity = capacity
        self.payloadBytes = payloadBytes
        receivedCount = capacity
        unsafe messages = .allocate(capacity: capacity)
        unsafe messages.initialize(repeating: exeat_mmsghdr(), count: capacity)
        unsafe vectors = .allocate(capacity: capacity)
        unsafe names = .allocate(capacity: capacity)
        unsafe names.initialize(repeating: SocketAddress.emptyStorage, count: capacity)
        unsafe payloads = .allocate(capacity: capacity * payloadBytes)
        unsafe payloads.initialize(repeating: 0, count: capacity * payloadBytes)
        unsafe controls = .allocate(byteCount: capacity * Self.controlBytes, alignment: 8)
        for index in 0..<capacity {
            let payload = unsafe payloads + index * payloadBytes
            unsafe vectors.advanced(by: index).initialize(to: iovec(iov_base: payload, iov_len: payloadBytes))
            unsafe messages[index].header.msg_name = UnsafeMutableRawPointer(names + index)
            unsafe messages[index].header.msg_iov = vectors + index
            unsafe messages[index].header.msg_iovlen = 1
            unsafe messages[index].header.msg_control = controls + index * Self.controlBytes
        }
    }

    deinit {
        unsafe messages.deallocate()
        unsafe vectors.deallocate()
        unsafe names.deallocate()
        unsafe payloads.deallocate()
        unsafe controls.deallocate()
    }

    // MARK: receiving

    /// Fills the batch with what waits at `descriptor`: the number of datagrams, or -1 and `errno`.
    mutating func receive(from descriptor: Int32) -> Int {
        // The call before has changed as many as it filled.
        for index in 0..<receivedCount {
            unsafe messages[index].header.msg_namelen = SocketAddress.storageLength
            unsafe messages[index].header.msg_controllen = Self.controlBytes
        }
        let count = Int(unsafe exeat_recvmmsg(descriptor, messages, UInt32(capacity), 0))
        receivedCount = count >= 0 ? count : capacity
        return count
    }

    /// The bytes of a received datagram. They last until the next call of `receive`.
    func payload(_ index: Int) -> UnsafeBufferPointer<UInt8> {
        precondition(index >= 0 && index < capacity, "datagram index")
        return unsafe UnsafeBufferPointer(start: payloads + index * payloadBytes, count: min(Int(messages[index].length), payloadBytes))
    }

    /// The datagram was longer than its buffer.
    func isCutShort(_ index: Int) -> Bool {
        precondition(index >= 0 && index < capacity, "datagram index")
        return unsafe messages[index].header.msg_flags & Int32(MSG_TRUNC) != 0
    }

    func returnPath(_ index: Int) -> ReturnPath {
        precondition(index >= 0 && index < capacity, "datagram index")
        let header = unsafe messages[index].header
        let control = unsafe UnsafeRawBufferPointer(
            start: controls + index * Self.controlBytes, count: min(Int(header.msg_controllen), Self.controlBytes))
        return unsafe ReturnPath(peer: SocketAddress(storage: names[index], length: header.msg_namelen), control: control)
    }

    // MARK: sending

    /// The buffer of the datagram that `commit` will complete.
    func buffer(_ index: Int) -> UnsafeMutableBufferPointer<UInt8> {
        precondition(index >= 0 && index < capacity, "datagram index")
        return unsafe UnsafeMutableBufferPointer(start: payloads + index * payloadBytes, count: payloadBytes)
    }

    /// Completes datagram `index`: `count` bytes of its buffer, to be sent along `path`.
    mutating func commit(_ index: Int, count: Int, path: ReturnPath) {
        precondition(index >= 0 && index < capacity && count <= payloadBytes, "datagram index or size")
        unsafe vectors[index].iov_len = count
        unsafe names[index] = path.peer.storage
        let control = unsafe UnsafeMutableRawBufferPointer(start: controls + index * Self.controlBytes, count: Self.controlBytes)
        unsafe messages[index].header.msg_namelen = path.peer.length
        unsafe messages[index].header.msg_controllen = path.writeControl(into: control)
    }

    /// Sends these datagrams. One that the kernel refuses (unreachable peer, full buffer) is given up, as any datagram may be lost, and
    /// the rest goes on. The number given up.
    func send(_ range: Range<Int>, to descriptor: Int32) -> Int {
        precondition(range.upperBound <= capacity, "datagram count")
        var start = range.lowerBound
        var lost = 0
        while start < range.upperBound {
            let sent = Int(unsafe exeat_sendmmsg(descriptor, messages + start, UInt32(range.upperBound - start), 0))
            if sent > 0 {
                start += sent
            } else if sent < 0, errno == EINTR {
                continue
            } else {
                start += 1
                lost += 1
            }
        }
        return lost
    }

    // MARK: what is to be sent

    func length(_ index: Int) -> Int { unsafe Int(vector(index).iov_len) }

    func vector(_ index: Int) -> iovec {
        precondition(index >= 0 && index < capacity, "datagram index")
        return unsafe vectors[index]
    }

    func header(_ index: Int) -> msghdr {
        precondition(index >= 0 && index < capacity, "datagram index")
        return unsafe messages[index].header
    }

    /// Whether two datagrams have one peer and one address of ours.
    func goesTheSameWay(_ first: Int, _ second: Int) -> Bool {
        let (one, other) = unsafe (header(first), header(second))
        guard unsafe one.msg_namelen == other.msg_namelen, unsafe one.msg_controllen == other.msg_controllen,
            unsafe memcmp(one.msg_name, other.msg_name, Int(one.msg_namelen)) == 0
        else { return false }
        return unsafe one.msg_controllen == 0 || memcmp(one.msg_control, other.msg_control, Int(one.msg_controllen)) == 0
    }

    /// Equal for those that go the same way.
    func wayHash(_ index: Int) -> UInt64 {
        precondition(index >= 0 && index < capacity, "datagram index")
        let name = unsafe names[index]
        // `sockaddr_in` is two words, of which the second is padding.
        let words = unsafe messages[index].header.msg_namelen > 16 ? name[0] ^ name[1] ^ name[2] : name[0]
        return ((words ^ words >> 32) &* 0x9e37_79b9_7f4a_7c15) >> 48
    }
}
