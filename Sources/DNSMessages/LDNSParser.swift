import CLDNS
import NetworkTypes

/// The second opinion: libldns reads what the scanner has passed, and both must find the same.
///
/// Small messages of common types go to `ldns_wire2pkt` whole. Of others (large, or with types on which libldns spends
/// time or memory out of proportion) only the answer records that teach are shown to `ldns_wire2rr`, one by one.
/// C pointers stay inside the function that got them.
enum LDNSParser {
    /// Larger messages are not given to libldns as a whole.
    static let wholeMessageSizeMax = 4_096

    /// Throws `parserRefusal` or `parserDisagreement`.
    static func check(_ message: Span<UInt8>, against scanned: ScannedResponse) throws(MessageFault) {
        if scanned.scanner.suitsWholeParse, message.count <= wholeMessageSizeMax {
            try checkWhole(message, scanned)
        } else {
            try checkRecords(message, scanned)
        }
    }

    /// [ldns_wire2pkt](https://www.nlnetlabs.nl/documentation/ldns/wire2host_8h.html)
    private static func checkWhole(_ message: Span<UInt8>, _ scanned: ScannedResponse) throws(MessageFault) {
        var packet: UnsafeMutablePointer<ldns_pkt>?
        let status = unsafe message.withUnsafeBufferPointer { unsafe ldns_wire2pkt(&packet, $0.baseAddress, $0.count) }
        defer { unsafe ldns_pkt_free(packet) }
        guard status == LDNS_STATUS_OK, let packet = unsafe packet else { throw .parserRefusal }
        let additionalCount = message.read16(at: 10) - (scanned.scanner.edns == nil ? 0 : 1)
        guard unsafe ldns_pkt_qdcount(packet) == 1, unsafe ldns_pkt_ancount(packet) == message.read16(at: 6),
            unsafe ldns_pkt_nscount(packet) == message.read16(at: 8), unsafe ldns_pkt_arcount(packet) == additionalCount,
            unsafe ldns_pkt_id(packet) == message.read16(at: 0),
            let records = unsafe ldns_pkt_answer(packet), unsafe ldns_rr_list_rr_count(records) == scanned.answers.count
        else { throw .parserDisagreement }
        var found: [IPAddress] = []
        found.reserveCapacity(scanned.findings.addresses.count)
        for index in 0..<scanned.answers.count {
            guard let record = unsafe ldns_rr_list_rr(records, index) else { throw .parserDisagreement }
            try unsafe compare(record, with: scanned.answers[index], scanned, &found)
        }
        guard found.count == scanned.findings.addresses.count else { throw .parserDisagreement }
    }

    /// [ldns_wire2rr](https://www.nlnetlabs.nl/documentation/ldns/wire2host_8h.html)
    private static func checkRecords(_ message: Span<UInt8>, _ scanned: ScannedResponse) throws(MessageFault) {
        var found: [IPAddress] = []
        found.reserveCapacity(scanned.findings.addresses.count)
        for answer in scanned.answers where answer.type.isAddress || answer.type.isServiceBinding {
            var record: UnsafeMutablePointer<ldns_rr>?
            var position = Int(answer.owner)
            let status = unsafe message.withUnsafeBufferPointer {
                unsafe ldns_wire2rr(&record, $0.baseAddress, $0.count, &position, LDNS_SECTION_ANSWER)
            }
            defer { unsafe ldns_rr_free(record) }
            guard status == LDNS_STATUS_OK, let record = unsafe record else { throw .parserRefusal }
            guard position == answer.end else { throw .parserDisagreement }
            try unsafe compare(record, with: answer, scanned, &found)
        }
        guard found.count == scanned.findings.addresses.count else { throw .parserDisagreement }
    }

    /// Compares one record; `found` holds the addresses that libldns has read so far, in the message's order.
    private static func compare(
        _ record: UnsafeMutablePointer<ldns_rr>, with answer: ScannedRecord, _ scanned: ScannedResponse, _ found: inout [IPAddress]
    ) throws(MessageFault) {
        guard unsafe UInt16(truncatingIfNeeded: ldns_rr_get_type(record).rawValue) == answer.type.rawValue else {
            throw .parserDisagreement
        }
        let before = found.count
        unsafe appendAddresses(of: record, type: answer.type, to: &found)
        guard found.count > before else { return }
        let expected = scanned.findings.addresses
        guard found.count <= expected.count else { throw .parserDisagreement }
        for index in before..<found.count where found[index] != expected[index] { throw .parserDisagreement }
        guard unsafe isOwner(of: record, scanned.chain.end) else { throw .parserDisagreement }
    }

    private static func appendAddresses(of record: UnsafeMutablePointer<ldns_rr>, type: RecordType, to found: inout [IPAddress]) {
        if type.isAddress {
            unsafe withData(of: ldns_rr_rdf(record, 0)) { data in
                if let address = IPAddress(networkBytes: data) { found.append(address) }
            }
        } else if type.isServiceBinding {
            var isServiceMode = false
            unsafe withData(of: ldns_rr_rdf(record, 0)) { isServiceMode = $0.count == 2 && $0.read16(at: 0) != 0 }
            guard isServiceMode else { return }
            unsafe withData(of: ldns_rr_rdf(record, 2)) {
                ServiceParameters.appendHints($0, from: 0, to: $0.count, to: &found)
            }
        }
    }

    private static func isOwner(of record: UnsafeMutablePointer<ldns_rr>, _ name: WireName) -> Bool {
        var isEqual = false
        unsafe withData(of: ldns_rr_owner(record)) { data in
            isEqual = data.count == name.count && data.indices.allSatisfy { data[$0].lowercasedASCII == name[$0] }
        }
        return isEqual
    }

    /// Lends the bytes of a field, which live as long as its record; nothing if the field is missing.
    private static func withData(of field: UnsafeMutablePointer<ldns_rdf>?, _ body: (Span<UInt8>) -> Void) {
        guard let field = unsafe field, let data = unsafe ldns_rdf_data(field) else { return }
        let bytes = unsafe UnsafeBufferPointer(start: data, count: ldns_rdf_size(field))
        body(unsafe bytes.span)
    }
}
