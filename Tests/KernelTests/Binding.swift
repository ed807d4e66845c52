/// One line of `exeat bindings --json`.
struct Binding: Decodable, Sendable {
    struct Key: Hashable, Sendable {
        let endpoint: String
        let name: String
        let address: String
    }

    let endpoint: String
    let name: String
    let address: String
    let state: String
    let remaining: Double

    var key: Key { Key(endpoint: endpoint, name: name, address: address) }

    private enum CodingKeys: String, CodingKey {
        case endpoint
        case name
        case address
        case state
        case remaining = "remaining_milliseconds"
    }
}
