/// One value of a configuration document with the place where it stands: the neutral form between a text format
/// (YAML, JSON) and the resources, so that this module knows no format and every message can name a line.
///
/// Made by `Datastores.ConfigurationDocument`; aliases are resolved, mapping order and duplicate keys are kept.
public struct ConfigurationNode: Sendable, Hashable {
    public indirect enum Kind: Sendable, Hashable {
        /// An absent value, `~` or `null`.
        case null
        /// The text without quotes. Only an unquoted scalar may stand for a number or a truth value.
        case scalar(String, isQuoted: Bool)
        case sequence([ConfigurationNode])
        case mapping([Entry])
    }

    /// One `key: value` of a mapping.
    public struct Entry: Sendable, Hashable {
        public let key: String
        public let keyLocation: SourceLocation
        public let value: ConfigurationNode

        public init(key: String, keyLocation: SourceLocation, value: ConfigurationNode) {
            self.key = key
            self.keyLocation = keyLocation
            self.value = value
        }
    }

    public let kind: Kind
    public let location: SourceLocation

    public init(_ kind: Kind, location: SourceLocation) {
        self.kind = kind
        self.location = location
    }

    /// The value of the first entry with this key; nil if this is no mapping or has no such key.
    public func first(_ key: String) -> ConfigurationNode? {
        guard case .mapping(let entries) = kind else { return nil }
        return entries.first { $0.key == key }?.value
    }

    /// What a message calls this: `a text`, `a number`, `a list`, ...
    public var kindName: String {
        switch kind {
        case .null: "nothing"
        case .sequence: "a list"
        case .mapping: "a mapping"
        case .scalar(let text, let isQuoted):
            switch isQuoted ? .text : PlainScalarType(of: text) {
            case .text: "a text"
            case .number: "a number"
            case .boolean: "a truth value"
            }
        }
    }
}
