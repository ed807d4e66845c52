import Glibc
import NetfilterQueue
import NetfilterTables
import NetworkTypes
import Synchronization

/// What the tests' handler was asked.
struct Question: Hashable, Sendable {
    let code: UInt32
    let hook: UInt8
    let mark: UInt32
    let destinationPort: UInt16
    let sourcePort: UInt16
    let transport: UInt8
    let isIPv6: Bool
    let payloadCount: Int
}

/// What it answers.
enum Answer: Sendable {
    /// Allowed under this generation.
    case allow(UInt32)
    /// The same, and the kernel shall remember it.
    case lease(UInt32)
    /// The same of a connection whose hello is to be looked at.
    case leaseObserved(UInt32)
    case reject
    /// Refused, and the flow for good.
    case revoke
    case drop
    /// The packet enters its chain again with its mark unchanged.
    case repeatUnchanged
    case acceptOnce
    /// The packet waits until the script releases it.
    case hold
}

/// Shared between a test and the thread that serves the queue.
final class Script: Sendable {
    struct State {
        var answer: Answer = .drop
        /// Answers given first, in this order.
        var queued: [Answer] = []
        var byPort: [UInt16: Answer] = [:]
        var questions: [Question] = []
        var isStopped = false
        /// Ids that were held, and those to be allowed now.
        var held: [UInt32] = []
        var releases: [UInt32] = []
        var releaseGeneration: UInt32 = 1
        /// Called once, before the answer is given.
        var beforeAnswer: (@Sendable () -> Void)?
    }

    let state = Mutex(State())

    func answer(_ answer: Answer, port: UInt16? = nil) {
        state.withLock { state in
            if let port { state.byPort[port] = answer } else { state.answer = answer }
        }
    }

    /// The questions since the last call.
    func take() -> [Question] {
        state.withLock { state in
            defer { state.questions = [] }
            return state.questions
        }
    }
}

struct ScriptedHandler: PacketHandler {
    let script: Script
    let mark: MarkLayout

    mutating func beginBatch() {}

    mutating func decide(_ packet: QueuedPacket, payload: Span<UInt8>) -> PacketVerdict {
        let isIPv6 = packet.hardwareProtocol == 0x86dd
        let start = isIPv6 ? 40 : 20
        let transport = payload.count > 9 ? payload[isIPv6 ? 6 : 9] : 0
        var ports: (UInt16, UInt16) = (0, 0)
        if payload.count >= start + 4, transport == 6 || transport == 17 {
            ports.0 = UInt16(payload[start]) << 8 | UInt16(payload[start + 1])
            ports.1 = UInt16(payload[start + 2]) << 8 | UInt16(payload[start + 3])
        }
        let question = Question(
            code: mark.extract(packet.mark), hook: packet.hook, mark: packet.mark, destinationPort: ports.1, sourcePort: ports.0,
            transport: transport, isIPv6: isIPv6, payloadCount: payload.count)
        let (answer, before) = script.state.withLock { state -> (Answer, (@Sendable () -> Void)?) in
            state.questions.append(question)
            let before = state.beforeAnswer
            state.beforeAnswer = nil
            if !state.queued.isEmpty { return (state.queued.removeFirst(), before) }
            return (state.byPort[ports.1] ?? state.byPort[ports.0] ?? state.answer, before)
        }
        before?()
        switch answer {
        case .allow(let generation): return .repeat(mark: mark.replacing(in: packet.mark, with: generation))
        case .lease(let generation): return .repeat(mark: mark.foreignBits | mark.deposit(generation))
        case .leaseObserved(let generation): return .repeat(mark: mark.observedLeaseBits | mark.deposit(generation))
        case .revoke: return .repeat(mark: mark.replacing(in: packet.mark, with: mark.denied))
        case .reject: return .repeat(mark: mark.replacing(in: packet.mark, with: mark.reject))
        case .drop: return .drop
        case .repeatUnchanged: return .repeat(mark: packet.mark)
        case .acceptOnce: return .acceptOnce
        case .hold:
            script.state.withLock { $0.held.append(packet.id) }
            return .hold
        }
    }

    mutating func nextRelease() -> PacketRelease? {
        let mark = mark
        return script.state.withLock { state in
            state.releases.isEmpty
                ? nil : PacketRelease(id: state.releases.removeFirst(), .repeat(mark: mark.deposit(state.releaseGeneration)))
        }
    }
}
