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

    /// Connects, and starts a holder first if none runs: this program again, in a session of its own, so that no signal to
    /// the daemon's group reaches it.
    init(startingIn runtimeDirectory: String) throws {
        if let existing = try? UnixSocket.connect(Holder.socketPath(runtimeDirectory: runtimeDirectory), kind: Holder.socketKind) {
            descriptor = existing
            return
        }
        try Self.spawn(runtimeDirectory)
        for _ in 0..<200 {
            if let started = try? UnixSocket.connect(Holder.socketPath(runtimeDirectory: runtimeDirectory), kind: Holder.socketKind) {
                descriptor = started
                return
            }
            usleep(10_000)
        }
        throw DaemonError("the holder did not start", hint: "look for messages of `exeat holder`")
    }

    deinit { close(descriptor) }

    private static func spawn(_ runtimeDirectory: String) throws {
        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe posix_spawnattr_destroy(&attributes) }
        unsafe posix_spawnattr_setflags(&attributes, Int16(0x80))  // POSIX_SPAWN_SETSID
        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe posix_spawn_file_actions_destroy(&actions) }
        for standard in Int32(0)...2 { unsafe posix_spawn_file_actions_addopen(&actions, standard, "/dev/null", O_RDWR, 0) }
        // What this process inherited is not the holder's to keep open.
        _ = unsafe exeat_spawn_closes_from(&actions, 3)
        let arguments = ["exeat", "holder", "--runtime-directory", runtimeDirectory]
        var pointers: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) }
        unsafe pointers.append(nil)
        defer { for index in unsafe pointers.indices { unsafe free(pointers[index]) } }
        var process: pid_t = 0
        let status = unsafe posix_spawn(&process, "/proc/self/exe", &actions, &attributes, pointers, environ)
        guard status == 0 else { throw DaemonError("cannot start the holder", code: status) }
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
