import NetworkTypes
import PolicyEngine
import Synchronization

/// What the verdict threads look up: under which pattern numbers an endpoint holds an address, and until when.
///
/// One writer (the NameTable's owner), any number of readers, no locks. The key is (endpoint, address); open addressing with linear
/// probing inside a window of `probeWindow` slots. A slot is two cache lines of sixteen words, guarded by a sequence that is odd while
/// the writer changes it. It holds five numbers; what does not fit goes on in a slot of its own, found by (endpoint, address, part):
///
///      0         8                  16      24      32               40                48 ... 128
///     [sequence][endpoint | part  ][upper ][lower ][family | goes on][first admission][5 x [record | number][expiry]]
///
/// The highest bit of an expiry says that its binding is only remembered: it counts for nobody, but was live until then.
/// The first number of the first part is 0, "any name". A number never moves to another place, so that a reader that goes from part to
/// part misses none. The writer publishes with a releasing store of the sequence, readers acquire it: after `publish` has returned,
/// every reader that begins a lookup sees the binding (invariant 1). The hash is keyed, so that a client that chooses its addresses
/// cannot choose their places.
@safe
public final class AddressTable: @unchecked Sendable {
    /// How a lookup may be satisfied.
    @frozen
    public enum Liveness: Sendable, BitwiseCopyable {
        /// Only by a binding that has not expired: new flows.
        case live
        /// Also by an expired binding under which a flow was admitted while it lived (*draining*): flows that were admitted once.
        case liveOrDraining
    }

    static let slotWords = 16
    static let numbersPerSlot = 5
    static let firstNumberWord = 6
    static let probeWindow = 96
    /// Of one address of one client: 1,279 patterns and "any name".
    static let partsMax = 256
    static let goesOn: UInt64 = 1 << 8
    /// In the word of an expiry.
    static let isRemembered: UInt64 = 1 << 63

    static let neverUsed: UInt64 = 0
    private static let removed: UInt64 = .max

    private let memory: SharedMemory
    let words: UnsafeMutablePointer<Atomic<UInt64>>
    let mask: Int
    let seed: (UInt64, UInt64)
    private var usedSlots = 0

    /// Bytes for a table of at least `slots` slots, which are rounded up to a power of two. Take twice the bindings that it is to hold.
    public static func byteCount(slots: Int) -> Int {
        var count = 1024
        while count < slots { count *= 2 }
        return count * slotWords * 8
    }

    /// A table in zeroed memory of `byteCount(slots:)` bytes. Pages that no binding falls into need not exist.
    public init(_ memory: SharedMemory, seed: (UInt64, UInt64)) {
        let count = memory.byteCount / (Self.slotWords * 8)
        precondition(count.nonzeroBitCount == 1, "the bytes of a table are a power of two")
        self.memory = memory
        // Sound: the memory is zeroed, large enough and aligned, and Atomic<UInt64> has the layout of UInt64.
        unsafe words = memory.base.assumingMemoryBound(to: Atomic<UInt64>.self)
        mask = count - 1
        self.seed = seed
    }

    /// A table in plain memory.
    public convenience init(slots: Int, seed: (UInt64, UInt64)) {
        self.init(SharedMemory(byteCount: Self.byteCount(slots: slots)), seed: seed)
    }

    // MARK: Reading, from any thread

    /// The numbers under which the endpoint holds the address at `now`, "any name" among them. Allocates nothing; at most
    /// `probeWindow` slots for each part. The table must outlive what is returned.
    public func numbers(_ endpoint: EndpointID, boundTo address: IPAddress, now: Instant, liveness: Liveness) -> AddressNumbers {
        unsafe AddressNumbers(words: words, mask: mask, seed: seed, endpoint, address, now: now, liveness: liveness)
    }

    /// Whether the endpoint holds the address under the number at `now`.
    public func isBound(_ endpoint: EndpointID, to address: IPAddress, number: PatternNumber, now: Instant, liveness: Liveness) -> Bool {
        var numbers = numbers(endpoint, boundTo: address, now: now, liveness: liveness)
        while let next = numbers.next() {
            if next == number { return true }
        }
        return false
    }

