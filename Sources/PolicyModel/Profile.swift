/// A `Profile` of `projectcalico.org/v3`: labels and rules for the endpoints that name it. Its rules decide what no tier decided.
public struct Profile: Sendable, Hashable {
    public var name: String
    public var labelsToApply: [String: String]
    public var ingress: [PolicyRule]
    public var egress: [PolicyRule]
    public var location: SourceLocation?

    public init(
        name: String, labelsToApply: [String: String] = [:], ingress: [PolicyRule] = [], egress: [PolicyRule] = [],
        location: SourceLocation? = nil
    ) {
        self.name = name
        self.labelsToApply = labelsToApply
        self.ingress = ingress
        self.egress = egress
        self.location = location
    }

    /// Profiles that Calico makes by itself and that exist without a resource: `kns.<namespace>` and
    /// `projectcalico-default-allow` allow everything, `ksa.<namespace>.<account>` decides nothing.
    public static func builtIn(_ name: String) -> Profile? {
        if name.hasPrefix("kns.") || name == "projectcalico-default-allow" {
            return Profile(name: name, ingress: [PolicyRule(action: .allow)], egress: [PolicyRule(action: .allow)])
        }
        return name.hasPrefix("ksa.") ? Profile(name: name) : nil
    }
}
