import NetworkTypes

/// Where each endpoint stands among the published ones.
final class EndpointPositions: Sendable {
    let byID: [EndpointID: Int]

    init(_ ids: [EndpointID]) { byID = Dictionary(ids.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first }) }
}
