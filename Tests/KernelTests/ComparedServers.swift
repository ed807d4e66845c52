import DemoNetwork
import Foundation
import NetworkTypes

/// One authoritative server (nsd) for three zones, two of them signed (NSEC and NSEC3), and unbound that forwards to it, in the lab's internet.
struct ComparedServers {
    static let authority = IPAddress(v4: 0xc000_0240)  // 192.0.2.64
    static let unbound = IPAddress(v4: 0xc000_0241)  // 192.0.2.65
    static let zones = ["plain.example.org", "nsec.example.org", "nsec3.example.org"]
    /// Names of each zone, without it. Under `missing` there is nothing.
    static let names =
        (1...20).map { "a\($0)" }
        + [
            "", "six", "both", "text", "long", "mail", "service", "web", "sealed", "web6", "caa", "binary", "alias", "chain1", "chain2",
            "chain8",
            "chain12",
            "chain20", "loop1", "dangling", "elsewhere", "x.dname", "dname", "any.wild", "some.deep.wild", "alias.wildalias", "ent",
            "below.ent",
            "missing", "very.missing", "ten", "many25", "many100", "many500", "private",
            "many25", "many100", "many500", "private",
        ]

    private static var records: String {
        var lines = (1...20).map { number in "a\(number) 3600 A 192.0.2.\(100 + number)" }
        lines += (1...5).map { "a5 3600 A 198.51.100.\($0)" }
        lines += (1...20).map { "chain\($0) 3600 CNAME \($0 == 1 ? "a1" : "chain\($0 - 1)")" }
        for (name, count) in [("ten", 10), ("many25", 25), ("many100", 100), ("many500", 500)] {
            lines += (0..<count).map { "\(name) 3600 A 198.18.\(count % 250 + $0 / 250).\($0 % 250 + 1)" }
        }
        lines.append("long 3600 TXT " + (0..<8).map { "\"\(String(repeating: "\($0)", count: 200))\"" }.joined(separator: " "))
        return (lines + [fixed]).joined(separator: "\n")
    }

    private static let fixed = ##"""
        @         3600 MX    10 mail
        @         3600 TXT   "v=spf1 -all"
        @         3600 A     192.0.2.200
        six       3600 AAAA  2001:db8::6
        both      3600 A     192.0.2.201
        both      3600 AAAA  2001:db8::201
        text      3600 TXT   "one" "two" "three\"quoted\""
        mail      3600 A     192.0.2.202
        mail      3600 MX    10 mail
        mail      3600 MX    20 both
        service   3600 SRV   1 2 443 both
        service   3600 SRV   3 4 8443 a1
        web       3600 HTTPS 1 . alpn=h2,h3 ipv4hint=192.0.2.210 ipv6hint=2001:db8::210
        web       3600 A     192.0.2.210
        sealed    3600 HTTPS 1 . alpn=h2 ech=/g0ABA==
        web6      3600 SVCB  1 both port=8443
        caa       3600 CAA   0 issue "ca.example.net"
        binary    3600 TYPE65534 \# 4 00ff80c0
        alias     3600 CNAME both
        loop1     3600 CNAME loop2
        loop2     3600 CNAME loop1
        dangling  3600 CNAME not.there
        elsewhere 3600 CNAME outside.example.net.
        dname     3600 DNAME both
        x.both    3600 A     192.0.2.203
        *.wild    3600 A     192.0.2.204
        *.wild    3600 TXT   "wild"
        *.wildalias 3600 CNAME a2
        below.ent 3600 A     192.0.2.205
        private   3600 A     10.1.2.3
        """##

    /// Both servers answer when it returns. Their logs lie in the lab's folder.
    static func start(in lab: DemoNetwork) throws {
        let folder = lab.directory + "/compared"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var entries = ""
        for zone in zones {
            let path = "\(folder)/\(zone)"
            let head = "$ORIGIN \(zone).\n$TTL 3600\n@ SOA ns hostmaster 1 3600 900 604800 300\n@ NS ns\nns A 192.0.2.64\n"
            try (head + records + "\n").write(toFile: path, atomically: true, encoding: .utf8)
            if zone != zones[0] {
                let flags = zone == zones[2] ? "-n" : ""
                let signed = try lab.internet.run([
                    "sh", "-ec", "cd \(folder); ldns-signzone \(flags) \(zone) $(ldns-keygen -k -a ECDSAP256SHA256 \(zone))",
                ])
                guard signed.isSuccess else { throw Problem("\(zone) cannot be signed: \(signed.stderr)") }
            }
            entries += "zone:\n  name: \(zone)\n  zonefile: \(path)\(zone == zones[0] ? "" : ".signed")\n"
        }
        try """
        server:
          ip-address: \(authority)
          ip-freebind: yes
          server-count: 1
          username: ""
          zonesdir: "\(folder)"
          database: ""
          pidfile: "\(folder)/nsd.pid"
          xfrdfile: "\(folder)/xfrd.state"
          xfrdir: "\(folder)"
          zonelistfile: "\(folder)/zone.list"
          minimal-responses: yes
          rrl-ratelimit: 0
        remote-control:
          control-enable: no
        \(entries)
        """.write(toFile: folder + "/nsd.conf", atomically: true, encoding: .utf8)
        // A forwarder without validation, as Exeat is one; what it hands out is as large as with Exeat.
        try """
        server:
          interface: \(unbound)
          ip-freebind: yes
          access-control: 0.0.0.0/0 allow
          num-threads: 1
          username: ""
          chroot: ""
          directory: "\(folder)"
          pidfile: "\(folder)/unbound.pid"
          use-syslog: no
          do-daemonize: no
          module-config: "iterator"
          do-not-query-localhost: no
          max-udp-size: 1232
          edns-buffer-size: 1232
          rrset-roundrobin: no
        remote-control:
          control-enable: no
        forward-zone:
          name: "."
          forward-addr: \(authority)

        """.write(toFile: folder + "/unbound.conf", atomically: true, encoding: .utf8)
        _ = try lab.internet.spawn(["nsd", "-d", "-c", folder + "/nsd.conf"], output: folder + "/nsd.log")
        _ = try lab.internet.spawn(["unbound", "-d", "-c", folder + "/unbound.conf"], output: folder + "/unbound.log")
        for server in [authority, unbound] {
            try Stopwatch.wait("\(server) answers", seconds: 20) {
                try lab.internet.withThread {
                    zones.allSatisfy {
                        LabClient.resolve("a1.\($0)", server: server, timeoutMilliseconds: 500).addresses.count == 1
                    }
                }
            }
        }
    }
}
