import DomainNames
import NetworkTypes
import PolicyModel

/// Something that the selector of a rule's destination may select: an endpoint or a network set.
struct LabelledAddresses {
    let labels: [String: String]
    let prefixes: [IPPrefix]
    let domains: [DomainPattern]

    init(_ endpoint: WorkloadEndpoint) {
        labels = endpoint.effectiveLabels
        prefixes = endpoint.addresses.map { IPPrefix($0) }
        domains = []
    }

    init(_ set: NetworkSet) {
        labels = set.effectiveLabels
        prefixes = set.nets
        domains = set.allowedEgressDomains
    }
}
