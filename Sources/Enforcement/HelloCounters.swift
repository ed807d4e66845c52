import NameInspection
import Synchronization

/// Counts of one thread that reads hellos; written by it, read by the metrics page.
public final class HelloCounters: Sendable {
    private static let faultStart = HelloRecord.Result.allCases.count
    private static let outer = faultStart + NameFault.allCases.count
    private static let refused = outer + 1
    private static let datagrams = refused + 1

    private let storage = CounterArray(count: HelloCounters.datagrams + 1)
    private let waiting = Atomic<Int>(0)
    private let flows = Atomic<Int>(0)
    private let expired = Atomic<UInt64>(0)

    public init() {}

    func note(_ result: HelloRecord.Result, _ fault: NameFault?, isOuter: Bool) {
        storage.increment(Int(result.rawValue))
        if let fault { storage.increment(Self.faultStart + Int(fault.rawValue)) }
        if isOuter { storage.increment(Self.outer) }
    }

    func noteRefusal() { storage.increment(Self.refused) }

    func noteDatagrams() { storage.increment(Self.datagrams) }

    func set(waiting packets: Int, flows count: Int, expired ended: UInt64) {
        waiting.store(packets, ordering: .relaxed)
        flows.store(count, ordering: .relaxed)
        expired.store(ended, ordering: .relaxed)
    }

    public subscript(_ result: HelloRecord.Result) -> UInt64 { storage[Int(result.rawValue)] }
    public subscript(_ fault: NameFault) -> UInt64 { storage[Self.faultStart + Int(fault.rawValue)] }
    /// Names that stood outside of an encrypted hello.
    public var outerNames: UInt64 { storage[Self.outer] }
    /// Flows whose name could not be looked for, because the table was full.
    public var refusals: UInt64 { storage[Self.refused] }
    /// Verdicts that left the short headers of a flow of QUIC to the kernel.
    public var allowedDatagrams: UInt64 { storage[Self.datagrams] }
    /// Packets that wait for a decision.
    public var waitingPackets: Int { waiting.load(ordering: .relaxed) }
    /// Connections that were forgotten without any data.
    public var expiries: UInt64 { expired.load(ordering: .relaxed) }
    /// Flows that are kept in mind.
    public var flowCount: Int { flows.load(ordering: .relaxed) }
}