    /// Whether there is anything of the address at all, ended or not.
    func hasSlot(_ endpoint: EndpointID, _ address: IPAddress) -> Bool { find(endpoint, address, part: 0) != nil }

    /// The record of the store under which the binding was published last; nil if there is none.
    public func record(_ endpoint: EndpointID, _ address: IPAddress, _ number: PatternNumber) -> Int? {
        place(endpoint, address, number).map { Int(unsafe words[$0].load(ordering: .relaxed) >> 32) - 1 }
    }

    /// Where one number of an address stands, for two questions after one search. Good until the writer withdraws it: ask at once.
    struct Place: BitwiseCopyable {
        fileprivate let firstSlot: Int
        fileprivate let word: Int
    }

    func find(_ endpoint: EndpointID, _ address: IPAddress, _ number: PatternNumber) -> Place? {
        guard let firstSlot = find(endpoint, address, part: 0) else { return nil }
        // Nearly always it stands in the first part.
        for index in 0..<Self.numbersPerSlot {
            let word = firstSlot * Self.slotWords + Self.firstNumberWord + index * 2
            let entry = unsafe words[word].load(ordering: .relaxed)
            if entry != 0, UInt32(truncatingIfNeeded: entry) == number { return Place(firstSlot: firstSlot, word: word) }
        }
        return place(endpoint, address, number).map { Place(firstSlot: firstSlot, word: $0) }
    }

    /// As `record(_:_:_:)`.
    func record(at place: Place) -> Int { Int(unsafe words[place.word].load(ordering: .relaxed) >> 32) - 1 }

    /// As `noteAdmission(_:_:now:)`.
    func noteAdmission(at place: Place, now: Instant) { noteAdmission(slot: place.firstSlot, now: now) }

    /// Notes that a flow was admitted by a name of this endpoint and address: what is bound from now on will drain instead of
    /// vanishing. The first admission counts, so that the order of later ones is of no matter.
    public func noteAdmission(_ endpoint: EndpointID, _ address: IPAddress, now: Instant) {
        if let slot = find(endpoint, address, part: 0) { noteAdmission(slot: slot, now: now) }
    }

    private func noteAdmission(slot: Int, now: Instant) {
        let word = slot * Self.slotWords + 5
        guard unsafe words[word].load(ordering: .relaxed) == 0 else { return }
        _ = unsafe words[word].compareExchange(expected: 0, desired: max(now.nanoseconds, 1), ordering: .relaxed)
    }

    /// Whether a binding of this expiry is kept for flows that were admitted while it lived.
    func isDraining(_ endpoint: EndpointID, _ address: IPAddress, expiry: UInt64) -> Bool {
        guard let slot = find(endpoint, address, part: 0) else { return false }
        let first = unsafe words[slot * Self.slotWords + 5].load(ordering: .relaxed)
        return first != 0 && first <= expiry
    }

    // MARK: Writing, by the one owner

    /// Makes a binding visible, or lengthens it; an earlier expiry never shortens a later one, and what is only remembered never covers a binding.
    /// "Any name" comes first for an address. False if the window is full or the address has `partsMax` parts.
    func publish(
        _ endpoint: EndpointID, _ address: IPAddress, _ number: PatternNumber, expiry: Instant, record: Int, isRemembered: Bool = false
    ) -> Bool {
        let flag = isRemembered ? Self.isRemembered : 0
        var free: Int?
        var part = 0
        while let slot = find(endpoint, address, part: part) {
            if let word = word(of: number, inSlot: slot, free: &free) {
                renew(word, number, expiry: expiry, record: record, isRemembered: isRemembered)
                return true
            }
            part += 1
            guard unsafe words[slot * Self.slotWords + 4].load(ordering: .relaxed) & Self.goesOn != 0 else { break }
        }
        if free == nil {
            guard part < Self.partsMax, let slot = takeSlot(endpoint, address, part: part) else { return false }
            free = slot * Self.slotWords + Self.firstNumberWord
            if part > 0, let before = find(endpoint, address, part: part - 1) {
                change(before) {
                    let word = before * Self.slotWords + 4
                    unsafe words[word].store(words[word].load(ordering: .relaxed) | Self.goesOn, ordering: .relaxed)
                }
            }
        }
        if let free { write(free, number, expiry: expiry.nanoseconds | flag, record: record) }
        return true
    }

