import DomainNames
import NameInspection
import NetworkTypes

/// A name from TLS, HTTP or QUIC.
func name(_ text: String, _ source: SeenName.Source = .tls, isOuter: Bool = false) -> NameReading {
    guard let name = try? DomainName(parsing: text) else { preconditionFailure("\(text) is a name") }
    return .name(SeenName(name, from: source, isOuter: isOuter))
}

/// SplitMix64.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}

extension IPAddress {
    static func of(_ text: String) -> IPAddress {
        guard let address = IPAddress(parsing: text) else { preconditionFailure("\(text) is an address") }
        return address
    }
}
