import DemoNetwork
import NetworkTypes
import Testing

extension RunningNode {
    /// Asks the node's resolver for the A records out of a pod; there must be some.
    @discardableResult
    func resolve(_ name: String, from pod: String) throws -> [String] {
        let answer = try self.pod(pod).namespace.withThread { LabClient.resolve(name, server: Self.resolver) }
        try #require(!answer.addresses.isEmpty, "\(pod) gets no address for \(name): rcode \(answer.responseCode ?? -1)")
        return answer.addresses.map(\.description)
    }

    /// One new TCP connection out of a pod (nil: out of the node).
    func connect(
        _ pod: String?, to destination: String, port: UInt16 = echoPort, timeoutMilliseconds: Double = 1_000
    ) throws -> LabClient.Outcome {
        let address = try #require(IPAddress(parsing: destination))
        let namespace = try pod.map { try self.pod($0).namespace } ?? lab.node
        return try namespace.withThread {
            LabClient.connect(to: address, port: port, payload: [1], timeoutMilliseconds: timeoutMilliseconds).outcome
        }
    }

    func isReached(_ pod: String?, _ destination: String, port: UInt16 = echoPort) throws -> Bool {
        try connect(pod, to: destination, port: port) == .answered
    }

    /// Whether a refusal came at once: a reset, or an ICMP error.
    func isRefused(_ pod: String?, _ destination: String, port: UInt16 = echoPort) throws -> Bool {
        if case .refused = try connect(pod, to: destination, port: port) { return true }
        return false
    }

    /// An open connection to `echo`.
    func stream(_ pod: String, to destination: String, isDatagram: Bool = false) throws -> EchoStream {
        try EchoStream(
            in: self.pod(pod).namespace, to: try #require(IPAddress(parsing: destination)), port: Self.echoPort, isDatagram: isDatagram)
    }
}
