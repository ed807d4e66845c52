import NetworkTypes

extension AddressTable {
    /// Where a lookup of the address will begin: the first place of its probe, two cache lines. To be prefetched, not read.
    func firstPlace(_ endpoint: EndpointID, _ address: IPAddress) -> UnsafeRawPointer {
        let slot = Self.hash(Self.key(endpoint, part: 0), address, seed) & mask
        // Sound: the slot is masked.
        return unsafe UnsafeRawPointer(words + slot * Self.slotWords)
    }
}
