import DemoNetwork
import Foundation
import NetworkTypes
import Synchronization

/// A pod that sends at a steady rate and reads nothing: packets of one kind, each a flow or a question of its own.
final class FloodSource: Sendable {
    private final class Progress: Sendable {
        let isOver = Atomic<Bool>(false)
    }

    private let progress = Progress()
    private let thread: NamespaceThread<Double>

    /// - Parameter series: a number that no other flood of the run has, so that nothing is sent twice.
    init(_ kind: FloodPacket.Kind, from pod: DemoNetwork.Pod, perSecond: Int, series: Int) throws {
        guard let source = pod.addresses.first(where: { $0.family == .v4 }) else { throw BenchError("the pod has no IPv4 address") }
        let progress = progress
        thread = try pod.namespace.startThread {
            // Of this protocol the kernel takes the header from the sender (raw(7)).
            let descriptor = socket(AF_INET, Int32(SOCK_RAW.rawValue), Int32(IPPROTO_RAW))
            guard descriptor >= 0 else { throw BenchError("raw socket: errno \(errno)") }
            defer { close(descriptor) }
            var packet = FloodPacket(kind, source: source.v4)
            let start = CPUTime.nowNanoseconds()
            var count = 0
            while !progress.isOver.load(ordering: .relaxed) {
                let seconds = Double(CPUTime.nowNanoseconds() - start) / 1e9
                // What is late is made up for a little at a time.
                let due = min(Int(seconds * Double(perSecond)), count + max(1, perSecond / 200))
                while count < due {
                    packet.prepare(series << 22 + count)
                    Self.send(descriptor, packet.bytes, to: packet.target)
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
}
