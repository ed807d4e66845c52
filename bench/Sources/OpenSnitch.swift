import DemoNetwork
import Foundation
import NetfilterQueue

/// OpenSnitch's daemon without its window, in a pod's namespace: it asks about new connections of local processes only.
struct OpenSnitch {
    let process: ChildProcess

    static let program = "opensnitchd"

    /// Starts it with one rule, which allows the port that is measured, and waits until its queue is there.
    ///
    /// Processes are found by `/proc`, its method that needs neither kprobes nor its eBPF module; rules are set through iptables, as the
    /// nft `queue` expression is not in every kernel.
    init(in lab: BenchLab) throws {
        let folder = lab.path("opensnitch")
        try FileManager.default.createDirectory(atPath: "\(folder)/rules", withIntermediateDirectories: true)
        try lab.write(
            """
            {"Server": {"Address": "unix://\(folder)/no-window.sock", "LogFile": "\(folder)/log"}, "DefaultAction": "allow",
             "DefaultDuration": "always", "InterceptUnknown": true, "ProcMonitorMethod": "proc", "LogLevel": 1, "Firewall": "iptables",
             "Stats": {"MaxEvents": 150, "MaxStats": 25}}
            """, "opensnitch/default-config.json")
        try lab.write("{\"SystemRules\": []}", "opensnitch/system-fw.json")
        try lab.write(
            """
            {"created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z", "name": "web", "enabled": true, "precedence": true,
             "action": "allow", "duration": "always",
             "operator": {"type": "simple", "operand": "dest.port", "sensitive": false, "data": "\(BenchLab.closingPort)", "list": []}}
            """, "opensnitch/rules/web.json")
        // Its configuration has one place only. `ip netns exec` gives a mount namespace of its own.
        let script =
            "mount --bind \(folder) /etc/opensnitchd && "
            + "exec \(Self.program) -rules-path /etc/opensnitchd/rules -process-monitor-method proc"
        process = try lab.pod.namespace.spawn(["sh", "-c", script], output: lab.path("opensnitch.out"))
        for _ in 0..<200 {
            let rules = try lab.pod.namespace.run(["iptables", "-t", "mangle", "-S", "OUTPUT"])
            if rules.stdout.contains("NFQUEUE"), try !lab.pod.namespace.withThread({ QueueStatistics.all() }).isEmpty { return }
            guard process.isRunning else { break }
            usleep(25_000)
        }
        throw BenchError("OpenSnitch does not start: \((try? String(contentsOfFile: lab.path("opensnitch.out"), encoding: .utf8)) ?? "")")
    }
}
