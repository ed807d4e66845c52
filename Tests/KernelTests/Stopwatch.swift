import Foundation

/// Time since a moment, and waiting for something with an end.
struct Stopwatch: Sendable {
    private let start = ContinuousClock.now

    var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

    /// Sleeps until so many seconds after the start.
    func sleep(untilSecond second: Double) {
        let rest = second - seconds
        if rest > 0 { Thread.sleep(forTimeInterval: rest) }
    }

    /// Asks every 10 ms until the answer is yes. Gives how long that took; throws when the time is over.
    @discardableResult
    static func wait(_ what: String, seconds: Double = 5, until isReady: () throws -> Bool) throws -> Double {
        let watch = Stopwatch()
        while try !isReady() {
            guard watch.seconds < seconds else { throw Problem("\(what): not within \(seconds) s") }
            Thread.sleep(forTimeInterval: 0.01)
        }
        return watch.seconds
    }
}
