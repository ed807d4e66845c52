import NetworkTypes

/// A rule where it lies, among those of a program.
@safe
@frozen
@usableFromInline
struct RulePointer: BitwiseCopyable {
    @usableFromInline let pointer: UnsafePointer<CompiledRule>

    @inlinable
    init(_ pointer: UnsafePointer<CompiledRule>) { unsafe self.pointer = pointer }

    @inlinable var rule: CompiledRule { unsafe pointer.pointee }
    @inlinable var action: CompiledRule.Action { unsafe pointer.pointee.action }
    @inlinable var conditions: CompiledRule.Conditions { unsafe pointer.pointee.conditions }

    // Sound: a block writes each list where the slice says, and the memory before the rule is handed out.

    @inlinable
    func element<Element: BitwiseCopyable>(_ slice: CompiledRule.Slice, _ place: Int, as type: Element.Type) -> Element {
        assert(place < Int(slice.count))
        return unsafe pointer.pointee.memory.unsafelyUnwrapped.load(
            fromByteOffset: Int(slice.offset) &+ place &* MemoryLayout<Element>.stride, as: Element.self)
    }

    @inlinable
    func contains(_ slice: CompiledRule.Slice, _ port: UInt16) -> Bool {
        var place = 0
        while place < Int(slice.count) {
            if element(slice, place, as: PortRange.self).contains(port) { return true }
            place &+= 1
        }
        return false
    }

    /// By halves among sorted, disjoint ranges.
    @inlinable
    func contains(_ slice: CompiledRule.Slice, _ address: IPAddress) -> Bool {
        var low = 0
        var high = Int(slice.count)
        while low < high {
            let middle = (low &+ high) >> 1
            let range = element(slice, middle, as: AddressRange.self)
            if AddressRange.precedes(address, range.first) {
                high = middle
            } else if AddressRange.precedes(range.last, address) {
                low = middle &+ 1
            } else {
                return true
            }
        }
        return false
    }

    /// Whether the pattern is one of the rule's names.
    @inlinable
    func names(_ pattern: PatternNumber) -> Bool {
        let slice = unsafe pointer.pointee.patterns
        var low = 0
        var high = Int(slice.count)
        while low < high {
            let middle = (low &+ high) >> 1
            let number = element(slice, middle, as: PatternNumber.self)
            if number == pattern { return true }
            if number < pattern { low = middle &+ 1 } else { high = middle }
        }
        return false
    }
}
