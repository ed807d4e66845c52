/// A median with its 95 % interval by order statistics: no assumption about how the values are spread.
struct Interval {
    let median: Double
    let low: Double
    let high: Double

    /// With n values the interval reaches from the k-th smallest to the k-th largest, k the greatest for which fewer than k of n fair
    /// coins show heads with a probability of at most 2.5 %: for 20 values k is 6 (coverage 95.9 %). Fewer than 6 values: all of them.
    init(_ values: [Double]) {
        precondition(!values.isEmpty, "no values")
        let sorted = values.sorted()
        let count = sorted.count
        median = sorted.median
        var place = 0
        var probability = 1.0
        for _ in 0..<count { probability /= 2 }
        var below = probability
        while below <= 0.025, place + 1 < count / 2 {
            place += 1
            probability *= Double(count - place + 1) / Double(place)
            below += probability
        }
        let index = max(0, place - 1)
        low = sorted[index]
        high = sorted[count - 1 - index]
    }

    /// Of the ratios of pairs.
    init(ratiosOf measured: [Double], to anchors: [Double]) {
        precondition(measured.count == anchors.count, "every value needs its anchor")
        self.init(zip(measured, anchors).map { $0 / $1 })
    }

    /// "median [low, high]".
    var text: String { "\(median.rounded(2)) [\(low.rounded(2)), \(high.rounded(2))]" }
}

extension Array where Element == Double {
    var median: Double {
        let sorted = self.sorted()
        return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2
    }

    /// The value that this share of all does not exceed.
    func quantile(_ share: Double) -> Double {
        let sorted = self.sorted()
        return sorted[Swift.min(count - 1, Int((Double(count) * share).rounded(.up)) - 1)]
    }
}

extension Double {
    /// With so many places behind the point.
    func rounded(_ places: Int) -> String {
        var factor = 1.0
        for _ in 0..<places { factor *= 10 }
        let scaled = (magnitude * factor).rounded()
        guard scaled < 1e15 else { return "\(self)" }
        let digits = String(Int(scaled))
        let padded = String(repeating: "0", count: Swift.max(0, places + 1 - digits.count)) + digits
        let sign = self < 0 && scaled > 0 ? "-" : ""
        return places == 0 ? sign + padded : sign + padded.dropLast(places) + "." + padded.suffix(places)
    }
}
