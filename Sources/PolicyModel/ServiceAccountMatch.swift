/// The service accounts whose endpoints a rule matches: by name, by label, both if both are given.
public struct ServiceAccountMatch: Sendable, Hashable {
    /// Empty: any.
    public var names: [String]
    /// Over the labels of service accounts.
    public var selector: Selector?

    public init(names: [String] = [], selector: Selector? = nil) {
        self.names = names
        self.selector = selector
    }
}
