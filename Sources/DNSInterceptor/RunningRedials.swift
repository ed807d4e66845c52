import DNSMessages
import DomainNames
import Enforcement
import NetworkTypes

/// The redials that the worker has under way. Bounded in all, and for each client at one time and in each second: an ended binding must not make
/// the node ask upstreams as often as a client sends packets.
struct RunningRedials {
    static let countMax = 256
    static let perClientMax = 16
    static let perClientAndSecondMax = 32

    private struct Key: Hashable {
        let endpoint: EndpointID
        let name: DomainName
        let family: IPFamily
    }

    private var running: [(redial: Redial, key: Key)?] = Array(repeating: nil, count: countMax)
    private var free = Array((0..<countMax).reversed())
    private var keys: Set<Key> = []
    /// Of a second; as many clients at most as redials can begin in it.
    private var begunByClient: [EndpointID: Int] = [:]

    mutating func beginSecond() { begunByClient.removeAll(keepingCapacity: true) }

    /// Nil if there are too many, or the name is being resolved for this client already.
    mutating func begin(_ redial: Redial, _ name: DomainName) -> Int? {
        let key = Key(endpoint: redial.endpoint, name: name, family: redial.address.family)
        let begun = begunByClient[redial.endpoint] ?? 0
        guard begun < Self.perClientAndSecondMax, !keys.contains(key),
            running.count(where: { $0?.redial.endpoint == redial.endpoint }) < Self.perClientMax, let slot = free.popLast()
        else { return nil }
        begunByClient[redial.endpoint] = begun + 1
        keys.insert(key)
        running[slot] = (redial, key)
        return slot
    }

    mutating func end(_ slot: Int) -> Redial? {
        guard let (redial, key) = running[slot] else { return nil }
        running[slot] = nil
        keys.remove(key)
        free.append(slot)
        return redial
    }

    /// A client's query for what taught the addresses of that family (RFC 1035 §4.1): id 0, recursion wanted, one question of class IN.
    static func query(for name: DomainName, _ family: IPFamily) -> [UInt8] {
        // A name with a port in front has hints alone (RFC 9460 §2.3).
        let isBinding = name.wire.dropFirst().first == UInt8(ascii: "_")
        let type = isBinding ? RecordType.https : family == .v4 ? .a : .aaaa
        let head: [UInt8] = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]
        return head + name.wire + [UInt8(type.rawValue >> 8), UInt8(type.rawValue & 0xff), 0, 1]
    }
}
