import PolicyModel

/// Endpoints and network sets by their labels: whether a selector matches any, without asking each.
struct LabelledSubjects {
    private let labels: [[String: String]]
    private var places: [Selector.LabelKey: [Int]] = [:]

    /// The effective labels of each.
    init(_ labels: [[String: String]]) {
        self.labels = labels
        for (place, own) in labels.enumerated() {
            for (label, value) in own {
                places[Selector.LabelKey(label: label, value: value), default: []].append(place)
                places[Selector.LabelKey(label: label, value: nil), default: []].append(place)
            }
        }
    }

    /// Calls `body` for each that the selector matches, until it returns false.
    func matching(_ selector: Selector, _ body: (Int) -> Bool) {
        guard let keys = selector.necessaryKeys(cost: { places[$0]?.count ?? 0 }) else {
            for place in labels.indices where selector.matches(labels[place]) {
                guard body(place) else { return }
            }
            return
        }
        for key in keys {
            for place in places[key] ?? [] where selector.matches(labels[place]) {
                guard body(place) else { return }
            }
        }
    }

    func contains(_ selector: Selector) -> Bool {
        var isFound = false
        matching(selector) { _ in
            isFound = true
            return false
        }
        return isFound
    }
}
