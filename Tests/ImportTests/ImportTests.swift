import Testing

/// Imports point down, and docs/architecture.md says which: `## Imports` there, Package.swift and the sources agree.
@Suite struct ImportTests {
    /// Modules that a product brings under a name of their own.
    private static let modulesOfProduct: [String: Set<String>] = ["Yams": ["Yams", "CYaml"]]

    private let manifest: Manifest

    init() throws { manifest = Manifest(parsing: try Repository.text("Package.swift")) }

    private func imports(of module: Manifest.Module) throws -> [(path: String, statement: ImportStatement)] {
        try Repository.files(below: module.path, suffix: ".swift").flatMap { file in
            ImportStatement.all(in: file.text).map { (file.path, $0) }
        }
    }

    @Test func `the table in the architecture page is what Package.swift declares`() throws {
        let table = ImportTable(parsing: try Repository.text("docs/architecture.md"))
        #expect(table.repeated.isEmpty)
        #expect(Set(table.rows.keys) == Set(manifest.modules.map(\.name)))
        for module in manifest.modules {
            guard let row = table.rows[module.name] else { continue }
            #expect(row.sorted() == module.dependencies.sorted(), "\(module.name)")
        }
    }

    @Test func `a file imports only what the row of its module allows`() throws {
        let table = ImportTable(parsing: try Repository.text("docs/architecture.md"))
        for module in manifest.modules {
            let row = table.rows[module.name] ?? []
            let allowed = row.reduce(into: Ring.toolchain.union(["Glibc", "Foundation", "FoundationEssentials"])) { allowed, name in
                allowed.formUnion(Self.modulesOfProduct[name] ?? [name])
            }
            for (path, statement) in try imports(of: module) {
                #expect(allowed.contains(statement.module), "\(path) imports \(statement.module)")
            }
        }
    }

    @Test func `every module has a ring, and no dependency and no import points up`() throws {
        #expect(Set(Ring.ofModule.keys) == Set(manifest.modules.map(\.name)))
        let rings = Ring.ofModule.merging(manifest.cModules.map { ($0, .c) }) { ring, _ in ring }
        for module in manifest.modules {
            guard let ring = rings[module.name] else { continue }
            let imported = try imports(of: module).map { ($0.path, $0.statement.module) }
            for (place, name) in imported + module.dependencies.map({ ("Package.swift", $0) }) {
                guard let other = rings[name] else { continue }
                #expect(other <= ring, "\(place): \(module.name) imports \(name)")
            }
        }
    }

    @Test func `no module depends on itself by way of others`() {
        let dependencies = Dictionary(uniqueKeysWithValues: manifest.modules.map { ($0.name, $0.dependencies) })
        for name in dependencies.keys {
            var reached: Set<String> = []
            var open = dependencies[name] ?? []
            while let next = open.popLast() {
                if reached.insert(next).inserted { open += dependencies[next] ?? [] }
            }
            #expect(!reached.contains(name))
        }
    }

    @Test func `values and core stay free of Foundation and the C library, the packet and message edges of Foundation`() throws {
        for module in manifest.modules {
            var forbidden: Set<String> = []
            if let ring = Ring.ofModule[module.name], ring <= .core {
                forbidden = ["Foundation", "FoundationEssentials", "Glibc", "Dispatch"]
            }
            if Ring.edgesWithoutFoundation.contains(module.name) { forbidden = ["Foundation", "FoundationEssentials"] }
            for (path, statement) in try imports(of: module) {
                #expect(!forbidden.contains(statement.module), "\(path) imports \(statement.module)")
            }
        }
    }

    @Test func `nothing is imported with its insides, and nothing is passed on`() throws {
        for file in try ["Sources", "Tests", "bench"].flatMap({ try Repository.files(below: $0, suffix: ".swift") }) {
            for statement in ImportStatement.all(in: file.text) {
                let forbidden = statement.attributes.filter { $0.hasPrefix("@test" + "able") || $0 == "@_exported" }
                #expect(forbidden.isEmpty, "\(file.path) imports \(statement.module)")
            }
        }
    }

    @Test func `every folder of sources belongs to a target`() throws {
        let folders = Set(try Repository.files(below: "Sources").map { $0.path.split(separator: "/").prefix(2).joined(separator: "/") })
        let known = Set(manifest.modules.map(\.path)).union(manifest.cModules.map { "Sources/\($0)" })
        #expect(folders.subtracting(known).isEmpty)
    }
}
