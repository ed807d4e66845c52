import DemoNetwork
import Foundation
import Testing

extension RunningNode {
    func write(settings: NodeSettings) throws {
        try write(settings.configuration(directory: lab.directory), to: folder + "/exeat.yaml")
    }

    func policyPath(_ name: String) -> String { "\(folder)/policies/\(name)" }

    func write(policy name: String, _ text: String) throws { try write(text, to: policyPath(name)) }

    func remove(policy name: String) throws { try FileManager.default.removeItem(atPath: policyPath(name)) }

    /// Replaces the endpoints by the pods there are; `labels` are those of pods whose labels changed, `without` are left out, and `names` are of
    /// those that took a pod's place.
    func writeEndpoints(
        labels: [String: [String: String]] = [:], without: Set<String> = [], names: [String: String] = [:]
    ) throws {
        let documents = lab.pods.filter { !without.contains($0.name) }.map { pod in
            let pairs = (labels[pod.name] ?? pod.labels).sorted { $0.key < $1.key }.map { "\n    \($0.key): \($0.value)" }.joined()
            return """
                apiVersion: projectcalico.org/v3
                kind: WorkloadEndpoint
                metadata:
                  name: \(names[pod.name] ?? pod.name)
                  namespace: \(pod.kubernetesNamespace)
                  labels:\(pairs.isEmpty ? " {}" : pairs)
                spec:
                  orchestrator: k8s
                  node: node
                  pod: \(pod.name)
                  endpoint: eth0
                  interfaceName: \(pod.interfaceOnNode)
                  ipNetworks: ["\(pod.v4)/32", "\(pod.v6)/128"]

                """
        }
        try write(documents.joined(separator: "---\n"), to: "\(folder)/endpoints/pods.yaml")
    }

    /// Replaces the file in one step, as an editor does.
    private func write(_ text: String, to path: String) throws {
        try text.write(toFile: path, atomically: true, encoding: .utf8)
    }

    /// Makes a change and waits until the daemon has read it, well or not; how long that took.
    @discardableResult
    func afterReload(_ change: () throws -> Void) throws -> Double {
        let before = try metrics()["exeat_policy_reloads_total"]
        let watch = Stopwatch()
        try change()
        try Stopwatch.wait("a reload") { try metrics()["exeat_policy_reloads_total"] > before }
        return watch.seconds
    }
}
