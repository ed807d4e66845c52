/// The targets of Package.swift that are not tests, read out of its text: calls of `module(` and `.executableTarget(`.
struct Manifest {
    struct Module {
        let name: String
        /// Targets and products, in the order in which they stand.
        let dependencies: [String]
        /// The folder of the sources.
        let path: String
    }

    let modules: [Module]
    /// System libraries and C targets, which import nothing of ours.
    let cModules: Set<String>

    init(parsing text: String) {
        let code = text.split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.drop { $0 == " " }.hasPrefix("//") }
            .joined(separator: "\n")
        var modules: [Module] = []
        for call in Self.calls(of: "module(", in: code) + Self.calls(of: ".executableTarget(", in: code) {
            guard let name = call.firstMatch(of: /"([^"]+)"/)?.1 else { continue }
            let list = call.firstMatch(of: /(?s)"[^"]+",\s*(?:dependencies:\s*)?(\[.*?\])/)?.1 ?? ""
            // A product counts by its name; the name of its package is dropped.
            let names = list.replacing(/package:\s*"[^"]*"/, with: "").matches(of: /"([^"]+)"/).map { String($0.1) }
            let path = call.firstMatch(of: /path:\s*"([^"]+)"/).map { String($0.1) } ?? "Sources/\(name)"
            modules.append(Module(name: String(name), dependencies: names, path: path))
        }
        self.modules = modules
        let named = (Self.calls(of: ".systemLibrary(", in: code) + Self.calls(of: ".target(", in: code)).compactMap {
            $0.firstMatch(of: /name:\s*"([^"]+)"/).map { String($0.1) }
        }
        cModules = Set(named)
    }

    /// What stands between the parentheses of each call; definitions (`func module(`) are left out.
    private static func calls(of head: String, in code: String) -> [String] {
        code.ranges(of: head).compactMap { range in
            guard !code[..<range.lowerBound].hasSuffix("func ") else { return nil }
            if let before = code[..<range.lowerBound].last, before.isLetter { return nil }
            var depth = 1
            let rest = code[range.upperBound...]
            let end = rest.firstIndex { character in
                depth += character == "(" ? 1 : character == ")" ? -1 : 0
                return depth == 0
            }
            return end.map { String(rest[..<$0]) }
        }
    }
}
