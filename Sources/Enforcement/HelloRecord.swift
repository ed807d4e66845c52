import DomainNames
import NameInspection

/// What became of a flow whose name was looked for, as the thread saw it; another one makes a log line of it.
public struct HelloRecord: Sendable, BitwiseCopyable {
    public enum Result: UInt8, CaseIterable, Sendable, BitwiseCopyable {
        /// A name under which the endpoint holds the address, and that policy allows.
        case match
        case mismatch
        /// `fault` says why.
        case unreadable
        /// The responder sent data first.
        case responderFirst
        /// Policy denies the flow by now, whatever its name.
        case denied
        /// Policy asks for no name any more.
        case notAsked

        /// snake_case, for logs and metrics.
        public var label: String {
            switch self {
            case .match: "match"
            case .mismatch: "mismatch"
            case .unreadable: "unreadable"
            case .responderFirst: "responder_first"
            case .denied: "denied"
            case .notAsked: "not_asked"
            }
        }
    }

    /// `verdict` of a flow that goes on whatever its name is is `allow`.
    public let record: FlowRecord
    public let result: Result
    public let fault: NameFault?
    public let source: SeenName.Source?
    public let isOuter: Bool
    private let nameLength: UInt8
    private let nameBytes: InlineArray<255, UInt8>

    public static let filler = HelloRecord(.filler, .notAsked)

    public init(_ record: FlowRecord, _ result: Result, name: SeenName? = nil, fault: NameFault? = nil) {
        self.record = record
        self.result = result
        self.fault = fault
        source = name?.source
        isOuter = name?.isOuter ?? false
        var bytes = InlineArray<255, UInt8>(repeating: 0)
        var length: UInt8 = 0
        if let wire = name?.name.rootFirst, wire.count <= 255 {
            for index in wire.indices { bytes[index] = wire[index] }
            length = UInt8(wire.count)
        }
        nameBytes = bytes
        nameLength = length
    }

    /// The name as the client gave it; nil if none was read.
    public var name: DomainName? {
        guard source != nil else { return nil }
        var bytes: [UInt8] = []
        for index in 0..<Int(nameLength) { bytes.append(nameBytes[index]) }
        return try? DomainName(rootFirst: bytes)
    }
}
