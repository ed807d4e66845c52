/// What a program is made of: equal keys are one program, shared by all endpoints that it fits.
struct ProgramKey: Hashable {
    /// Tiers and blocks by their numbers, then profiles, then properties of the endpoint.
    let parts: ContiguousArray<UInt64>
    private let value: UInt64

    init(_ parts: ContiguousArray<UInt64>) {
        self.parts = parts
        var hash = StableHash()
        for part in parts { hash.combine(part) }
        value = hash.value
    }

    static func == (left: ProgramKey, right: ProgramKey) -> Bool { left.value == right.value && left.parts == right.parts }

    func hash(into hasher: inout Hasher) { hasher.combine(value) }
}
