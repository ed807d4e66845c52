import DemoNetwork
import Foundation
import NetworkTypes

/// Queries that wait at a server when it begins to work: it takes full batches, and neither waits nor is woken. What is left is the
/// bare cost of an answer.
struct DNSBacklog {
    let pod: DemoNetwork.Namespace
    let server: IPAddress
    let queries: [[UInt8]]

    /// CPU per answer, nanoseconds: the server is stopped, all queries are sent, it goes on and all answers are awaited.
    func cost(of process: ChildProcess) throws -> Double {
        process.kill(SIGSTOP)
        defer { process.kill(SIGCONT) }
        // The signal is carried out when the process next runs; it sleeps, so at once.
        usleep(5_000)
        let before = try CPUTime.nanoseconds(of: process.pid)
        let answers = try pod.withThread { try exchange { process.kill(SIGCONT) } }
        guard answers == queries.count else { throw BenchError("of \(queries.count) queries in a backlog \(answers) were answered") }
        // Until the server sleeps again.
        usleep(5_000)
        return Double(try CPUTime.nanoseconds(of: process.pid) - before) / Double(answers)
    }

    /// Sends all, lets the server go on, and counts the answers until none comes for half a second.
    private func exchange(_ goOn: () -> Void) throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        guard descriptor >= 0 else { throw BenchError("socket: errno \(errno)") }
        defer { close(descriptor) }
        var size: Int32 = 32 << 20
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, socklen_t(MemoryLayout<Int32>.size))
        var patience = timeval(tv_sec: 0, tv_usec: 500_000)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(53).bigEndian
        address.sin_addr.s_addr = server.v4.bigEndian
        let connected = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { throw BenchError("connect: errno \(errno)") }
        for query in queries {
            guard unsafe query.withUnsafeBytes({ unsafe send(descriptor, $0.baseAddress, $0.count, 0) }) == query.count else {
                throw BenchError("send: errno \(errno)")
            }
        }
        goOn()
        var answer = [UInt8](repeating: 0, count: 512)
        var count = 0
        while count < queries.count, unsafe answer.withUnsafeMutableBytes({ unsafe recv(descriptor, $0.baseAddress, $0.count, 0) }) > 0 {
            // RCODE 0 (RFC 1035 §4.1.1).
            guard answer[3] & 15 == 0 else { throw BenchError("an answer with RCODE \(answer[3] & 15)") }
            count += 1
        }
        return count
    }
}
