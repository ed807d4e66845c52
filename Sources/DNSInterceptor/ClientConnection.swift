import Glibc
import NetworkTypes

/// A client's TCP connection: what was read and not yet understood, what is answered and not yet sent (RFC 7766).
///
/// Owned by the worker; closes its descriptor when it goes.
final class ClientConnection {
    let descriptor: Int32
    let slot: Int
    /// Tells this connection from earlier ones in the same slot.
    let generation: UInt32
    let peer: IPAddress
    /// As it was when the connection came.
    let share: ClientShare
    /// Of the listener that it came to.
    let classNumber: UInt8
    /// Bytes read, from the start of a frame.
    private(set) var input: [UInt8] = []
    private var inputStart = 0
    private var output = StreamOutput()
    /// Queries that wait for an upstream.
    var waitingQueries = 0
    /// The client will send no more.
    var isReadClosed = false
    /// Nothing more is read; closed once everything is sent.
    var isEnding = false
    var isMarked = false
    /// What the poll is told now.
    var reads = true
    var writes = false

    init(descriptor: Int32, slot: Int, generation: UInt32, peer: IPAddress, share: ClientShare, classNumber: UInt8 = 0) {
        self.descriptor = descriptor
        self.slot = slot
        self.generation = generation
        self.peer = peer
        self.share = share
        self.classNumber = classNumber
    }

    deinit { close(descriptor) }

    var unsentBytes: Int { output.unsentBytes }

    func receive(_ bytes: Span<UInt8>) {
        if inputStart > 0 {
            input.removeSubrange(..<inputStart)
            inputStart = 0
        }
        for index in 0..<bytes.count { input.append(bytes[index]) }
    }

    /// The place of the next whole message in `input`, which it consumes; nil if none is whole yet.
    func nextFrame(bytesMax: Int) throws(BadFrame) -> Range<Int>? {
        guard input.count - inputStart >= 2 else { return nil }
        let length = Int(input[inputStart]) << 8 | Int(input[inputStart + 1])
        guard length >= 12, length <= bytesMax else { throw BadFrame() }
        let start = inputStart + 2
        guard input.count - start >= length else { return nil }
        inputStart = start + length
        return start..<(start + length)
    }

    /// Something whole, or something that is no frame at all, waits in `input`.
    var hasFrame: Bool {
        guard input.count - inputStart >= 2 else { return false }
        let length = Int(input[inputStart]) << 8 | Int(input[inputStart + 1])
        return length < 12 || input.count - inputStart - 2 >= length
    }

    func enqueue(_ message: Span<UInt8>) { output.append(message) }

    /// Sends what the kernel takes; false if the connection is broken.
    func flush() -> Bool { output.flush(to: descriptor) }

    /// A length that no query has.
    struct BadFrame: Error {}
}
