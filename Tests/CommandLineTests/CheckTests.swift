import Foundation
import Testing

extension CommandLineTests {
    @Suite(.serialized) struct CheckTests {
        static let shipped = Program.repository.appending(path: "config/policies").path

        struct Row: Sendable, CustomTestStringConvertible {
            let testDescription: String
            /// `line:column` in the file.
            let place: String
            let field: String
            /// Stands in the message or its hint.
            let word: String
            let yaml: String

            init(_ title: String, _ place: String, _ field: String, _ word: String, _ yaml: String) {
                (testDescription, self.place, self.field, self.word, self.yaml) = (title, place, field, word, yaml)
            }
        }

        private static let pin = "pI2h1FQRc0CtqdPmJO1hKdnRtFHYWWEOY6eoQxQ5kHs="

        /// A policy whose `spec` begins in line 5.
        static func policy(_ spec: String) -> String {
            "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: tested}\nspec:\n" + spec
        }

        static let rows = [
            Row("a typo", "5:3", "spec.selectr", "selector", policy("  selectr: all()\n")),
            Row("an unknown tier", "5:9", "spec.tier", "security", policy("  tier: securty\n")),
            Row("a bad selector", "5:13", "spec.selector", "write ==", policy("  selector: app = 'shop'\n")),
            Row(
                "a bad wildcard", "8:31", "spec.egress[0].destination.domains[0]", "whole label",
                policy("  types: [Egress]\n  egress:\n    - action: Allow\n      destination: {domains: [\"*ple.example.org\"]}\n")),
            Row(
                "two wildcards", "7:46", "spec.egress[0].destination.domains[1]", "only one",
                policy("  egress:\n    - action: Allow\n      destination: {domains: [a.example.org, \"*.*.example.org\"]}\n")),
            Row("a text for a number", "5:10", "spec.order", "a number", policy("  order: high\n")),
            Row("an unknown action", "6:15", "spec.egress[0].action", "Allow", policy("  egress:\n    - action: allow\n")),
            Row("a rule without action", "6:7", "spec.egress[0].action", "required", policy("  egress:\n    - protocol: TCP\n")),
            Row(
                "a criterion that an egress filter cannot keep", "7:13", "spec.egress[0].http", "name the host",
                policy("  egress:\n    - action: Allow\n      http: {methods: [GET]}\n")),
            Row(
                "names beside prefixes", "7:30", "spec.egress[0].destination.domains", "two rules",
                policy("  egress:\n    - action: Allow\n      destination: {domains: [a.example.org], nets: [192.0.2.0/24]}\n")),
            Row(
                "names in a Deny rule", "7:30", "spec.egress[0].destination.domains", "Allow",
                policy("  egress:\n    - action: Deny\n      destination: {domains: [a.example.org]}\n")),
            Row(
                "ports without a protocol", "7:28", "spec.egress[0].destination.ports", "protocol",
                policy("  egress:\n    - action: Allow\n      destination: {ports: [443]}\n")),
            Row(
                "a port that is none", "8:29", "spec.egress[0].destination.ports[0]", "65535",
                policy("  egress:\n    - action: Allow\n      protocol: TCP\n      destination: {ports: [65536]}\n")),
            Row(
                "a name that a shipped file has", "3:24", "metadata.name", "twice",
                "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: shop, namespace: default}\nspec: {}\n"
                    .replacing("metadata: {name", with: "metadata:       {name")),
            Row(
                "a kind that is not supported", "2:7", "kind", "not supported",
                "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: pool}\nspec: {cidr: 198.51.100.0/24}\n"),
            Row(
                "a kind with a typo", "2:7", "kind", "Tier", "apiVersion: projectcalico.org/v3\nkind: Teir\nmetadata: {name: a}\nspec: {}\n"
            ),
            Row(
                "an endpoint with a prefix for an address", "4:46", "spec.ipNetworks[0]", "/32",
                "apiVersion: projectcalico.org/v3\nkind: WorkloadEndpoint\nmetadata: {name: a, namespace: b}\n"
                    + "spec: {interfaceName: cali1, ipNetworks: [   192.0.2.0/24]}\n"),
        ]

