/// Names of pods without what Kubernetes has made up of them.
public enum WorkloadName {
    /// The five characters that `generateName` appends, out of those that Kubernetes takes (no vowels, no 0, 1 and 3).
    private static let generated = Set("bcdfghjklmnpqrstvwxz2456789".utf8)

    /// `name-*` of a name that ends in a dash and five characters such as Kubernetes makes up; any other as it is.
    public static func aggregated(_ name: String) -> String {
        let end = Array(name.utf8.suffix(6))
        let isGenerated = end.count == 6 && name.utf8.count > 6 && end[0] == UInt8(ascii: "-") && end[1...].allSatisfy(generated.contains)
        guard isGenerated else { return name }
        return String(name.dropLast(5)) + "*"
    }
}
