import DomainNames
import NetworkTypes

/// What stands between an answer and the client that asked: it decides who may ask and publishes what was learned.
///
/// One owner (a DNS worker) calls it. When `learn` returns `.release`, every verdict thread can already see the
/// addresses of the answer (invariant 1, publish before release); on `.refuse` the worker sends an error, never the answer.
public protocol AnswerGate: ~Copyable {
    /// Who asks from this source address; nil if nobody may ask from there.
    mutating func client(at source: IPAddress) -> DNSClient?

    /// The same where the way that the query came names a class of the node's own processes; class 0: it does not.
    mutating func client(at source: IPAddress, ofClass number: UInt8) -> DNSClient?

    /// Whether any client is refused any name; where it is not, `refusal` need not be asked.
    var refusesNames: Bool { get }

    /// Why this client may not ask for this name at all; nil if it may. Called for every query of a client, also for those whose answer
    /// is at hand.
    mutating func refusal(of name: DomainName, client: DNSClient) -> NameRefusal?

    /// Called for every answer that carries addresses, fresh or cached, for each client anew, before it is sent.
    /// `timeToLiveSeconds` is what is left of the smallest TTL over the chain and the address records.
    mutating func learn(
        _ name: DomainName, addresses: [IPAddress], timeToLiveSeconds: UInt32, client: DNSClient, now: Instant
    ) -> AnswerRelease

    /// The same for an answer that the node's own configuration gave: it does not come from outside.
    mutating func learnLocal(
        _ name: DomainName, addresses: [IPAddress], timeToLiveSeconds: UInt32, client: DNSClient, now: Instant
    ) -> AnswerRelease

    /// Another after anything but an addition to what is published: as long as it stays, what `learn` released under it stays published, as long as
    /// learned. Then the worker gives the same answer to the same client again without asking. Nil if the gate wants to be asked each time.
    var era: UInt32? { get }

    /// The name to resolve again for a redial; nil if its binding is no longer remembered.
    func name(of redial: Redial, now: Instant) -> DomainName?
}

extension AnswerGate where Self: ~Copyable {
    public var era: UInt32? { nil }

    /// A gate that makes no difference.
    public mutating func learnLocal(
        _ name: DomainName, addresses: [IPAddress], timeToLiveSeconds: UInt32, client: DNSClient, now: Instant
    ) -> AnswerRelease {
        learn(name, addresses: addresses, timeToLiveSeconds: timeToLiveSeconds, client: client, now: now)
    }

    /// A gate that knows no classes.
    public mutating func client(at source: IPAddress, ofClass number: UInt8) -> DNSClient? { number == 0 ? client(at: source) : nil }
    public func name(of redial: Redial, now: Instant) -> DomainName? { nil }
}

/// Who sent a query.
public enum DNSClient: Hashable, Sendable, BitwiseCopyable {
    /// An endpoint that policy knows; what it resolves opens for it alone.
    case endpoint(EndpointID)
    /// A source that may ask (the node itself, `dns.allowFrom`) and for which nothing is learned.
    case unpoliced
}

/// What is to be done with an answer.
public enum AnswerRelease: Hashable, Sendable, BitwiseCopyable {
    /// Send it, with no TTL above this.
    case release(timeToLiveCapSeconds: UInt32)
    /// Do not send it.
    case refuse(AnswerRefusal)
}

/// Why an answer was withheld.
public enum AnswerRefusal: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    /// More addresses than one name may hold for one client.
    case addressesPerNameFull
    /// More names than one client may hold.
    case namesPerClientFull
    /// The node's tables are full.
    case bindingsFull
    /// The answer points inside although it came from outside (rebinding guard).
    case rebinding
    /// The client is no longer an endpoint of this node.
    case unknownClient
    /// A Deny rule names it (`exeat.io/deny-domains`).
    case deniedName
    /// It belongs to others alone (`exeat.io/exclusive`).
    case exclusiveName
    /// No rule of the client could allow it (`dns.queryPolicy: allowed`).
    case notAllowedName
}
