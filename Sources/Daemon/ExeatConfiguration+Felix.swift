import Enforcement
import PolicyModel

/// What a FelixConfiguration says, where this node's own configuration says nothing.
extension ExeatConfiguration {
    /// Takes over how denials are sent and how long bindings outlive their TTL; both are settled when the daemon starts.
    mutating func adopt(_ felix: FelixConfiguration) {
        if !given.contains("denyAction"), let action = felix.filterDenyAction { denyAction = action == .drop ? .drop : .reject }
        if !given.contains("bindings.graceSeconds"), let seconds = felix.dnsExtraTTLSeconds { bindings.graceSeconds = min(seconds, 3_600) }
    }
}
