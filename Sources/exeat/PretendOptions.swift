import ArgumentParser
import NetfilterTables

/// What to take the kernel not to have.
struct PretendOptions: ParsableArguments {
    @Option(help: "Pretend that the kernel lacks a feature: NAME=no, as `exeat doctor` names it. May be given several times.")
    var pretend: [String] = []

    func lacking() throws -> Set<KernelFeature> {
        var features: Set<KernelFeature> = []
        for text in pretend {
            guard text.hasSuffix("=no"), let feature = KernelFeature(rawValue: String(text.dropLast(3))) else {
                let names = KernelFeature.allCases.map { "\"\($0.rawValue)=no\"" }.joined(separator: ", ")
                throw ValidationError("\"\(text)\": write one of \(names)")
            }
            features.insert(feature)
        }
        return features
    }
}
