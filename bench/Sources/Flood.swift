import DemoNetwork
import Foundation
import NetworkTypes

/// UDP datagrams out of the pod, each of a flow of its own, so that each is queued.
enum Flood {
    /// The largest flood: every address of it at every port.
    static let countMax = BenchPolicy.floodAddressCount * 10_000

    /// Sends `count` datagrams of 32 bytes to addresses and ports that have not been used with this socket.
    static func send(_ count: Int, from pod: DemoNetwork.Namespace) throws {
        try pod.withThread {
            let descriptor = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
            guard descriptor >= 0 else { throw BenchError("socket: errno \(errno)") }
            defer { close(descriptor) }
            let payload = [UInt8](repeating: 0x78, count: 32)
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            for index in 0..<count {
                let host = BenchPolicy.floodFirst + UInt32(index % BenchPolicy.floodAddressCount)
                address.sin_addr.s_addr = host.bigEndian
                address.sin_port = (BenchPolicy.floodPort + UInt16(index / BenchPolicy.floodAddressCount)).bigEndian
                let sent = unsafe withUnsafePointer(to: &address) { pointer in
                    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { target in
                        unsafe payload.withUnsafeBytes { bytes in
                            unsafe sendto(descriptor, bytes.baseAddress, bytes.count, 0, target, socklen_t(MemoryLayout<sockaddr_in>.size))
                        }
                    }
                }
                guard sent == payload.count else { throw BenchError("sendto: errno \(errno)") }
            }
        }
    }
}
