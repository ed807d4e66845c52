/// What a test wants otherwise than the defaults in `exeat.yaml`.
struct NodeSettings: Sendable {
    var mode = "enforce"
    var startFailure = "closed"
    var floorSeconds = 5
    var graceSeconds = 10
    /// The files of a lab are root's alone.
    var user = "root"
    /// Whether decisions go to `flows.jsonl`.
    var hasFlowLog = true
    var upstream = "192.0.2.53"
    /// The elements of `dns.upstreams` as they are written, in place of `upstream`.
    var upstreams: String?
    /// Further lines of `bindings`, indented by two.
    var bindings = ""
    /// Further lines of `dns`, indented by two.
    var dns = ""
    /// Further lines of `flowLog`, indented by two.
    var flowLog = ""
    /// Further lines of the file.
    var extra = ""

    /// The whole configuration file. Upstream is the lab's name server, sockets and files stay in the lab's folder.
    func configuration(directory: String) -> String {
        """
        mode: \(mode)
        startFailure: \(startFailure)
        user: \(user)
        policies: policies
        endpoints: endpoints
        runtimeDirectory: \(directory)/run
        workloadInterfaces: ["cali*"]
        podCIDRs: ["10.65.0.0/16", "fd00:65::/64"]
        dns:
          listen: ["169.254.20.10", "fd00:ec8a::10"]
          upstreams: [\(upstreams ?? "\"\(upstream)\"")]
        \(dns)bindings:
          floorSeconds: \(floorSeconds)
          graceSeconds: \(graceSeconds)
        \(bindings)\(hasFlowLog ? "flowLog:\n  path: \(directory)/flows.jsonl\(flowLog.isEmpty ? "" : "\n" + flowLog)" : "")
        \(extra)
        """
    }
}