    /// As `publish` under "any name" and then under each of `numbers`, with one search for the address. False if any of them finds no room.
    func publish(
        _ endpoint: EndpointID, _ address: IPAddress, under numbers: [PatternNumber], expiry: Instant, record: Int, isRemembered: Bool
    ) -> Bool {
        guard let slot = find(endpoint, address, part: 0) ?? takeSlot(endpoint, address, part: 0) else { return false }
        var isComplete = true
        for position in -1..<numbers.count {
            let number = position < 0 ? anyName : numbers[position]
            let isThere =
                publish(number, inFirstPart: slot, expiry: expiry, record: record, isRemembered: isRemembered)
                || publish(endpoint, address, number, expiry: expiry, record: record, isRemembered: isRemembered)
            isComplete = isThere && isComplete
        }
        return isComplete
    }

    /// False if it may have to go elsewhere.
    private func publish(_ number: PatternNumber, inFirstPart slot: Int, expiry: Instant, record: Int, isRemembered: Bool) -> Bool {
        var free: Int?
        if let word = word(of: number, inSlot: slot, free: &free) {
            renew(word, number, expiry: expiry, record: record, isRemembered: isRemembered)
            return true
        }
        guard let free, unsafe words[slot * Self.slotWords + 4].load(ordering: .relaxed) & Self.goesOn == 0 else { return false }
        write(free, number, expiry: expiry.nanoseconds | (isRemembered ? Self.isRemembered : 0), record: record)
        return true
    }

    /// Where a number stands in a slot, or nil; `free` is the first place without one, of this slot if none was known.
    private func word(of number: PatternNumber, inSlot slot: Int, free: inout Int?) -> Int? {
        for index in 0..<Self.numbersPerSlot {
            let word = slot * Self.slotWords + Self.firstNumberWord + index * 2
            let entry = unsafe words[word].load(ordering: .relaxed)
            if entry == 0 {
                if free == nil { free = word }
            } else if UInt32(truncatingIfNeeded: entry) == number {
                return word
            }
        }
        return nil
    }

    /// What stands at a word, lengthened; a binding is not covered by what is only remembered.
    private func renew(_ word: Int, _ number: PatternNumber, expiry: Instant, record: Int, isRemembered: Bool) {
        let flag = isRemembered ? Self.isRemembered : 0
        let old = unsafe words[word + 1].load(ordering: .relaxed)
        if old & Self.isRemembered == flag {
            write(word, number, expiry: max(old, expiry.nanoseconds | flag), record: record)
        } else if !isRemembered {
            write(word, number, expiry: expiry.nanoseconds, record: record)
        }
    }

    /// Publishes one number of an address that has no other, or changes when it ends, in either direction. False if the window is full.
    func set(_ endpoint: EndpointID, _ address: IPAddress, _ number: PatternNumber, expiry: Instant, record: Int) -> Bool {
        guard let slot = find(endpoint, address, part: 0) ?? takeSlot(endpoint, address, part: 0) else { return false }
        write(slot * Self.slotWords + Self.firstNumberWord, number, expiry: expiry.nanoseconds, record: record)
        return true
    }

    /// Changes when a number that is published ends, in either direction, and whether it is only remembered.
    func replace(
        _ endpoint: EndpointID, _ address: IPAddress, _ number: PatternNumber, expiry: Instant, record: Int, isRemembered: Bool = false
    ) {
        let flag = isRemembered ? Self.isRemembered : 0
        if let word = place(endpoint, address, number) { write(word, number, expiry: expiry.nanoseconds | flag, record: record) }
    }

    /// Forgets that flows were admitted by the address: nobody holds it any more.
    func forgetAdmission(_ endpoint: EndpointID, _ address: IPAddress) {
        guard let slot = find(endpoint, address, part: 0) else { return }
        unsafe words[slot * Self.slotWords + 5].store(0, ordering: .relaxed)
    }

