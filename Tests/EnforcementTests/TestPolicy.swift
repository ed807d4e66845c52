import Datastores
import DomainNames
import Enforcement
import NetworkTypes
import PolicyEngine
import PolicyModel

/// Policies from YAML text for three endpoints in the namespace `default`: web (198.51.100.1), db (.2) and job (.3), each
/// with a label `app` of its name and an IPv6 address 2001:db8:64::N.
enum TestPolicy {
    struct Unreadable: Error, CustomStringConvertible { let description: String }

    static let web = EndpointID(rawValue: 1)
    static let db = EndpointID(rawValue: 2)
    static let job = EndpointID(rawValue: 3)

    static let endpoints = ["web", "db", "job"].enumerated().map { endpoint($1, "198.51.100.\($0 + 1)", "2001:db8:64::\($0 + 1)", app: $1) }

    static func endpoint(_ name: String, _ addresses: String..., app: String) -> WorkloadEndpoint {
        WorkloadEndpoint(
            name: name, namespace: "default", labels: ["app": app], addresses: addresses.compactMap { IPAddress(parsing: $0) },
            interfaceName: "cali-\(name)")
    }

    static func resources(_ yaml: String, endpoints: [WorkloadEndpoint] = endpoints) throws -> ResourceSet {
        var problems = DiagnosticList()
        let documents = ConfigurationDocument.nodes(yaml: yaml, file: "policy.yaml", &problems)
        var resources = ResourceSet(decoding: documents, &problems)
        guard problems.errorCount == 0 else {
            throw Unreadable(description: problems.diagnostics.map(\.description).joined(separator: "\n"))
        }
        resources.endpoints = endpoints
        return resources
    }

    /// The endpoints have the numbers 1, 2 and 3.
    static func compile(_ yaml: String, _ compiler: inout PolicyCompiler, endpoints: [WorkloadEndpoint] = endpoints) throws
        -> CompiledPolicy
    {
        let numbers = ["default/web": web, "default/db": db, "default/job": job]
        return compiler.compile(try resources(yaml, endpoints: endpoints)) { numbers[$0] }
    }

    /// A policy `name` by which the endpoints `app` may reach `domains` and nothing else.
    static func allow(_ domains: String, app: String = "in {\"web\", \"db\", \"job\"}", name: String = "p") -> String {
        """
        ---
        apiVersion: projectcalico.org/v3
        kind: GlobalNetworkPolicy
        metadata: {name: \(name)}
        spec: {selector: 'app \(app)', types: [Egress], egress: [{action: Allow, destination: {domains: [\(domains)]}}]}

        """
    }
}

func address(_ text: String) -> IPAddress {
    guard let address = IPAddress(parsing: text) else { preconditionFailure("not an address: \(text)") }
    return address
}

func domain(_ text: String) throws -> DomainName { try DomainName(parsing: text) }
