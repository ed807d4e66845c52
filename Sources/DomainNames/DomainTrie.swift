/// A frozen `DomainPatternTable` for those who ask for list numbers only: name in, numbers of the lists that name it out.
public struct DomainTrie: Sendable {
    /// The same patterns, by id.
    public let table: DomainPatternTable

    public init(_ table: DomainPatternTable) { self.table = table }

    /// Appends the number of every list with a pattern that matches, each once. Allocates nothing but growth of the array.
    ///
    /// Numbers that several matching patterns share are taken out at the end, so the array may need room for repeats.
    public func appendNumbers(matching name: DomainName, to result: inout [UInt32]) { table.appendNumbers(matching: name, to: &result) }
}
