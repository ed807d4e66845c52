import DomainNames
import NetworkTypes
import PolicyModel

/// One line for each rule of the model, so that tables of translations can be read: `Allow TCP to [nets 192.0.2.0/24] ports 443`.
enum DialectText {
    static func line(_ rule: PolicyRule) -> String {
        var words = [rule.action.rawValue]
        if let version = rule.ipVersion { words.append("v\(version.rawValue)") }
        if let found = rule.protocol { words.append("\(found)") }
        if let type = rule.icmp?.type { words.append("type \(type)") }
        if rule.source != .any { words.append("from [\(entity(rule.source))]") }
        var destination = rule.destination
        destination.ports = []
        if destination != .any { words.append("to [\(entity(destination))]") }
        if !rule.destination.ports.isEmpty { words.append("ports \(list(rule.destination.ports))") }
        return words.joined(separator: " ")
    }

    private static func entity(_ entity: EntityRule) -> String {
        var parts: [String] = []
        if !entity.nets.isEmpty { parts.append("nets \(list(entity.nets))") }
        if !entity.notNets.isEmpty { parts.append("notNets \(list(entity.notNets))") }
        if let selector = entity.selector { parts.append("selector \(selector)") }
        if let selector = entity.notSelector { parts.append("notSelector \(selector)") }
        if let selector = entity.namespaceSelector { parts.append("namespaceSelector \(selector)") }
        if let service = entity.services { parts.append("service \(service.namespace ?? "-")/\(service.name)") }
        // Patterns of another meaning than Calico's may say so in brackets.
        if !entity.domains.isEmpty {
            parts.append("domains \(list(entity.domains.map { $0.description.prefix { $0 != " " } }))")
        }
        if !entity.ports.isEmpty { parts.append("ports \(list(entity.ports))") }
        return parts.joined(separator: ", ")
    }

    private static func list(_ values: [some CustomStringConvertible]) -> String {
        values.map(\.description).joined(separator: " ")
    }

    /// `name tier order types` and what else is not as usual.
    static func head(_ policy: NetworkPolicy) -> String {
        let types = policy.types.map(\.rawValue).sorted().joined(separator: "+")
        var text = "\(policy.identity) \(policy.tier) \(policy.order.map { "\($0)" } ?? "-") \(types.isEmpty ? "-" : types)"
        if !policy.impliesDefault { text += " no-default" }
        if policy.deniesByName { text += " denies-names" }
        if let action = policy.stagedAction { text += " staged-\(action.rawValue)" }
        return text
    }
}
