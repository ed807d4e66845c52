/// The rings of the design, from the bottom up; imports point down or stay within.
enum Ring: Int, Comparable {
    case c, values, core, edges, programs, testing

    static func < (left: Ring, right: Ring) -> Bool { left.rawValue < right.rawValue }

    static let members: [(ring: Ring, modules: [String])] = [
        (.values, ["NetworkTypes", "DomainNames", "PacketHeaders", "PolicyModel"]),
        (.core, ["PolicyEngine", "PolicyTools", "Enforcement", "Telemetry"]),
        (
            .edges,
            ["Netlink", "DNSMessages", "NetfilterQueue", "NetfilterTables", "Conntrack", "FlowResets", "DNSInterceptor", "Datastores"]
        ),
        (.programs, ["Daemon", "DemoNetwork", "exeat"]),
        (.testing, ["EnforcementTesting", "simulator", "exeat-bench", "exeat-fuzz"]),
    ]

    static let ofModule: [String: Ring] = Dictionary(uniqueKeysWithValues: members.flatMap { row in row.modules.map { ($0, row.ring) } })

    /// Modules of the toolchain that every ring may import, and those for some only.
    static let toolchain: Set<String> = ["Synchronization", "Dispatch"]

    /// Edges that hold no Foundation: they run for every packet or message, or wrap C.
    static let edgesWithoutFoundation: Set<String> = [
        "NetfilterQueue", "NetfilterTables", "Conntrack", "Netlink", "DNSMessages", "DNSInterceptor",
    ]
}
