import DomainNames

/// Suffixes that stub resolvers append to names before they ask for the name itself (resolv.conf(5), `search` and `ndots`): most questions below
/// them are about names that cannot be.
public struct SearchSuffixes: Sendable {
    public var suffixes: [DomainName]
    /// A public name with such a suffix behind it is answered NXDOMAIN without asking.
    public var answersLocally: Bool
    /// The word that there is nothing below a suffix is kept at least so long, and handed out so by local answers.
    public var negativeSecondsMin: UInt32

    public init(_ suffixes: [DomainName] = [], answersLocally: Bool = false, negativeSecondsMin: UInt32 = 30) {
        self.suffixes = suffixes
        self.answersLocally = answersLocally
        self.negativeSecondsMin = negativeSecondsMin
    }

    /// The longest suffix that a name is below.
    func suffix(of name: DomainName) -> DomainName? {
        suffixes.filter { name.rootFirst.count > $0.rootFirst.count && name.isSubdomain(of: $0) }
            .max { $0.rootFirst.count < $1.rootFirst.count }
    }

    /// The suffix behind a name that is a public one without it; nil if the name may be meant.
    ///
    /// `www.example.org.default.svc.cluster.local`, but not `api.dev.svc.cluster.local`, which may be a service in a namespace that is called like a
    /// top-level domain: below `svc` there are, before the namespace, a service, a pod's name and a service, or a port's and a protocol's name,
    /// which begin with `_`, and a service (https://github.com/kubernetes/dns/blob/master/docs/specification.md). More than two other labels cannot be.
    func suffixOfPublicName(_ name: DomainName) -> DomainName? {
        guard answersLocally, let suffix = suffix(of: name) else { return nil }
        let ofSuffix = suffix.labels
        var labels = Array(name.labels.dropFirst(ofSuffix.count))
        var labelsMin = 2
        if ofSuffix.contains(where: { $0.elementsEqual("svc".utf8) }) {
            labelsMin = 3
            if ofSuffix.last?.elementsEqual("svc".utf8) == true, !labels.isEmpty { labels.removeFirst() }
        } else if labels.first?.elementsEqual("svc".utf8) == true {
            // The same suffix, asked for by its shorter form.
            labelsMin = 3
            labels.removeFirst(min(2, labels.count))
        }
        guard labels.count >= labelsMin, let top = labels.first, !labels.contains(where: { $0.first == UInt8(ascii: "_") }),
            let topName = try? DomainName(rootFirst: [UInt8(top.count)] + top), PublicSuffix(topName)?.section == .registry
        else { return nil }
        return suffix
    }
}
