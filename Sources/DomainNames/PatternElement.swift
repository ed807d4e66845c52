/// What stands for one label of a name, or for several, in a pattern.
///
/// In `DomainPattern.code` an element is one byte and what belongs to it:
///
///     1...63   a label of so many bytes, and the bytes      0x45  glob over host characters: length, bytes
///     0x40     one or more labels                           0x46  glob over any bytes: length, bytes
///     0x41     one label                                    0x47  no name at all: the text, to the end
///     0x42     one or more labels of host characters
///     0x43     none or more labels of host characters
///     0x44     none or more labels
enum PatternElement {
    /// What a wildcard may stand for.
    enum Characters {
        case anyBytes
        /// Letters, digits, `-` and `_`: Cilium's set.
        case hostCharacters

        func takes(_ label: ArraySlice<UInt8>) -> Bool { self == .anyBytes || label.allSatisfy(LabelGlob.isHostCharacter) }
    }

    case label(ArraySlice<UInt8>)
    case oneLabel
    case labels(least: Int, Characters)
    /// A label with `*` in it, each for none or more characters; two never stand side by side.
    case glob(ArraySlice<UInt8>, Characters)
    /// Of a pattern that no name can match.
    case nothing(text: ArraySlice<UInt8>)

    var code: [UInt8] {
        switch self {
        case .label(let bytes): [UInt8(bytes.count)] + bytes
        case .labels(1..., .anyBytes): [0x40]
        case .oneLabel: [0x41]
        case .labels(1..., .hostCharacters): [0x42]
        case .labels(_, .hostCharacters): [0x43]
        case .labels(_, .anyBytes): [0x44]
        case .glob(let bytes, .hostCharacters): [0x45, UInt8(bytes.count)] + bytes
        case .glob(let bytes, .anyBytes): [0x46, UInt8(bytes.count)] + bytes
        case .nothing(let text): [0x47] + text
        }
    }
}