        @Test func `the shipped policies are good`() throws {
            let result = try Program.run("check", Self.shipped)
            #expect(result.status == 0, "\(result.output)")
            #expect(result.output.hasPrefix("good; "))
            #expect(try Program.run("check", Self.shipped, "--json").output.isEmpty)
        }

        @Test(arguments: rows)
        func `a bad policy is named with file, line, column and field`(_ row: Row) throws {
            let folder = try TemporaryFolder()
            let shipped = try folder.copy("config/policies", to: "policies")
            let file = try folder.write(row.yaml, to: "policies/50-tested.yaml")
            let result = try Program.run("check", shipped)
            #expect(result.status == 1)
            let errors = result.lines.filter { $0.contains(": error: ") }
            #expect(errors.count == 1, "\(result.output)")
            let line = try #require(errors.first)
            #expect(line.hasPrefix("\(file):\(row.place): error: \(row.field): "), "\(line)")
            #expect(line.contains(row.word), "\(line)")
            #expect(result.lines.last?.hasPrefix("bad: 1 errors") == true)
        }

        @Test func `with --json every line is an object that says the same`() throws {
            let folder = try TemporaryFolder()
            try folder.copy("config/policies", to: "policies")
            for (index, row) in Self.rows.prefix(4).enumerated() {
                try folder.write(row.yaml.replacing("tested", with: "t\(index)"), to: "\(index).yaml")
            }
            let result = try Program.run("check", folder.path, "--json")
            #expect(result.status == 1)
            let objects = try result.objects().filter { $0["severity"] as? String != "warning" }
            #expect(objects.count == 4)
            for (object, row) in zip(objects, Self.rows) {
                #expect(object["severity"] as? String == "error")
                #expect(object["field"] as? String == row.field)
                let place = "\(object["line"] as? Int ?? 0):\(object["column"] as? Int ?? 0)"
                #expect(place == row.place)
                #expect((object["file"] as? String)?.hasPrefix(folder.path) == true)
                let message = "\(object["message"] ?? "") \(object["hint"] ?? "")"
                #expect(message.contains(row.word), "\(message)")
            }
        }

        @Test func `a service as upstream of which no server is known is warned of`() throws {
            let folder = try TemporaryFolder()
            func write(_ service: String) throws {
                try folder.write(
                    """
                    apiVersion: discovery.k8s.io/v1
                    kind: EndpointSlice
                    metadata: {name: a, namespace: kube-system, labels: {kubernetes.io/service-name: \(service)}}
                    addressType: IPv4
                    endpoints: [{addresses: [192.0.2.53]}]
                    """, to: "policies/slice.yaml")
            }
            try write("other")
            let file = try folder.write(
                "workloadInterfaces: [\"cali*\"]\npolicies: \(folder.path)/policies\n"
                    + "dns: {listen: [169.254.20.10], upstreams: [k8s-service:kube-dns]}\n", to: "exeat.yaml")
            let result = try Program.run("check", file)
            let line = "\(file): warning: upstreams: no EndpointSlice of k8s-service:kube-system/kube-dns has an address"
            #expect(result.status == 0 && result.output.contains(line), "\(result.output)\(result.errors)")
            try write("kube-dns")
            let found = try Program.run("check", file)
            #expect(found.status == 0 && !found.output.contains("warning"), "\(found.output)")
        }

        @Test func `all errors of all files are told at once, and a warning alone is good`() throws {
            let folder = try TemporaryFolder()
            let warned = try folder.write(Self.policy("  types: [Ingress]\n  egress:\n    - action: Allow\n"), to: "warned.yaml")
            let good = try Program.run("check", warned)
            #expect(good.status == 0)
            #expect(good.output.contains(": warning: spec.egress: "))
            try folder.write(Self.policy("  tier: absent\n  order: x\n  nonsense: 1\n").replacing("tested", with: "other"), to: "b.yaml")
            let bad = try Program.run("check", folder.path)
            #expect(bad.status == 1)
            #expect(bad.lines.count { $0.contains(": error: ") } == 3, "\(bad.output)")
        }

