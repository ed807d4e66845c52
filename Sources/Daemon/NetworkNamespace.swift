import CLinux
import Dispatch
import Glibc
import Netlink

/// A network namespace of this machine, by a file that stands for it (network_namespaces(7)).
struct NetworkNamespace: Sendable {
    /// `pid 4242 (nginx)`, or the name that ip-netns(8) gave it.
    let name: String
    private let path: String
    private static let countMax = 4_096
    let inode: UInt64

    private init?(_ name: String, _ path: String) {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return nil }
        self.name = name
        self.path = path
        inode = UInt64(status.st_ino)
    }

    /// All that processes are in or that have a name, each once; but for the calling thread's.
    static func others() -> [NetworkNamespace] {
        var seen: Set<UInt64> = []
        if let own = NetworkNamespace("", "/proc/thread-self/ns/net") { seen.insert(own.inode) }
        var found: [NetworkNamespace] = []
        func add(_ candidate: NetworkNamespace?) {
            guard found.count < countMax, let candidate, seen.insert(candidate.inode).inserted else { return }
            found.append(candidate)
        }
        for folder in ["/run/netns", "/var/run/netns"] {
            for entry in entries(folder) { add(NetworkNamespace(entry, "\(folder)/\(entry)")) }
        }
        for entry in entries("/proc") where entry.allSatisfy(\.isNumber) {
            let name = (try? TextFile.read("/proc/\(entry)/comm"))?.split(separator: "\n").first ?? "?"
            add(NetworkNamespace("pid \(entry) (\(name))", "/proc/\(entry)/ns/net"))
        }
        return found
    }

    private static func entries(_ path: String) -> [String] {
        guard let folder = unsafe opendir(path) else { return [] }
        defer { unsafe closedir(folder) }
        var names: [String] = []
        while let entry = unsafe readdir(folder) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { place in
                unsafe place.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    /// What `body` finds out in it, on a thread of its own; nil if it cannot be entered.
    func entered<Value: Sendable>(_ body: @escaping @Sendable () -> Value?) -> Value? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let isDone = DispatchSemaphore(value: 0)
        let result = ResultBox<Value>()
        DaemonThread.start("exeat-look") {
            // The thread ends, and its namespace with it.
            if exeat_setns(descriptor, exeat_clone_newnet()) == 0 {
                if let value = body() { result.set(value) }
            }
            isDone.signal()
        }
        isDone.wait()
        return result.take()
    }

    /// The number by which the namespace that `socket` was opened in knows that of the descriptor (`RTM_GETNSID`, linux/net_namespace.h); nil: by none.
    static func number(ofDescriptor descriptor: Int32, _ socket: borrowing NetlinkSocket) -> UInt32? {
        var writer = NetlinkWriter()
        // RTM_GETNSID, NLM_F_REQUEST, `struct rtgenmsg` and its padding; NETNSA_FD.
        writer.begin(type: 90, flags: 1, sequence: 1, header: [0, 0, 0, 0])
        writer.attributeNative32(3, UInt32(bitPattern: descriptor))
        writer.end()
        var number: UInt32?
        do throws(NetlinkError) {
            try socket.ask(writer.bytes, "ask for the number of a network namespace") { bytes, message in
                // RTM_NEWNSID; NETNSA_NSID, -1 for none.
                guard message.type == 88 else { return }
                var offset = message.payloadStart + 4
                while let attribute = NetlinkAttribute(in: bytes, at: &offset, end: message.payloadEnd) {
                    guard attribute.type == 1, attribute.count >= 4 else { continue }
                    let found = bytes.netlinkNative32(at: attribute.start)
                    if found != .max { number = found }
                }
            }
        } catch {
            return nil
        }
        return number
    }
}
