import CLinux
import Glibc
import Logging
import Synchronization

/// The socket by which the command line asks the daemon. One request is a line of words; the answer is lines, the last one
/// `ok` or `error: ...`, then the connection ends. Only root and the group of the socket file are answered; others, and those for whom there is no
/// place, are told why.
final class ControlSocket: Sendable {
    /// Answers one request line by line; throws what went wrong.
    typealias Handler = @Sendable (_ words: [String], _ client: ControlConnection) throws -> Void

    /// Followers of flows, who stay, have half of these (`FlowLog.followersMax`): what remains is for requests that end.
    private static let clientsMax = 32

    private let listener: Int32
    private let path: String
    private let handler: Handler
    private let logger: Logger
    private let clients = Atomic<Int>(0)

    static func path(runtimeDirectory: String) -> String { "\(runtimeDirectory)/control.sock" }

    init(runtimeDirectory: String, logger: Logger, handler: @escaping Handler) throws {
        path = Self.path(runtimeDirectory: runtimeDirectory)
        listener = try UnixSocket.listen(path, kind: Int32(SOCK_STREAM.rawValue))
        self.handler = handler
        self.logger = logger
    }

    func start() {
        DaemonThread.start("exeat-control") { [self] in
            while true {
                let client = exeat_accept4(listener, nil, nil, Int32(SOCK_CLOEXEC.rawValue))
                if client < 0 {
                    if errno == EBADF || errno == EINVAL { return }
                    usleep(10_000)
                    continue
                }
                if let refusal = refusal(of: client) {
                    // The buffer of a new connection has room for it.
                    _ = ControlConnection(descriptor: client).write("error: \(refusal)")
                    close(client)
                    continue
                }
                clients.add(1, ordering: .relaxed)
                DaemonThread.start("exeat-client") { [self] in
                    serve(client)
                    close(client)
                    clients.subtract(1, ordering: .relaxed)
                }
            }
        }
    }

    func stop() {
        unsafe unlink(path)
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    /// Why a client is not heard; nil if it is.
    private func refusal(of client: Int32) -> DaemonError? {
        guard isAllowed(client) else {
            return DaemonError("not allowed", hint: "only root and the members of the group of \(path) are answered")
        }
        guard clients.load(ordering: .relaxed) < Self.clientsMax else {
            return DaemonError("\(Self.clientsMax) others ask at this moment", hint: "try again in a moment")
        }
        return nil
    }

    private func isAllowed(_ client: Int32) -> Bool {
        var group: Int32 = 0
        var process: Int32 = 0
        let user = unsafe exeat_peer_credentials(client, &group, &process)
        var status = stat()
        guard user != 0, unsafe stat(path, &status) == 0 else { return user == 0 }
        guard status.st_gid != 0 else { return false }
        return gid_t(bitPattern: group) == status.st_gid || exeat_peer_has_group(client, status.st_gid) == 1
    }

    private func serve(_ client: Int32) {
        var timeout = timeval(tv_sec: 5, tv_usec: 0)
        unsafe setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        unsafe setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        let connection = ControlConnection(descriptor: client)
        guard let request = LineIO.readLine(client, bytesMax: 4_096, until: BootClock.now().advanced(bySeconds: 5)) else { return }
        let words = request.split(separator: " ").map(String.init)
        do {
            try handler(words, connection)
            _ = connection.write("ok")
        } catch {
            _ = connection.write("error: \(error)")
        }
    }
}