        @Test func `text that is no YAML, a path that does not exist and no path are errors`() throws {
            let folder = try TemporaryFolder()
            let file = try folder.write("kind: [\n", to: "broken.yaml")
            let broken = try Program.run("check", file)
            #expect(broken.status == 1)
            #expect(broken.output.contains("\(file):"))
            let absent = try Program.run("check", folder.path + "/absent")
            #expect(absent.status == 1)
            #expect(absent.output.contains("\(folder.path)/absent: error: cannot be read"))
            #expect(try Program.run("check").status != 0)
        }

        // MARK: Configuration

        /// A file whose fifth line is the first of `dns.zones`.
        private static func zones(_ text: String) -> String {
            "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [192.0.2.53]\n  zones:\n" + text
        }

        static let configurationRows = [
            Row("an unknown field", "2:1", "modus", "mode", "workloadInterfaces: [\"cali*\"]\nmodus: enforce\n"),
            Row(
                "an unknown field below", "3:3", "dns.upstream", "upstreams",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  upstream: [192.0.2.53]\n"),
            Row("a text for a number", "2:15", "endpointsMax", "an integer", "workloadInterfaces: [\"cali*\"]\nendpointsMax: many\n"),
            Row("a number in quotes", "3:9", "dns.port", "quotes", "workloadInterfaces: [\"cali*\"]\ndns:\n  port: \"53\"\n"),
            Row("a number for a text", "2:11", "policies", "quote it", "workloadInterfaces: [\"cali*\"]\npolicies: 5\n"),
            Row("a mapping for a list", "1:21", "workloadInterfaces", "required", "workloadInterfaces: {a: b}\n"),
            Row("a word out of another list", "2:7", "mode", "enforce, audit", "workloadInterfaces: [\"cali*\"]\nmode: permissive\n"),
            Row(
                "a bad address", "4:12", "dns.listen[0]", "no IP address",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [192.0.2.53]\n  listen: [192.0.2.256]\n"),
            Row(
                "a bad upstream", "3:15", "dns.upstreams[0]", "[2001:db8::53]:53",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [\"192.0.2.53:0\"]\n"),
            Row(
                "no service", "3:15", "dns.upstreams[0]", "k8s-service:kube-system/kube-dns",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [\"k8s-service:a/b/c\"]\n"),
            Row(
                "a service beside a file", "3:33", "dns.upstreams[1]", "/etc/resolv.conf already",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [/etc/resolv.conf, k8s-service:kube-dns]\n"),
            Row(
                "a bad record", "3:13", "dns.records[0]", "an address and its names",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  records: [\"nonsense db.example.test\"]\n"),
            Row(
                "an alias of a name elsewhere", "5:39", "dns.records[1].cname", "no name with addresses in dns.records",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  records:\n    - 192.0.2.7 db.example.test\n"
                    + "    - {name: www.example.test, cname: www.example.org}\n"),
            Row(
                "an alias with addresses", "4:14", "dns.records[0].name", "has addresses",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  records:\n    - {name: db.example.test, cname: x.example.test}\n"
                    + "    - 192.0.2.7 db.example.test\n"),
            Row(
                "aliases in a circle", "4:37", "dns.records[0].cname", "leads to no name",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  records:\n    - {name: a.example.test, cname: b.example.test}\n"
                    + "    - {name: b.example.test, cname: a.example.test}\n"),
            Row(
                "a bad local zone", "4:15", "dns.localZones.forward[0]", "label",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  localZones:\n    forward: [\"a..b\"]\n"),
            Row(
                "a stale TTL above that of RFC 8767", "4:21", "dns.serveStale.staleAnswerTTL", "30",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  serveStale:\n    staleAnswerTTL: 31\n"),
            Row("a bad prefix", "2:12", "podCIDRs[0]", "no address prefix", "workloadInterfaces: [\"cali*\"]\npodCIDRs: [10.65.0.0/33]\n"),
            Row("no workload interface", "1:1", "workloadInterfaces", "is required", "mode: audit\n"),
            Row(
                "a listener without port", "3:11", "metrics.listen", ":9253",
                "workloadInterfaces: [\"cali*\"]\nmetrics:\n  listen: 127.0.0.1\n"),
            Row(
                "a zone twice", "7:13", "dns.zones[1].name", "first at line 5",
                zones(
                    "    - name: Corp.example.org\n      upstreams: [192.0.2.54]\n"
                        + "    - name: corp.example.org.\n      upstreams: [192.0.2.55]\n")),
            Row(
                "a zone without upstreams", "5:7", "dns.zones[0].upstreams", "is required",
                zones("    - name: corp.example.org\n")),
            Row(
                "a zone with no upstream", "6:18", "dns.zones[0].upstreams", "names no upstream",
                zones("    - name: corp.example.org\n      upstreams: []\n")),
            Row(
                "a zone without a name", "5:7", "dns.zones[0].name", "is required", zones("    - upstreams: [192.0.2.54]\n")),
            Row(
                "a bad name of a zone", "5:13", "dns.zones[0].name", "such as corp.example.org",
                zones("    - name: corp..example.org\n      upstreams: [192.0.2.54]\n")),
            Row(
                "a bad address of a zone", "6:31", "dns.zones[0].upstreams[1]", "no address with a port",
                zones("    - name: corp.example.org\n      upstreams: [192.0.2.54, 192.0.2.256]\n")),
            Row(
                "a zone's unknown field", "6:7", "dns.zones[0].force_tcp", "forceTCP",
                zones("    - name: corp.example.org\n      force_tcp: true\n      upstreams: [192.0.2.54]\n")),
            Row(
                "the root zone twice", "5:13", "dns.zones[0].name", "dns.upstreams already",
                zones("    - name: .\n      upstreams: [192.0.2.54]\n")),
            Row(
                "an upstream that is Exeat itself", "4:15", "dns.upstreams[0]", "come back",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  listen: [169.254.20.10]\n  upstreams: [169.254.20.10]\n"),
            Row(
                "two files of upstreams", "3:33", "dns.upstreams[1]", "second file",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [/etc/resolv.conf, /run/resolv.conf]\n"),
            Row(
                "the root zone twice, once by a file", "5:13", "dns.zones[0].name", "dns.upstreams already",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [/etc/resolv.conf]\n  zones:\n"
                    + "    - name: .\n      upstreams: [192.0.2.54]\n"),
            Row(
                "an upstream over TLS that anybody could be", "3:15", "dns.upstreams[0]", "by what name",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [tls://192.0.2.53]\n"),
            Row(
                "an upstream over TLS without an address", "3:15", "dns.upstreams[0]", "no address with a port",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [tls://dns.example.org#dns.example.org]\n"),
            Row(
                "a bad name of an upstream", "3:15", "dns.upstreams[0]", "in the server's certificate",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [tls://192.0.2.53#dns..example.org]\n"),
            Row(
                "an upstream with neither name nor pin", "3:42", "dns.upstreams[0].tls", "give name or pins",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [{address: 192.0.2.53, tls: {pins: []}}]\n"),
            Row(
                "a pin that is none", "3:50", "dns.upstreams[0].tls.pins[0]", "no SHA-256",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [{address: 192.0.2.53, tls: {pins: [c2hvcnQ=]}}]\n"),
            Row(
                "authorities without a name", "3:42", "dns.upstreams[0].tls", "without name",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [{address: 192.0.2.53, tls: {caFile: /a.pem, pins: [\(pin)]}}]\n"),
            Row(
                "a relative path of authorities", "3:51", "dns.upstreams[0].tls.caFile", "whole path",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [{address: 192.0.2.53, tls: {caFile: a.pem, name: a.example.org}}]\n"),
            Row(
                "an unknown policy", "3:11", "dns.policy", "round_robin",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  policy: roundrobin\n"),
            Row(
                "a resolver without upstreams", "3:3", "dns.upstreams", "is required",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  listen: [169.254.20.10]\n"),
            Row(
                "a floor above the ceiling", "3:3", "bindings.floorSeconds", "ceiling",
                "workloadInterfaces: [\"cali*\"]\nbindings:\n  floorSeconds: 60\n  ceilingSeconds: 59\n"),
            Row("a mask with too few bits", "2:11", "markMask", "8 to 16", "workloadInterfaces: [\"cali*\"]\nmarkMask: 0x7f\n"),
            Row(
                "two logs in one file", "5:9", "dnsLog.path", "flowLog.path",
                "workloadInterfaces: [\"cali*\"]\nflowLog:\n  path: log\ndnsLog:\n  path: log\n"),
            Row(
                "an unknown extent of names", "3:10", "dnsLog.names", "registered-domain",
                "workloadInterfaces: [\"cali*\"]\ndnsLog:\n  names: domain\n"),
            Row(
                "an unknown mode of the tunnel guard", "4:11", "dns.tunnelGuard.mode", "disabled, observe, refuse",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  tunnelGuard:\n    mode: block\n"),
            Row(
                "an unknown treatment of hints", "4:12", "dns.serviceBindings.hints", "learn, strip, pass",
                "workloadInterfaces: [\"cali*\"]\ndns:\n  serviceBindings:\n    hints: keep\n"),
            Row("a bad interface", "1:22", "workloadInterfaces[0]", "no interface name", "workloadInterfaces: [\"a*b\", \"cali*\"]\n"),
            Row("a field without value", "2:1", "dns", "no value", "workloadInterfaces: [\"cali*\"]\ndns:\n"),
        ]

        @Test func `the shipped configuration is good`() throws {
            let result = try Program.run("check", Program.repository.appending(path: "config/exeat.yaml").path)
            #expect(result.status == 0, "\(result.output)")
            #expect(result.output.hasPrefix("good; 4 policies"))
            #expect(try Program.run("check", Program.repository.appending(path: "config").path).output == result.output)
        }

        @Test(arguments: configurationRows)
        func `a bad configuration is named with file, line, column and field`(_ row: Row) throws {
            let folder = try TemporaryFolder()
            let file = try folder.write(row.yaml, to: "exeat.yaml")
            let result = try Program.run("check", file)
            #expect(result.status == 1)
            let line = try #require(result.lines.first { $0.contains(": error: \(row.field): ") }, "\(result.output)")
            #expect(line.hasPrefix("\(file):\(row.place): "), "\(line)")
            #expect(result.output.contains(row.word), "\(line)")
        }

        @Test func `a file of authorities that is not there, is empty or has no certificate is named with its field`() throws {
            let folder = try TemporaryFolder()
            let empty = try folder.write("", to: "empty.pem")
            let text = try folder.write("authorities to come\n", to: "text.pem")
            for (path, reason) in [
                ("/nonexistent/authorities.pem", "No such file or directory"), (empty, "no certificate"), (text, "no certificate"),
            ] {
                let file = try folder.write(
                    "workloadInterfaces: [\"cali*\"]\ndns:\n  upstreams: [{address: 192.0.2.53, tls: {name: a.example.org, caFile: \(path)}}]\n",
                    to: "exeat.yaml")
                let result = try Program.run("check", file)
                #expect(result.status == 1)
                let line = try #require(result.lines.first { $0.contains("tls.caFile") }, "\(result.output)")
                #expect(line.hasPrefix("\(file):3:72: error: dns.upstreams[0].tls.caFile: "), "\(line)")
                #expect(line.contains(path) && line.contains(reason), "\(line)")
            }
        }

        @Test func `a daemon that is started with a bad configuration ends with the same errors`() throws {
            let folder = try TemporaryFolder()
            let row = try #require(Self.configurationRows.first)
            // Nothing is closed: this is no namespace of the test's. KernelTests see to that.
            let file = try folder.write(row.yaml + "startFailure: open\n", to: "exeat.yaml")
            let checked = try Program.run("check", file)
            let started = try Program.run("run", "--config", file)
            #expect(started.status == 1)
            #expect(started.errors.contains(try #require(checked.lines.first)))
        }

        @Test func `what a file says cannot steer the terminal`() throws {
            let folder = try TemporaryFolder()
            let file = try folder.write(Self.policy("  \"a\\e[2Jb\\ngood\": 1\n  egress: [{action: \"Al\\rlow\"}]\n"), to: "a.yaml")
            let result = try Program.run("check", file)
            #expect(result.status == 1)
            #expect(!result.output.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" || $0.value == 0x7f })
            #expect(result.output.contains(#"spec[a\u{1b}[2Jb\u{a}good]"#))
            #expect(result.output.contains(#""Al\u{d}low""#))
        }
    }
}