    /// Takes one number back; "any name" takes the whole address with it.
    func withdraw(_ endpoint: EndpointID, _ address: IPAddress, _ number: PatternNumber) {
        if number == anyName {
            var part = 0
            while let slot = find(endpoint, address, part: part) {
                let isLast = unsafe words[slot * Self.slotWords + 4].load(ordering: .relaxed) & Self.goesOn == 0
                remove(slot)
                part += 1
                if isLast { break }
            }
        } else if let word = place(endpoint, address, number) {
            clear(word)
        }
    }

    /// Takes back the numbers of an address that `isStale` affirms; never "any name".
    func withdraw(_ endpoint: EndpointID, _ address: IPAddress, where isStale: (PatternNumber) -> Bool) {
        var part = 0
        while let slot = find(endpoint, address, part: part) {
            for index in 0..<Self.numbersPerSlot {
                let word = slot * Self.slotWords + Self.firstNumberWord + index * 2
                let entry = unsafe words[word].load(ordering: .relaxed)
                let number = UInt32(truncatingIfNeeded: entry)
                if entry != 0, number != anyName, isStale(number) { clear(word) }
            }
            part += 1
            guard unsafe words[slot * Self.slotWords + 4].load(ordering: .relaxed) & Self.goesOn != 0 else { break }
        }
    }

    /// What is published of a number: the record that was last, and the latest expiry.
    func published(_ endpoint: EndpointID, _ address: IPAddress, _ number: PatternNumber) -> (record: Int32, expiry: Instant)? {
        place(endpoint, address, number).map {
            (
                Int32(truncatingIfNeeded: unsafe words[$0].load(ordering: .relaxed) >> 32) - 1,
                Instant(nanoseconds: unsafe words[$0 + 1].load(ordering: .relaxed) & ~Self.isRemembered)
            )
        }
    }

    func expiry(_ endpoint: EndpointID, _ address: IPAddress, _ number: PatternNumber) -> Instant? {
        place(endpoint, address, number).map { Instant(nanoseconds: unsafe words[$0 + 1].load(ordering: .relaxed) & ~Self.isRemembered) }
    }

    /// Slots in use.
    public var count: Int { usedSlots }

    /// Before that what finds no room does not want for slots.
    var isHalfFull: Bool { 2 * usedSlots > mask }

    /// The word where a number of an address stands.
    private func place(_ endpoint: EndpointID, _ address: IPAddress, _ number: PatternNumber) -> Int? {
        var part = 0
        while let slot = find(endpoint, address, part: part) {
            for index in 0..<Self.numbersPerSlot {
                let word = slot * Self.slotWords + Self.firstNumberWord + index * 2
                let entry = unsafe words[word].load(ordering: .relaxed)
                if entry != 0, UInt32(truncatingIfNeeded: entry) == number { return word }
            }
            part += 1
            guard unsafe words[slot * Self.slotWords + 4].load(ordering: .relaxed) & Self.goesOn != 0 else { return nil }
        }
        return nil
    }

