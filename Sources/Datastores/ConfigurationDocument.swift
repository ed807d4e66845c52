import PolicyModel

/// Reads YAML 1.1 text into `ConfigurationNode`s with the place of every value.
///
/// Everything is bounded, whatever the text: its size, its depth, the number of values, and what aliases expand to (the
/// "billion laughs"). Refused with the place: merge keys, keys that are no text, tags other than those of plain YAML types.
public enum ConfigurationDocument {
    public enum Limit {
        /// Bytes of one file.
        public static let byteCountMax = 8 << 20
        /// Mappings and lists within each other.
        public static let depthMax = 64
        /// Values in one file, written out.
        public static let nodeCountMax = 500_000
        /// Values in one file that aliases stand for.
        public static let aliasedNodeCountMax = 100_000
    }

    /// The documents of `text` in order. A syntax error is appended to `problems` and ends the reading: then what is
    /// returned is not the whole.
    public static func nodes(yaml text: String, file: String, _ problems: inout DiagnosticList) -> [ConfigurationNode] {
        nodes(yaml: Array(text.utf8), file: file, &problems)
    }

    /// As above, for the bytes of a file; they must be UTF-8.
    public static func nodes(yaml bytes: [UInt8], file: String, _ problems: inout DiagnosticList) -> [ConfigurationNode] {
        guard bytes.count <= Limit.byteCountMax else {
            problems.error(
                at: SourceLocation(file: file), field: "", "the file is larger than \(Limit.byteCountMax >> 20) MiB",
                hint: "divide it into several files")
            return []
        }
        var documents: [ConfigurationNode] = []
        // libyaml passes over a byte order mark only if it may guess the encoding.
        let mark: [UInt8] = [0xef, 0xbb, 0xbf]
        var composer = YAMLComposer(bytes: bytes.starts(with: mark) ? Array(bytes.dropFirst(mark.count)) : bytes, file: file)
        do throws(YAMLFault) {
            while let document = try composer.nextDocument() { documents.append(document) }
        } catch {
            problems.error(at: error.location(in: file), field: error.field, error.message, hint: error.hint)
        }
        return documents
    }
}
