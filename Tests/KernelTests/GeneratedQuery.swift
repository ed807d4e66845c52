/// A question as some client might ask it.
struct GeneratedQuery: Sendable, CustomStringConvertible {
    let name: String
    let type: UInt16
    /// What the client takes over UDP; nil: no EDNS.
    let datagramBytes: UInt16?
    let wantsSignatures: Bool
    let disablesChecking: Bool
    let bytes: [UInt8]

    private static let types: [UInt16] = [1, 1, 1, 1, 28, 28, 15, 16, 16, 33, 5, 2, 6, 65, 64, 257, 43, 48, 12, 65_534, 255]

    init(id: UInt16, from random: inout SeededRandom) {
        let zone = ComparedServers.zones[Int.random(in: 0..<ComparedServers.zones.count, using: &random)]
        let first = ComparedServers.names[Int.random(in: 0..<ComparedServers.names.count, using: &random)]
        self.init(
            id: id, name: first.isEmpty ? zone : "\(first).\(zone)", type: Self.types.randomElement(using: &random) ?? 1,
            datagramBytes: [nil, 512, 1_232, 4_096].randomElement(using: &random) ?? nil, wantsSignatures: .random(using: &random),
            disablesChecking: Int.random(in: 0..<4, using: &random) == 0, from: &random)
    }

    /// Letters in random case. The bit DO needs EDNS.
    init(
        id: UInt16, name: String, type: UInt16, datagramBytes: UInt16?, wantsSignatures: Bool = false, disablesChecking: Bool = false,
        from random: inout SeededRandom
    ) {
        (self.name, self.type, self.datagramBytes, self.disablesChecking) = (name, type, datagramBytes, disablesChecking)
        self.wantsSignatures = datagramBytes != nil && wantsSignatures
        var bytes: [UInt8] = [UInt8(id >> 8), UInt8(id & 0xff), 1, disablesChecking ? 0x10 : 0]
        bytes += [0, 1, 0, 0, 0, 0, 0, datagramBytes == nil ? 0 : 1]
        for label in name.split(separator: ".") {
            bytes.append(UInt8(label.utf8.count))
            for byte in label.utf8 {
                let isLetter = (97...122).contains(byte)
                bytes.append(isLetter && Bool.random(using: &random) ? byte ^ 0x20 : byte)
            }
        }
        bytes += [0, UInt8(type >> 8), UInt8(type & 0xff), 0, 1]
        if let datagramBytes {
            bytes += [0, 0, 41, UInt8(datagramBytes >> 8), UInt8(datagramBytes & 0xff), 0, 0, self.wantsSignatures ? 0x80 : 0, 0, 0, 0]
        }
        self.bytes = bytes
    }

    var description: String {
        "\(name) \(type), EDNS \(datagramBytes.map(String.init) ?? "none")\(wantsSignatures ? ", DO" : "")\(disablesChecking ? ", CD" : "")"
    }
}
