import DomainNames
import NetworkTypes
import PolicyEngine

/// Which names a client holds which address under, for whoever has read a name in a hello: patterns alone would make a sibling that the client
/// never resolved as good as the name that it did.
///
/// An AddressTable whose addresses are keyed hashes of (address, name), 128 bits long: one slot for each binding, found in one probe however many
/// names an address has. One writer (the NameTable's owner), any number of readers, no locks. What an entry says of its record the BindingStore
/// confirms, so that nothing rests on the hash.
public final class NameIndex: Sendable {
    private let table: AddressTable
    private let seed: (UInt64, UInt64)

    /// Bytes for the index of a store of this capacity.
    public static func byteCount(capacity: Int) -> Int { AddressTable.byteCount(slots: capacity * 2) }

    /// An index in zeroed memory of `byteCount(capacity:)` bytes.
    public init(_ memory: SharedMemory, seed: (UInt64, UInt64)) {
        self.seed = seed
        table = AddressTable(memory, seed: seed)
    }

    /// The record of the client's binding of this name and address, and when it ends; nil if there is none.
    public func binding(_ client: EndpointID, _ address: IPAddress, _ name: DomainName) -> (record: Int, expiry: Instant)? {
        binding(client, at: place(address, name))
    }

    func binding(_ client: EndpointID, at place: IPAddress) -> (record: Int, expiry: Instant)? {
        guard let record = table.record(client, place, anyName), let expiry = table.expiry(client, place, anyName) else { return nil }
        return (record, expiry)
    }

    /// Until `expiry`, be that earlier or later than before. False if there is no room: then the name cannot be confirmed.
    func publish(_ client: EndpointID, _ address: IPAddress, _ key: Key, expiry: Instant, record: Int) -> Bool {
        table.set(client, key.place(of: address), anyName, expiry: expiry, record: record)
    }

    /// As `AddressTable.firstKey`.
    func firstKey(_ client: EndpointID, _ address: IPAddress, _ key: Key) -> UInt64 { table.firstKey(client, key.place(of: address)) }

    func withdraw(_ client: EndpointID, _ address: IPAddress, _ key: Key) { table.withdraw(client, key.place(of: address), anyName) }

    /// Where a name of an address stands: the same as long as the seed is.
    func place(_ address: IPAddress, _ name: DomainName) -> IPAddress { key(of: name).place(of: address) }

    func key(of name: DomainName) -> Key {
        var key = Key(seed)
        for byte in name.rootFirst { key.combine(UInt64(byte) + 1) }
        return key
    }

    /// The hash of a name, for all of its addresses.
    struct Key: BitwiseCopyable {
        private var one: UInt64
        private var two: UInt64

        fileprivate init(_ seed: (UInt64, UInt64)) { (one, two) = seed }

        fileprivate mutating func combine(_ word: UInt64) {
            one = (one ^ word) &* 0x9e37_79b9_7f4a_7c15
            one ^= one >> 32
            two = (two &+ word) &* 0xbf58_476d_1ce4_e5b9
            two ^= two >> 29
        }

        func place(of address: IPAddress) -> IPAddress {
            var key = self
            key.combine(UInt64(address.family.rawValue))
            key.combine(address.upper)
            key.combine(address.lower)
            return IPAddress(v6Upper: key.one, lower: key.two)
        }
    }
}
