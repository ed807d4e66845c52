/// The documented fields of `spec` of a FelixConfiguration and what each may hold.
/// Source: docs.tigera.io, "Felix configuration", of Calico and of Calico Enterprise.
enum FelixFields {
    enum Form: Sendable {
        case boolean
        case integer(ClosedRange<Int>)
        /// `90s`, `1m30s`, `500ms`.
        case duration
        case text
        case choice([String])
        /// A list of protocol, port and net.
        case protoPorts
        /// A list of texts, or one text with commas.
        case texts
    }

    struct Field: Sendable {
        let name: String
        let form: Form
    }

    private static let port = Form.integer(0...65535)
    private static let count = Form.integer(0...Int(Int32.max))

    /// What Exeat takes over.
    static let effective: [Field] = [
        Field(name: "failsafeInboundHostPorts", form: .protoPorts),
        Field(name: "failsafeOutboundHostPorts", form: .protoPorts),
        Field(name: "defaultEndpointToHostAction", form: .choice(["Drop", "Return", "Accept"])),
        Field(name: "iptablesFilterDenyAction", form: .choice(["Drop", "Reject"])),
        Field(name: "nftablesFilterDenyAction", form: .choice(["Drop", "Reject"])),
        Field(name: "dnsExtraTTL", form: .duration),
        Field(name: "dnsTrustedServers", form: .texts),
        Field(name: "vxlanPort", form: port),
    ]

    /// What is checked and has no effect: it says how Calico's own DNS policy and logs work.
    static let checked: [Field] = [
        Field(name: "dnsCacheFile", form: .text),
        Field(name: "dnsCacheSaveInterval", form: .duration),
        Field(name: "dnsCacheEpoch", form: .integer(Int(Int32.min)...Int(Int32.max))),
        Field(name: "dnsLogsFileEnabled", form: .boolean),
        Field(name: "dnsLogsFileDirectory", form: .text),
        Field(name: "dnsLogsFileMaxFiles", form: count),
        Field(name: "dnsLogsFileMaxFileSizeMB", form: count),
        Field(name: "dnsLogsFlushInterval", form: .duration),
        Field(name: "dnsLogsFileAggregationKind", form: .integer(0...1)),
        Field(name: "dnsLogsFileIncludeLabels", form: .boolean),
        Field(name: "dnsLogsFilePerNodeLimit", form: count),
        Field(name: "dnsLogsLatency", form: .boolean),
        Field(name: "dnsPolicyMode", form: .choice(["NoDelay", "DelayDNSResponse", "DelayDeniedPacket", "Inline"])),
        Field(name: "dnsPolicyNfqueueID", form: port),
        Field(name: "dnsPolicyNfqueueSize", form: port),
        Field(name: "dnsPacketsNfqueueID", form: port),
        Field(name: "dnsPacketsNfqueueSize", form: port),
        Field(name: "dnsPacketsNfqueueMaxHoldDuration", form: .duration),
        Field(name: "flowLogsFileEnabled", form: .boolean),
        Field(name: "flowLogsFileDirectory", form: .text),
        Field(name: "flowLogsPositionFilePath", form: .text),
        Field(name: "flowLogsFileMaxFiles", form: count),
        Field(name: "flowLogsFileMaxFileSizeMB", form: count),
        Field(name: "flowLogsFlushInterval", form: .duration),
        Field(name: "flowLogsFileEnabledForAllowed", form: .boolean),
        Field(name: "flowLogsFileEnabledForDenied", form: .boolean),
        Field(name: "flowLogsFileAggregationKindForAllowed", form: .integer(0...2)),
        Field(name: "flowLogsFileAggregationKindForDenied", form: .integer(0...2)),
        Field(name: "flowLogsFileIncludeService", form: .boolean),
        Field(name: "flowLogsFileIncludeLabels", form: .boolean),
        Field(name: "flowLogsFileIncludePolicies", form: .boolean),
        Field(name: "flowLogsEnableNetworkSets", form: .boolean),
        Field(name: "flowLogsEnableHostEndpoint", form: .boolean),
        Field(name: "flowLogsDynamicAggregationEnabled", form: .boolean),
        Field(name: "flowLogsAggregationThresholdBytes", form: count),
        Field(name: "flowLogsCollectProcessInfo", form: .boolean),
        Field(name: "flowLogsCollectProcessPath", form: .boolean),
        Field(name: "flowLogsCollectTcpStats", form: .boolean),
        Field(name: "flowLogsCollectorDebugTrace", form: .boolean),
        Field(name: "flowLogsDestDomainsByClient", form: .boolean),
        Field(name: "flowLogsMaxOriginalIPsIncluded", form: count),
        Field(name: "flowLogsFilePerFlowProcessLimit", form: count),
        Field(name: "flowLogsFilePerFlowProcessArgsLimit", form: count),
        Field(name: "flowLogsFileNatOutgoingPortLimit", form: count),
        Field(name: "flowLogsFileDomainsLimit", form: count),
        Field(name: "flowLogsGoldmaneServer", form: .text),
        Field(name: "flowLogsLocalReporter", form: .choice(["Enabled", "Disabled"])),
        Field(name: "flowLogsPolicyEvaluationMode", form: .choice(["None", "Continuous"])),
        Field(name: "flowLogsPolicyScope", form: .choice(["EndpointPolicies", "AllPolicies"])),
        Field(name: "iptablesFilterAllowAction", form: .choice(["Accept", "Return"])),
        Field(name: "iptablesMangleAllowAction", form: .choice(["Accept", "Return"])),
        Field(name: "nftablesFilterAllowAction", form: .choice(["Accept", "Return"])),
        Field(name: "nftablesMangleAllowAction", form: .choice(["Accept", "Return"])),
        Field(name: "allowVXLANPacketsFromWorkloads", form: .boolean),
        Field(name: "allowIPIPPacketsFromWorkloads", form: .boolean),
    ]

