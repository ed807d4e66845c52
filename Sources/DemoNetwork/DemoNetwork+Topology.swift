import Glibc
import NetworkTypes

extension DemoNetwork {
    static let uplinkNode = (v4: "10.99.0.1", v6: "fd00:99::1")
    static let uplinkInternet = (v4: "10.99.0.2", v6: "fd00:99::2")
    /// Calico's constants: the gateway that proxy ARP answers for, and the hardware address of every node end.
    private static let gatewayV4 = "169.254.1.1"
    private static let nodeHardwareAddress = "ee:ee:ee:ee:ee:ee"
    private static let gatewayV6 = "fe80::ecee:eeff:feee:eeee"

    /// Addresses work at once: no duplicate address detection anywhere (RFC 4862 §5.4).
    private static let commonSettings: KeyValuePairs = [
        "net/ipv6/conf/all/disable_ipv6": "0",
        "net/ipv6/conf/all/accept_dad": "0", "net/ipv6/conf/default/accept_dad": "0",
        "net/ipv6/conf/all/dad_transmits": "0", "net/ipv6/conf/default/dad_transmits": "0",
        "net/ipv4/conf/all/rp_filter": "0", "net/ipv4/conf/default/rp_filter": "0",
    ]

    /// Makes the node and the internet and joins them.
    func makeBackbone() throws {
        for namespace in [node, internet] {
            try ChildProcess.require(["ip", "netns", "add", namespace.name])
            try namespace.set(Self.commonSettings)
        }
        try node.set([
            "net/ipv4/ip_forward": "1", "net/ipv6/conf/all/forwarding": "1", "net/ipv6/conf/default/forwarding": "1",
        ])
        try internet.set(["net/ipv4/ip_nonlocal_bind": "1", "net/ipv6/ip_nonlocal_bind": "1"])

        var commands = ["link set lo up", "link add eth0 type veth peer name eth0 netns \(internet.name)", "link set eth0 up"]
        commands += configuration.resolverAddresses.map { "address add \($0)/\($0.family.addressBits) dev lo" }
        commands += ["address add \(Self.uplinkNode.v4)/30 dev eth0", "address add \(Self.uplinkNode.v6)/64 dev eth0 nodad"]
        commands += [
            "route add default via \(Self.uplinkInternet.v4)", "route add default via \(Self.uplinkInternet.v6)",
        ]

        let far = [
            "link set lo up", "link set eth0 up", "address add \(Self.uplinkInternet.v4)/30 dev eth0",
            "address add \(Self.uplinkInternet.v6)/64 dev eth0 nodad", "route add default via \(Self.uplinkNode.v4)",
            "route add default via \(Self.uplinkNode.v6)",
        ]
        // A whole prefix is local: every address in it answers (ip-route(8), type local).
        let local = configuration.internetPrefixes.map { "route add local \($0) dev lo" }
        // The routes of the node need the other end to be up.
        try ip(node, Array(commands.dropLast(2)))
        try ip(internet, far + local)
        try ip(node, Array(commands.suffix(2)))
    }

