extension ResourceDecoder {
    /// Kinds of Calico that govern egress and that Exeat does not read.
    private static let unsupportedCalicoKinds: Set<String> = ["IPPool", "EgressGatewayPolicy"]

    /// Kinds of Calico that say nothing about policy.
    private static let otherCalicoKinds: Set<String> = [
        "BGPConfiguration", "BGPFilter", "BGPPeer", "BlockAffinity", "CalicoNodeStatus", "ClusterInformation", "IPAMBlock", "IPAMConfig",
        "IPAMConfiguration", "IPAMHandle", "IPReservation", "KubeControllersConfiguration", "Node", "QoSPolicy",
        "RemoteClusterConfiguration", "LicenseKey", "PacketCapture", "AlertException", "DeepPacketInspection", "ExternalNetwork",
        "GlobalAlert", "GlobalAlertTemplate", "GlobalReport", "GlobalReportType", "GlobalThreatFeed", "ManagedCluster",
        "SecurityEventWebhook", "UISettings", "UISettingsGroup", "PolicyRecommendationScope",
    ]

    /// What to write instead of an object of a cluster that people take for an input.
    private static let substitutes: [String: String] = [
        "Pod": "a WorkloadEndpoint of projectcalico.org/v3 describes a pod",
        "Service": "an EndpointSlice of discovery.k8s.io/v1 says what is behind a service",
        "Endpoints": "an EndpointSlice of discovery.k8s.io/v1 says what is behind a service",
        "Node": "a HostEndpoint of projectcalico.org/v3 describes interfaces of a node",
        "AdminNetworkPolicy": "ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2 took its place",
        "BaselineAdminNetworkPolicy": "ClusterNetworkPolicy of policy.networking.k8s.io/v1alpha2 took its place",
    ]

    private static let leaveOut = "leave it out of the policy files"

    func refuseKind(_ kind: String, of version: ResourceVersion, _ field: ConfigurationField, _ problems: inout DiagnosticList) {
        let location = field.node.first("kind")?.location ?? field.location
        let path = join(field.path, "kind")
        let base = kind.hasSuffix("List") ? String(kind.dropLast(4)) : kind
        let names = version.kinds.map(\.name)
        if version == .calico || version == .calicoInternal {
            if Self.unsupportedCalicoKinds.contains(base) {
                problems.error(at: location, field: path, "\(kind) is not supported yet", hint: Self.leaveOut)
                return
            }
            if Self.otherCalicoKinds.contains(base) {
                problems.error(
                    at: location, field: path, "\(kind) says nothing about policy", hint: Self.leaveOut)
                return
            }
        } else if let substitute = Self.substitutes[base] {
            problems.error(at: location, field: path, "\(kind) of \(version.rawValue) is not read here", hint: substitute)
            return
        }
        let others = ResourceVersion.allCases.filter { $0 != version && $0 != .calicoInternal && $0.kind(named: base) != nil }
        if let suggestion = NameSuggestion.hint(for: kind, among: names) {
            problems.error(at: location, field: path, "unknown kind \"\(kind)\"", hint: suggestion)
        } else if let other = others.first {
            problems.error(at: location, field: path, "unknown kind \"\(kind)\"", hint: "that is a kind of \(other.rawValue)")
        } else if version == .calico || version == .calicoInternal {
            problems.error(
                at: location, field: path, "unknown kind \"\(kind)\"", hint: "known kinds: \(names.joined(separator: ", "))")
        } else {
            problems.error(
                at: location, field: path, "\(kind) of \(version.rawValue) is no policy, nor an input of one", hint: Self.leaveOut)
        }
    }

    func refuseVersion(_ version: String, kind: String, of field: ConfigurationField, _ problems: inout DiagnosticList) {
        let location = field.node.first("apiVersion")?.location ?? field.location
        let path = join(field.path, "apiVersion")
        let base = kind.hasSuffix("List") ? String(kind.dropLast(4)) : kind
        if let substitute = Self.substitutes[base] {
            problems.error(at: location, field: path, "\(kind) of \(version) is not read here", hint: substitute)
            return
        }
        let owners = ResourceVersion.allCases.filter { $0 != .calicoInternal && $0.kind(named: base) != nil }
        let group = version.split(separator: "/").first.map(String.init) ?? version
        if let owner = owners.first(where: { $0.rawValue.hasPrefix("\(group)/") }) ?? owners.first {
            problems.error(
                at: location, field: path, "unknown version \"\(version)\"",
                hint: NameSuggestion.hint(for: version, among: owners.map(\.rawValue)) ?? "\(kind) is read as \(owner.rawValue)")
            return
        }
        problems.error(
            at: location, field: path, "\(kind) of \(version) is no policy, nor an input of one", hint: Self.leaveOut)
    }
}
