import Conntrack
import Netlink

/// Properties of the reader of conntrack events and dumps.
enum ConntrackProperties {
    /// Whatever the datagram says, every message has an end inside it, the addresses of an entry are of one family, and what is read does not depend on
    /// where in memory it lies.
    static func decode(_ input: [UInt8]) throws(FuzzTarget.Violation) -> FuzzTarget.Outcome {
        let here = try entries(input, from: 0)
        let there = try entries([UInt8](repeating: 0xa5, count: 20) + input, from: 20)
        guard here.events == there.events else { throw FuzzTarget.Violation(reason: "the same bytes read otherwise elsewhere") }
        var kind = min(here.events.count, 3) + 4 * min(here.messages, 3)
        if let first = here.events.first {
            let entry = first.entry
            kind += 16 * (Int(first.kind.rawValue) + 3 * Int(entry.transport.rawValue))
            kind += (entry.family == .v4 ? 0 : 1) << 16 | (entry.originalCount == nil ? 0 : 1) << 17 | (entry.tcpState == nil ? 0 : 1) << 18
            kind += (entry.startNanoseconds == nil ? 0 : 1) << 19 | (entry.mark == 0 ? 0 : 1) << 20 | (entry.zone == 0 ? 0 : 1) << 21
        }
        return FuzzTarget.Outcome(kind: kind)
    }

    private static func entries(_ bytes: [UInt8], from start: Int) throws(FuzzTarget.Violation) -> (events: [ConntrackEvent], messages: Int)
    {
        let span = bytes.span
        var offset = start
        var events: [ConntrackEvent] = []
        var messages = 0
        while let message = NetlinkMessage(in: span, at: &offset) {
            messages += 1
            guard message.payloadStart <= message.payloadEnd, message.payloadEnd <= bytes.count else {
                throw FuzzTarget.Violation(reason: "a message ends at \(message.payloadEnd) of \(bytes.count) bytes")
            }
            guard messages <= bytes.count else { throw FuzzTarget.Violation(reason: "more messages than bytes") }
            guard let event = ConntrackEvent(decoding: span, message) else { continue }
            let entry = event.entry
            for address in [entry.original.source, entry.original.destination, entry.reply.source, entry.reply.destination]
            where address.family != entry.family {
                throw FuzzTarget.Violation(reason: "two families in one entry: \(entry)")
            }
            events.append(event)
        }
        return (events, messages)
    }
}
