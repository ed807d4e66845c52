/// The criteria of a rule, one by one: which of them a rule has, and by which it did not match. For coverage.
public enum ReferenceField: UInt8, CaseIterable, Sendable {
    case ipVersion, transport, notTransport, icmp, notICMP
    case nets, notNets, selector, namespaceSelector, serviceAccounts, notSelector, ports, namedPorts, notPorts, namedNotPorts
    case services, domains, urls, setNames, notSelectorNames
    case sourceSelector, sourceNamespaceSelector, sourceServiceAccounts, sourceNotSelector
    case sourceNets, sourceNotNets, sourcePorts, sourceNamedPorts, sourceNotPorts

    /// Several of them.
    public struct Set: OptionSet, Hashable, Sendable {
        public let rawValue: UInt64
        public init(rawValue: UInt64) { self.rawValue = rawValue }
        public init(_ fields: ReferenceField...) { rawValue = fields.reduce(0) { $0 | 1 << UInt64($1.rawValue) } }

        public func contains(_ field: ReferenceField) -> Bool { rawValue & 1 << UInt64(field.rawValue) != 0 }
    }
}
