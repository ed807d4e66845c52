import NetworkTypes
import PolicyModel

/// An endpoint as the compiler keeps it.
final class EndpointRecord {
    enum Resource {
        case workload(WorkloadEndpoint)
        case host(HostEndpoint)
    }

    var resource: Resource
    var info: EndpointInfo
    /// Nil: the registry has no number for it, and all of its traffic is refused as unknown.
    var id: EndpointID?
    let member: UInt32
    /// Among the published endpoints; nil while it has no number.
    var position: Int?
    var program: PolicyProgram?
    var staged: PolicyProgram?
    /// Staged policies that would select it, ascending.
    var stagedSlots: [UInt32] = []

    init(_ resource: Resource, info: EndpointInfo, member: UInt32) {
        self.resource = resource
        self.info = info
        self.member = member
    }

    static func content(_ info: EndpointInfo) -> MemberRecord.Content {
        MemberRecord.Content(
            kind: .endpoint, labels: info.effectiveLabels, prefixes: info.addresses.map { IPPrefix($0) }, ports: info.ports)
    }
}
