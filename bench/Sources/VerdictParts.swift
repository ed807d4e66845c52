import Daemon
import Datastores
import DomainNames
import Enforcement
import Foundation
import NetfilterTables
import NetworkTypes
import PolicyEngine
import Synchronization

/// What a verdict thread of the daemon works with, in the daemon's sizes.
final class VerdictParts: Sendable {
    private let policy: Published<CompiledPolicy>
    private let table: AddressTable
    private let facts = Ring<FlowRecord>(capacity: 16_384, filler: .filler)
    private let counters = VerdictCounters()

    /// Compiles the policy of a folder and binds the flood's addresses for every endpoint in it.
    init(policies: String) throws {
        let policy = try BenchBindings.policy(policies)
        self.policy = Published(policy)
        let limits = BindingLimits()
        let now = BootClock.now()
        table = try BenchBindings.table(limits)
        var names = try BenchBindings.names(limits, table, policy)
        let name = try DomainName(parsing: BenchPolicy.floodName)
        let addresses = (0..<BenchPolicy.floodAddressCount).map { IPAddress(v4: BenchPolicy.floodFirst + UInt32($0)) }
        for endpoint in policy.endpoints {
            guard case .success = names.learn(name, addresses, timeToLiveSeconds: 3_600, client: endpoint.id, now: now) else {
                throw BenchError("the flood's addresses cannot be bound")
            }
        }
    }

    func makeHandler() -> VerdictHandler {
        VerdictHandler(
            engine: VerdictEngine(policy: policy, table: table, facts: facts, counters: counters, mode: .enforce, denyAction: .reject),
            layout: .standard)
    }

    var allowedCount: UInt64 { counters.count(of: .policyAllow) }

    /// Empties the ring every 5 ms, as the flow log does, until the process ends.
    func startDraining() {
        let thread = Thread { [self] in
            while true {
                while facts.popFirst() != nil {}
                usleep(5_000)
            }
        }
        thread.start()
    }
}
