/// The way to a pattern in the trie.
struct PatternPath {
    enum Step {
        case label(ArraySlice<UInt8>)
        /// A part of a glob; its length is noted at the node before it.
        case part(ArraySlice<UInt8>)
        case link(PatternWildcards.Link)
    }

    private(set) var steps: [Step] = []
    /// The wildcard in which it ends; nil if it ends in a node.
    private(set) var wildcard: PatternWildcards.Kind?
    /// Whether a wildcard of it stands for host characters only.
    private(set) var usesHostCharacters = false

    /// Nil for a pattern that no name can match.
    init?(_ pattern: DomainPattern) {
        var elements = pattern.elements
        while let element = elements.next() {
            switch element {
            case .nothing: return nil
            case .label(let label): steps.append(.label(label))
            case .oneLabel: wildcard = .one
            case .glob(let glob, let characters): append(glob, characters)
            case .labels(let least, .hostCharacters):
                usesHostCharacters = true
                wildcard = least == 0 ? .noneOrMoreOfHost : .oneOrMoreOfHost
            case .labels(0, .anyBytes): wildcard = .noneOrMore
            case .labels:
                wildcard = .oneOrMore
                appendLeading(elements)
                return
            }
        }
    }

    private mutating func append(_ glob: ArraySlice<UInt8>, _ characters: PatternElement.Characters) {
        if characters == .hostCharacters { usesHostCharacters = true }
        steps.append(.link(characters == .hostCharacters ? .globsOfHost : .globs))
        let pieces = LabelGlob.pieces(glob)
        steps.append(.part(pieces[0]))
        steps.append(.part(pieces[pieces.count - 1]))
        for piece in pieces[1..<(pieces.count - 1)] { steps.append(.part(piece)) }
        // No piece is empty: this is the end of the glob.
        steps.append(.label([]))
    }

    private mutating func appendLeading(_ elements: PatternElements) {
        var elements = elements
        var leading: [Step] = []
        while case .label(let label) = elements.next() { leading.append(.label(label)) }
        guard !leading.isEmpty else { return }
        steps.append(.link(.leading))
        steps += leading.reversed()
        wildcard = nil
    }
}
