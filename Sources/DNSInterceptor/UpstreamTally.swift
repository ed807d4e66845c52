/// Sums over the questions to one upstream.
public struct UpstreamTally: Sendable, BitwiseCopyable {
    /// Sent to it, each repetition counted.
    public internal(set) var queries: UInt64 = 0
    /// No answer in time, no connection, or none that could be believed.
    public internal(set) var failures: UInt64 = 0
    /// Answers whose time says something of it, and that time: not of questions that had to be asked there again in another way.
    public internal(set) var answers: UInt64 = 0
    public internal(set) var answerNanoseconds: UInt64 = 0

    public init() {}

    public mutating func add(_ other: UpstreamTally) {
        queries += other.queries
        failures += other.failures
        answers += other.answers
        answerNanoseconds &+= other.answerNanoseconds
    }

    mutating func noteAnswer(nanoseconds: UInt64) {
        answers += 1
        answerNanoseconds &+= nanoseconds
    }
}
