import Enforcement
import NetworkTypes

/// For whom a waiting query or a connection counts, where each client may have so many: an endpoint for all its addresses, whoever is not policed for
/// his own, and those who are no clients for all of them together.
enum ClientShare: Hashable {
    case endpoint(EndpointID)
    case address(IPAddress)
    case unknown

    init(_ client: DNSClient?, at source: IPAddress) {
        switch client {
        case .endpoint(let endpoint)?: self = .endpoint(endpoint)
        case .unpoliced?: self = .address(source)
        case nil: self = .unknown
        }
    }
}
