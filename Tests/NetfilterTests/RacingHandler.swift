import NetfilterQueue
import NetfilterTables
import NetworkTypes
import Synchronization

/// A policy that changes while each verdict is on its way: allowed under odd generations, refused under even ones.
final class Race: Sendable {
    struct State {
        var generation: UInt32 = 1
        /// Questions that were answered "allowed" while the next generation, which refuses, came into force.
        var raced = 0
        var refused = 0
        /// Questions about flows that bore a mark.
        var again = 0
        /// Without, the policy stays as it is.
        var isRacing = false
        /// By these foreign bits verdicts ask for more than a stamp.
        var asked: UInt32 = 0
        var isStopped = false
        var failure: String?
    }

    let state = Mutex(State())
    private let table: TableBox
    private let addresses: [IPAddress]
    let mark: MarkLayout
    /// The last generation before the first comes again: even, so that the order of the two policies stays.
    private let last: UInt32

    init(_ table: TableBox, _ addresses: [IPAddress], _ mark: MarkLayout) {
        self.table = table
        self.addresses = addresses
        self.mark = mark
        last = mark.generationMax & ~1
    }

    /// Brings the next generation into force, in the kernel first, unless another thread has done so since.
    func advance(from generation: UInt32) {
        state.withLock { state in
            guard state.isRacing, state.generation == generation else { return }
            let next = generation == last ? 1 : generation + 1
            do {
                try table.socket.apply(addresses.map { .setCurrent($0, generation: next) })
                state.generation = next
            } catch {
                state.failure = "\(error)"
            }
        }
    }
}

/// Decides each batch under the generation that it found at its beginning, as the verdict threads do, and has the next one committed before any
/// verdict of the batch is sent: *queue, decide under the old, commit the new, send the verdict*, every time.
struct RacingHandler: PacketHandler {
    let race: Race
    private var generation: UInt32 = 1

    init(race: Race) { self.race = race }

    mutating func beginBatch() { generation = race.state.withLock { $0.generation } }

    mutating func decide(_ packet: QueuedPacket, payload: Span<UInt8>) -> PacketVerdict {
        let mark = race.mark
        let isAllowed = generation % 2 == 1
        let isAgain = mark.extract(packet.mark) != 0
        let asked = race.state.withLock { state in
            if isAllowed { state.raced += 1 } else { state.refused += 1 }
            if isAgain { state.again += 1 }
            return state.asked
        }
        race.advance(from: generation)
        guard isAllowed else { return .repeat(mark: mark.replacing(in: packet.mark, with: mark.reject)) }
        if asked != 0 { return .repeat(mark: asked | mark.deposit(generation)) }
        return .repeat(mark: mark.replacing(in: packet.mark, with: generation))
    }
}
