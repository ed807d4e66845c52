import NetworkTypes
import PolicyEngine
import Synchronization

/// The pattern numbers under which an endpoint holds an address, one after the other, straight out of the AddressTable. Allocates
/// nothing and counts no references: the table must outlive it, as that of a verdict thread does.
@safe
public struct AddressNumbers: BoundNumbers, BitwiseCopyable {
    private let words: UnsafeMutablePointer<Atomic<UInt64>>
    private let mask: Int
    private let seed: (UInt64, UInt64)
    private let endpoint: EndpointID
    private let address: IPAddress
    private let now: UInt64
    private let drains: Bool
    private var part = 0
    private var firstAdmission: UInt64 = 0
    private var goesOn = true
    private var count = 0
    private var position = 0
    private var numbers = InlineArray<5, PatternNumber>(repeating: 0)

    init(
        words: UnsafeMutablePointer<Atomic<UInt64>>, mask: Int, seed: (UInt64, UInt64), _ endpoint: EndpointID, _ address: IPAddress,
        now: Instant, liveness: AddressTable.Liveness
    ) {
        unsafe self.words = words
        self.mask = mask
        self.seed = seed
        self.endpoint = endpoint
        self.address = address
        self.now = now.nanoseconds
        drains = liveness == .liveOrDraining
    }

    public mutating func next() -> PatternNumber? {
        while position == count {
            guard goesOn else { return nil }
            load()
        }
        position += 1
        return numbers[position - 1]
    }

    /// Reads the next part; each slot is read again if the writer was at it.
    private mutating func load() {
        position = 0
        count = 0
        goesOn = false
        let key = AddressTable.key(endpoint, part: part)
        var slot = AddressTable.hash(key, address, seed) & mask
        for _ in 0..<AddressTable.probeWindow {
            let word = slot * AddressTable.slotWords
            while true {
                // What an attempt collected that the writer was at belongs perhaps to another endpoint.
                count = 0
                let before = unsafe words[word].load(ordering: .acquiring)
                let slotKey = unsafe words[word + 1].load(ordering: .relaxed)
                let meta = unsafe words[word + 4].load(ordering: .relaxed)
                let isMatch =
                    unsafe slotKey == key && words[word + 2].load(ordering: .relaxed) == address.upper
                    && words[word + 3].load(ordering: .relaxed) == address.lower
                    && UInt8(truncatingIfNeeded: meta) == address.family.rawValue
                if isMatch { collect(word) }
                atomicMemoryFence(ordering: .acquiring)
                guard before & 1 == 0, unsafe words[word].load(ordering: .relaxed) == before else { continue }
                if slotKey == AddressTable.neverUsed { return }
                if isMatch {
                    goesOn = meta & AddressTable.goesOn != 0
                    part += 1
                    return
                }
                break
            }
            slot = (slot + 1) & mask
        }
    }

    /// The numbers of one slot that count at this moment.
    private mutating func collect(_ word: Int) {
        if part == 0 { firstAdmission = unsafe words[word + 5].load(ordering: .relaxed) }
        for index in 0..<AddressTable.numbersPerSlot {
            let entry = unsafe words[word + AddressTable.firstNumberWord + index * 2].load(ordering: .relaxed)
            let expiry = unsafe words[word + AddressTable.firstNumberWord + index * 2 + 1].load(ordering: .relaxed)
            guard entry != 0 else { continue }
            let end = expiry & ~AddressTable.isRemembered
            if now <= end || (drains && firstAdmission != 0 && firstAdmission <= end && end == expiry) {
                numbers[count] = PatternNumber(truncatingIfNeeded: entry)
                count += 1
            }
        }
    }
}
