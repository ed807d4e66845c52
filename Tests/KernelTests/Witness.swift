import DemoNetwork
import NetworkTypes

/// Counts the packets that arrive at the internet's end of the node's link (or at a pod's), whether anything there listens or not.
struct Witness {
    private let namespace: DemoNetwork.Namespace
    private let counter: String

    /// Packets to this destination.
    init(in lab: DemoNetwork, to destination: IPAddress) throws {
        try self.init(lab.internet, counter: "to-\(destination)", match: "\(Self.keyword(destination)) daddr \(destination)")
    }

    /// Packets to this destination that are longer than those without data are.
    init(in lab: DemoNetwork, dataTo destination: IPAddress) throws {
        try self.init(
            lab.internet, counter: "data-to-\(destination)", match: "\(Self.keyword(destination)) daddr \(destination) meta length > 80")
    }

    /// Segments of TCP that bear data and no options, to this destination; IPv4.
    init(in lab: DemoNetwork, everyByteTo destination: IPAddress) throws {
        try self.init(
            lab.internet, counter: "bytes-to-\(destination)", match: "ip daddr \(destination) meta l4proto tcp meta length > 40")
    }

    /// Datagrams to this destination, an aggregate as one; IPv4.
    init(in lab: DemoNetwork, datagramsTo destination: IPAddress) throws {
        try self.init(lab.internet, counter: "datagrams-to-\(destination)", match: "ip daddr \(destination) meta l4proto udp")
    }

    /// Segments that push data, from this source, at a pod; IPv4.
    init(in namespace: DemoNetwork.Namespace, pushedFrom source: IPAddress) throws {
        try self.init(namespace, counter: "pushed-from-\(source)", match: "ip saddr \(source) tcp flags & psh == psh")
    }

    /// Packets with this source.
    init(in lab: DemoNetwork, from source: IPAddress) throws {
        try self.init(lab.internet, counter: "from-\(source)", match: "\(Self.keyword(source)) saddr \(source)")
    }

    /// Packets of this source that arrive in any namespace by its link `eth0`: at a pod, say.
    init(in namespace: DemoNetwork.Namespace, from source: IPAddress) throws {
        try self.init(namespace, counter: "from-\(source)", match: "\(Self.keyword(source)) saddr \(source)")
    }

    /// Packets from one address to another.
    init(in lab: DemoNetwork, from source: IPAddress, to destination: IPAddress) throws {
        let word = Self.keyword(source)
        try self.init(
            lab.internet, counter: "of-\(source)-\(destination)", match: "\(word) saddr \(source) \(word) daddr \(destination)")
    }

    private init(_ namespace: DemoNetwork.Namespace, counter name: String, match: String) throws {
        self.namespace = namespace
        // A table for each: names of counters are plain words.
        counter = String(name.map { $0.isLetter || $0.isNumber ? $0 : "_" })
        for command in [
            "add table inet witness_\(counter)", "add counter inet witness_\(counter) seen",
            "add chain inet witness_\(counter) arrivals { type filter hook prerouting priority -400; }",
            "add rule inet witness_\(counter) arrivals iifname eth0 \(match) counter name seen",
        ] {
            let result = try namespace.run(["nft", command])
            guard result.isSuccess else { throw Problem("nft \(command): \(result.stderr)") }
        }
    }

    private static func keyword(_ address: IPAddress) -> String { address.family == .v4 ? "ip" : "ip6" }

    func packets() throws -> Int {
        let result = try namespace.run(["nft", "list counter inet witness_\(counter) seen"])
        guard let match = result.stdout.firstMatch(of: /packets ([0-9]+)/), let packets = Int(match.1) else {
            throw Problem("no counter: \(result.stdout) \(result.stderr)")
        }
        return packets
    }
}
