import DemoNetwork
import Foundation
import Testing

extension CommandLineTests {
    /// The pages say what the program does.
    @Suite(.serialized) struct DocumentationTests {
        // MARK: docs/policy.md

        @Test(arguments: ["docs/policy.md", "README.md"])
        func `every example of a policy is good`(_ path: String) throws {
            let blocks = try DocumentationPage(path).yamlBlocks
            #expect(!blocks.isEmpty)
            let folder = try TemporaryFolder()
            for (index, block) in blocks.enumerated() { try folder.write(block, to: "\(index).yaml") }
            let result = try Program.run("check", folder.path)
            #expect(result.status == 0 && !result.output.contains("warning"), "\(result.output)")
        }

        // MARK: docs/kernel.md

        @Test func `every feature that doctor looks for has its row, by the name that it is pretended away with`() throws {
            let rows = try DocumentationPage("docs/kernel.md").rows(columns: 3).map { DocumentationPage.words($0[0])[0] }
            let result = try Program.run("doctor")
            let names = result.output.matches(of: /(?m)^(?:yes|no )  ([^;\n]+)/).map { String($0.1) }
            #expect(!names.isEmpty && names == rows, "\(result)")
            #expect(try Program.run(["doctor"] + rows.flatMap { ["--pretend", "\($0)=no"] }).status == 1)
        }

        // MARK: docs/configuration.md

        struct Field {
            let name: String
            let type: String
            let value: String

            /// The file with this field alone, and what must be there.
            func file(_ value: String, also: String = "") -> String {
                let parts = name.split(separator: ".")
                var text = name == "workloadInterfaces" ? "" : "workloadInterfaces: [\"cali*\"]\n"
                var isElement = false
                // Fields of an element stand behind its dash.
                var dashes = 0
                for (depth, part) in parts.enumerated() {
                    text += String(repeating: "  ", count: depth + dashes) + (isElement ? "- " : "") + part.replacing("[]", with: "") + ":"
                    text += depth == parts.count - 1 ? " \(value)\n" : "\n"
                    if isElement { dashes += 1 }
                    isElement = part.hasSuffix("[]")
                }
                return text + also
            }

            /// Its last word, as the reader asks for it, and the name that errors give it in such a file.
            var words: [String] { name.replacing("[]", with: "").split(separator: ".").map(String.init) }
            var errorName: String { name.replacing("[]", with: "[0]") }

            var range: ClosedRange<Int>? {
                guard type.hasPrefix("integer, ") else { return nil }
                let ends = type.dropFirst("integer, ".count).components(separatedBy: " to ").compactMap { Int($0.replacing(",", with: "")) }
                return ends.count == 2 ? ends[0]...ends[1] : nil
            }
        }

        static func fields() throws -> [Field] {
            try DocumentationPage("docs/configuration.md").rows(columns: 4).map {
                Field(name: DocumentationPage.words($0[0])[0], type: $0[1], value: DocumentationPage.words($0[2]).first ?? $0[2])
            }
        }

        private func check(_ text: String) throws -> Program.Result {
            let folder = try TemporaryFolder()
            for name in ["policies", "endpoints"] { try folder.write("# nothing\n", to: "\(name)/none.yaml") }
            return try Program.run("check", try folder.write(text, to: "exeat.yaml"))
        }

