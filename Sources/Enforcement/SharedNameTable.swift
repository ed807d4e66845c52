import DomainNames
import NetworkTypes
import Synchronization

/// The node's one NameTable, for all DNS workers: one of them at a time learns, under a lock that is held for microseconds and that a single
/// worker has for itself. Answers that a client was given a moment ago need neither lock nor table, as long as the era stays.
public final class SharedNameTable: Sendable {
    public let limits: BindingLimits
    private let table: Mutex<NameTable>
    private let eras = Atomic<UInt32>(0)
    private let refused = InlineArray<16, Atomic<UInt64>> { _ in Atomic(0) }

    public init(_ names: consuming sending NameTable) {
        precondition(AnswerRefusal.allCases.count <= 16, "more refusals than cells")
        limits = names.limits
        table = Mutex(names)
    }

    /// See `AnswerGate.era`. It changes within the lock: whoever reads it before learning knows what was withdrawn afterwards.
    public var era: UInt32 { eras.load(ordering: .acquiring) }

    func learn(
        _ name: DomainName, _ addresses: [IPAddress], timeToLiveSeconds: UInt32, client: EndpointID, now: Instant
    ) -> Result<Void, NameTableFullness> {
        table.withLock { names in
            let evicted = names.counters.evicted
            let result = names.learn(name, addresses, timeToLiveSeconds: timeToLiveSeconds, client: client, now: now)
            if names.counters.evicted != evicted { eras.wrappingAdd(1, ordering: .releasing) }
            return result
        }
    }

    /// Does what may withdraw bindings. Answers wait for it.
    func change(_ body: (inout NameTable) -> Void) {
        table.withLock { names in
            // First: whoever finds the old one has released its answer before anything is withdrawn.
            eras.wrappingAdd(1, ordering: .releasing)
            body(&names)
        }
    }

    func name(ofRecord record: Int, client: EndpointID, address: IPAddress, now: Instant) -> DomainName? {
        table.withLock { $0.name(ofRecord: record, client: client, address: address, now: now) }
    }

    func count(_ refusal: AnswerRefusal) { refused[Int(refusal.rawValue)].add(1, ordering: .relaxed) }

    // MARK: Reports

    /// Live and draining.
    public var bindingCount: Int { table.withLock { $0.bindingCount } }
    public var nameCount: Int { table.withLock { $0.nameCount } }
    public var drainingCount: Int { table.withLock { $0.drainingCount } }
    public var counters: NameTableCounters { table.withLock { $0.counters } }
    /// Answers and questions that were refused, by `AnswerRefusal`.
    public var refusals: [UInt64] { AnswerRefusal.allCases.map { refused[Int($0.rawValue)].load(ordering: .relaxed) } }

    /// Calls `body` for every binding, in no order. It must not use this table.
    public func forEachBinding(_ body: (EndpointID, DomainName, IPAddress, Instant, BindingStore.State) -> Void) {
        read { $0.forEachBinding(body) }
    }

    private func read(_ body: (borrowing NameTable) -> Void) { table.withLock { body($0) } }
}
