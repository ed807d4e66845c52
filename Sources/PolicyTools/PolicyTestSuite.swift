import DomainNames
import NetworkTypes
import PolicyEngine
import PolicyModel

/// A file of policy unit tests, decoded and checked. docs/policy-testing.md describes the format.
public struct PolicyTestSuite: Sendable {
    /// What a test expects of each of its flows.
    public struct Expectation: Sendable, Hashable {
        public var isAllowed: Bool
        /// The deciding rule, or the beginning of its text.
        public var rule: String?
        public var reason: VerdictReason?
        /// With the staged policies in force; what is enforced counts where none bears on the endpoint.
        public var stagedAllowed: Bool?
        /// Whether the query for the name, or for every resolved name, is answered.
        public var isAnswered: Bool?
    }

    /// One test: every flow from one of `from` to one of `to`.
    public struct Test: Sendable {
        /// As written, with the place to blame.
        public struct End: Sendable {
            public let text: String
            public let peer: FlowPeer
            public let port: UInt16?
            public let location: SourceLocation
        }

        public var name: String
        public var location: SourceLocation
        public var direction: PolicyType
        public var from: [End]
        public var to: [End]
        public var transport: TransportProtocol
        public var icmp: ICMPMatch
        public var resolved: [DomainName]
        public var expectation: Expectation
    }

    public let file: String
    /// Files and folders, as written: relative to the folder of the file.
    public var policies: [String]
    public var options: PolicyOptions
    /// Declared in the file itself.
    public var endpoints: [InlineEndpoint]
    public var tests: [Test]

    /// The options that a suite without `options` has are `options`.
    init(file: String, options: PolicyOptions) {
        self.file = file
        policies = []
        self.options = options
        endpoints = []
        tests = []
    }
}
