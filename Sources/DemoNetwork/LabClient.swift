import Glibc
import NetworkTypes

/// Small clients for probes out of a namespace: call them inside `Namespace.withThread` or `startThread`. They take microseconds
/// where a spawned curl or dig takes milliseconds.
public enum LabClient {
    /// How a connection or an exchange came out.
    public enum Outcome: Sendable, Hashable {
        /// TCP: connected. UDP: a reply came.
        case answered
        /// The kernel reported an error: `ECONNREFUSED` for a reset, `EHOSTUNREACH` or `EACCES` for an ICMP refusal.
        case refused(errno: Int32)
        case timedOut
    }

    public struct Result: Sendable, Hashable {
        public let outcome: Outcome
        public let milliseconds: Double
        /// What came back (UDP, and TCP with a payload).
        public let reply: [UInt8]

        public var isConnected: Bool { outcome == .answered }
    }

    /// Opens a TCP connection and closes it; with a payload, sends that and waits for bytes.
    public static func connect(
        to address: IPAddress, port: UInt16, payload: [UInt8] = [], timeoutMilliseconds: Double = 2000
    ) -> Result {
        exchange(SOCK_STREAM, address, port, payload, timeoutMilliseconds)
    }

    /// Sends one datagram and waits for one.
    public static func udp(
        to address: IPAddress, port: UInt16, payload: [UInt8] = Array("exeat".utf8), timeoutMilliseconds: Double = 1000
    ) -> Result {
        exchange(SOCK_DGRAM, address, port, payload, timeoutMilliseconds)
    }

    private static func exchange(
        _ kind: __socket_type, _ address: IPAddress, _ port: UInt16, _ payload: [UInt8], _ timeout: Double
    ) -> Result {
        let started = monotonicMilliseconds()
        var elapsed: Double { monotonicMilliseconds() - started }
        func ended(_ outcome: Outcome, _ reply: [UInt8] = []) -> Result {
            Result(outcome: outcome, milliseconds: elapsed, reply: reply)
        }
        let socket: Socket
        do throws(LabError) { socket = try Socket(address.family, kind) } catch { return ended(.refused(errno: EMFILE)) }
        let error = socket.connect(to: address, port)
        if error == EINPROGRESS {
            guard socket.wait(for: POLLOUT, milliseconds: timeout) != 0 else { return ended(.timedOut) }
            let error = socket.takeError()
            if error != 0 { return ended(.refused(errno: error)) }
        } else if error != 0 {
            return ended(.refused(errno: error))
        }
        guard kind == SOCK_DGRAM || !payload.isEmpty else { return ended(.answered) }
        guard socket.send(payload) == payload.count else { return ended(.refused(errno: errno)) }
        guard socket.wait(for: POLLIN, milliseconds: timeout - elapsed) != 0 else { return ended(.timedOut) }
        guard let reply = socket.receive(capacity: 65536) else { return ended(.refused(errno: errno)) }
        return ended(.answered, reply)
    }

    /// The answer to one DNS question over UDP.
    public struct Answer: Sendable, Hashable {
        /// nil: no reply in time, or one that could not be read.
        public var responseCode: Int?
        public var isTruncated = false
        public var addresses: [IPAddress] = []
        /// Of the address records, seconds.
        public var timesToLive: [UInt32] = []
        public var milliseconds = 0.0
    }

    /// Asks once over UDP for the A (1) or AAAA (28) records of a name. The reader believes the server of the lab: it is no
    /// resolver.
    public static func resolve(
        _ name: String, type: UInt16 = 1, server: IPAddress, port: UInt16 = 53, timeoutMilliseconds: Double = 3000
    ) -> Answer {
        var answer = Answer()
        let result = ask(name, type, server, port, timeoutMilliseconds)
        answer.milliseconds = result.milliseconds
        guard result.isConnected, let records = records(in: result.reply) else { return answer }
        answer.responseCode = Int(result.reply[3] & 0xf)
        answer.isTruncated = result.reply[2] & 2 != 0
        for record in records where record.type == type {
            guard let address = IPAddress(networkBytes: record.data.span) else { continue }
            answer.addresses.append(address)
            answer.timesToLive.append(record.timeToLive)
        }
        return answer
    }

    /// The serial of a zone's SOA record; nil while the server does not answer for it.
    static func startOfAuthoritySerial(of zone: String, server: IPAddress) -> UInt32? {
        let result = ask(zone, 6, server, 53, 500)
        guard result.isConnected, let record = records(in: result.reply)?.first(where: { $0.type == 6 }), record.data.count >= 20
        else { return nil }
        return record.data.suffix(20).prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func ask(_ name: String, _ type: UInt16, _ server: IPAddress, _ port: UInt16, _ timeout: Double) -> Result {
        let id = UInt16.random(in: .min ... .max)
        // Header (RFC 1035 §4.1.1): id, RD, one question.
        var query: [UInt8] = [UInt8(id >> 8), UInt8(id & 0xff), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        for label in name.split(separator: ".") {
            query.append(UInt8(truncatingIfNeeded: label.utf8.count))
            query += Array(label.utf8)
        }
        query += [0, UInt8(type >> 8), UInt8(type & 0xff), 0, 1]
        let result = udp(to: server, port: port, payload: query, timeoutMilliseconds: timeout)
        guard result.isConnected, result.reply.count >= 12, result.reply[0] == query[0], result.reply[1] == query[1] else {
            return Result(
                outcome: result.isConnected ? .timedOut : result.outcome, milliseconds: result.milliseconds, reply: [])
        }
        return result
    }

    private struct Record {
        let type: UInt16
        let timeToLive: UInt32
        let data: [UInt8]
    }

    /// The answer section; nil if it does not fit the message.
    private static func records(in message: [UInt8]) -> [Record]? {
        var offset = 12
        func number(_ at: Int, _ bytes: Int) -> UInt32? {
            guard at + bytes <= message.count else { return nil }
            return message[at..<(at + bytes)].reduce(0) { $0 << 8 | UInt32($1) }
        }
        func skipName() -> Bool {
            while offset < message.count {
                let length = Int(message[offset])
                if length >= 0xc0 {
                    offset += 2
                    return true
                }
                offset += 1 + length
                if length == 0 { return true }
            }
            return false
        }
        guard let questions = number(4, 2), let answers = number(6, 2) else { return nil }
        for _ in 0..<questions {
            guard skipName() else { return nil }
            offset += 4
        }
        var records: [Record] = []
        for _ in 0..<answers {
            guard skipName(), let type = number(offset, 2), let life = number(offset + 4, 4), let length = number(offset + 8, 2),
                offset + 10 + Int(length) <= message.count
            else { return nil }
            records.append(
                Record(type: UInt16(type), timeToLive: life, data: Array(message[(offset + 10)..<(offset + 10 + Int(length))])))
            offset += 10 + Int(length)
        }
        return records
    }
}
