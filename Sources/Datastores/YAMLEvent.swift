/// One parsing event of libyaml, copied out (`yaml_event_t`).
struct YAMLEvent {
    enum Kind {
        case streamEnd, documentStart, documentEnd, sequenceStart, sequenceEnd, mappingStart, mappingEnd, alias, other
        case scalar(text: String, isPlain: Bool)
    }

    let kind: Kind
    /// Name of the anchor that is set here, or that an alias refers to.
    let anchor: String?
    /// As written, `!!` expanded; nil if there is none.
    let tag: String?
    /// From 1.
    let line: Int
    let column: Int
}
