import Crypto
import CryptoExtras

/// What a client's Initial packets are protected with. Anybody who sees the connection ID can derive it: it guards against accidents, not
/// against readers (RFC 9001 §5.2).
struct QUICInitialKeys: Sendable {
    static let tagBytes = 16
    private static let sampleBytes = 16

    let key: SymmetricKey
    let iv: [UInt8]
    /// Of header protection.
    let headerKey: SymmetricKey

    /// From the destination connection ID of the client's first Initial packet.
    init(version: QUICVersion, destinationID: [UInt8]) {
        let initial = HKDF<SHA256>.extract(inputKeyMaterial: SymmetricKey(data: destinationID), salt: version.salt)
        let secret = Self.expand(SymmetricKey(data: initial), "client in", 32)
        key = Self.expand(secret, version.labelPrefix + "key", 16)
        headerKey = Self.expand(secret, version.labelPrefix + "hp", 16)
        iv = unsafe Self.expand(secret, version.labelPrefix + "iv", 12).withUnsafeBytes { unsafe Array($0) }
    }

    /// HKDF-Expand-Label with an empty context (RFC 8446 §7.1).
    private static func expand(_ secret: SymmetricKey, _ label: String, _ count: Int) -> SymmetricKey {
        let full = Array("tls13 ".utf8) + Array(label.utf8)
        let info = [UInt8(count >> 8), UInt8(count & 0xff), UInt8(full.count)] + full + [0]
        return HKDF<SHA256>.expand(pseudoRandomKey: secret, info: info, outputByteCount: count)
    }

    /// An opened packet.
    struct Opened {
        let packetNumber: UInt64
        let payload: [UInt8]
    }

    /// Takes off header protection and opens the packet (RFC 9001 §5.3, §5.4). Nil if these are not its keys. `expected` is the number
    /// after the largest seen.
    func open(_ header: QUICLongHeader, of datagram: Span<UInt8>, expecting expected: UInt64) -> Opened? {
        let sampleStart = header.packetNumberOffset + 4
        guard sampleStart + Self.sampleBytes <= header.end else { return nil }
        var mask: [UInt8] = []
        for place in sampleStart..<(sampleStart + Self.sampleBytes) { mask.append(datagram[place]) }
        guard (try? AES.permute(&mask, key: headerKey)) != nil else { return nil }
        let first = datagram[header.start] ^ (mask[0] & 0x0f)
        let numberBytes = Int(first & 3) + 1
        let payloadStart = header.packetNumberOffset + numberBytes
        guard header.end - payloadStart >= Self.tagBytes else { return nil }
        var additional: [UInt8] = [first]
        for place in (header.start + 1)..<header.packetNumberOffset { additional.append(datagram[place]) }
        var truncated: UInt64 = 0
        for index in 0..<numberBytes {
            let byte = datagram[header.packetNumberOffset + index] ^ mask[index + 1]
            additional.append(byte)
            truncated = truncated << 8 | UInt64(byte)
        }
        let number = Self.packetNumber(truncated, bytes: numberBytes, expecting: expected)
        var nonce = iv
        for index in 0..<8 { nonce[4 + index] ^= UInt8(truncatingIfNeeded: number >> UInt64(56 - 8 * index)) }
        var sealed: [UInt8] = []
        sealed.reserveCapacity(header.end - payloadStart)
        for place in payloadStart..<header.end { sealed.append(datagram[place]) }
        guard
            let box = try? AES.GCM.SealedBox(
                nonce: AES.GCM.Nonce(data: nonce), ciphertext: sealed.dropLast(Self.tagBytes), tag: sealed.suffix(Self.tagBytes)),
            let payload = try? AES.GCM.open(box, using: key, authenticating: additional)
        else {
            return nil
        }
        return Opened(packetNumber: number, payload: Array(payload))
    }

    /// The whole number of which the lowest bytes were sent: the one nearest to what is expected (RFC 9000 Appendix A.3).
    static func packetNumber(_ truncated: UInt64, bytes: Int, expecting expected: UInt64) -> UInt64 {
        let window: UInt64 = 1 << (8 * UInt64(bytes))
        let candidate = (expected & ~(window - 1)) | truncated
        if candidate + window / 2 <= expected, candidate < (1 << 62) - window { return candidate + window }
        if candidate > expected + window / 2, candidate >= window { return candidate - window }
        return candidate
    }
}
