import CLinux
import Glibc

/// The daemon's end of the holder.
struct HolderClient: ~Copyable {
    /// A holder does nothing else than to answer: one that takes as long as this never will.
    private static let answerSeconds = 5

    private let descriptor: Int32

    /// Connects to a holder that runs already; nil if none does.
    init?(existingIn runtimeDirectory: String) {
        guard let descriptor = try? Self.connect(Holder.socketPath(runtimeDirectory: runtimeDirectory)) else { return nil }
        self.descriptor = descriptor
    }

    /// Connects, and starts a holder first if none runs: this program again, without any capability, in a session of its own, so that no
    /// signal to the daemon's group reaches it. A connection that the privileged part of the start has made is used as it is.
    init(startingIn runtimeDirectory: String, as account: Privileges.Account? = nil) throws {
        descriptor = try Self.connection(runtimeDirectory, account)
    }

    private static func connection(_ runtimeDirectory: String, _ account: Privileges.Account?) throws -> Int32 {
        if let inherited = Inheritance.holder {
            let copy = fcntl(inherited, F_DUPFD_CLOEXEC, 3)
            guard copy >= 0 else { throw DaemonError("cannot use the connection to the holder", code: errno) }
            return copy
        }
        let path = Holder.socketPath(runtimeDirectory: runtimeDirectory)
        do throws(DaemonError) { return try connect(path) } catch {
            // A second holder would take the place of one that lives, and nobody could end the first.
            guard [ENOENT, ECONNREFUSED].contains(error.code) else { throw error }
        }
        try spawn(runtimeDirectory, account)
        // On a node that is busy with its own start this may take seconds.
        for _ in 0..<1_000 {
            if let started = try? connect(path) { return started }
            usleep(10_000)
        }
        throw DaemonError(
            "the holder did not start", hint: "look for messages of `exeat holder`; its user has to reach \(Privileges.programPath())")
    }

    private static func connect(_ path: String) throws(DaemonError) -> Int32 {
        do throws(DaemonError) {
            return try UnixSocket.connect(path, kind: Holder.socketKind, timeoutSeconds: answerSeconds)
        } catch {
            guard error.code == EAGAIN else { throw error }
            throw DaemonError(
                "the holder does not answer at \(path)", hint: "end the process `exeat holder` with kill -9: what is enforced stays")
        }
    }

    deinit { close(descriptor) }

    /// A duplicate of the connection that stays open over execve(2).
    func passedOn() throws -> Int32 {
        let passed = dup(descriptor)
        guard passed >= 0 else { throw DaemonError("cannot pass the connection to the holder on", code: errno) }
        return passed
    }

    private static func spawn(_ runtimeDirectory: String, _ account: Privileges.Account?) throws {
        let words = ["exeat", "holder", "--runtime-directory", runtimeDirectory]
        var pointers: [UnsafeMutablePointer<CChar>?] = unsafe words.map { unsafe strdup($0) }
        unsafe pointers.append(nil)
        defer { for index in unsafe pointers.indices { unsafe free(pointers[index]) } }
        let process = unsafe exeat_spawn_limited(
            Privileges.programPath(), pointers, account?.user ?? 0, account?.group ?? 0, account == nil ? 0 : 1)
        guard process > 0 else { throw DaemonError("cannot start the holder", code: errno) }
    }

    func put(_ name: String, _ kept: Int32) throws {
        guard try request("P" + name, passing: [kept]).reply.first == UInt8(ascii: "+") else {
            throw DaemonError("the holder does not keep \(name)")
        }
    }

    /// A new descriptor for what the holder keeps under this name, or nil if it keeps nothing.
    func get(_ name: String) throws -> Int32? {
        let (reply, descriptors) = try request("G" + name, passing: [])
        if reply == [UInt8(ascii: "-")], descriptors.isEmpty { return nil }
        if reply == [UInt8(ascii: "+")], descriptors.count == 1 { return descriptors[0] }
        for descriptor in descriptors { close(descriptor) }
        // Taken for nothing, it would be made anew beside what is in force.
        throw DaemonError(
            "the holder's answer about \(name) makes no sense",
            hint: "too many open files? Else end \(holderText): what is enforced stays")
    }

    /// Closes what the holder keeps under this name; does nothing if it keeps nothing.
    func drop(_ name: String) throws { _ = try request("D" + name, passing: []) }

    /// Whether the holder's end of the connection is open.
    var isAlive: Bool {
        // POLLRDHUP of poll(2), which glibc shows only under _GNU_SOURCE.
        var state = pollfd(fd: descriptor, events: 0x2000, revents: 0)
        return unsafe poll(&state, 1, 0) >= 0 && state.revents & (0x2000 | Int16(POLLHUP | POLLERR)) == 0
    }

    /// Closes what the holder keeps and the configuration names no longer.
    func retain(_ names: Set<String>) throws {
        for name in try list() where !names.contains(name) { try drop(name) }
    }

    func list() throws -> [String] {
        let reply = try request("L", passing: []).reply.dropFirst()
        return String(decoding: reply, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    /// The holder closes everything and ends.
    func quit() throws { _ = try request("Q", passing: []) }

    private func request(_ text: String, passing: [Int32]) throws -> (reply: [UInt8], descriptors: [Int32]) {
        let bytes = Array(text.utf8)
        let sent = unsafe bytes.withUnsafeBytes {
            unsafe exeat_send_descriptors(descriptor, $0.baseAddress, UInt($0.count), passing, Int32(passing.count))
        }
        guard sent == bytes.count else { throw failure("cannot write to the holder", errno) }
        var reply = [UInt8](repeating: 0, count: 16_384)
        var descriptors = [Int32](repeating: -1, count: 16)
        var count: Int32 = 16
        let received = unsafe reply.withUnsafeMutableBytes { buffer in
            unsafe exeat_receive_descriptors(descriptor, buffer.baseAddress, UInt(buffer.count), &descriptors, &count)
        }
        guard received > 0 else { throw failure("the holder has gone", received < 0 ? errno : 0) }
        return (Array(reply[..<received]), Array(descriptors[..<Int(count)]))
    }

    /// Nothing more is asked on this connection: an answer that came late would be taken for the next one's.
    private func failure(_ what: String, _ code: Int32) -> DaemonError {
        let text = holderText
        shutdown(descriptor, Int32(SHUT_RDWR))
        guard code == EAGAIN else { return DaemonError(what, code: code) }
        return DaemonError("the holder does not answer", hint: "end \(text): what is enforced stays")
    }

    /// For people.
    private var holderText: String {
        var group: Int32 = 0
        var process: Int32 = 0
        guard unsafe exeat_peer_credentials(descriptor, &group, &process) >= 0 else { return "the process `exeat holder`" }
        return "process \(process) with kill -9"
    }
}
