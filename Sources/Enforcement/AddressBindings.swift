import NetworkTypes
import PolicyEngine
import Synchronization

/// The AddressTable at one moment, as policy asks it. Counts no references: the table must outlive it, as that of a verdict thread does.
@safe
struct AddressBindings: BindingLookup, BitwiseCopyable {
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let mask: Int
    private let seed: (UInt64, UInt64)
    private let now: Instant
    private let liveness: AddressTable.Liveness

    init(table: AddressTable, now: Instant, liveness: AddressTable.Liveness) {
        unsafe words = table.words
        mask = table.mask
        seed = table.seed
        self.now = now
        self.liveness = liveness
    }

    func numbers(_ endpoint: EndpointID, boundTo address: IPAddress) -> AddressNumbers {
        unsafe AddressNumbers(words: words, mask: mask, seed: seed, endpoint, address, now: now, liveness: liveness)
    }
}
