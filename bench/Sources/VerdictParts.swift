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
        let load = PolicyFolder(policies).load()
        guard load.isUsable else { throw BenchError("policy: \(load.diagnostics)") }
        var compiler = PolicyCompiler()
        var number: UInt32 = 0
        let compiled = compiler.compile(load.resources) { _ in
            number += 1
            return EndpointID(rawValue: number)
        }
        let policy = compiled.withGenerations(compiled.endpoints.map { _ in 1 })
        self.policy = Published(policy)

        let limits = BindingLimits()
        let now = BootClock.now()
        table = AddressTable(
            try MappedFile.anonymous(byteCount: AddressTable.byteCount(slots: limits.bindings * 2)),
            seed: (.random(in: 0 ... .max), .random(in: 0 ... .max)))
        let store = BindingStore(
            SharedMemory(byteCount: BindingStore.byteCount(capacity: limits.bindings)), capacity: limits.bindings, bootMark: 1)
        var names = NameTable(limits: limits, table: table, store: store, policy: policy, now: now)
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
