import DemoNetwork
import Glibc
import NetworkTypes
import Synchronization

/// A DNS server, UDP and IPv4, whose answers a test holds back and lets go. It has one A record for each name, and none for others.
final class PatientUpstream: Sendable {
    private struct State {
        var records: [String: IPAddress] = [:]
        var timeToLive: UInt32 = 300
        var holds = false
        var asked: [String] = []
        var waiting: [(reply: [UInt8], peer: sockaddr_in)] = []
    }

    static let address = IPAddress(v4: 0xc000_0236)  // 192.0.2.54

    private let state = Mutex(State())
    private let flag = StopFlag()
    private let descriptor: Int32
    private let thread: Mutex<NamespaceThread<Void>?> = Mutex(nil)

    /// Listens on port 53 when it returns.
    init(in namespace: DemoNetwork.Namespace, timeToLive: UInt32 = 300) throws {
        descriptor = try namespace.withThread {
            let descriptor = socket(AF_INET, SocketKind.datagram | SocketKind.closeOnExec, 0)
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = (53 as UInt16).bigEndian
            name.sin_addr.s_addr = Self.address.v4.bigEndian
            let status = unsafe withUnsafePointer(to: &name) {
                unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
            guard descriptor >= 0, status == 0 else { throw Problem("cannot listen on \(Self.address): errno \(errno)") }
            return descriptor
        }
        state.withLock { $0.timeToLive = timeToLive }
        let started = try namespace.startThread { [self] in
            while !flag.isSet { serve() }
        }
        thread.withLock { $0 = started }
    }

    func stop() throws {
        flag.set()
        let running = thread.withLock { thread in
            defer { thread = nil }
            return thread
        }
        try running?.join()
        close(descriptor)
    }

    func set(_ name: String, _ address: String) {
        guard let address = IPAddress(parsing: address) else { return }
        state.withLock { $0.records[name] = address }
    }

    /// Answers wait from now on.
    func hold() { state.withLock { $0.holds = true } }

    /// Gives all answers that wait, and later ones at once.
    func release() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            state.holds = false
            return state.waiting
        }
        for (reply, peer) in waiting { send(reply, to: peer) }
    }

    /// Sends an answer that nobody asked for.
    func send(to address: IPAddress, port: UInt16) {
        var peer = sockaddr_in()
        peer.sin_family = sa_family_t(AF_INET)
        peer.sin_port = port.bigEndian
        peer.sin_addr.s_addr = address.v4.bigEndian
        send(Array(repeating: 0, count: 12), to: peer)
    }

    /// Questions so far.
    var total: Int { state.withLock { $0.asked.count } }

    /// How often a name was asked for.
    func count(of name: String) -> Int { state.withLock { state in state.asked.count { $0 == name } } }

    private func serve() {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&entry, 1, 20) > 0 else { return }
        var buffer = [UInt8](repeating: 0, count: 4_096)
        var peer = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = unsafe withUnsafeMutablePointer(to: &peer) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe recvfrom(descriptor, &buffer, buffer.count, 0, $0, &length)
            }
        }
        guard count > 12, let question = Self.question(buffer[..<count]) else { return }
        let (reply, waits) = state.withLock { state -> ([UInt8], Bool) in
            state.asked.append(question.name)
            let address = question.type == 1 ? state.records[question.name] : nil
            let reply = Self.reply(Array(buffer[..<question.end]), address, state.timeToLive)
            if state.holds { state.waiting.append((reply, peer)) }
            return (reply, state.holds)
        }
        if !waits { send(reply, to: peer) }
    }

    private func send(_ reply: [UInt8], to peer: sockaddr_in) {
        var peer = peer
        unsafe withUnsafePointer(to: &peer) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = unsafe sendto(descriptor, reply, reply.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    /// Name in lower case, type, and where the question ends (RFC 1035 §4.1.2).
    private static func question(_ message: ArraySlice<UInt8>) -> (name: String, type: UInt16, end: Int)? {
        var offset = 12
        var labels: [String] = []
        while offset < message.count, message[offset] > 0 {
            let end = offset + 1 + Int(message[offset])
            guard end < message.count else { return nil }
            labels.append(String(decoding: message[(offset + 1)..<end], as: UTF8.self).lowercased())
            offset = end
        }
        guard offset + 5 <= message.count else { return nil }
        return (labels.joined(separator: "."), UInt16(message[offset + 1]) << 8 | UInt16(message[offset + 2]), offset + 5)
    }

    private static func number(_ value: UInt32) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> UInt32($0)) }
    }

    /// Header and question of the query, and at most one A record that points at the question's name.
    private static func reply(_ query: [UInt8], _ address: IPAddress?, _ timeToLive: UInt32) -> [UInt8] {
        var reply = query
        reply.replaceSubrange(2..<12, with: [0x81, 0x80, 0, 1, 0, address == nil ? 0 : 1, 0, 0, 0, 0])
        guard let address else { return reply }
        reply += [0xc0, 12, 0, 1, 0, 1]
        reply += number(timeToLive)
        reply += [0, 4]
        reply += number(address.v4)
        return reply
    }
}
