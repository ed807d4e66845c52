import ArgumentParser
import Daemon
import NetfilterTables

struct Doctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What this kernel has and lacks, and what leads past the rules. Exit 0 if policy can be enforced, else 1.")

    @OptionGroup var pretend: PretendOptions

    @Option(help: "What the processes of this node resolve by (dns.resolvConf).")
    var resolvConf = ExeatConfiguration().dns.resolvConf

    mutating func run() throws {
        let features: KernelFeatures
        do throws(TableError) {
            features = try TableSocket.probe()
        } catch {
            StandardError.print("\(error) (run it as root)")
            throw ExitCode(1)
        }
        let seen = features.without(try pretend.lacking())
        for feature in KernelFeature.allCases {
            let mark = seen.has(feature) ? "yes" : "no "
            print("\(mark)  \(feature.rawValue)" + (seen.has(feature) ? "" : "; instead: \(feature.substitute)"))
        }
        print("queue: \(seen.queueBackend.map(\.rawValue) ?? "none"), table ownership: \(seen.ownership.rawValue)")
        for stub in StubResolver.find(resolvConf: resolvConf) where stub.listener?.process?.name != "exeat" {
            print("stub resolver: \(stub); \(StubResolver.consequence); \(StubResolver.remedy)")
        }
        for path in UnseenPath.find() { print("unseen: \(path)") }
        guard seen.missing.isEmpty else {
            print("policy cannot be enforced on this kernel")
            throw ExitCode(1)
        }
        print("policy can be enforced on this kernel")
    }
}
