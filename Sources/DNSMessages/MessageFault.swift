/// A way in which a DNS message is refused. Each is a counted reason; `label` is its name in metrics and logs.
public enum MessageFault: UInt8, Error, CaseIterable, Hashable, BitwiseCopyable {
    // Header.

    /// Fewer than the 12 bytes of a header.
    case shortHeader
    /// More than 65,535 bytes.
    case oversizedMessage
    /// QR is set where a query is expected.
    case notAQuery
    /// QR is clear where a response is expected.
    case notAResponse
    /// An opcode other than QUERY.
    case opcodeNotQuery
    /// QDCOUNT is not 1.
    case questionCount
    /// A query with answer or authority records.
    case recordsInQuery
    /// The counts announce more records than any message of 65,535 bytes may carry here.
    case tooManyRecords

    // Question.

    /// The message ends inside the question.
    case truncatedQuestion
    /// A question of a class other than IN.
    case questionClass
    /// A question for a type that no data has (0, OPT, TSIG, TKEY).
    case questionType
    /// A question for a zone transfer or a mail meta type.
    case questionTypeNotSupported

    // Names.

    /// A name runs past the end of its record or of the message.
    case truncatedName
    /// A label whose two top bits are 01 or 10 (RFC 6891 §5 retired them).
    case labelType
    /// A name of more than 255 bytes.
    case nameTooLong
    /// A compression pointer that does not point before the name that it is in, or whose target runs into that name.
    case pointerNotBackward
    /// A compression pointer into the header.
    case pointerIntoHeader
    /// A compression pointer of a response at no label of a name before it (RFC 1035 §4.1.4).
    case pointerIntoData
    /// A name with more than 64 compression pointers.
    case pointerLimit
    /// A compression pointer in a record type that must not use them.
    case compressionNotAllowed

    // Records.

    /// The message ends before as many records as the counts announce.
    case missingRecords
    /// The message ends inside the fixed part of a record.
    case truncatedRecord
    /// RDLENGTH runs past the end of the message.
    case recordDataOverrun
    /// An A record whose RDLENGTH is not 4, or an AAAA record whose RDLENGTH is not 16.
    case addressLength
    /// The fields of a record do not fill its RDLENGTH exactly.
    case recordDataLength
    /// An HTTPS or SVCB record whose parameters are out of order, repeated or of a wrong length.
    case serviceParameters
    /// A record of a class other than IN.
    case recordClass
    /// A record of a type that no record has in an ordinary answer (0, TKEY, IXFR, AXFR, MAILB, MAILA, ANY).
    case recordMetaType
    /// TSIG or SIG(0): a forwarder cannot keep the signature valid.
    case transactionSignature
    /// An OPT record outside the additional section.
    case optSection
    /// An OPT record whose owner is not the root.
    case optOwner
    /// A second OPT record.
    case optRepeated
    /// Options that do not fill the OPT record exactly.
    case optOptions
    /// Bytes after the last record.
    case trailingBytes
    /// Names that cost more to follow than any honest message (bounded work).
    case tooMuchWork

    // The chain from the question.

    /// Two CNAME records with one owner (RFC 2181 §10.1).
    case multipleCNAME
    /// A CNAME record and other data at one owner (RFC 1034 §3.6.2).
    case cnameAndOtherData
    /// A chain that comes back to one of its names.
    case cnameLoop
    /// A chain of more than 16 links.
    case chainTooLong
    /// A CNAME record that is not what the DNAME record above it yields (RFC 6672 §3.1).
    case dnameMismatch
    /// A CNAME or DNAME record in the answer that is not on the chain from the question.
    case offChainAlias
    /// An address in the answer that does not belong to the end of the chain, or was not asked for.
    case offChainAddress
    /// Addresses in a response whose RCODE is an error.
    case addressInError

    // Second opinion.

    /// libldns refuses what the scanner has passed.
    case parserRefusal
    /// libldns and the scanner read different addresses, owners or counts.
    case parserDisagreement

    /// The snake_case name for metrics and logs.
    public var label: String {
        switch self {
        case .shortHeader: "short_header"
        case .oversizedMessage: "oversized_message"
        case .notAQuery: "not_a_query"
        case .notAResponse: "not_a_response"
        case .opcodeNotQuery: "opcode_not_query"
        case .questionCount: "question_count"
        case .recordsInQuery: "records_in_query"
        case .tooManyRecords: "too_many_records"
        case .truncatedQuestion: "truncated_question"
        case .questionClass: "question_class"
        case .questionType: "question_type"
        case .questionTypeNotSupported: "question_type_not_supported"
        case .truncatedName: "truncated_name"
        case .labelType: "label_type"
        case .nameTooLong: "name_too_long"
        case .pointerNotBackward: "pointer_not_backward"
        case .pointerIntoHeader: "pointer_into_header"
        case .pointerIntoData: "pointer_into_data"
        case .pointerLimit: "pointer_limit"
        case .compressionNotAllowed: "compression_not_allowed"
        case .missingRecords: "missing_records"
        case .truncatedRecord: "truncated_record"
        case .recordDataOverrun: "record_data_overrun"
        case .addressLength: "address_length"
        case .recordDataLength: "record_data_length"
        case .serviceParameters: "service_parameters"
        case .recordClass: "record_class"
        case .recordMetaType: "record_meta_type"
        case .transactionSignature: "transaction_signature"
        case .optSection: "opt_section"
        case .optOwner: "opt_owner"
        case .optRepeated: "opt_repeated"
        case .optOptions: "opt_options"
        case .trailingBytes: "trailing_bytes"
        case .tooMuchWork: "too_much_work"
        case .multipleCNAME: "multiple_cname"
        case .cnameAndOtherData: "cname_and_other_data"
        case .cnameLoop: "cname_loop"
        case .chainTooLong: "chain_too_long"
        case .dnameMismatch: "dname_mismatch"
        case .offChainAlias: "off_chain_alias"
        case .offChainAddress: "off_chain_address"
        case .addressInError: "address_in_error"
        case .parserRefusal: "parser_refusal"
        case .parserDisagreement: "parser_disagreement"
        }
    }

    /// The RCODE for a query with this fault; nil if it is to be dropped: no header to answer to, or not a query at all.
    public var queryResponseCode: ResponseCode? {
        switch self {
        case .shortHeader, .oversizedMessage, .notAQuery: nil
        case .opcodeNotQuery, .questionTypeNotSupported: .notImplemented
        case .questionClass: .refused
        default: .formatError
        }
    }
}
