import DemoNetwork
import Foundation

/// Other resolvers, which cache and forward to the lab's name server. Each answers when it is returned.
extension BenchLab {
    func startUnbound(port: UInt16) throws -> ChildProcess {
        try write(
            """
            server:
              interface: \(Self.resolver)@\(port)
              port: \(port)
              access-control: 0.0.0.0/0 allow
              do-daemonize: no
              username: ""
              chroot: ""
              directory: "\(network.directory)"
              pidfile: ""
              use-syslog: no
              num-threads: 1
              so-rcvbuf: 4m
              minimal-responses: yes
              module-config: "iterator"
              do-not-query-localhost: no
            remote-control:
              control-enable: no
            forward-zone:
              name: "."
              forward-addr: \(DemoNetwork.nameServerAddresses[0])
            """, "unbound.conf")
        let process = try network.node.spawn(["unbound", "-d", "-c", path("unbound.conf")], output: path("unbound.log"))
        try waitForAnswer(port, process, "unbound")
        return process
    }

    func startDnsmasq(port: UInt16) throws -> ChildProcess {
        let process = try network.node.spawn(
            [
                "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--pid-file=", "--user=root",
                "--cache-size=10000", "--server=\(DemoNetwork.nameServerAddresses[0])", "--port=\(port)", "--bind-interfaces",
                "--listen-address=\(Self.resolver)",
            ], output: path("dnsmasq.log"))
        try waitForAnswer(port, process, "dnsmasq")
        return process
    }

    func startDnsdist(port: UInt16) throws -> ChildProcess {
        try write(
            """
            setLocal("\(Self.resolver):\(port)")
            setACL({"0.0.0.0/0"})
            newServer({address="\(DemoNetwork.nameServerAddresses[0]):53", healthCheckMode="up"})
            getPool(""):setCache(newPacketCache(10000))
            """, "dnsdist.conf")
        let process = try network.node.spawn(
            ["dnsdist", "--supervised", "--disable-syslog", "-C", path("dnsdist.conf")], output: path("dnsdist.log"))
        try waitForAnswer(port, process, "dnsdist")
        return process
    }

    private func waitForAnswer(_ port: UInt16, _ process: ChildProcess, _ name: String) throws {
        for _ in 0..<100 {
            let answer = try pod.namespace.withThread {
                LabClient.resolve("probe.\(BenchPolicy.zone)", server: Self.resolver, port: port, timeoutMilliseconds: 100)
            }
            if answer.addresses.count == 1 { return }
            guard process.isRunning else { break }
            usleep(20_000)
        }
        throw BenchError("\(name) does not answer: \((try? String(contentsOfFile: path("\(name).log"), encoding: .utf8)) ?? "")")
    }
}
