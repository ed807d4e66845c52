import NetworkTypes

/// Which revoked flows without an end of their own (UDP and the like) connection tracking shall go on to remember.
///
/// As long as there is an entry, marked denied, packets of the server are replies on a flow that is refused. Without it the next one would begin a flow
/// from outside. Packets keep the entry, but a server that pauses for longer than the kernel's timeout (30 or 120 seconds) would get through. So
/// each entry lives on until its flow has been silent for `silenceSeconds`.
///
/// ```
///  begin(now)  note(...) note(...) ...  end()       one walk over the entries marked denied, every `walkSeconds`
/// ```
/// Bounded: flows beyond `capacity` are left to the kernel's timeout and counted.
public struct RevokedFlows: Sendable {
    /// Between two walks: less than the shortest timeout that the kernel has by default for such flows, 30 seconds.
    public static let walkSeconds: UInt64 = 10
    /// How long an entry lives without a packet.
    public static let silenceSeconds: UInt64 = 600
    /// What an entry is given that would end before the next walk but one.
    public static let timeoutSeconds: UInt32 = 40
    private static let shortSeconds: UInt32 = 20

    private struct Memory {
        var packets: UInt64
        var lastPacket: Instant
        var walk: UInt64
    }

    private let capacity: Int
    private var flows: [FlowKey: Memory] = [:]
    private var walk: UInt64 = 0
    private var now = Instant(nanoseconds: 0)
    /// Flows that were not kept because there were too many, summed over walks.
    public private(set) var overflows: UInt64 = 0

    public init(capacity: Int = 65_536) { self.capacity = capacity }

    /// Flows kept at the last walk.
    public var count: Int { flows.count }

    public mutating func begin(now: Instant) {
        walk += 1
        self.now = now
    }

    /// Takes one entry and says whether its time is to be set to `timeoutSeconds`.
    ///
    /// - Parameter packets: of both directions; 0 where the kernel does not count: then silence begins at the first sight.
    public mutating func note(_ key: FlowKey, packets: UInt64, remainingSeconds: UInt32) -> Bool {
        var memory: Memory
        if let known = flows[key] {
            memory = known
        } else {
            guard flows.count < capacity else {
                overflows += 1
                return false
            }
            memory = Memory(packets: packets, lastPacket: now, walk: walk)
        }
        if memory.packets != packets {
            memory.packets = packets
            memory.lastPacket = now
        }
        memory.walk = walk
        flows[key] = memory
        return remainingSeconds < Self.shortSeconds && now.nanoseconds(since: memory.lastPacket) < Self.silenceSeconds * 1_000_000_000
    }

    /// Forgets the flows whose entries were not there.
    public mutating func end() {
        let walk = walk
        flows = flows.filter { $0.value.walk == walk }
    }
}
