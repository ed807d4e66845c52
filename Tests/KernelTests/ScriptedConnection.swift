import DemoNetwork
import Glibc
import NetworkTypes

/// A TCP connection out of a pod whose segments a test writes itself. The pod's own stack, which knows nothing of it, is kept from answering.
final class ScriptedConnection: Sendable {
    enum Answer: Hashable, Sendable {
        case data
        case reset
        case nothing
    }

    /// What somebody does who wants to get by, besides sending data.
    struct Trick: Sendable {
        /// Data of a SYN that is sent ahead of the plain one.
        var opening: [UInt8] = []
        /// A second SYN, with a number that is so much higher, behind the first one and again when the connection is there.
        var rival: UInt32?
        /// The urgent pointer of a segment without data, sent ahead of all data.
        var urgent: UInt16?
        /// Another flag combination of all segments with data.
        var flags: UInt8 = 0x18
        /// Of what waits, once the first piece is sent: the rest goes when `goOn` is set.
        var pause: (isReached: StopFlag, goOn: StopFlag)?
    }

    private let namespace: DemoNetwork.Namespace
    private let ends: RawPacket.Ends
    private let port: UInt16
    private let sourcePort: UInt16
    private let initial: UInt32 = 0xffff_fff0  // wraps within the hello

    init(in pod: DemoNetwork.Pod, to address: IPAddress, port: UInt16, from sourcePort: UInt16) throws {
        namespace = pod.namespace
        ends = RawPacket.Ends(source: pod.v4, destination: address)
        self.port = port
        self.sourcePort = sourcePort
        let name = "silent_\(sourcePort)"
        for command in [
            "add table inet \(name)", "add chain inet \(name) out { type filter hook output priority 0; }",
            "add rule inet \(name) out tcp sport \(sourcePort) drop",
        ] {
            let result = try namespace.run(["nft", command])
            guard result.isSuccess else { throw Problem("nft \(command): \(result.stderr)") }
        }
    }

    /// Connects, sends these pieces (place in the stream, bytes) one after the other, and waits for data, a reset, or half the time of a client.
    func send(_ pieces: [(Int, [UInt8])], _ trick: Trick = Trick(), waitMilliseconds: Int32 = 3_000) throws -> Answer {
        let (ends, port, sourcePort, initial) = (ends, port, sourcePort, initial)
        return try namespace.withThread {
            let descriptor = socket(AF_PACKET, SocketKind.datagram | SocketKind.closeOnExec, Int32(UInt16(0x0800).bigEndian))
            guard descriptor >= 0 else { throw Problem("no packet socket: errno \(errno)") }
            defer { close(descriptor) }
            func synchronize(_ offset: UInt32 = 0, _ payload: [UInt8] = []) throws {
                try RawPacket.send([
                    RawPacket.v4(
                        ends, 6,
                        RawPacket.segment(
                            ends, sourcePort, port, sequence: initial &+ offset, acknowledgement: 0, flags: 0x02, payload: payload))
                ])
            }
            if !trick.opening.isEmpty { try synchronize(0, trick.opening) }
            try synchronize()
            if let rival = trick.rival { try synchronize(rival) }
            guard let greeting = Self.next(descriptor, ends, sourcePort, waitMilliseconds), greeting.flags & 0x12 == 0x12 else {
                throw Problem("no SYN-ACK")
            }
            let acknowledgement = greeting.sequence &+ 1
            func packet(_ offset: Int, _ payload: [UInt8], flags: UInt8, urgent: UInt16 = 0) -> [UInt8] {
                RawPacket.v4(
                    ends, 6,
                    RawPacket.segment(
                        ends, sourcePort, port, sequence: initial &+ 1 &+ UInt32(offset), acknowledgement: acknowledgement, flags: flags,
                        payload: payload, urgent: urgent))
            }
            try RawPacket.send([
                RawPacket.v4(
                    ends, 6,
                    RawPacket.segment(
                        ends, sourcePort, port, sequence: initial &+ 1, acknowledgement: acknowledgement, flags: 0x10))
            ])
            if let rival = trick.rival { try synchronize(rival) }
            if let urgent = trick.urgent { try RawPacket.send([packet(0, [], flags: 0x30, urgent: urgent)]) }
            for (number, (offset, bytes)) in pieces.enumerated() {
                if number == 1, let pause = trick.pause {
                    pause.isReached.set()
                    let patience = Stopwatch()
                    while !pause.goOn.isSet, patience.seconds < 4 { usleep(1_000) }
                }
                try RawPacket.send([packet(offset, bytes, flags: trick.flags)])
            }
            let watch = Stopwatch()
            while true {
                let rest = waitMilliseconds - Int32(watch.seconds * 1_000)
                guard rest > 0, let answer = Self.next(descriptor, ends, sourcePort, rest) else { return .nothing }
                if answer.flags & 0x04 != 0 { return .reset }
                if answer.payload > 0 { return .data }
            }
        }
    }

    private struct Segment {
        let sequence: UInt32
        let flags: UInt8
        let payload: Int
    }

    /// The next segment for the port.
    private static func next(_ descriptor: Int32, _ ends: RawPacket.Ends, _ sourcePort: UInt16, _ milliseconds: Int32) -> Segment? {
        let watch = Stopwatch()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let rest = milliseconds - Int32(watch.seconds * 1_000)
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard rest > 0, unsafe poll(&entry, 1, rest) > 0 else { return nil }
            let count = unsafe recv(descriptor, &buffer, buffer.count, 0)
            guard count >= 40, buffer[9] == 6, buffer[12..<16].elementsEqual(ends.destination.networkBytes) else { continue }
            let at = Int(buffer[0] & 15) * 4
            guard count >= at + 20, UInt16(buffer[at + 2]) << 8 | UInt16(buffer[at + 3]) == sourcePort else { continue }
            let sequence = (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(buffer[at + 4 + $1]) }
            let total = Int(buffer[2]) << 8 | Int(buffer[3])
            return Segment(sequence: sequence, flags: buffer[at + 13], payload: total - at - Int(buffer[at + 12] >> 4) * 4)
        }
    }
}
