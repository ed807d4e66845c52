import Daemon
import DemoNetwork
import Foundation
import NetfilterQueue
import NetworkTypes

/// The handler alone, in this process: the flood's packets without kernel and socket.
struct VerdictReplay {
    private let parts: VerdictParts
    private let source: IPAddress

    init(policies: String, source: IPAddress) throws {
        parts = try VerdictParts(policies: policies)
        self.source = source
    }

    /// One value per round, which begins its batches of 64 as the loop does.
    func nanosecondsPerPacket(rounds: Int, packets: Int) throws -> [Double] {
        var handler = parts.makeHandler()
        parts.startDraining()
        let bytes = (0..<packets).map(packet)
        let queued = QueuedPacket(id: 1, hardwareProtocol: 0x0800, hook: 2)
        var repeated = 0
        var times: [Double] = []
        for _ in 0..<rounds {
            let start = CPUTime.nowNanoseconds()
            for index in 0..<packets {
                if index % 64 == 0 { handler.beginBatch() }
                let packet = bytes[index]
                if handler.decide(queued, payload: packet.span).code == 4 { repeated += 1 }
            }
            times.append(Double(CPUTime.nowNanoseconds() - start) / Double(packets))
        }
        guard repeated == rounds * packets else { throw BenchError("the replay refused packets") }
        return times
    }

    /// IPv4 and UDP headers of the flood's packet, and its 32 bytes.
    private func packet(_ index: Int) -> [UInt8] {
        let destination = IPAddress(v4: BenchPolicy.floodFirst + UInt32(index % BenchPolicy.floodAddressCount))
        let port = BenchPolicy.floodPort + UInt16(index / BenchPolicy.floodAddressCount)
        return [0x45, 0, 0, 60, 0, 0, 0x40, 0, 63, 17, 0, 0] + source.networkBytes + destination.networkBytes
            + [0xc0, 0, UInt8(port >> 8), UInt8(port & 0xff), 0, 40, 0, 0] + [UInt8](repeating: 0x78, count: 32)
    }
}
