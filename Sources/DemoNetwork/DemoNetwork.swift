import Glibc
import NetworkTypes
import Synchronization

/// A small internet, a node and its pods on this machine, in network namespaces of their own.
///
/// ```
///   pod-a            pod-b                        node                                internet
///   eth0 10.65.0.2   eth0 10.65.0.3               cali..., cali... (no address)       every address of the configured prefixes
///   fd00:65::2       fd00:65::3                   eth0 10.99.0.1, fd00:99::1 ------ eth0 10.99.0.2, fd00:99::2
///   default via 169.254.1.1 / fe80::ecee:...      lo 169.254.20.10, fd00:ec8a::10     nsd 192.0.2.53, 2001:db8::53
///                                                 routes, proxy ARP                   nginx :80 :443, echo :7
/// ```
///
/// Needs root and the programs of `make deps`. Names and files carry a prefix with this process's id. Everything goes with
/// `stop()`, and with this process however it ends: a watchdog, a shell in a session of its own, holds the other end of a pipe and
/// clears away when it closes.
///
/// Safe to use from several threads; several labs can be up at once in one process, and in several.
public final class DemoNetwork: Sendable {
    /// `exeat-PID-N`: begins the names of all namespaces; N counts the labs of this process.
    public let prefix: String
    /// `/run/PREFIX`: all files of the lab. Gone after `stop()`.
    public let directory: String
    public let configuration: LabConfiguration
    /// Where policed pods live and the daemon runs.
    public let node: Namespace
    /// Holds the DNS server, the web servers and the echo servers.
    public let internet: Namespace

    struct State {
        var pods: [Pod] = []
        /// Numbers of pods are not used again: a later pod never gets an earlier one's addresses.
        var podsEver = 0
        var watchdog: ChildProcess?
        /// Our end of the watchdog's pipe.
        var lifeline: Int32 = -1
        var nameServer: ChildProcess?
        var webServer: ChildProcess?
        var echoServer: EchoServer?
        var zoneSerials: [String: UInt32] = [:]
        var zones: [String: String] = [:]
    }

    let state: Mutex<State>
    let children = ChildRegistry()

    private static let labsEver = Atomic<Int>(0)

    /// Where the authoritative server answers.
    public static let nameServerAddresses = [IPAddress(v4: 0xc000_0235), IPAddress(v6Upper: 0x2001_0db8_0000_0000, lower: 0x53)]
    /// Where UDP and TCP echo answer, on port 7 (`echo.example.org`).
    public static let echoAddresses = [IPAddress(v4: 0xc000_0207), IPAddress(v6Upper: 0x2001_0db8_0000_0000, lower: 0x7)]

    /// Checks the configuration and that this process is root. Makes nothing yet.
    public init(configuration: LabConfiguration = LabConfiguration()) throws(LabError) {
        guard geteuid() == 0 else { throw .notRoot }
        let names = configuration.pods.map(\.name)
        guard Set(names).count == names.count else { throw .badConfiguration("two pods have the same name") }
        let number = Self.labsEver.add(1, ordering: .relaxed).newValue
        let prefix = "exeat-\(getpid())-\(number)"
        self.prefix = prefix
        self.configuration = configuration
        directory = "/run/\(prefix)"
        node = Namespace(name: "\(prefix)-node", hasOwnFiles: false, children: children)
        internet = Namespace(name: "\(prefix)-internet", hasOwnFiles: false, children: children)
        state = Mutex(State())
    }

    deinit { stop() }

    /// The pods in the order in which they were made.
    public var pods: [Pod] { state.withLock { $0.pods } }

    public func pod(_ name: String) -> Pod? { pods.first { $0.name == name } }

    /// Clears away what dead owners left, then makes everything and waits until every server answers. On an error everything made
    /// so far is taken away again.
    public func start() throws {
        for tool in ["ip", "nsenter", "nsd", "sh"] + (configuration.startsWebServers ? ["nginx"] : []) {
            guard findTool(tool) != nil else { throw LabError.missingTool(tool) }
        }
        LabJanitor.reap()
        do {
            try startWatchdog()
            try makeDirectory(directory)
            try LabJanitor.recordOwner(in: directory)
            try makeBackbone()
            for pod in configuration.pods { try addPod(pod) }
            try startNameServer()
            if configuration.startsWebServers { try startWebServers() }
            if configuration.startsEchoServers { try startEchoServers() }
        } catch {
            stop()
            throw error
        }
    }

    /// Ends every process in the lab's namespaces, whoever started it, and removes namespaces and files. May be called twice.
    public func stop() {
        let parts = state.withLock { state in
            defer {
                state.echoServer = nil
                state.watchdog = nil
                state.lifeline = -1
                state.pods = []
            }
            return (state.echoServer, state.watchdog, state.lifeline)
        }
        parts.0?.stop()
        guard let watchdog = parts.1 else { return }
        // The watchdog clears away, just as it does when this process dies.
        let line: [UInt8] = [UInt8(ascii: "\n")]
        _ = unsafe line.withUnsafeBytes { unsafe send(parts.2, $0.baseAddress, 1, Int32(MSG_NOSIGNAL)) }
        close(parts.2)
        if watchdog.wait(timeoutSeconds: 10) == nil { watchdog.kill() }
        children.endAll()
        if LabJanitor.hasLeftovers(of: prefix) { LabJanitor.clear(prefix) }
    }

    private func startWatchdog() throws(LabError) {
        var pipe = try Pipe(sealed: ())
        let watchdog = try ChildProcess.start(
            LabJanitor.watchdogCommand(prefix: prefix), descriptors: ChildProcess.Descriptors(input: pipe.readEnd), ownSession: true)
        let lifeline = pipe.takeWriteEnd()
        state.withLock { state in
            state.watchdog = watchdog
            state.lifeline = lifeline
        }
    }
}
