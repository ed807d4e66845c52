import PolicyModel

/// Builds nodes from events and keeps the limits of `ConfigurationDocument`.
struct YAMLComposer: ~Copyable {
    private typealias Limit = ConfigurationDocument.Limit

    private var reader: YAMLEventReader
    private let file: String
    /// Of the current document: what each anchor stands for, and how many nodes that is.
    private var anchors: [String: (node: ConfigurationNode, nodeCount: Int)] = [:]
    private var nodeCount = 0
    private var aliasedNodeCount = 0
    /// Where in the document the reader is. A throw leaves it as it is.
    private var path: [Step] = []

    private enum Step {
        case key(String)
        case element(Int)
    }

    init(bytes: [UInt8], file: String) {
        reader = YAMLEventReader(bytes: bytes)
        self.file = file
    }

    /// Nil at the end. After a throw it must not be called again.
    mutating func nextDocument() throws(YAMLFault) -> ConfigurationNode? {
        path = []
        do throws(YAMLFault) {
            return try document()
        } catch {
            var fault = error
            fault.field = field
            throw fault
        }
    }

    private var field: String {
        var text = ""
        for step in path {
            switch step {
            case .key(let key): text += text.isEmpty ? key : ".\(key)"
            case .element(let number): text += "[\(number)]"
            }
        }
        return text
    }

    private mutating func document() throws(YAMLFault) -> ConfigurationNode? {
        anchors = [:]
        while true {
            let event = try reader.next()
            switch event.kind {
            case .streamEnd: return nil
            case .documentStart:
                let root = try node(at: reader.next(), depth: 0)
                _ = try reader.next()  // document end
                return root
            default: continue  // stream start
            }
        }
    }

    private mutating func node(at event: YAMLEvent, depth: Int) throws(YAMLFault) -> ConfigurationNode {
        guard depth <= Limit.depthMax else {
            throw fault(
                event, "more than \(Limit.depthMax) levels of nesting", hint: "no resource nests so deep: look for brackets left open")
        }
        let countBefore = nodeCount + aliasedNodeCount
        nodeCount += 1
        guard nodeCount <= Limit.nodeCountMax else {
            throw fault(event, "more than \(Limit.nodeCountMax) values in one file", hint: "divide it into several files")
        }
        let location = SourceLocation(file: file, line: event.line, column: event.column)
        let kind: ConfigurationNode.Kind
        switch event.kind {
        case .alias: return try resolve(event)
        case .scalar(let text, let isPlain): kind = try scalar(text, isPlain: isPlain, event)
        case .sequenceStart:
            try expectTag("seq", event)
            kind = try sequence(depth: depth)
        case .mappingStart:
            try expectTag("map", event)
            kind = try mapping(depth: depth)
        default: throw fault(event, "a value is missing", hint: "write a value, or null")
        }
        let node = ConfigurationNode(kind, location: location)
        if let anchor = event.anchor { anchors[anchor] = (node, nodeCount + aliasedNodeCount - countBefore) }
        return node
    }

    private mutating func resolve(_ event: YAMLEvent) throws(YAMLFault) -> ConfigurationNode {
        let name = event.anchor ?? ""
        guard let (node, count) = anchors[name] else {
            throw fault(
                event, "the alias *\(name) has no anchor before it", hint: "a pattern that begins with * must be quoted: \"*\(name)\"")
        }
        aliasedNodeCount += count
        guard aliasedNodeCount <= Limit.aliasedNodeCountMax else {
            throw fault(
                event, "the aliases of the file expand to more than \(Limit.aliasedNodeCountMax) values",
                hint: "write the values out, in several files if they are many")
        }
        return node
    }

    private func scalar(_ text: String, isPlain: Bool, _ event: YAMLEvent) throws(YAMLFault) -> ConfigurationNode.Kind {
        switch event.tag {
        case nil: break
        case "!", "tag:yaml.org,2002:str": return .scalar(text, isQuoted: true)
        case let tag?: throw fault(event, "the tag \(tag) is not supported", hint: "leave it out")
        }
        if isPlain, ["", "~", "null", "Null", "NULL"].contains(text) { return .null }
        return .scalar(text, isQuoted: !isPlain)
    }

    private mutating func sequence(depth: Int) throws(YAMLFault) -> ConfigurationNode.Kind {
        var nodes: [ConfigurationNode] = []
        while true {
            path.append(.element(nodes.count))
            let event = try reader.next()
            if case .sequenceEnd = event.kind {
                path.removeLast()
                return .sequence(nodes)
            }
            nodes.append(try node(at: event, depth: depth + 1))
            path.removeLast()
        }
    }

    private mutating func mapping(depth: Int) throws(YAMLFault) -> ConfigurationNode.Kind {
        var entries: [ConfigurationNode.Entry] = []
        while true {
            let event = try reader.next()
            if case .mappingEnd = event.kind { return .mapping(entries) }
            guard case .scalar(let key, let isPlain) = event.kind else { throw fault(event, "a key must be a text", hint: "quote it") }
            if isPlain, key == "<<" { throw fault(event, "merge keys (<<) are not supported", hint: "write the fields out") }
            path.append(.key(key))
            let keyNode = try node(at: event, depth: depth + 1)
            let value = try node(at: reader.next(), depth: depth + 1)
            path.removeLast()
            entries.append(ConfigurationNode.Entry(key: key, keyLocation: keyNode.location, value: value))
        }
    }

    private func expectTag(_ name: String, _ event: YAMLEvent) throws(YAMLFault) {
        if let tag = event.tag, tag != "!", tag != "tag:yaml.org,2002:\(name)" {
            throw fault(event, "the tag \(tag) is not supported", hint: "leave it out")
        }
    }

    private func fault(_ event: YAMLEvent, _ message: String, hint: String) -> YAMLFault {
        YAMLFault(line: event.line, column: event.column, message: message, hint: hint)
    }
}
