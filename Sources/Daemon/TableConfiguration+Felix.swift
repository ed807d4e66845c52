import NetfilterTables
import PolicyModel

extension TableConfiguration {
    /// With what a FelixConfiguration says of the table.
    func with(_ felix: FelixConfiguration) -> TableConfiguration {
        var result = self
        result.vxlanPort = felix.vxlanPort ?? 4_789
        result.isNodeClosed = felix.defaultEndpointToHostAction == .drop
        return result
    }
}
