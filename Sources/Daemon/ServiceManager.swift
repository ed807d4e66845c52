import CLinux
import Glibc

/// Tells systemd how the service fares (sd_notify(3)), where it has asked for it (`NOTIFY_SOCKET`, with `Type=notify`).
enum ServiceManager {
    enum State: String {
        /// Policy is enforced and DNS is served: what waits for the unit may begin.
        case ready = "READY=1"
        case stopping = "STOPPING=1"
    }

    static func tell(_ state: State) {
        guard let text = unsafe getenv("NOTIFY_SOCKET") else { return }
        var path = Array(unsafe String(cString: text).utf8)
        // In the abstract name space (unix(7)).
        if path.first == UInt8(ascii: "@") { path[0] = 0 }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let count = path.count
        guard count > 0, count < MemoryLayout.size(ofValue: address.sun_path) else { return }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { target in
            for (index, byte) in path.enumerated() { unsafe target[index] = byte }
        }
        let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        let message = Array(state.rawValue.utf8)
        let length = socklen_t(MemoryLayout<sa_family_t>.size + count)
        unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = unsafe sendto(
                    descriptor, message, message.count, Int32(MSG_DONTWAIT | MSG_NOSIGNAL), $0, length)
            }
        }
    }
}
