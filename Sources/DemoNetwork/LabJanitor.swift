import Glibc

/// Takes labs away: at their end, and the leftovers of owners that died before they could.
public enum LabJanitor {
    /// Ends all processes in the namespaces of one lab (`$1`, the prefix), then removes namespaces and files. Harmless when there is
    /// nothing, and when two run at once.
    private static let clearingScript = """
        for round in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
            found=
            for path in /run/netns/"$1"-*; do
                [ -e "$path" ] || continue
                pids=$(ip netns pids "${path##*/}" 2>/dev/null)
                [ -n "$pids" ] || continue
                found=yes
                kill -9 $pids 2>/dev/null
            done
            [ -n "$found" ] || break
            sleep 0.05
        done
        for path in /run/netns/"$1"-*; do
            [ -e "$path" ] && ip netns delete "${path##*/}" 2>/dev/null
        done
        rm -rf "/run/$1" /etc/netns/"$1"-*
        rmdir /etc/netns 2>/dev/null || true
        """

    /// Waits until standard input has a line (an orderly end) or ends (the last holder of the pipe's other end is gone), then clears.
    /// A program that a dying owner had just started may still make a namespace: hence the second pass.
    static func watchdogCommand(prefix: String) -> [String] {
        let script = """
            trap '' HUP INT TERM QUIT PIPE
            clear() {
            \(clearingScript)
            }
            if read -r line; then clear "$1"; else clear "$1"; sleep 0.3; clear "$1"; fi
            """
        return ["sh", "-c", script, "exeat-lab-watchdog", prefix]
    }

    /// Takes one lab away, whoever owns it.
    static func clear(_ prefix: String) {
        guard owner(of: prefix) != nil else { return }
        _ = try? ChildProcess.run(["sh", "-c", clearingScript, "exeat-lab-janitor", prefix], timeoutSeconds: 20)
    }

    /// Takes away every lab whose owner is dead, with its processes. Gives their prefixes.
    @discardableResult
    public static func reap() -> [String] {
        let dead = prefixes().filter { !isOwnerAlive($0) }
        for prefix in dead { clear(prefix) }
        return dead
    }

    /// The prefixes of all labs on this machine that have a namespace or files, dead or alive.
    public static func prefixes() -> [String] {
        var found: Set<String> = []
        for folder in ["/run/netns", "/run", "/etc/netns"] {
            for name in namesInFolder(folder) {
                let parts = name.split(separator: "-", omittingEmptySubsequences: false)
                guard parts.count >= 3 else { continue }
                let prefix = parts[..<3].joined(separator: "-")
                if owner(of: prefix) != nil { found.insert(prefix) }
            }
        }
        return found.sorted()
    }

    /// Whether anything of that lab is still there.
    public static func hasLeftovers(of prefix: String) -> Bool { prefixes().contains(prefix) }

    /// The process id in `exeat-PID-N`; nil if the text is anything else.
    private static func owner(of prefix: String) -> pid_t? {
        let parts = prefix.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == "exeat", parts[1...].allSatisfy({ $0.utf8.allSatisfy { (48...57).contains($0) } }),
            let process = pid_t(parts[1]), process > 0, Int(parts[2]) != nil
        else { return nil }
        return process
    }

    /// Writes down when this process started, so that another one with its id is not taken for it.
    static func recordOwner(in directory: String) throws(LabError) {
        try write("\(processStartTicks(getpid()) ?? 0)\n", to: "\(directory)/owner")
    }

    private static func isOwnerAlive(_ prefix: String) -> Bool {
        guard let process = owner(of: prefix), let started = processStartTicks(process) else { return false }
        guard let text = readText("/run/\(prefix)/owner"), let recorded = UInt64(text.trimmedLines) else { return true }
        return recorded == started
    }
}
