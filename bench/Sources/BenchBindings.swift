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

    /// Learns so many names with so many addresses each, which no other name has, and has all of them end.
    static func comeAndGo(_ count: Int, _ addresses: Int, zone: String, client: EndpointID, in names: inout NameTable) throws {
        let now = BootClock.now()
        for number in 0..<count {
            let name = try DomainName(parsing: "past\(number).\(zone)")
            let held = (0..<addresses).map { IPAddress(v4: 0xc612_0000 &+ UInt32(number * addresses + $0)) }
            guard case .success = names.learn(name, held, timeToLiveSeconds: 1, client: client, now: now) else {
                throw BenchError("no room for \(name)")
            }
        }
        // To their end, and beyond the time for which they are remembered.
        for later: UInt64 in [60, 180] { names.sweep(.max, now: now.advanced(bySeconds: later)) }
        guard names.bindingCount == 0 else { throw BenchError("\(names.bindingCount) bindings are left") }
    }
}
