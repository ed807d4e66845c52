import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites {
    /// Flows that a conntrack helper expects: they bear the mark of the flow that announced them.
    @Suite struct ExpectedFlowTests {
        private static let server = "192.0.2.10"
        private static let dataPort: UInt16 = 50_021

        private static func policy(_ ports: String) -> String {
            """
            apiVersion: projectcalico.org/v3
            kind: NetworkPolicy
            metadata: {name: files, namespace: default}
            spec:
              order: 100
              selector: app == "shop"
              types: [Egress]
              egress: [{action: Allow, protocol: TCP, destination: {domains: [api.example.org], ports: [\(ports)]}}]
            """
        }

        /// The port of data that the server names is not yet policy's: the helper makes the connection RELATED, and policy decides.
        @Test func `a connection that the FTP helper expects is decided by policy as a new one`() throws {
            let node = try RunningNode(
                hasWebServer: false, policies: ["files.yaml": Self.policy("21"), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            let table = """
                table ip helpers {
                  ct helper ftp { type "ftp" protocol tcp; }
                  chain pre { type filter hook prerouting priority 0; tcp dport 21 ct helper set "ftp"; }
                }
                """
            let result = try node.lab.node.run(["nft", table])
            try #require(result.isSuccess, "\(result.stderr)")
            let address = try #require(IPAddress(parsing: Self.server))
            let servers = try [21, Self.dataPort].map { try EchoServer(namespace: node.lab.internet, addresses: [address], port: $0) }
            defer { for server in servers { server.stop() } }
            try node.resolve("api.example.org", from: "pod-a")

            // The server says what it is told to; its first line tells the helper where lines begin.
            let control = try EchoStream(in: node.pod("pod-a").namespace, to: address, port: 21)
            let greeting = Array("220 ready\r\n".utf8)
            let place = address.description.replacing(".", with: ",") + ",\(Self.dataPort >> 8),\(Self.dataPort & 0xff)"
            let announcement = Array("227 Entering Passive Mode (\(place)).\r\n".utf8)
            func announce() throws {
                try #require(control.exchange(saying: announcement))
                let expected = try node.lab.node.run(["conntrack", "-L", "expect"])
                try #require(expected.stdout.contains("dport=\(Self.dataPort)"), "\(expected.stdout)\(expected.stderr)")
            }
            try #require(control.exchange(saying: greeting))

            try announce()
            #expect(try node.isRefused("pod-a", Self.server, port: Self.dataPort))
            #expect(servers[1].counts.connections == 0)
            #expect(control.exchange(saying: greeting))

            _ = try node.afterReload { try node.write(policy: "files.yaml", Self.policy("21, \(Self.dataPort)")) }
            try announce()
            #expect(try node.isReached("pod-a", Self.server, port: Self.dataPort))
            #expect(servers[1].counts.connections == 1)
            #expect(control.exchange(saying: greeting))
        }
    }
}
