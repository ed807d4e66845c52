/// One line of the flow log.
struct Flow: Decodable, Sendable {
    let endpoint: String
    let destination: String
    let port: Int
    let sourcePort: Int?
    let transport: String
    let names: [String]
    let verdict: String
    let reason: String
    let tier: String?
    let detail: String?
    let nameCheck: String?
    let seenName: String?

    private enum CodingKeys: String, CodingKey {
        case endpoint
        case destination
        case port = "destination_port"
        case sourcePort = "source_port"
        case transport = "protocol"
        case names
        case verdict
        case reason
        case tier
        case detail
        case nameCheck = "name_check"
        case seenName = "seen_name"
    }
}
