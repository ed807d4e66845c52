import CPSL

extension DomainName {
    /// The name right below a public suffix that this one is or lies below, as somebody has registered it: `example.co.uk` of `www.example.co.uk`.
    /// Nil of a public suffix itself and of the root.
    ///
    /// Private owners count (`github.io` is a suffix); of a top-level domain that is not on the list, `internal` for one, the suffix is that alone;
    /// and so it is of one that no host name could have.
    public var registrableName: DomainName? {
        let list = unsafe psl_builtin()
        // No suffix on the list has more labels than this, and what no host name holds stands in none: the rest has no part in it.
        let top = labels.prefix(8).prefix { $0.allSatisfy(LabelGlob.isHostCharacter) }
        let text = top.reversed().map { String(decoding: $0, as: UTF8.self) }.joined(separator: ".")
        // `psl_unregistrable_domain`, a part of the text: https://rockdaboot.github.io/libpsl/libpsl-Public-Suffix-List-functions.html
        let count: Int = unsafe text.withCString { pointer in
            guard !top.isEmpty, let list = unsafe list else { return 1 }
            guard let suffix = unsafe psl_unregistrable_domain(list, pointer) else { return 0 }
            return unsafe String(cString: suffix).utf8.count { $0 == UInt8(ascii: ".") } + 1
        }
        let all = labels
        guard count > 0, count < all.count else { return nil }
        return DomainName(unchecked: all.prefix(count + 1).reduce(into: []) { $0 += [UInt8($1.count)] + $1 })
    }
}
