import DemoNetwork
import Foundation
import Testing

extension RunningNode {
    /// The process of the holder.
    func holder() throws -> pid_t {
        try #require(
            lab.node.processes.first { process in
                let line = try? String(contentsOfFile: "/proc/\(process)/cmdline", encoding: .utf8)
                return line?.contains("\0holder\0") ?? false
            }, "no holder")
    }

    func killHolder() throws {
        let holder = try self.holder()
        try #require(kill(holder, SIGKILL) == 0)
        // It leaves the namespace before its sockets are closed: they are when it is a zombie, or is no more.
        try Stopwatch.wait("the holder is gone") {
            guard let status = try? String(contentsOfFile: "/proc/\(holder)/stat", encoding: .utf8) else { return true }
            return status.contains(") Z ")
        }
    }
}
