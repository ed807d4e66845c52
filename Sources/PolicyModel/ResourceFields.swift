/// The fields that each part of a resource may have: what the decoder reads, and what its documentation has to mention.
///
/// A field that stands in none of these lists is an error, so that nothing is passed over in silence.
public enum ResourceFields {
    /// `metadata`, beside what an API server fills in.
    public static let metadata = ["name", "namespace", "labels", "annotations", "uid"]

    /// `spec` of a NetworkPolicy.
    public static let networkPolicy = [
        "tier", "order", "ingress", "egress", "selector", "types", "serviceAccountSelector", "performanceHints",
    ]
    /// `spec` of a GlobalNetworkPolicy has these too.
    public static let globalNetworkPolicy = ["namespaceSelector", "doNotTrack", "preDNAT", "applyOnForward"]
    /// `spec` of a staged policy has this too.
    public static let staged = ["stagedAction"]

    public static let rule = [
        "action", "ipVersion", "protocol", "notProtocol", "icmp", "notICMP", "source", "destination", "metadata", "http",
    ]
    /// `source` and `destination` of a rule.
    public static let entityRule = [
        "nets", "notNets", "selector", "notSelector", "namespaceSelector", "ports", "notPorts", "serviceAccounts", "services", "domains",
    ]
    public static let icmp = ["type", "code"]
    public static let http = ["methods", "paths"]
    public static let httpPath = ["exact", "prefix"]
    public static let serviceAccounts = ["names", "selector"]
    public static let services = ["name", "namespace"]
    public static let ruleMetadata = ["annotations"]

    public static let tier = ["order", "defaultAction"]
    public static let networkSet = ["nets", "allowedEgressDomains"]
    public static let workloadEndpoint = [
        "orchestrator", "workload", "node", "containerID", "pod", "endpoint", "serviceAccountName", "ipNetworks", "ipNATs", "ipv4Gateway",
        "ipv6Gateway", "profiles", "interfaceName", "mac", "ports", "allowSpoofedSourcePrefixes", "qosControls",
    ]
    public static let workloadEndpointPort = ["name", "protocol", "port", "hostPort", "hostIP"]
    public static let hostEndpoint = ["node", "interfaceName", "expectedIPs", "profiles", "ports"]
    public static let hostEndpointPort = ["name", "protocol", "port"]
    public static let profile = ["labelsToApply", "ingress", "egress"]
    /// `failsafeInboundHostPorts` and `failsafeOutboundHostPorts`.
    public static let protoPort = ["protocol", "port", "net"]

    /// An EndpointSlice, beside `metadata`.
    public static let endpointSlice = ["addressType", "endpoints", "ports"]
    public static let sliceEndpoint = [
        "addresses", "conditions", "deprecatedTopology", "hints", "hostname", "nodeName", "targetRef", "zone",
    ]
    public static let slicePort = ["name", "protocol", "port", "appProtocol"]

    /// `spec` of a FelixConfiguration: fields that Exeat takes over.
    public static let felixConfiguration = FelixFields.effective.map(\.name)
    /// And fields that are checked without effect.
    public static let felixConfigurationChecked = FelixFields.checked.map(\.name)
}
