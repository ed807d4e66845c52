import DomainNames
import NetworkTypes
import PolicyModel

/// The alternatives of one rule: each combination of them is a compiled rule.
extension RuleCompiler {
    /// Names that count on one port only, or on any (0).
    struct Names {
        var patterns: [DomainPattern]
        var port: UInt16
    }

    static func names(of entity: EntityRule) -> [Names?] {
        var result: [Names?] = []
        if !entity.domains.isEmpty { result.append(Names(patterns: entity.domains, port: 0)) }
        for port in Set(entity.urls.map(\.port)).sorted() {
            result.append(Names(patterns: entity.urls.filter { $0.port == port }.map(\.pattern), port: port))
        }
        return result.isEmpty ? [nil] : result
    }

    /// All numbers together, then each name by itself; one nil if there is no port at all.
    enum PortAlternative {
        case ranges([PortRange])
        case named(String)
    }

    static func ranges(_ ports: [RulePort]) -> [PortRange] {
        ports.compactMap { port in if case .range(let range) = port { range } else { nil } }
    }

    static func namedPorts(_ ports: [RulePort]) -> [String] {
        ports.compactMap { port in if case .named(let name) = port { name } else { nil } }
    }

    static func alternatives(_ ports: [RulePort]) -> [PortAlternative?] {
        if ports.isEmpty { return [nil] }
        let ranges = ranges(ports)
        return (ranges.isEmpty ? [] : [.ranges(ranges)]) + namedPorts(ports).map { .named($0) }
    }
}
