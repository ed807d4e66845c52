import Daemon
import Datastores
import DomainNames
import Enforcement
import NetworkTypes
import PolicyEngine

/// What the daemon decides by, in the daemon's sizes, in this process.
enum BenchBindings {
    /// The policy of a folder, every endpoint in its first generation.
    static func policy(_ folder: String) throws -> CompiledPolicy {
        let load = PolicyFolder(folder).load()
        guard load.isUsable else { throw BenchError("policy: \(load.diagnostics)") }
        var compiler = PolicyCompiler()
        var number: UInt32 = 0
        let compiled = compiler.compile(load.resources) { _ in
            number += 1
            return EndpointID(rawValue: number)
        }
        return compiled.withGenerations(compiled.endpoints.map { _ in 1 })
    }

    static func table(_ limits: BindingLimits) throws -> AddressTable {
        AddressTable(
            try MappedFile.anonymous(byteCount: AddressTable.byteCount(slots: limits.bindings * 2), waitsForPages: true),
            seed: (.random(in: 0 ... .max), .random(in: 0 ... .max)))
    }

    static func names(_ limits: BindingLimits, _ table: AddressTable, _ policy: CompiledPolicy) throws -> NameTable {
        let store = BindingStore(
            SharedMemory(byteCount: BindingStore.byteCount(capacity: limits.bindings)), capacity: limits.bindings, bootMark: 1)
        let index = NameIndex(
            try MappedFile.anonymous(byteCount: NameIndex.byteCount(capacity: limits.bindings), waitsForPages: true),
            seed: (.random(in: 0 ... .max), .random(in: 0 ... .max)))
        return NameTable(limits: limits, table: table, store: store, index: index, policy: policy, now: BootClock.now())
    }
}
