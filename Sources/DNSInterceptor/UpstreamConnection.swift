import Glibc
import NetworkTypes

/// A TCP connection to an upstream, with TLS on it or without, with many questions at a time, answered in any order (RFC 7766 §6.2.1, §7).
///
/// Each question has an id that no other on this connection has. Owned by the worker; closes its descriptor when it goes.
final class UpstreamConnection {
    /// Who waits for an id.
    struct Asker: BitwiseCopyable {
        let slot: Int
        let generation: UInt32
        let place: Int
    }

    /// Questions on one connection at a time, those included whose answer is no longer waited for.
    static let questionsMax = 512
    /// With more than this, another connection is opened if there may be one: a server that answers in turn makes each wait for the others.
    static let questionsBeforeAnother = 16
    /// Unsent bytes of a TLS connection: the questions that it may have, each padded, come to a third of it.
    static let unsentBytesMax = 1 << 20
    /// What connect(2), or the first call after it, says of a server that is not there or does not want to; a firewall's refusals included.
    static let refusals = [ECONNREFUSED, ETIMEDOUT, ENETUNREACH, EHOSTUNREACH, EACCES, EPERM]

    let descriptor: Int32
    let slot: Int
    /// Tells this connection from earlier ones in the same slot.
    let generation: UInt32
    /// Of all the worker's upstreams.
    let upstream: Int
    /// Nil: it is clear.
    let tls: TLSClient?
    /// By id; nil for one that is no longer waited for.
    private(set) var questions: [UInt16: Asker?] = [:]
    /// Those that are waited for.
    private(set) var waited = 0
    /// TCP's own handshake was done.
    var hasConnected = false
    private var isRefused = false
    /// It has given an answer to a question.
    var hasServed = false
    /// When bytes came last, or it was opened.
    var heardAt: Instant
    /// Messages with ids that nobody has.
    var strays = 0
    /// Why it is given up, if that is TLS's.
    var fault: TLSFault?
    private var output = StreamOutput()
    private var input: [UInt8] = []
    private var inputStart = 0
    /// What the poll is told now: it is so made that the first event says that it is connected.
    var writes = true

    init(descriptor: Int32, slot: Int, generation: UInt32, upstream: Int, tls: TLSClient?, now: Instant) {
        self.descriptor = descriptor
        self.slot = slot
        self.generation = generation
        self.upstream = upstream
        self.tls = tls
        heardAt = now
    }

    deinit { close(descriptor) }

    // MARK: questions

    /// Enters a question under an id that is free; nil if there are too many.
    func begin(_ asker: Asker, using random: inout some RandomNumberGenerator) -> UInt16? {
        guard questions.count < Self.questionsMax else { return nil }
        var id = UInt16.random(in: .min ... .max, using: &random)
        while questions[id] != nil { id &+= 1 }
        questions[id] = .some(asker)
        waited += 1
        return id
    }

    /// Its answer is not waited for any more; when it comes it is dropped.
    func abandon(_ id: UInt16) {
        guard case .some(.some) = questions[id] else { return }
        questions[id] = .some(nil)
        waited -= 1
    }

    /// A message with this id has come: who waits for it, if anybody does; nil if there is no such question.
    func end(_ id: UInt16) -> Asker?? {
        guard let asker = questions.removeValue(forKey: id) else { return nil }
        if asker != nil { waited -= 1 }
        return .some(asker)
    }

    // MARK: bytes

    var unsentBytes: Int { output.unsentBytes }

    /// Who the server is, is not known yet: nothing of a question has left.
    var isShakingHands: Bool { tls?.isShakingHands ?? false }

    /// The server has said that nothing more comes.
    var hasEnded: Bool { tls?.hasEnded ?? false }

    func enqueue(_ message: Span<UInt8>) {
        guard let tls else { return output.append(message) }
        // In one piece: a record for the length alone would tell as much as the length (RFC 7858 §5).
        var frame = StreamOutput()
        frame.append(message)
        tls.write(frame.bytes)
    }

    /// Sends what the kernel takes, which is nothing before it is connected; false if the connection is broken.
    func flush() -> Bool {
        if let tls {
            tls.moveOutput(into: &output.bytes)
            guard unsentBytes <= Self.unsentBytesMax else { return false }
        }
        let unsent = unsentBytes
        guard output.flush(to: descriptor) else {
            noteEnd(error: errno)
            return false
        }
        // Nothing is taken before.
        if unsentBytes < unsent { hasConnected = true }
        return true
    }

    /// It is broken, with this value of `errno`, or 0. A refusal is told once, by the first call; if there was none, the connection may have been made and
    /// broken before anybody looked.
    func noteEnd(error: Int32) {
        if !hasConnected, Self.refusals.contains(error) { isRefused = true }
        if !isRefused { hasConnected = true }
    }

    func receive(_ bytes: Span<UInt8>) throws(TLSFault) {
        if inputStart > 0 {
            input.removeSubrange(..<inputStart)
            inputStart = 0
        }
        if let tls { return try tls.receive(bytes, into: &input) }
        for index in 0..<bytes.count { input.append(bytes[index]) }
    }

    /// The next whole message, which it consumes.
    func nextMessage() -> [UInt8]? {
        guard input.count - inputStart >= 2 else { return nil }
        let start = inputStart + 2
        let end = start + Int(input[inputStart]) << 8 + Int(input[inputStart + 1])
        guard input.count >= end else { return nil }
        inputStart = end
        return Array(input[start..<end])
    }
}
