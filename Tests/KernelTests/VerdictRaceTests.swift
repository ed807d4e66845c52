import DemoNetwork
import Foundation
import Glibc
import NetworkTypes
import Testing

extension KernelSuites {
    /// A pod that begins flow after flow while policy is turned on and off, and what arrives by the time at which it was sent.
    @Suite struct VerdictRaceTests {
        private struct Window: Sendable {
            let start: UInt64
            let end: UInt64
        }

        private struct Arrivals: Sendable {
            var sentAt: [UInt64] = []
        }

        private static let port: UInt16 = 7_200
        /// `EXEAT_FLIPS` gives another number.
        private static let flips = ProcessInfo.processInfo.environment["EXEAT_FLIPS"].flatMap { Int($0) } ?? 8

        private static func now() -> UInt64 {
            var time = timespec()
            _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
            return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        }

        private static func shop(isOpen: Bool) -> String {
            PolicyText.allow("shop", protocol: nil, domains: [isOpen ? "target.names.test" : "other.names.test"])
        }

        @Test(arguments: [true, false])
        func `nothing that was sent after a denial was in force arrives, while flows begin all the time`(hasLeases: Bool) throws {
            let node = try RunningNode(
                NodeSettings(extra: "kernelLeases: \(hasLeases)\n"), zones: ["names.test": "target 3600 A 198.51.100.131\n"],
                policies: ["shop.yaml": Self.shop(isOpen: true), "rest.yaml": PolicyText.denyRest])
            defer { node.stop() }
            try node.resolve("target.names.test", from: "pod-a")
            let address = try #require(IPAddress(parsing: "198.51.100.131"))
            let descriptor = try Self.listener(node, address)
            let receiver = try Repeater(in: node.lab.internet, Arrivals(), pause: 0) { arrivals in
                var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard unsafe poll(&entry, 1, 20) > 0 else { return }
                var bytes = [UInt8](repeating: 0, count: 64)
                while unsafe recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT)) == 8 {
                    arrivals.sentAt.append(bytes[..<8].reduce(0) { $0 << 8 | UInt64($1) })
                }
            }
            let sender = try Repeater(in: try node.pod("pod-a").namespace, [UInt64](), pause: 0.000_1) { sent in
                let descriptor = socket(AF_INET, SocketKind.datagram | SocketKind.closeOnExec, 0)
                defer { close(descriptor) }
                var target = Self.socketAddress(address)
                let time = Self.now()
                let payload = (0..<8).map { UInt8(truncatingIfNeeded: time >> (56 - 8 * UInt64($0))) }
                _ = unsafe withUnsafePointer(to: &target) {
                    unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        unsafe sendto(descriptor, payload, payload.count, 0, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
                sent.append(time)
            }
            var closed: [Window] = []
            var open: [Window] = []
            for _ in 0..<Self.flips {
                let opened = Self.now()
                Thread.sleep(forTimeInterval: 0.15)
                open.append(Window(start: opened, end: Self.now()))
                try node.afterReload { try node.write(policy: "shop.yaml", Self.shop(isOpen: false)) }
                // From here on it is in force.
                let start = Self.now()
                Thread.sleep(forTimeInterval: 0.15)
                closed.append(Window(start: start, end: Self.now()))
                try node.afterReload { try node.write(policy: "shop.yaml", Self.shop(isOpen: true)) }
            }
            let sent = try sender.stop()
            let arrived = try receiver.stop().sentAt
            func count(_ times: [UInt64], in windows: [Window]) -> [Int] {
                windows.map { window in times.count { $0 >= window.start && $0 <= window.end } }
            }
            let (refused, passed) = (count(sent, in: closed), count(arrived, in: closed))
            print(
                "flips: \(sent.count) flows, \(arrived.count) arrived, \(refused.reduce(0, +)) of them sent while denied: \(passed) arrived"
            )
            #expect(passed.allSatisfy { $0 == 0 })
            #expect(refused.allSatisfy { $0 > 0 }, "it was to send all the time")
            #expect(count(arrived, in: open).allSatisfy { $0 > 0 }, "it was to be allowed in between")
        }

        private static func socketAddress(_ address: IPAddress) -> sockaddr_in {
            var target = sockaddr_in()
            target.sin_family = sa_family_t(AF_INET)
            target.sin_port = port.bigEndian
            target.sin_addr.s_addr = address.v4.bigEndian
            return target
        }

        /// Lives as long as the process.
        private static func listener(_ node: RunningNode, _ address: IPAddress) throws -> Int32 {
            try node.lab.internet.withThread {
                let descriptor = socket(AF_INET, SocketKind.datagram | SocketKind.closeOnExec, 0)
                var size: Int32 = 8 << 20
                unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVBUFFORCE, &size, socklen_t(MemoryLayout<Int32>.size))
                var own = Self.socketAddress(address)
                let status = unsafe withUnsafePointer(to: &own) {
                    unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        unsafe bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
                guard descriptor >= 0, status == 0 else { throw Problem("no port \(port) at \(address): errno \(errno)") }
                return descriptor
            }
        }
    }
}
