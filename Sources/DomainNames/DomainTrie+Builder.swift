extension DomainTrie {
    /// Takes patterns in any order and freezes them.
    public struct Builder: ~Copyable {
        private var table = DomainPatternTable()

        public init() {}

        /// Adds a pattern of the list `number`. Adding it again changes nothing.
        public mutating func insert(_ pattern: DomainPattern, number: UInt32) { table.insert(pattern, number: number) }

        public consuming func freeze() -> DomainTrie { DomainTrie(table) }
    }
}
