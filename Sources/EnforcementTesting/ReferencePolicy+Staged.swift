import PolicyModel

extension ReferencePolicy {
    /// How staged policies touch an endpoint.
    public enum Staging: Sendable {
        /// No staged policy selects it and none touches a policy that does.
        case none
        /// Only staged policies that change nothing select it, or one that is not for egress.
        case idle
        /// Some staged policy changes what selects it.
        case active
    }

    /// The policies as if every staged one were enforced: Set adds or replaces, Delete removes, Learn and Ignore do nothing.
    var stagedPolicies: [NetworkPolicy] {
        var result = resources.policies.filter { $0.stagedAction == nil }
        for staged in resources.policies {
            switch staged.stagedAction {
            case .set:
                result.removeAll { Self.isSame($0, staged) }
                var enforced = staged
                enforced.stagedAction = nil
                result.append(enforced)
            case .delete: result.removeAll { Self.isSame($0, staged) }
            case .learn, .ignore, nil: break
            }
        }
        return result
    }

    private static func isSame(_ left: NetworkPolicy, _ right: NetworkPolicy) -> Bool {
        left.namespace == right.namespace && left.tier == right.tier && left.name == right.name
    }

    public func staging(of identity: String) -> Staging {
        guard let endpoint = endpoints.first(where: { $0.identity == identity }) else { return .none }
        var result = Staging.none
        for staged in resources.policies {
            guard let action = staged.stagedAction else { continue }
            let touched = resources.policies.filter {
                $0.stagedAction == nil && Self.isSame($0, staged) && $0.types.contains(.egress) && isSelected(endpoint, by: $0)
            }
            let selects = isSelected(endpoint, by: staged)
            switch action {
            case .set where (selects && staged.types.contains(.egress)) || !touched.isEmpty: return .active
            case .delete where !touched.isEmpty: return .active
            default:
                if selects { result = .idle }
            }
        }
        return result
    }
}