    /// Makes one more pod, at any time after `start()` has begun.
    @discardableResult
    public func addPod(_ configuration: LabConfiguration.PodConfiguration) throws -> Pod {
        let isValidName =
            !configuration.name.isEmpty
            && configuration.name.utf8.allSatisfy {
                (97...122).contains($0) || (48...57).contains($0) || $0 == 45
            }
        guard isValidName else {
            throw LabError.badConfiguration("a pod's name has lower-case letters, digits and dashes only: \(configuration.name)")
        }
        guard pod(configuration.name) == nil else { throw LabError.badConfiguration("there is a pod \(configuration.name) already") }
        let number = try state.withLock { state in
            guard state.podsEver < 60_000 else { throw LabError.badConfiguration("a lab holds at most 60,000 pods") }
            state.podsEver += 1
            return state.podsEver + 1
        }
        let namespace = Namespace(name: "\(prefix)-\(configuration.name)", hasOwnFiles: true, children: children)
        let pod = Pod(
            namespace: namespace, name: configuration.name, kubernetesNamespace: configuration.kubernetesNamespace,
            labels: configuration.labels, interfaceOnNode: Self.interfaceName(configuration.kubernetesNamespace, configuration.name),
            addresses: [
                IPAddress(v4: 0x0a41_0000 + UInt32(number)), IPAddress(v6Upper: 0xfd00_0065_0000_0000, lower: UInt64(number)),
            ])

        try makeDirectory("/etc/netns")
        try makeDirectory("/etc/netns/\(namespace.name)")
        let resolvers = self.configuration.resolverAddresses.map { "nameserver \($0)\n" }.joined()
        try write(resolvers + "options timeout:2 attempts:2\n", to: "/etc/netns/\(namespace.name)/resolv.conf")
        try ChildProcess.require(["ip", "netns", "add", namespace.name])
        try namespace.set(Self.commonSettings)

        let interface = pod.interfaceOnNode
        try ip(
            node,
            [
                "link add \(interface) address \(Self.nodeHardwareAddress) type veth peer name eth0 netns \(namespace.name)",
                "link set \(interface) up",
            ])
        try node.set([
            "net/ipv4/conf/\(interface)/proxy_arp": "1", "net/ipv4/neigh/\(interface)/proxy_delay": "0",
        ])
        try ip(
            namespace,
            [
                "link set lo up", "link set eth0 up", "address add \(pod.v4)/32 dev eth0", "address add \(pod.v6)/128 dev eth0 nodad",
                "route add \(Self.gatewayV4) dev eth0 scope link", "route add default via \(Self.gatewayV4) dev eth0",
                "route add default via \(Self.gatewayV6) dev eth0",
            ])
        try ip(node, ["route add \(pod.v4)/32 dev \(interface) scope link", "route add \(pod.v6)/128 dev \(interface)"])
        state.withLock { $0.pods.append(pod) }
        return pod
    }

    /// Takes one pod away, with everything that runs in it.
    public func removePod(_ name: String) throws {
        guard let pod = pod(name) else { return }
        for _ in 0..<40 {
            let processes = pod.namespace.processes
            if processes.isEmpty { break }
            for process in processes { kill(process, SIGKILL) }
            sleep(milliseconds: 25)
        }
        try ip(node, ["link delete \(pod.interfaceOnNode)"])
        try ChildProcess.require(["ip", "netns", "delete", pod.namespace.name])
        unsafe unlink("/etc/netns/\(pod.namespace.name)/resolv.conf")
        unsafe rmdir("/etc/netns/\(pod.namespace.name)")
        state.withLock { $0.pods.removeAll { $0.name == name } }
    }

    /// The pods as `projectcalico.org/v3` WorkloadEndpoint documents, one YAML stream.
    public func workloadEndpointYAML() -> String {
        pods.map { pod in
            let labels = pod.labels.sorted { $0.key < $1.key }.map { "\n    \(quoted($0.key)): \(quoted($0.value))" }.joined()
            let networks = pod.addresses.map { "\n    - \"\($0)/\($0.family.addressBits)\"" }.joined()
            return """
                apiVersion: projectcalico.org/v3
                kind: WorkloadEndpoint
                metadata:
                  name: \(pod.name)
                  namespace: \(pod.kubernetesNamespace)
                  labels:\(labels.isEmpty ? " {}" : labels)
                spec:
                  orchestrator: k8s
                  node: node
                  pod: \(pod.name)
                  endpoint: eth0
                  interfaceName: \(pod.interfaceOnNode)
                  ipNetworks:\(networks)

                """
        }.joined(separator: "---\n")
    }

    /// Runs `ip` commands of one namespace in one process (ip(8), `-batch`); the first that fails ends it.
    func ip(_ namespace: Namespace, _ commands: [String]) throws(LabError) {
        let path = "\(directory)/ip-\(namespace.name).batch"
        try write(commands.joined(separator: "\n") + "\n", to: path)
        defer { unsafe unlink(path) }
        try ChildProcess.require(["ip", "-n", namespace.name, "-batch", path])
    }

    /// `cali` and 11 hexadecimal digits of a hash of the pod's full name (FNV-1a; Calico takes SHA-1).
    private static func interfaceName(_ namespace: String, _ name: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in "\(namespace).\(name)".utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        let digits = String(hash >> 20, radix: 16)
        return "cali" + String(repeating: "0", count: 11 - digits.count) + digits
    }

    /// A double-quoted YAML scalar.
    private func quoted(_ text: String) -> String {
        "\"" + text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined() + "\""
    }
}
