import Glibc
import NetworkTypes

extension DemoNetwork {
    // MARK: Names

    func startNameServer() throws {
        var zones = configuration.includesStandardZones ? StandardZones.records : [:]
        for (zone, records) in configuration.zones { zones[zone, default: ""] += "\n" + records }
        let all = zones
        state.withLock { state in
            state.zones = all
            state.zoneSerials = all.mapValues { _ in 1 }
        }
        try makeDirectory("\(directory)/nsd")
        for (zone, records) in all {
            try write(StandardZones.file(zone: zone, records: records, serial: 1), to: zonePath(zone))
        }
        let addresses = Self.nameServerAddresses.map { "  ip-address: \($0)\n" }.joined()
        let entries = all.keys.sorted().map { "zone:\n  name: \"\($0)\"\n  zonefile: \"\(zonePath($0))\"\n" }.joined()
        try write(
            """
            server:
            \(addresses)  ip-freebind: yes
              server-count: 1
              tcp-count: 2000
              username: ""
              zonesdir: "\(directory)/nsd"
              database: ""
              pidfile: "\(directory)/nsd/nsd.pid"
              xfrdfile: "\(directory)/nsd/xfrd.state"
              xfrdir: "\(directory)/nsd"
              zonelistfile: "\(directory)/nsd/zone.list"
              minimal-responses: yes
              rrl-ratelimit: 0
            remote-control:
              control-enable: no
            \(entries)
            """, to: "\(directory)/nsd.conf")
        let server = try internet.spawn(["nsd", "-d", "-c", "\(directory)/nsd.conf"], output: "\(directory)/nsd.log")
        state.withLock { $0.nameServer = server }
        for zone in all.keys { try waitForZone(zone, serial: 1, server: server) }
    }

    /// Replaces the records of a zone that the lab serves (without SOA and NS), and waits until the server answers with them.
    public func replaceZone(_ zone: String, records: String) throws {
        let (serial, server) = state.withLock { state -> (UInt32?, ChildProcess?) in
            guard let old = state.zoneSerials[zone] else { return (nil, nil) }
            state.zoneSerials[zone] = old + 1
            state.zones[zone] = records
            return (old + 1, state.nameServer)
        }
        guard let serial, let server else { throw LabError.badConfiguration("the lab does not serve the zone \(zone)") }
        try write(StandardZones.file(zone: zone, records: records, serial: serial), to: zonePath(zone))
        server.kill(SIGHUP)
        try waitForZone(zone, serial: serial, server: server)
    }

    /// The records of a zone as they were last given.
    public func zoneRecords(_ zone: String) -> String? { state.withLock { $0.zones[zone] } }

    private func zonePath(_ zone: String) -> String { "\(directory)/nsd/\(zone == "." ? "root" : zone).zone" }

    private func waitForZone(_ zone: String, serial: UInt32, server: ChildProcess) throws {
        let address = Self.nameServerAddresses[0]
        do {
            try poll("nsd with zone \(zone)", seconds: 20) {
                if let status = server.poll() { throw LabError.commandFailed(command: "nsd", status: status, output: "it ended") }
                let answered = try internet.withThread { LabClient.startOfAuthoritySerial(of: zone, server: address) }
                return answered == serial
            }
        } catch {
            throw withLog(error, "nsd.log")
        }
    }

    // MARK: Web

    /// nginx on every address. `/` says which name and address were asked, `/slow` is a long download (16 KiB/s), `/large` 256 MiB.
    func startWebServers() throws {
        let root = "\(directory)/www"
        try makeDirectory(root)
        for (name, size) in [("large", 256 << 20), ("slow", 64 << 20)] {
            // Holes: the files take no room.
            try write("", to: "\(root)/\(name)")
            guard unsafe truncate("\(root)/\(name)", size) == 0 else { throw LabError.system(call: "truncate", errno: errno) }
        }
        let certificate = try makeCertificate()
        let encryption = certificate.map { "ssl_certificate \($0.certificate); ssl_certificate_key \($0.key);" } ?? ""
        let kind = certificate == nil ? "" : " ssl"
        try write(
            """
            user root;
            worker_processes 1;
            pid \(directory)/nginx.pid;
            error_log \(directory)/nginx-error.log warn;
            daemon off;
            worker_rlimit_nofile 65536;
            events { worker_connections 32768; }
            http {
                access_log off;
                client_body_temp_path \(directory)/www-body;
                proxy_temp_path \(directory)/www-proxy;
                fastcgi_temp_path \(directory)/www-fastcgi;
                uwsgi_temp_path \(directory)/www-uwsgi;
                scgi_temp_path \(directory)/www-scgi;
                server {
                    listen 0.0.0.0:80 backlog=8192;
                    listen [::]:80 backlog=8192 ipv6only=on;
                    listen 0.0.0.0:443\(kind) backlog=8192;
                    listen [::]:443\(kind) backlog=8192 ipv6only=on;
                    \(encryption)
                    server_name _;
                    default_type text/plain;
                    root \(root);
                    location / { return 200 "$host at $server_addr\\n"; }
                    location = /slow { limit_rate 16k; }
                    location = /large { }
                }
            }

            """, to: "\(directory)/nginx.conf")
        let server = try internet.spawn(
            ["nginx", "-c", "\(directory)/nginx.conf", "-e", "\(directory)/nginx-error.log"], output: "\(directory)/nginx.log")
        state.withLock { $0.webServer = server }
        do {
            for address in Self.nameServerAddresses {
                for port in [80, 443] as [UInt16] {
                    try poll("nginx on port \(port)", seconds: 10) {
                        if let status = server.poll() {
                            throw LabError.commandFailed(command: "nginx", status: status, output: "it ended")
                        }
                        return try internet.withThread {
                            LabClient.connect(to: address, port: port, timeoutMilliseconds: 1000).isConnected
                        }
                    }
                }
            }
        } catch {
            throw withLog(error, "nginx-error.log")
        }
    }

    /// A certificate that nobody trusts, if openssl is there.
    private func makeCertificate() throws(LabError) -> (certificate: String, key: String)? {
        guard findTool("openssl") != nil else { return nil }
        let (certificate, key) = ("\(directory)/certificate.pem", "\(directory)/key.pem")
        try ChildProcess.require([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "7",
            "-subj", "/CN=exeat lab", "-addext", "subjectAltName=DNS:*.example.org,DNS:*.example.net,DNS:*.example.test",
            "-keyout", key, "-out", certificate,
        ])
        return (certificate, key)
    }

    // MARK: Echo

    func startEchoServers() throws {
        let server = try EchoServer(namespace: internet, addresses: Self.echoAddresses, port: 7)
        state.withLock { $0.echoServer = server }
    }

    /// The echo server of the lab, which also counts what reaches it; nil when the configuration has none.
    public var echoServer: EchoServer? { state.withLock { $0.echoServer } }

    private func withLog(_ error: any Error, _ name: String) -> any Error {
        let log = (readText("\(directory)/\(name)") ?? "").trimmedLines
        guard !log.isEmpty else { return error }
        return LabError.commandFailed(command: name, status: 1, output: "\(error)\n\(log)")
    }
}
