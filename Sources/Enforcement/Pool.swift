/// Elements by numbers that stay theirs until they are removed, and are given again then, the last one first.
struct Pool<Element> {
    private(set) var elements: [Element] = []
    private var free: [Int32] = []

    /// How many numbers were ever given; some may be free.
    var slotCount: Int { elements.count }

    subscript(_ number: Int32) -> Element {
        @inline(__always) get { elements[Int(number)] }
        @inline(__always) _modify { yield &elements[Int(number)] }
    }

    mutating func insert(_ element: Element) -> Int32 {
        guard let number = free.popLast() else {
            elements.append(element)
            return Int32(elements.count - 1)
        }
        elements[Int(number)] = element
        return number
    }

    /// The element stays there until its number is given again.
    mutating func remove(_ number: Int32) { free.append(number) }
}