    /// What says nothing about policy; its content is not looked at.
    static let unrelated: Set<String> = [
        "awsSecondaryIPRoutingRulePriority", "awsSecondaryIPSupport", "awsSrcDstCheck", "awsRequestTimeout", "bpfAttachType",
        "bpfCTLBLogFilter", "bpfConnectTimeLoadBalancing", "bpfConnectTimeLoadBalancingEnabled", "bpfConntrackCleanupMode",
        "bpfConntrackLogLevel", "bpfConntrackMode", "bpfConntrackTimeouts", "bpfDNSPolicyMode", "bpfDSROptoutCIDRs",
        "bpfDataIfacePattern", "bpfDisableGROForIfaces", "bpfDisableUnprivileged", "bpfEnabled", "bpfEnforceRPF",
        "bpfExcludeCIDRsFromNAT", "bpfExportBufferSizeMB", "bpfExtToServiceConnmark", "bpfExternalServiceMode",
        "bpfForceTrackPacketsFromIfaces", "bpfHostConntrackBypass", "bpfHostNetworkedNATWithoutCTLB", "bpfJITHardening",
        "bpfKubeProxyEndpointSlicesEnabled", "BPFKubeProxyEndpointSlicesEnabled", "bpfKubeProxyHealthzPort",
        "bpfKubeProxyIptablesCleanupEnabled", "bpfKubeProxyMinSyncPeriod", "bpfL3IfacePattern", "bpfLogFilters", "bpfLogLevel",
        "bpfMaglevMaxEndpointsPerService", "bpfMaglevMaxServices", "bpfMapSizeConntrack", "bpfMapSizeConntrackCleanupQueue",
        "bpfMapSizeConntrackScaling", "bpfMapSizeIPSets", "bpfMapSizeIfState", "bpfMapSizeNATAffinity", "bpfMapSizeNATBackend",
        "bpfMapSizeNATFrontend", "bpfMapSizePerCpuConntrack", "bpfMapSizeRoute", "bpfPSNATPorts", "bpfPolicyDebugEnabled", "bpfProfiling",
        "bpfRedirectToPeer", "captureDir", "captureMaxFiles", "captureMaxSizeBytes", "captureRotationSeconds", "cgroupV2Path",
        "chainInsertMode", "dataplaneDriver", "dataplaneWatchdogTimeout", "debugDisableLogDropping", "debugHost",
        "debugMemoryProfilePath", "debugPort", "debugSimulateCalcGraphHangAfter", "debugSimulateDataplaneApplyDelay",
        "debugSimulateDataplaneHangAfter", "deletedMetricsRetentionSecs", "deviceRouteProtocol", "deviceRouteSourceAddress",
        "deviceRouteSourceAddressIPv6", "disableConntrackInvalidCheck", "dropActionOverride", "egressGatewayPollFailureCount",
        "egressGatewayPollInterval", "egressIPHostIfacePattern", "egressIPRoutingRulePriority", "egressIPSupport", "egressIPVXLANPort",
        "egressIPVXLANVNI", "endpointReportingDelay", "endpointReportingEnabled", "endpointStatusPathPrefix",
        "externalNetworkRoutingRulePriority", "externalNetworkSupport", "externalNodesCIDRList", "externalNodesList",
        "featureDetectOverride", "featureGates", "floatingIPs", "genericXDPEnabled", "goGCThreshold", "goMaxProcs", "goMemoryLimitMB",
        "healthEnabled", "healthHost", "healthPort", "healthTimeoutOverrides", "interfaceExclude", "interfacePrefix",
        "interfaceRefreshInterval", "ipForwarding", "ipipEnabled", "ipipMTU", "ipsecAllowUnsecuredTraffic", "ipsecESPAlgorithm",
        "ipsecIKEAlgorithm", "ipsecLogLevel", "ipsecMode", "ipsecPSKFile", "ipsecPolicyRefreshInterval", "ipsetsRefreshInterval",
        "iptablesBackend", "iptablesLockFilePath", "iptablesLockProbeInterval", "iptablesLockTimeout", "iptablesLockTimeoutSecs",
        "iptablesMarkMask", "iptablesNATOutgoingInterfaceFilter", "iptablesPostWriteCheckInterval", "iptablesRefreshInterval",
        "ipv4ElevatedTrafficClass", "ipv4NormalTrafficClass", "ipv6Support", "istioAmbientMode", "istioDSCPMark", "kubeMasqueradeBit",
        "kubeNodePortRanges", "l7LogsFileAggregationDestinationInfo", "l7LogsFileAggregationHTTPHeaderInfo",
        "l7LogsFileAggregationHTTPMethod", "l7LogsFileAggregationNumURLPath", "l7LogsFileAggregationResponseCode",
        "l7LogsFileAggregationServiceInfo", "l7LogsFileAggregationSourceInfo", "l7LogsFileAggregationTrimURL",
        "l7LogsFileAggregationURLCharLimit", "l7LogsFileDirectory", "l7LogsFileEnabled", "l7LogsFileMaxFileSizeMB", "l7LogsFileMaxFiles",
        "l7LogsFlushInterval", "liveMigrationRouteConvergenceTime", "localSubnetL2Reachability", "logActionRateLimit",
        "logActionRateLimitBurst", "logDebugFilenameRegex", "logDropActionOverride", "logFilePath", "logPrefix", "logSeverityFile",
        "logSeverityScreen", "logSeveritySys", "maxIpsetSize", "metadataAddr", "metadataPort", "mtuIfacePattern", "natOutgoingAddress",
        "natOutgoingExclusions", "natPortRange", "netlinkTimeout", "nfNetlinkBufSize", "nftablesMarkMask", "nftablesMode",
        "nftablesRefreshInterval", "openstackRegion", "policySyncPathPrefix", "programClusterRoutes", "prometheusGoMetricsEnabled",
        "prometheusMetricsCAFile", "prometheusMetricsCertFile", "prometheusMetricsClientAuth", "prometheusMetricsEnabled",
        "prometheusMetricsHost", "prometheusMetricsKeyFile", "prometheusMetricsPort", "prometheusProcessMetricsEnabled",
        "prometheusReporterCAFile", "prometheusReporterCertFile", "prometheusReporterEnabled", "prometheusReporterKeyFile",
        "prometheusReporterPort", "prometheusWireGuardMetricsEnabled", "removeExternalRoutes", "reportingInterval", "reportingTTL",
        "requireMTUFile", "routeRefreshInterval", "routeSource", "routeSyncDisabled", "routeTableRange", "routeTableRanges",
        "serviceLoopPrevention", "sidecarAccelerationEnabled", "statsDumpFilePath", "syslogReporterAddress", "syslogReporterEnabled",
        "syslogReporterNetwork", "tproxyMode", "tproxyPort", "tproxyUpstreamConnMark", "usageReportingEnabled",
        "usageReportingInitialDelay", "usageReportingInterval", "useInternalDataplaneDriver", "vxlanEnabled", "vxlanMTU", "vxlanMTUV6",
        "vxlanVNI", "wafEventLogsFileDirectory", "wafEventLogsFileEnabled", "wafEventLogsFileMaxFileSizeMB", "wafEventLogsFileMaxFiles",
        "wafEventLogsFlushInterval", "windowsDNSCacheFile", "windowsDNSExtraTTL", "windowsDnsCacheFile", "windowsDnsExtraTTL",
        "windowsFlowLogsFileDirectory", "windowsFlowLogsPositionFilePath", "windowsManageFirewallRules", "windowsNetworkName",
        "windowsStatsDumpFilePath", "wireguardEnabled", "wireguardEnabledV6", "wireguardHostEncryptionEnabled", "wireguardInterfaceName",
        "wireguardInterfaceNameV6", "wireguardKeepAlive", "wireguardListeningPort", "wireguardListeningPortV6", "wireguardMTU",
        "wireguardMTUV6", "wireguardRoutingRulePriority", "wireguardThreadingEnabled", "workloadSourceSpoofing", "xdpEnabled",
        "xdpRefreshInterval",
    ]
}
