import DNSMessages
import NetworkTypes

/// One reply to a client, as the worker wrote it; another thread makes log lines of it.
///
/// Of a fixed size, so that a ring takes it. The reply itself is kept, as far as it has room: it says what was asked for and what was answered.
public struct DNSLogRecord: Sendable, BitwiseCopyable {
    /// Where an answer came from.
    public enum Lookup: String, CaseIterable, Sendable, BitwiseCopyable {
        /// Out of the cache.
        case hit
        /// From an upstream, also one that had been asked for somebody else.
        case miss
        /// Out of the cache, expired (RFC 8767).
        case stale
        /// The node's own names.
        case local
        /// From a server that the client has asked itself, read on its way.
        case snooped
        /// Nowhere: the query was refused, or could not be waited for.
        case refused
    }

    /// Of reply and rule together.
    public static let bytesMax = 512

    public let time: Instant
    /// Who asked; an IPv4-mapped address as IPv4.
    public let source: IPAddress
    /// Of the node's processes, 1...14; 0: the address tells who asked.
    public let classNumber: UInt8
    public let lookup: Lookup
    /// What refused the query, or kept an answer from it.
    public let cause: DNSCounter?
    /// The upstream whose answer it is.
    public let server: IPAddress?
    /// From the query to the reply, where an upstream was waited for.
    public let latencyNanoseconds: UInt64?
    /// When the answer came to be, which tells it from others to the same question.
    public let answeredAt: Instant
    /// The guard against tunnels observes, and would have refused it.
    public let isSuspect: Bool
    /// Of the upstream's answer, whose upper bits are not in the part of the reply that is kept.
    public let responseCode: ResponseCode?
    private let replyCount: UInt16
    private let ruleCount: UInt16
    private let bytes: InlineArray<512, UInt8>

    public static let filler = DNSLogRecord(
        time: Instant(nanoseconds: 0), source: IPAddress(v4: 0), classNumber: 0, lookup: .refused, cause: nil, server: nil,
        latencyNanoseconds: nil, answeredAt: Instant(nanoseconds: 0), reply: Span(), rule: nil)

    /// The first bytes of `reply`, and behind them of `rule`, are kept.
    public init(
        time: Instant, source: IPAddress, classNumber: UInt8, lookup: Lookup, cause: DNSCounter?, server: IPAddress?,
        latencyNanoseconds: UInt64?, answeredAt: Instant, isSuspect: Bool = false,
        responseCode: ResponseCode? = nil, reply: Span<UInt8>, rule: String?
    ) {
        self.time = time
        self.source = source.mappedV4 ?? source
        self.classNumber = classNumber
        self.lookup = lookup
        self.cause = cause
        self.server = server
        self.latencyNanoseconds = latencyNanoseconds
        self.answeredAt = answeredAt
        self.isSuspect = isSuspect
        self.responseCode = responseCode
        var bytes = InlineArray<512, UInt8>(repeating: 0)
        let count = min(reply.count, Self.bytesMax)
        var span = bytes.mutableSpan
        unsafe span.withUnsafeMutableBufferPointer { target in
            unsafe reply.withUnsafeBufferPointer { source in
                guard let to = target.baseAddress, let from = source.baseAddress else { return }
                // Sound: both hold `count` bytes at least, and are not the same.
                unsafe to.update(from: from, count: count)
            }
        }
        var ruleCount = 0
        if let rule {
            for byte in rule.utf8.prefix(Self.bytesMax - count) {
                span[count + ruleCount] = byte
                ruleCount += 1
            }
        }
        self.bytes = bytes
        replyCount = UInt16(count)
        self.ruleCount = UInt16(ruleCount)
    }

    /// Runs `body` with what was kept of the reply.
    public func withReply<R>(_ body: (Span<UInt8>) -> R) -> R { body(bytes.span.extracting(first: Int(replyCount))) }

    /// The rule that refused the query, `tier|policy|egress[index]|action`; its end may be missing.
    public var rule: String? {
        guard ruleCount > 0 else { return nil }
        return String(decoding: (Int(replyCount)..<Int(replyCount + ruleCount)).map { bytes[$0] }, as: UTF8.self)
    }
}

extension DNSCounter {
    /// Of refusals and failures, the reason that logs and metrics give.
    public var reason: String? {
        let (name, labels) = sample
        guard name == "refused_total" || name == "failed_total" else { return nil }
        return labels.first?.1
    }

    /// Whether it counts queries that were refused, not failures of upstreams or for want of room.
    public var isRefusal: Bool { sample.name == "refused_total" }
}
