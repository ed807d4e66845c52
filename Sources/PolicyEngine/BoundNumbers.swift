/// Pattern numbers one after the other, in no order, each once. Must not allocate where the verdict threads use it.
public protocol BoundNumbers {
    mutating func next() -> PatternNumber?
}
