import Foundation

/// Datagrams of QUIC version 1 with Initial packets (RFC 9001 §5), each protected with the keys of its destination connection ID, which is eight times the same byte. The hello in
/// them has no more than a name, a version and a group; no padding.
enum InitialDatagram {
    /// Names api.shared.test; connection 0101010101010101.
    static let api = bytes(
        """
        cd000000010801010101010101010000406ecf96fdd896d974cf34fa16a69f6aaa3e633a1572ecd37bb1b8b0680e343062bfd18cd538d6f3d904c0cad4d4b5a4
        ee33334750cdd75f4b81e8f415f1dd70fb6c5ecc7e7efe6e4c9d872686de47ca9e982837e04211dfc0a3f8dc9f27a312f961f22075d78d821b84c6180ce36771
        """)

    /// Names stranger.shared.test; connection 0202020202020202.
    static let stranger = bytes(
        """
        cb0000000108020202020202020200004073700afa91f1aca6443c6ace882091a28505b54f54ab5c8d790b4adea50b6205b79c55fd79af4f64a672255562085d
        0ff1759a8c52a1ffb34b26ac9064a681aeb9d44159e7875e8fa55d0c8609513d4b3da9c3ff42d547b61e91ef231be26e2f7fe4da9e0be4029a0cadf022c9cb84
        131e92e4e6
        """)

    /// The beginning of a hello; connection 0303030303030303.
    static let first = bytes(
        """
        ce0000000108030303030303030300004053d578e10e0d34bf6fe5275cfce157f5d2a5a4537742717c10593690ca598a879f175e87bcc347a0940d2626ab0f21
        0ccfd42fa337ae07faa808d404b54d824a7cd894adb5b250a9d63c1452f70482859a9daa2f
        """)

    /// Its rest, which names sibling.shared.test.
    static let second = bytes(
        """
        c0000000010803030303030303030000403593bcd5c5f057a1bdd97651f6ccc20941baa9cfff554feeb29fe8c8169d45e1298478780f6705c20a811ab01c9d73
        42433d453c1776
        """)

    private static func bytes(_ text: String) -> [UInt8] {
        let digits = text.utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
    }
}
