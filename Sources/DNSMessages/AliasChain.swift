/// The way from the question over CNAME and DNAME records to the name that bears the data (RFC 1034 §3.6.2, RFC 6672 §3).
///
/// Records may stand in any order. At most 16 links; every alias in the answer must be on the way; a CNAME record below a
/// DNAME record must be the one that this yields.
struct AliasChain {
    static let linksMax = 16

    private struct Alias {
        let owner: WireName
        let target: WireName
        var isUsed = false
    }

    /// The name that bears the data, in lower case.
    private(set) var end: WireName
    private(set) var length = 0
    private var aliases: [Alias] = []
    private var redirections: [Alias] = []

    /// Follows the chain through the walked records of the answer section.
    init(from question: WireName, through answers: [ScannedRecord], in message: Span<UInt8>) throws(MessageFault) {
        end = question
        for record in answers where record.type == .cname || record.type == .dname {
            let alias = Alias(
                owner: WireName(message, at: Int(record.owner), lowercased: true),
                target: WireName(message, at: Int(record.data), lowercased: true))
            if record.type == .cname { aliases.append(alias) } else { redirections.append(alias) }
            guard aliases.count <= Self.linksMax, redirections.count <= Self.linksMax else { throw .chainTooLong }
        }
        if aliases.isEmpty, redirections.isEmpty { return }
        try refuseRepeatedOwners()
        try follow()
        for alias in aliases where !alias.isUsed { throw .offChainAlias }
        for redirection in redirections where !redirection.isUsed { throw .offChainAlias }
    }

    private func refuseRepeatedOwners() throws(MessageFault) {
        for (index, alias) in aliases.enumerated() {
            for other in aliases[..<index] where other.owner.hasSameBytes(as: alias.owner) { throw .multipleCNAME }
        }
    }

    private mutating func follow() throws(MessageFault) {
        while true {
            let next = aliases.firstIndex { $0.owner.hasSameBytes(as: end) }
            for index in redirections.indices {
                guard let prefix = end.prefixLength(below: redirections[index].owner) else { continue }
                redirections[index].isUsed = true
                guard let next, prefix > 0 else { continue }
                guard let substituted = end.replacingSuffix(after: prefix, with: redirections[index].target),
                    substituted.hasSameBytes(as: aliases[next].target)
                else { throw .dnameMismatch }
            }
            guard let next else { return }
            guard !aliases[next].isUsed else { throw .cnameLoop }
            aliases[next].isUsed = true
            end = aliases[next].target
            length += 1
        }
    }

    /// Whether the walked name at `offset` is the owner of a CNAME record on the chain.
    func hasAlias(_ message: Span<UInt8>, at offset: Int, scanner: inout MessageScanner) throws(MessageFault) -> Bool {
        for alias in aliases where try scanner.isName(message, at: offset, equalTo: alias.owner) { return true }
        return false
    }
}
