import PolicyModel

/// Selectors by what they ask for at least, so that labels lead to the few selectors that may match them.
///
/// A selector is entered under labels of which one must be there: `app == "a" && has(b)` under app=a or under b, whichever has fewer
/// selectors so far. One that asks for nothing (`all()`, `app != "a"`) is a candidate for everything.
struct LabelIndex {
    private var byKey: [Selector.LabelKey: [UInt32]] = [:]
    private var unconditional: [UInt32] = []
    private var places: [UInt32: Int] = [:]
    private var keys: [UInt32: [Selector.LabelKey]] = [:]

    mutating func insert(_ number: UInt32, _ selector: Selector) {
        guard let chosen = selector.necessaryKeys(cost: { byKey[$0]?.count ?? 0 }) else {
            places[number] = unconditional.count
            unconditional.append(number)
            return
        }
        let distinct = Array(Set(chosen))
        keys[number] = distinct
        for key in distinct { byKey[key, default: []].append(number) }
    }

    mutating func remove(_ number: UInt32) {
        guard let chosen = keys.removeValue(forKey: number) else {
            guard let place = places.removeValue(forKey: number), let last = unconditional.popLast(), last != number else { return }
            unconditional[place] = last
            places[last] = place
            return
        }
        for key in chosen {
            guard let place = byKey.index(forKey: key) else { continue }
            if let index = byKey.values[place].firstIndex(of: number) {
                byKey.values[place].swapAt(index, byKey.values[place].count - 1)
                byKey.values[place].removeLast()
            }
            if byKey.values[place].isEmpty { byKey.remove(at: place) }
        }
    }

    /// Calls `body` with the number of every selector that may match the labels; with some of them twice.
    func forEachCandidate(_ labels: [String: String], _ body: (UInt32) -> Void) {
        for number in unconditional { body(number) }
        guard !byKey.isEmpty else { return }
        for (label, value) in labels {
            if let found = byKey[Selector.LabelKey(label: label, value: value)] {
                for number in found { body(number) }
            }
            if let found = byKey[Selector.LabelKey(label: label, value: nil)] {
                for number in found { body(number) }
            }
        }
    }
}