        @Test func `the page of the configuration has every field of the reader and no other`() throws {
            let folder = Program.repository.appending(path: "Sources/Daemon")
            let source = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
                .filter { $0.lastPathComponent.contains(/^ExeatConfiguration\+(Reading|Zones)/) }
                .map { try String(contentsOf: $0, encoding: .utf8) }.joined()
            let read = Set(source.matches(of: /(?:reader\["|required\(")(\w+)"/).map { String($0.1) })
            let documented = Set(try Self.fields().flatMap(\.words))
            #expect(read.count > 30)
            #expect(documented == read)
            let shipped = try String(contentsOf: Program.repository.appending(path: "config/exeat.yaml"), encoding: .utf8)
            // The path of the flow log has no default to show.
            for name in documented.subtracting(["path"]) { #expect(shipped.contains("\(name):"), "config/exeat.yaml lacks \(name)") }
        }

        @Test func `the defaults, choices and bounds that the page gives are those of the program`() throws {
            let fields = try Self.fields()
            #expect(fields.count > 30)
            for field in fields where !["none", "required", "built in"].contains(field.value) {
                let value = field.range == nil ? field.value : field.value.replacing(",", with: "")
                let text = value.hasPrefix(":") ? "\"\(value)\"" : value
                #expect(try check(field.file(text)).status == 0, "\(field.name): the default \(text)")
                #expect(field.range?.contains(Int(text) ?? -1) ?? true, "\(field.name)")
            }
            for field in fields {
                guard let range = field.range else { continue }
                // A ceiling below the floor's default is another error.
                let also = field.name == "bindings.ceilingSeconds" ? "  floorSeconds: 0\n" : ""
                for good in [range.lowerBound, range.upperBound] {
                    let result = try check(field.file("\(good)", also: also))
                    #expect(result.status == 0, "\(field.name): \(good): \(result.output)")
                }
                for bad in [range.lowerBound - 1, range.upperBound + 1] {
                    let result = try check(field.file("\(bad)", also: also))
                    #expect(result.status == 1 && result.output.contains("error: \(field.name): "), "\(field.name): \(bad)")
                }
            }
            for field in fields where field.type.contains("` or `") {
                for choice in DocumentationPage.words(field.type) {
                    let also =
                        switch choice {
                        case "sinkhole": "  sinkholeAddresses: [\"192.0.2.66\"]\n"
                        case "all": "  intercept: false\n"
                        default: ""
                        }
                    #expect(try check(field.file(choice, also: also)).status == 0, "\(field.name): \(choice)")
                }
                #expect(try check(field.file("perhaps")).output.contains("error: \(field.name): "))
            }
            for field in fields where field.type == "true or false" {
                for good in ["true", "false"] { #expect(try check(field.file(good)).status == 0, "\(field.name)") }
                #expect(try check(field.file("yes")).output.contains("error: \(field.name): "))
            }
            for field in fields where field.type.hasPrefix("list of ") {
                #expect(try check(field.file("text")).output.contains("error: \(field.errorName): must be a list"), "\(field.name)")
            }
        }

        // MARK: docs/metrics.md

        @Test func `the page of the metrics has every family that a daemon shows and no other, with its type and labels`() throws {
            let lab = try DaemonLab { [.init(bytes: $0.reply().a(Lie.trueAddress).bytes)] }
            defer { lab.stop() }
            #expect(try lab.ask("n0.true.lies.example.org") != nil)
            // The kernel's counters are read once a second.
            var text = ""
            for _ in 0..<50 where !text.contains("exeat_kernel_refused_packets_total{") {
                usleep(100_000)
                text = try lab.metricsText()
            }
            let page = try DocumentationPage("docs/metrics.md")
            let documented = Dictionary(
                page.rows(columns: 4).map {
                    (DocumentationPage.words($0[0])[0], (kind: $0[1], labels: Set(DocumentationPage.words($0[2]))))
                },
                uniquingKeysWith: { first, _ in first })
            let shown = try Self.families(text)
            #expect(Set(documented.keys) == Set(shown.keys))
            let words = Set(DocumentationPage.words(page.text))
            for (name, family) in shown {
                #expect(documented[name]?.kind == family.kind, "\(name)")
                #expect(documented[name]?.labels == Set(family.labels.keys), "\(name)")
                for (label, values) in family.labels where !["queue", "version", "mode", "zone", "server"].contains(label) {
                    #expect(values.isSubset(of: words), "\(name): \(values.subtracting(words).sorted())")
                }
            }
        }

        @Test func `the metrics are sound OpenMetrics text: every family has type and help, no series is there twice`() throws {
            let lab = try DaemonLab { [.init(bytes: $0.reply().a(Lie.trueAddress).bytes)] }
            defer { lab.stop() }
            let head = try lab.network.node.run(["curl", "-s", "-D", "-", "-o", "/dev/null", "http://127.0.0.1:9253/metrics"]).stdout
            #expect(head.lowercased().contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"))
            let text = try lab.metricsText()
            #expect(text.hasSuffix("\n# EOF\n"))
            let lines = text.split(separator: "\n").dropLast()
            let series = lines.filter { !$0.hasPrefix("#") }.compactMap { $0.split(separator: " ").first }
            let repeated = Dictionary(grouping: series, by: { $0 }).filter { $0.value.count > 1 }.keys
            #expect(repeated.isEmpty, "\(repeated)")
            let types = lines.filter { $0.hasPrefix("# TYPE ") }.map { $0.split(separator: " ")[2] }
            let helps = lines.filter { $0.hasPrefix("# HELP ") }.map { $0.split(separator: " ")[2] }
            #expect(types == helps)
            #expect(Set(types).count == types.count)
            #expect(types.allSatisfy { $0.wholeMatch(of: /exeat_[a-z_]+/) != nil && !$0.hasSuffix("_total") })
            #expect(
                lines.allSatisfy {
                    $0.hasPrefix("#") || $0.wholeMatch(of: /[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [0-9.e+-]+/) != nil
                })
        }

        /// As people see them (`_total`, `_info`) -> type, and label -> values.
        private static func families(_ text: String) throws -> [String: (kind: String, labels: [String: Set<String>])] {
            var families: [String: (kind: String, labels: [String: Set<String>])] = [:]
            var name = ""
            for line in text.split(separator: "\n") {
                if line.hasPrefix("# TYPE ") {
                    let words = line.split(separator: " ").map(String.init)
                    name = words[2] + (words[3] == "counter" ? "_total" : words[3] == "info" ? "_info" : "")
                    families[name] = (words[3], [:])
                } else if !line.hasPrefix("#") {
                    for match in line.matches(of: /([a-z_]+)="([^"]*)"/) where match.1 != "le" {
                        families[name]?.labels[String(match.1), default: []].insert(String(match.2))
                    }
                }
            }
            return families
        }
    }
}
