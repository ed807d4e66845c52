/// Elements without references, in memory that lives as long as this object; never changed once somebody else reads it.
@safe
final class FlatMemory<Element: BitwiseCopyable>: @unchecked Sendable {
    let base: UnsafeMutablePointer<Element>
    let count: Int

    init(_ elements: [Element]) {
        count = elements.count
        unsafe base = .allocate(capacity: max(1, elements.count))
        for place in elements.indices { unsafe (base + place).initialize(to: elements[place]) }
    }

    deinit { unsafe base.deallocate() }
}
