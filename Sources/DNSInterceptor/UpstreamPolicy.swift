/// Which upstream of a zone a question goes to first.
public enum UpstreamPolicy: String, Sendable, CaseIterable {
    /// The one that answers soonest, and those that are about as quick, by chance; the others now and then, to see whether they still are slow.
    case latency
    /// The first in the list that is up.
    case sequential
    /// One after the other.
    case roundRobin = "round_robin"
    /// Any.
    case random
}
