import ArgumentParser
import NetfilterTables

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What this kernel has, lacks, and what is used instead. Exit 0 if policy can be enforced, else 1.")

    @Option(help: "Pretend that the kernel lacks a feature: NAME=no. May be given several times.")
    var pretend: [String] = []

    mutating func run() throws {
        let features: KernelFeatures
        do throws(TableError) {
            features = try TableSocket.probe()
        } catch {
            StandardError.print("\(error) (run it as root)")
            throw ExitCode(1)
        }
        var present = features.present
        for text in pretend {
            guard text.hasSuffix("=no"), let feature = KernelFeature(rawValue: String(text.dropLast(3))) else {
                let names = KernelFeature.allCases.map { "\"\($0.rawValue)=no\"" }.joined(separator: ", ")
                throw ValidationError("\"\(text)\": write one of \(names)")
            }
            present.remove(feature)
        }
        let seen = KernelFeatures(present: present)
        for feature in KernelFeature.allCases {
            let mark = seen.has(feature) ? "yes" : "no "
            print("\(mark)  \(feature.rawValue)" + (seen.has(feature) ? "" : "; instead: \(feature.substitute)"))
        }
        print("queue: \(seen.queueBackend.map(\.rawValue) ?? "none"), table ownership: \(seen.ownership.rawValue)")
        guard seen.missing.isEmpty else {
            print("policy cannot be enforced on this kernel")
            throw ExitCode(1)
        }
        print("policy can be enforced on this kernel")
    }
}
