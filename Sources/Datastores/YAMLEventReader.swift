// The C parser that Yams ships and builds. Its events are read directly, not through `Yams.Node`: that tree hashes every
// key and shares what aliases stand for before anybody could count it, and knows a duplicate key by its first place only.
import CYaml

/// Owns one `yaml_parser_t` and the bytes that it reads. See `yaml_parser_parse`.
@safe
struct YAMLEventReader: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let input: UnsafeMutableBufferPointer<UInt8>
    private let isUsable: Bool

    init(bytes: [UInt8]) {
        // One byte more, so that there is an address for an empty text too.
        unsafe input = .allocate(capacity: bytes.count + 1)
        _ = unsafe input.initialize(from: bytes + [0])
        unsafe parser = .allocate(capacity: 1)
        unsafe parser.initialize(to: yaml_parser_t())
        isUsable = unsafe yaml_parser_initialize(parser) == 1
        guard isUsable else { return }
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, input.baseAddress, bytes.count)
    }

    deinit {
        if isUsable { unsafe yaml_parser_delete(parser) }
        unsafe parser.deinitialize(count: 1)
        unsafe parser.deallocate()
        unsafe input.deallocate()
    }

    /// The next event; after a throw or the end of the stream it must not be called again.
    mutating func next() throws(YAMLFault) -> YAMLEvent {
        guard isUsable else { throw YAMLFault(line: 1, column: 1, message: "out of memory", hint: "give the process more") }
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw fault() }
        defer { unsafe yaml_event_delete(&event) }
        return unsafe Self.copy(event)
    }

    private static func copy(_ event: yaml_event_t) -> YAMLEvent {
        var kind = YAMLEvent.Kind.other
        var anchor: String?
        var tag: String?
        // Each case reads the member of the union that its type names.
        switch unsafe event.type {
        case YAML_STREAM_END_EVENT: kind = .streamEnd
        case YAML_DOCUMENT_START_EVENT: kind = .documentStart
        case YAML_DOCUMENT_END_EVENT: kind = .documentEnd
        case YAML_SEQUENCE_END_EVENT: kind = .sequenceEnd
        case YAML_MAPPING_END_EVENT: kind = .mappingEnd
        case YAML_ALIAS_EVENT:
            kind = .alias
            anchor = unsafe text(event.data.alias.anchor)
        case YAML_SEQUENCE_START_EVENT:
            kind = .sequenceStart
            anchor = unsafe text(event.data.sequence_start.anchor)
            tag = unsafe text(event.data.sequence_start.tag)
        case YAML_MAPPING_START_EVENT:
            kind = .mappingStart
            anchor = unsafe text(event.data.mapping_start.anchor)
            tag = unsafe text(event.data.mapping_start.tag)
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            let bytes = unsafe UnsafeBufferPointer(start: scalar.value, count: scalar.length)
            kind = unsafe .scalar(text: String(decoding: bytes, as: UTF8.self), isPlain: scalar.style == YAML_PLAIN_SCALAR_STYLE)
            anchor = unsafe text(scalar.anchor)
            tag = unsafe text(scalar.tag)
        default: break
        }
        let mark = unsafe event.start_mark
        return YAMLEvent(kind: kind, anchor: anchor, tag: tag, line: Int(mark.line) + 1, column: Int(mark.column) + 1)
    }

    private static func text(_ pointer: UnsafeMutablePointer<yaml_char_t>?) -> String? {
        guard let pointer = unsafe pointer else { return nil }
        return unsafe String(cString: pointer)
    }

    private func fault() -> YAMLFault {
        var message = "cannot be read as YAML"
        if let problem = unsafe parser.pointee.problem { message = unsafe String(cString: problem) }
        switch unsafe parser.pointee.error {
        case YAML_READER_ERROR:
            let place = place(ofByte: unsafe Int(parser.pointee.problem_offset))
            return YAMLFault(line: place.line, column: place.column, message: message, hint: "the file must be UTF-8 text")
        case YAML_MEMORY_ERROR:
            return YAMLFault(line: 1, column: 1, message: "out of memory", hint: "give the process more")
        default:
            let mark = unsafe parser.pointee.problem_mark
            if let context = unsafe parser.pointee.context {
                let text = unsafe String(cString: context)
                let start = unsafe parser.pointee.context_mark
                message += ", \(text) that begins at line \(start.line + 1)"
            }
            return YAMLFault(
                line: Int(mark.line) + 1, column: Int(mark.column) + 1, message: message, hint: Self.hint(for: message))
        }
    }

    /// The likely cause, in words of somebody who writes policies.
    private static func hint(for message: String) -> String {
        if message.contains("scanning an alias") { return "a pattern that begins with * must be quoted" }
        if message.contains("cannot start any token") { return "indent by spaces, not tabs; quote a text that begins with %, @ or `" }
        if message.contains("mapping values") { return "quote a text that has \": \" in it, or look at the indentation" }
        if message.contains("expected key") || message.contains("block mapping") { return "fields of one mapping begin in the same column" }
        if message.contains("block collection") { return "elements of one list begin with - in the same column" }
        if message.contains("flow") { return "look for a comma, bracket or brace that is missing" }
        if message.contains("quoted scalar") { return "look for a quote that is not closed" }
        return "look at the indentation and the quotes of this line and the one before"
    }

    private func place(ofByte offset: Int) -> (line: Int, column: Int) {
        var line = 1
        var column = 1
        for index in unsafe 0..<min(offset, input.count - 1) {
            let byte = unsafe input[index]
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0xc0 != 0x80 {
                column += 1
            }
        }
        return (line, column)
    }
}