    private func find(_ endpoint: EndpointID, _ address: IPAddress, part: Int) -> Int? {
        let key = Self.key(endpoint, part: part)
        var slot = Self.hash(key, address, seed) & mask
        for _ in 0..<Self.probeWindow {
            let word = slot * Self.slotWords
            let slotKey = unsafe words[word + 1].load(ordering: .relaxed)
            if slotKey == Self.neverUsed { return nil }
            if slotKey == key, unsafe words[word + 2].load(ordering: .relaxed) == address.upper,
                unsafe words[word + 3].load(ordering: .relaxed) == address.lower,
                unsafe UInt8(truncatingIfNeeded: words[word + 4].load(ordering: .relaxed)) == address.family.rawValue
            {
                return slot
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// A fresh slot for a key that has none yet.
    private func takeSlot(_ endpoint: EndpointID, _ address: IPAddress, part: Int) -> Int? {
        let key = Self.key(endpoint, part: part)
        var slot = Self.hash(key, address, seed) & mask
        for _ in 0..<Self.probeWindow {
            let word = slot * Self.slotWords
            let slotKey = unsafe words[word + 1].load(ordering: .relaxed)
            if slotKey == Self.neverUsed || slotKey == Self.removed {
                change(slot) {
                    unsafe words[word + 1].store(key, ordering: .relaxed)
                    unsafe words[word + 2].store(address.upper, ordering: .relaxed)
                    unsafe words[word + 3].store(address.lower, ordering: .relaxed)
                    unsafe words[word + 4].store(UInt64(address.family.rawValue), ordering: .relaxed)
                    for offset in 5..<Self.slotWords { unsafe words[word + offset].store(0, ordering: .relaxed) }
                }
                usedSlots += 1
                return slot
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    private func remove(_ slot: Int) {
        let next = unsafe words[((slot + 1) & mask) * Self.slotWords + 1].load(ordering: .relaxed)
        setKey(slot, next == Self.neverUsed ? Self.neverUsed : Self.removed)
        usedSlots -= 1
        guard next == Self.neverUsed else { return }
        // A run of removed slots before a never used one ends no probe early: give it back.
        var earlier = (slot - 1) & mask
        while unsafe words[earlier * Self.slotWords + 1].load(ordering: .relaxed) == Self.removed {
            setKey(earlier, Self.neverUsed)
            earlier = (earlier - 1) & mask
        }
    }

    private func write(_ word: Int, _ number: PatternNumber, expiry: UInt64, record: Int) {
        change(word / Self.slotWords) {
            unsafe words[word].store(UInt64(UInt32(record) + 1) << 32 | UInt64(number), ordering: .relaxed)
            unsafe words[word + 1].store(expiry, ordering: .relaxed)
        }
    }

    private func clear(_ word: Int) {
        change(word / Self.slotWords) { unsafe words[word].store(0, ordering: .relaxed) }
    }

    private func setKey(_ slot: Int, _ key: UInt64) {
        change(slot) { unsafe words[slot * Self.slotWords + 1].store(key, ordering: .relaxed) }
    }

    /// Makes the sequence odd before any other word of the slot changes, and even after.
    private func change(_ slot: Int, _ body: () -> Void) {
        let word = slot * Self.slotWords
        let sequence = unsafe words[word].load(ordering: .relaxed)
        unsafe words[word].store(sequence + 1, ordering: .relaxed)
        atomicMemoryFence(ordering: .releasing)
        body()
        unsafe words[word].store(sequence + 2, ordering: .releasing)
    }

    /// Endpoint numbers are below 2^31 (see EndpointRegistry), so that no key is `removed`, and one above zero in the key,
    /// so that none is `neverUsed`.
    static func key(_ endpoint: EndpointID, part: Int) -> UInt64 {
        UInt64(endpoint.rawValue &+ 1) << 32 | UInt64(UInt32(truncatingIfNeeded: part))
    }

    /// SipHash-1-3 (Aumasson and Bernstein) of three words. Their number never varies, so that no block tells it.
    package static func hash(_ key: UInt64, _ address: IPAddress, _ seed: (UInt64, UInt64)) -> Int {
        var (v0, v1) = (seed.0 ^ 0x736f_6d65_7073_6575, seed.1 ^ 0x646f_7261_6e64_6f6d)
        var (v2, v3) = (seed.0 ^ 0x6c79_6765_6e65_7261, seed.1 ^ 0x7465_6462_7974_6573)
        @inline(__always)
        func mix() {
            v0 &+= v1
            v2 &+= v3
            v1 = (v1 &<< 13 | v1 &>> 51) ^ v0
            v3 = (v3 &<< 16 | v3 &>> 48) ^ v2
            v0 = v0 &<< 32 | v0 &>> 32
            v2 &+= v1
            v0 &+= v3
            v1 = (v1 &<< 17 | v1 &>> 47) ^ v2
            v3 = (v3 &<< 21 | v3 &>> 43) ^ v0
            v2 = v2 &<< 32 | v2 &>> 32
        }
        v3 ^= address.upper
        mix()
        v0 ^= address.upper
        v3 ^= address.lower
        mix()
        v0 ^= address.lower
        v3 ^= key
        mix()
        v0 ^= key
        v2 ^= 0xff
        mix()
        mix()
        mix()
        return Int(truncatingIfNeeded: v0 ^ v1 ^ v2 ^ v3)
    }
}
