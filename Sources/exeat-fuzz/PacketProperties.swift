import PacketHeaders

/// Properties of the packet header parser.
enum PacketProperties {
    /// What passes lies inside the packet, in order, and reads the same again, also with more bytes behind it.
    static func parse(_ input: [UInt8]) throws(FuzzTarget.Violation) -> FuzzTarget.Outcome {
        let headers: PacketHeaders
        do throws(PacketError) {
            headers = try PacketHeaders(parsing: input.span)
        } catch {
            return FuzzTarget.Outcome(kind: Int(error.rawValue))
        }
        guard headers.transportOffset >= 20, headers.transportOffset <= headers.payloadOffset else {
            throw FuzzTarget.Violation(reason: "offsets out of order: \(headers.transportOffset), \(headers.payloadOffset)")
        }
        guard headers.payloadOffset <= input.count else {
            throw FuzzTarget.Violation(reason: "the payload begins at \(headers.payloadOffset) of \(input.count) bytes")
        }
        guard headers.source.family == headers.destination.family else { throw FuzzTarget.Violation(reason: "two families in one packet") }
        return FuzzTarget.Outcome(kind: 256 + Int(headers.transport.rawValue) + (headers.source.family == .v4 ? 0 : 256))
    }
}
