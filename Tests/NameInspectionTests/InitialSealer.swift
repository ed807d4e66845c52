import Crypto
import CryptoExtras

/// Protects Initial packets as a client does, from RFC 9001 and RFC 9369 alone: what the module takes apart is put together here.
struct InitialSealer {
    enum Version: UInt32 {
        case v1 = 1
        case v2 = 0x6b33_43cf
    }

    let version: Version
    let key: [UInt8]
    let iv: [UInt8]
    let headerKey: [UInt8]

    init(_ version: Version = .v1, originalID: [UInt8]) {
        self.version = version
        let salt = hex(
            version == .v1 ? "38762cf7f55934b34d179ae6a4c80cadccbb7f0a" : "0dede3def700a6db819381be6e269dcbf9bd2ed9")
        let prefix = version == .v1 ? "quic" : "quicv2"
        let secret = HKDF<SHA256>.extract(inputKeyMaterial: SymmetricKey(data: originalID), salt: salt)
        let client = Self.expand(Array(secret), "client in", 32)
        key = Self.expand(client, "\(prefix) key", 16)
        iv = Self.expand(client, "\(prefix) iv", 12)
        headerKey = Self.expand(client, "\(prefix) hp", 16)
    }

    private static func expand(_ secret: [UInt8], _ label: String, _ count: Int) -> [UInt8] {
        let label = Array("tls13 \(label)".utf8)
        let info = [0, UInt8(count), UInt8(label.count)] + label + [0]
        let key = HKDF<SHA256>.expand(pseudoRandomKey: SymmetricKey(data: secret), info: info, outputByteCount: count)
        return unsafe key.withUnsafeBytes { unsafe Array($0) }
    }

    /// An Initial packet. `numberBytes` of the packet number are sent.
    func packet(
        _ frames: [UInt8], number: UInt64 = 0, numberBytes: Int = 4, destinationID: [UInt8], sourceID: [UInt8] = [], token: [UInt8] = [],
        fixedBit: UInt8 = 0x40
    ) throws -> [UInt8] {
        let type: UInt8 = version == .v1 ? 0 : 1
        var header: [UInt8] = [0x80 | fixedBit | type << 4 | UInt8(numberBytes - 1)]
        header += (0..<4).map { UInt8(truncatingIfNeeded: version.rawValue >> (24 - 8 * $0)) }
        header += [UInt8(destinationID.count)] + destinationID + [UInt8(sourceID.count)] + sourceID
        header += integer(UInt64(token.count)) + token
        let length = numberBytes + frames.count + 16
        header += [UInt8(0x40 | length >> 8), UInt8(length & 0xff)]
        header += (0..<numberBytes).map { UInt8(truncatingIfNeeded: number >> UInt64(8 * (numberBytes - 1 - $0))) }
        return try seal(header, frames, number: number, numberBytes: numberBytes)
    }

    /// Seals a payload under a header that ends with the packet number, and protects the header.
    func seal(_ header: [UInt8], _ frames: [UInt8], number: UInt64, numberBytes: Int) throws -> [UInt8] {
        var nonce = iv
        for index in 0..<8 { nonce[4 + index] ^= UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * index)) }
        let box = try AES.GCM.seal(frames, using: SymmetricKey(data: key), nonce: AES.GCM.Nonce(data: nonce), authenticating: header)
        var packet = header + Array(box.ciphertext) + Array(box.tag)
        let numberOffset = header.count - numberBytes
        var mask = Array(packet[(numberOffset + 4)..<(numberOffset + 20)])
        try AES.permute(&mask, key: SymmetricKey(data: headerKey))
        packet[0] ^= mask[0] & 0x0f
        for index in 0..<numberBytes { packet[numberOffset + index] ^= mask[1 + index] }
        return packet
    }

    /// A CRYPTO frame.
    static func crypto(_ data: some Collection<UInt8>, at offset: Int) -> [UInt8] {
        [6] + integer(UInt64(offset)) + integer(UInt64(data.count)) + data
    }

    static func padding(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }
}

/// A variable-length integer of RFC 9000 §16.
func integer(_ value: UInt64) -> [UInt8] {
    switch value {
    case 0..<64: [UInt8(value)]
    case 64..<16_384: [UInt8(0x40 | value >> 8), UInt8(value & 0xff)]
    default: (0..<4).map { UInt8(truncatingIfNeeded: (value | 0x8000_0000) >> UInt64(24 - 8 * $0)) }
    }
}

func hex(_ text: String) -> [UInt8] {
    let digits = text.compactMap(\.hexDigitValue)
    return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
}
