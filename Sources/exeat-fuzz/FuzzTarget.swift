/// A parser under test, with a property that must hold for every input.
enum FuzzTarget: String, CaseIterable {
    case dnsScan = "dns-scan"
    case dnsParse = "dns-parse"
    case dnsLog = "dns-log"
    case packetHeaders = "packet-headers"
    case clientHello = "client-hello"
    case httpHost = "http-host"
    case segments = "tcp-segments"
    case quicDatagrams = "quic-datagrams"
    case quicFrames = "quic-frames"
    case conntrack
    case yaml

    /// What one input led to: inputs with an outcome that is new or rare are mutated further.
    struct Outcome: Hashable {
        let kind: Int
    }

    /// The property does not hold.
    struct Violation: Error {
        let reason: String
    }

    /// Where the corpus of this target is, below the corpus folder.
    var folder: String {
        switch self {
        case .dnsScan, .dnsParse, .dnsLog: "dns"
        case .packetHeaders: "packets"
        case .clientHello, .httpHost, .segments, .quicDatagrams, .quicFrames, .conntrack: rawValue
        case .yaml: "yaml"
        }
    }

    /// No input may be longer, in bytes.
    var sizeMax: Int {
        switch self {
        case .dnsScan, .dnsParse: 65_535
        // What the log is given of a reply (`DNSLogRecord`).
        case .dnsLog, .packetHeaders: 512
        case .clientHello, .httpHost, .quicDatagrams, .quicFrames: 4_096
        case .segments: 512
        case .conntrack: 2_048
        case .yaml: 8_192
        }
    }

    /// No input may cost more CPU time, in milliseconds. Generous: what must hold exactly is for the unit tests.
    var timeMaxMilliseconds: Int {
        switch self {
        case .dnsScan, .packetHeaders, .conntrack: 10
        case .clientHello, .httpHost, .segments, .quicDatagrams, .quicFrames: 100
        case .dnsParse, .dnsLog: 50
        case .yaml: 1_000
        }
    }

    func exercise(_ input: [UInt8]) throws(Violation) -> Outcome {
        switch self {
        case .dnsScan: try MessageProperties.scanQuery(input)
        case .dnsParse: try MessageProperties.parseResponse(input)
        case .dnsLog: try MessageProperties.readReply(input)
        case .packetHeaders: try PacketProperties.parse(input)
        case .clientHello: try NameProperties.hello(input)
        case .httpHost: try NameProperties.request(input)
        case .segments: try NameProperties.segments(input)
        case .quicDatagrams: try NameProperties.datagrams(input)
        case .quicFrames: try NameProperties.frames(input)
        case .conntrack: try ConntrackProperties.decode(input)
        case .yaml: try ConfigurationProperties.decode(input)
        }
    }
}
