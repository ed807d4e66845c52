/// One stretch of a flood: how much was sent, and how long the other pod's connections took.
struct FloodSlice {
    var sentPerSecond = 0.0
    /// By target, as they came.
    var microseconds: [[Double]]
    var failures: [Int]

    init(targetCount: Int) {
        microseconds = Array(repeating: [], count: targetCount)
        failures = Array(repeating: 0, count: targetCount)
    }
}
