import NetworkTypes

/// What the answer section holds for the end of the chain, once it is known.
struct ChainFindings {
    private(set) var addresses: [IPAddress] = []
    private(set) var minimumTTL: UInt32?
    /// Whether there is a record of the type asked for.
    private(set) var hasAnswer = false

    /// Looks at every answer record: addresses off the chain, and data beside a CNAME, refuse the message.
    init(
        qtype: RecordType, chain: AliasChain, answers: [ScannedRecord], message: Span<UInt8>, scanner: inout MessageScanner
    ) throws(MessageFault) {
        // Most owners are a lone pointer to the same name as the one before.
        var knownTarget: UInt16?
        var knownIsEnd = false
        for record in answers {
            minimumTTL = min(minimumTTL ?? .max, record.timeToLive)
            if record.type == qtype || qtype == .any { hasAnswer = true }
            if record.type == .cname { continue }
            let owner = Int(record.owner)
            let target: UInt16? = message[owner] >> 6 == 3 ? message.read16(at: owner) : nil
            let isEnd: Bool
            if let target, target == knownTarget, knownIsEnd {
                isEnd = true
            } else {
                isEnd = try scanner.isName(message, at: owner, equalTo: chain.end)
                if !isEnd, !Self.mayStandBesideCNAME(record.type), try chain.hasAlias(message, at: owner, scanner: &scanner) {
                    throw .cnameAndOtherData
                }
                knownTarget = target
                knownIsEnd = isEnd
            }
            let countBefore = addresses.count
            Self.appendAddresses(of: record, message, to: &addresses)
            guard addresses.count == countBefore || (isEnd && (record.type == qtype || qtype == .any)) else { throw .offChainAddress }
        }
    }

    /// Appends what a record teaches: its address, or its hints.
    private static func appendAddresses(of record: ScannedRecord, _ message: Span<UInt8>, to addresses: inout [IPAddress]) {
        let data = Int(record.data)
        if record.type.isAddress {
            if let address = IPAddress(networkBytes: message.extracting(data..<record.end)) { addresses.append(address) }
        } else if record.type.isServiceBinding, message.read16(at: data) != 0 {
            var parameters = data + 2
            while message[parameters] != 0 { parameters += 1 + Int(message[parameters]) }
            ServiceParameters.appendHints(message, from: parameters + 1, to: record.end, to: &addresses)
        }
    }

    /// DNSSEC records of the CNAME itself (RFC 4034 §2, RFC 2181 §10.1).
    private static func mayStandBesideCNAME(_ type: RecordType) -> Bool {
        type == .rrsig || type == .nsec || type == .sig || type == .key
    }
}
