import CLinux
import Glibc

/// The daemon's end of the holder.
struct HolderClient: ~Copyable {
    private let descriptor: Int32

    /// Connects to a holder that runs already; nil if none does.
    init?(existingIn runtimeDirectory: String) {
        guard let descriptor = try? UnixSocket.connect(Holder.socketPath(runtimeDirectory: runtimeDirectory), kind: Holder.socketKind)
        else {
            return nil
        }
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
        if let existing = try? UnixSocket.connect(path, kind: Holder.socketKind) { return existing }
        try spawn(runtimeDirectory, account)
        // On a node that is busy with its own start this may take seconds.
        for _ in 0..<1_000 {
            if let started = try? UnixSocket.connect(path, kind: Holder.socketKind) { return started }
            usleep(10_000)
        }
        throw DaemonError(
            "the holder did not start", hint: "look for messages of `exeat holder`; its user has to reach \(Privileges.programPath())")
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

    /// A new descriptor for what the holder keeps under this name, or nil.
    func get(_ name: String) throws -> Int32? {
        try request("G" + name, passing: []).descriptors.first
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
        guard sent == bytes.count else { throw DaemonError("cannot write to the holder", code: errno) }
        var reply = [UInt8](repeating: 0, count: 16_384)
        var descriptors = [Int32](repeating: -1, count: 16)
        var count: Int32 = 16
        let received = unsafe reply.withUnsafeMutableBytes { buffer in
            unsafe exeat_receive_descriptors(descriptor, buffer.baseAddress, UInt(buffer.count), &descriptors, &count)
        }
        guard received > 0 else { throw DaemonError("the holder has gone", code: received < 0 ? errno : 0) }
        return (Array(reply[..<received]), Array(descriptors[..<Int(count)]))
    }
}
