import NetworkTypes

extension AddressTable {
    /// Where a lookup of the address will begin: the first place of its probe, two cache lines. To be prefetched, not read.
    func firstPlace(_ endpoint: EndpointID, _ address: IPAddress) -> UnsafeRawPointer {
        let slot = Self.hash(Self.key(endpoint, part: 0), address, seed) & mask
        // Sound: the slot is masked.
        return unsafe UnsafeRawPointer(words + slot * Self.slotWords)
    }

    /// Reads the place where a lookup of the address will begin, both of its cache lines. To have them fetched; it may be another's.
    func firstKey(_ endpoint: EndpointID, _ address: IPAddress) -> UInt64 {
        let word = (Self.hash(Self.key(endpoint, part: 0), address, seed) & mask) * Self.slotWords
        return unsafe words[word + 1].load(ordering: .relaxed) ^ words[word + Self.slotWords - 1].load(ordering: .relaxed)
    }
}
