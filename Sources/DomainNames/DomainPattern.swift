/// A name or a wildcard, as a policy names destinations. One form serves all dialects: elements from the root on, each for one label
/// or for several.
///
///     update.*.example.org  of Calico  ->  [org] [example] [one or more labels] [update]
///     **.api*.example.org   of Cilium  ->  [org] [example] [glob api*] [one or more labels of host characters]
///
/// Two patterns are equal if they were parsed to the same elements, whatever their dialects: `*.example.org` of Calico and of Kubernetes
/// are one pattern, that of OVN-Kubernetes is another.
public struct DomainPattern: Hashable, Sendable {
    /// The elements, root first, each with a tag before it; see `PatternElement`.
    let code: [UInt8]

    init(code: [UInt8]) { self.code = code }

    /// Reads a pattern. The error names the character, what is wrong and what to write instead.
    ///
    /// Letters outside ASCII become A-labels; labels that begin with `xn--` must hold Punycode (RFC 3492).
    public init(parsing text: some StringProtocol, dialect: PatternDialect) throws(DomainPatternError) {
        code = try DomainPatternSyntax.code(of: String(text), dialect)
    }

    /// Whether it names one name only.
    public var isExact: Bool {
        var elements = elements
        while let element = elements.next() {
            guard case .label = element else { return false }
        }
        return true
    }

    /// Whether no name can match: one of its labels or the whole is longer than a name may be. Cilium takes such patterns.
    public var isUnmatchable: Bool {
        var elements = elements
        if case .nothing = elements.next() { return true }
        return false
    }

    /// The labels right of every wildcard; all labels of an exact name.
    public var literalSuffix: DomainName {
        var bytes: [UInt8] = []
        var elements = elements
        while case .label(let label) = elements.next() { bytes += [UInt8(label.count)] + label }
        return DomainName(unchecked: bytes)
    }

    var elements: PatternElements { PatternElements(code) }

    /// The plain meaning, label by label; `DomainPatternTable` gives the same answers fast.
    public func matches(_ name: DomainName) -> Bool {
        let labels = name.labels
        var next = 0
        var elements = elements
        while let element = elements.next() {
            switch element {
            case .label(let label):
                guard next < labels.count, labels[next].elementsEqual(label) else { return false }
                next += 1
            case .oneLabel:
                guard next < labels.count else { return false }
                next += 1
            case .glob(let glob, let kind):
                guard next < labels.count, kind.takes(labels[next]), LabelGlob.matches(glob, labels[next]) else { return false }
                next += 1
            case .labels(let least, let kind):
                // Behind it stand single labels only, so what it takes is known.
                let last = labels.count - elements.labelsLeft
                guard last - next >= least, labels[next..<last].allSatisfy(kind.takes) else { return false }
                next = last
            case .nothing:
                return false
            }
        }
        return next == labels.count
    }
}

extension DomainPattern: CustomStringConvertible {
    /// Lower case, without a final dot. Equal texts mean equal patterns: a wildcard that is not Calico's is followed by what it is.
    ///
    ///     *.example.org                      one or more labels (Calico, Kubernetes, Istio)
    ///     *.example.org [one label]          exactly one (OVN-Kubernetes)
    ///     api*.example.org [matchPattern]    Cilium
    ///     *example.org [any characters]      Antrea
    public var description: String {
        var labels: [String] = []
        var kind = ""
        var elements = elements
        while let element = elements.next() {
            switch element {
            case .label(let label): labels.append(DomainName.text(ofLabel: label))
            case .oneLabel:
                labels.append("*")
                kind = " [one label]"
            case .glob(let glob, .hostCharacters):
                labels.append(String(decoding: glob, as: UTF8.self))
                kind = " [matchPattern]"
            case .glob(let glob, .anyBytes):
                labels.append(String(decoding: glob, as: UTF8.self))
            case .labels(let least, .hostCharacters):
                labels.append(least == 0 ? "*" : "**")
                kind = " [matchPattern]"
            case .labels(1..., .anyBytes): labels.append("*")
            case .labels(_, .anyBytes):
                // Antrea's star is written once, in the label before it, if there is one.
                if labels.isEmpty { labels.append("*") }
                kind = " [any characters]"
            case .nothing(let text): return String(decoding: text, as: UTF8.self)
            }
        }
        return labels.isEmpty ? "." : labels.reversed().joined(separator: ".") + kind
    }
}
