import Foundation

/// Numbers that a seed repeats (SplitMix64).
struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    /// `EXEAT_SEED`, else one that nobody knows before.
    static func seed() -> UInt64 {
        ProcessInfo.processInfo.environment["EXEAT_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 0..<1 << 32)
    }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ value >> 30) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ value >> 27) &* 0x94d0_49bb_1331_11eb
        return value ^ value >> 31
    }
}
