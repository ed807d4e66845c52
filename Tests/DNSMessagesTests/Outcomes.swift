import DNSMessages

/// Allocations and times are promised for optimised code: `swift test -c release`.
let isOptimized: Bool = {
    #if DEBUG
        false
    #else
        true
    #endif
}()

/// The fault of a response, or nil if it is good.
func responseFault(_ bytes: [UInt8]) -> MessageFault? {
    do {
        _ = try DNSResponse(parsing: bytes.span)
        return nil
    } catch { return error }
}

/// The fault of a query, or nil if it is good.
func queryFault(_ bytes: [UInt8]) -> MessageFault? {
    do {
        _ = try DNSQuery(scanning: bytes.span)
        return nil
    } catch { return error }
}

/// Parses a good response.
func parse(_ bytes: [UInt8]) throws(MessageFault) -> DNSResponse { try DNSResponse(parsing: bytes.span) }

/// Scans a good query.
func scan(_ message: MessageBuilder) throws(MessageFault) -> DNSQuery { try DNSQuery(scanning: message.bytes.span) }

/// The shortest of several runs, so that a busy machine does not decide.
func shortestTime(_ runs: Int = 20, _ body: () -> Void) -> Duration {
    let clock = ContinuousClock()
    return (0..<runs).map { _ in clock.measure(body) }.min() ?? .zero
}
