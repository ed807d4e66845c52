import Testing

/// The scanners of this folder see what they should; else the other tests could be green by reading nothing.
@Suite struct ScannerTests {
    struct Line: CustomTestStringConvertible {
        let text: String
        let statements: [ImportStatement]
        var testDescription: String { text }

        init(_ text: String, _ statements: ImportStatement...) {
            self.text = text
            self.statements = statements
        }
    }

    @Test(arguments: [
        Line("import Glibc", ImportStatement(module: "Glibc")),
        Line("    import Glibc  // why", ImportStatement(module: "Glibc")),
        Line("public import NetworkTypes", ImportStatement(module: "NetworkTypes")),
        Line("@preconcurrency import Glibc", ImportStatement(module: "Glibc", attributes: ["@preconcurrency"])),
        Line(
            "@_spi(Inside) @testable public import Enforcement",
            ImportStatement(module: "Enforcement", attributes: ["@_spi(Inside)", "@testable"])),
        Line("import struct Foundation.Data", ImportStatement(module: "Foundation")),
        Line("import func Glibc.getpid", ImportStatement(module: "Glibc")),
        Line("import Glibc; import Foundation", ImportStatement(module: "Glibc"), ImportStatement(module: "Foundation")),
        Line("import Glibc\r\nimport Foundation\n", ImportStatement(module: "Glibc"), ImportStatement(module: "Foundation")),
        Line("/// import Glibc"),
        Line("// import Glibc"),
        Line("#if canImport(Glibc)"),
        Line("let importance = 1"),
        Line("important(Glibc)"),
    ])
    func `imports are found in every form, and nothing else is one`(_ line: Line) {
        #expect(ImportStatement.all(in: line.text) == line.statements)
    }

    @Test func `targets are read from the text of a manifest`() throws {
        let manifest = Manifest(
            parsing: """
                // module("Comment", [])
                func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target { .other(name: name) }
                let targets = [
                    .systemLibrary(name: "CThing", pkgConfig: "thing", providers: [.apt(["libthing-dev"])]),
                    module("Lower"),
                    module("Upper", ["Lower", "CThing"]),
                    module(
                        "Outer",
                        [
                            "Upper",
                            .product(name: "Yams", package: "yams-package"), "Lower",
                        ]),
                    .executableTarget(
                        name: "tool", dependencies: ["Outer"], path: "bench/Sources", swiftSettings: strict),
                    .executableTarget(name: "bare", dependencies: [], exclude: ["Corpus"]),
                ]
                """)
        #expect(manifest.modules.map(\.name) == ["Lower", "Upper", "Outer", "tool", "bare"])
        #expect(manifest.modules.map(\.dependencies) == [[], ["Lower", "CThing"], ["Upper", "Yams", "Lower"], ["Outer"], []])
        #expect(manifest.modules.map(\.path) == ["Sources/Lower", "Sources/Upper", "Sources/Outer", "bench/Sources", "Sources/bare"])
        #expect(manifest.cModules == ["CThing"])
    }

    @Test func `only the table below its heading is read`() {
        let table = ImportTable(
            parsing: """
                ## Rings
                | `Elsewhere` | `Lower` |
                ## Imports
                | Module | May import |
                | --- | --- |
                | `Lower` | |
                | `Upper` | `Lower`, `Yams` |
                ## Threads
                | `Later` | `Lower` |
                """)
        #expect(table.rows == ["Lower": [], "Upper": ["Lower", "Yams"]])
        #expect(table.repeated.isEmpty)
    }

    @Test func `the scanners see this repository`() throws {
        let manifest = Manifest(parsing: try Repository.text("Package.swift"))
        #expect(manifest.modules.count >= 20)
        #expect(manifest.modules.first { $0.name == "PacketHeaders" }?.dependencies == ["NetworkTypes"])
        #expect(manifest.cModules.isSuperset(of: ["CLDNS", "CNetfilter", "CLinux"]))
        let files = try manifest.modules.flatMap { try Repository.files(below: $0.path, suffix: ".swift") }
        #expect(files.count >= 100)
        #expect(files.reduce(0) { $0 + ImportStatement.all(in: $1.text).count } >= 100)
    }
}
