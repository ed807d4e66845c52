import DemoNetwork
import Foundation
import NetworkTypes
import Synchronization

/// A pod that sends at a steady rate and reads nothing: packets of one kind, each a flow or a question of its own.
final class FloodSource: Sendable {
    enum Kind: Sendable {
        /// TCP SYNs to `count` addresses from `first` on, each from another port or to another address.
        case connections(first: UInt32, count: UInt32, port: UInt16)
        /// UDP queries for the address of names that nobody has asked for.
        case freshNames(server: UInt32)
    }

    private final class Progress: Sendable {
        let isOver = Atomic<Bool>(false)
    }

    private let progress = Progress()
    private let thread: NamespaceThread<Double>

    /// - Parameter series: a number that no other flood of the run has, so that nothing is sent twice.
    init(_ kind: Kind, from pod: DemoNetwork.Pod, perSecond: Int, series: Int) throws {
        guard let source = pod.addresses.first(where: { $0.family == .v4 }) else { throw BenchError("the pod has no IPv4 address") }
        let progress = progress
        thread = try pod.namespace.startThread {
            // Of this protocol the kernel takes the header from the sender (raw(7)).
            let descriptor = socket(AF_INET, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_RAW))
            guard descriptor >= 0 else { throw BenchError("raw socket: errno \(errno)") }
            defer { close(descriptor) }
            let start = CPUTime.nowNanoseconds()
            var count = 0
            while !progress.isOver.load(ordering: .relaxed) {
                let seconds = Double(CPUTime.nowNanoseconds() - start) / 1e9
                // What is late is made up for a little at a time.
                let due = min(Int(seconds * Double(perSecond)), count + max(1, perSecond / 200))
                while count < due {
                    let (packet, target) = Self.packet(kind, source.v4, number: series << 22 + count)
                    Self.send(descriptor, packet, to: target)
                    count += 1
                }
                usleep(200)
            }
            return Double(count) / (Double(CPUTime.nowNanoseconds() - start) / 1e9)
        }
    }

    /// - Returns: how many packets it has sent in a second.
    func stop() throws -> Double {
        progress.isOver.store(true, ordering: .relaxed)
        return try thread.join()
    }

    /// A refused packet is the point of it: errors are none.
    private static func send(_ descriptor: Int32, _ packet: [UInt8], to target: UInt32) {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = target.bigEndian
        _ = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { target in
                unsafe packet.withUnsafeBytes { bytes in
                    unsafe sendto(descriptor, bytes.baseAddress, bytes.count, 0, target, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
    }

    private static func packet(_ kind: Kind, _ source: UInt32, number: Int) -> (bytes: [UInt8], target: UInt32) {
        switch kind {
        case .connections(let first, let count, let port):
            let target = first + UInt32(truncatingIfNeeded: number / 60_000) % count
            let sourcePort = UInt16(5_000 + number % 60_000)
            // RFC 9293 §3.1: a SYN without options.
            var segment = two(sourcePort) + two(port) + [0, 0, 1, 0, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]
            let checksum = ~sum(four(source) + four(target) + [0, 6] + two(UInt16(segment.count)) + segment)
            segment.replaceSubrange(16..<18, with: two(checksum))
            return (header(source, target, 6, segment.count) + segment, target)
        case .freshNames(let server):
            let query = DNSLoad.query("f\(number).\(BenchPolicy.zone)")
            // Without a checksum (RFC 768).
            let datagram = two(UInt16(5_000 + number % 60_000)) + two(53) + two(UInt16(8 + query.count)) + [0, 0] + query
            return (header(source, server, 17, datagram.count) + datagram, server)
        }
    }

    /// RFC 791 §3.1; the kernel puts length and checksum in.
    private static func header(_ source: UInt32, _ target: UInt32, _ transport: UInt8, _ length: Int) -> [UInt8] {
        [0x45, 0] + two(UInt16(20 + length)) + [0, 0, 0, 0, 64, transport, 0, 0] + four(source) + four(target)
    }

    private static func two(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(truncatingIfNeeded: value)] }

    private static func four(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }

    /// RFC 1071, over an even number of bytes.
    private static func sum(_ bytes: [UInt8]) -> UInt16 {
        var sum: UInt32 = 0
        for index in stride(from: 0, to: bytes.count, by: 2) { sum += UInt32(bytes[index]) << 8 | UInt32(bytes[index + 1]) }
        while sum > 0xffff { sum = sum & 0xffff + sum >> 16 }
        return UInt16(sum)
    }
}
