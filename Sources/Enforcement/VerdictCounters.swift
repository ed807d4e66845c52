import PacketHeaders
import PolicyEngine
import Synchronization

/// Counts of one verdict thread; written by it, read by the metrics page.
public final class VerdictCounters: Sendable {
    private let storage: CounterArray
    private let seenPolicy = Atomic<UInt32>(0)

    public init() {
        storage = CounterArray(count: Self.held + 1)
    }

    private static let stagedStart = VerdictReason.allCases.count + 256
    private static let leaseStart = stagedStart + 2
    private static let revocation = leaseStart + 2
    private static let holdStart = revocation + 1
    private static let held = holdStart + HoldOutcome.allCases.count

    func noteBatch(policyVersion: UInt32) { seenPolicy.store(policyVersion, ordering: .releasing) }

    func note(_ reason: VerdictReason, detail: UInt8) {
        storage.increment(Int(reason.rawValue))
        if reason == .malformedPacket { storage.increment(VerdictReason.allCases.count + Int(detail)) }
    }

    func noteStaged(isAllowed: Bool) { storage.increment(Self.stagedStart + (isAllowed ? 1 : 0)) }

    /// Decisions that the staged policies would turn round: into allow, or into deny.
    public func stagedTurns(intoAllow: Bool) -> UInt64 { storage[Self.stagedStart + (intoAllow ? 1 : 0)] }

    func noteLease(isGranted: Bool) { storage.increment(Self.leaseStart + (isGranted ? 1 : 0)) }

    /// Kernel leases asked for (granted), or not because the endpoint had asked for too many.
    public func leases(isGranted: Bool) -> UInt64 { storage[Self.leaseStart + (isGranted ? 1 : 0)] }

    func noteRevocation() { storage.increment(Self.revocation) }

    /// Flows that were admitted once, decided again and refused.
    public var revocations: UInt64 { storage[Self.revocation] }

    public func noteHold(_ outcome: HoldOutcome) { storage.increment(Self.holdStart + Int(outcome.rawValue)) }

    public func setHeld(_ count: Int) { storage.set(Self.held, UInt64(count)) }

    /// What became of packets that were to wait for an answer.
    public func holds(_ outcome: HoldOutcome) -> UInt64 { storage[Self.holdStart + Int(outcome.rawValue)] }

    /// Packets that wait now.
    public var held: UInt64 { storage[Self.held] }

    public func count(of reason: VerdictReason) -> UInt64 { storage[Int(reason.rawValue)] }

    public func count(of error: PacketError) -> UInt64 { storage[VerdictReason.allCases.count + Int(error.rawValue)] }

    /// The policy version that the thread used in its last batch.
    public var policyVersion: UInt32 { seenPolicy.load(ordering: .acquiring) }
}
