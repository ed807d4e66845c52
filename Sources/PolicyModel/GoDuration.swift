/// A duration as Go and the Kubernetes API write it: `90s`, `1m30s`, `1.5h`, `500ms`, `0`.
/// Source: the documentation of `time.ParseDuration`.
struct GoDuration {
    /// Not negative; a fraction of a nanosecond is dropped.
    let nanoseconds: UInt64

    private static let units: [(name: String, nanoseconds: UInt64)] = [
        ("ns", 1), ("us", 1_000), ("\u{b5}s", 1_000), ("\u{3bc}s", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ]

    /// Nil if the text is no duration, negative, or beyond 292 years.
    init?(parsing text: String) {
        if text == "0" {
            nanoseconds = 0
            return
        }
        var rest = Substring(text)
        var total: Double = 0
        guard !rest.isEmpty else { return nil }
        while !rest.isEmpty {
            let digits = rest.prefix { ("0"..."9").contains($0) || $0 == "." }
            guard let value = Double(digits), digits.contains(where: { $0 != "." }) else { return nil }
            rest = rest.dropFirst(digits.count)
            let unit = rest.prefix { !("0"..."9").contains($0) && $0 != "." }
            guard let factor = Self.units.first(where: { $0.name == unit })?.nanoseconds else { return nil }
            rest = rest.dropFirst(unit.count)
            total += value * Double(factor)
        }
        guard total < Double(Int64.max) else { return nil }
        nanoseconds = UInt64(total)
    }

    /// Rounded up.
    var seconds: UInt64 { nanoseconds / 1_000_000_000 + (nanoseconds % 1_000_000_000 == 0 ? 0 : 1) }
}
