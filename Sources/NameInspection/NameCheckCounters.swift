/// What the name check did since it was made.
public struct NameCheckCounters: Hashable, Sendable {
    public internal(set) var opened: UInt64 = 0
    /// Flows that were not opened because the table or the client's share of it was full.
    public internal(set) var refused: UInt64 = 0
    /// Connections that were forgotten without any data.
    public internal(set) var expired: UInt64 = 0
    /// By `SeenName.Source`.
    public internal(set) var names: [UInt64] = Array(repeating: 0, count: SeenName.Source.allCases.count)
    /// Names that stood outside of an encrypted hello, or of what looks like one.
    public internal(set) var outerNames: UInt64 = 0
    /// By raw value of `NameFault`.
    public internal(set) var faults: [UInt64] = Array(repeating: 0, count: NameFault.allCases.count)

    public init() {}

    public subscript(_ source: SeenName.Source) -> UInt64 { names[Int(source.rawValue)] }
    public subscript(_ fault: NameFault) -> UInt64 { faults[Int(fault.rawValue)] }
}
