import Datastores
import Foundation
import PolicyModel
import Testing

struct PolicyFolderTests {
    static let testFolder = URL(filePath: #filePath).deletingLastPathComponent().path

    /// After a wanted change of messages: `EXEAT_WRITE_GOLDEN=1` writes the file anew; read the difference.
    @Test func `the broken files give the golden messages`() throws {
        let folder = Self.testFolder + "/Broken"
        let load = PolicyFolder(folder).load()
        #expect(!load.isUsable)
        let actual = load.diagnostics.map { $0.description.replacing(folder + "/", with: "") + "\n" }.joined()
        let golden = folder + "/expected.txt"
        if ProcessInfo.processInfo.environment["EXEAT_WRITE_GOLDEN"] != nil {
            try actual.write(toFile: golden, atomically: true, encoding: .utf8)
        }
        #expect(actual == (try String(contentsOfFile: golden, encoding: .utf8)))
    }

    @Test func `every error has its place, its field and a hint`() throws {
        let load = PolicyFolder(Self.testFolder + "/Broken").load()
        var files: Set<String> = []
        for error in load.diagnostics where error.severity == .error {
            let place = try #require(error.location)
            files.insert(place.file)
            #expect(error.hint?.isEmpty == false, "\(error)")
            // What cannot be opened has no place in it.
            if place.line == 0, error.message.contains("cannot be read") { continue }
            #expect(place.line > 0 && place.column > 0, "\(error)")
            // That of a whole document is empty.
            #expect(!error.field.isEmpty || error.message.hasPrefix("a resource must be a mapping"), "\(error)")
        }
        #expect(files.count >= 40)
    }

    @Test func `the shipped policies are without findings`() {
        let root = URL(filePath: Self.testFolder).deletingLastPathComponent().deletingLastPathComponent()
        let load = PolicyFolder(root.path + "/config/policies").load()
        #expect(load.diagnostics.map(\.description) == [])
        #expect(
            load.resources.policies.map(\.identity) == [
                "security.blocked-networks", "default/shop", "default/batch", "default/default-deny",
            ])
        #expect(load.resources.tiers.map(\.name) == ["security", "default"])
        #expect(load.resources.networkSets.map(\.identity) == ["blocked-networks", "default/file-servers"])
    }

    @Test func `a folder is read with its subfolders, without hidden names, and links to files are followed`() throws {
        let folder = try TemporaryFolder()
        let other = try TemporaryFolder()
        try folder.makeFolder("b/c")
        try folder.makeFolder(".hidden")
        try folder.write(TemporaryFolder.tier("second"), to: "z.yaml")
        try folder.write(TemporaryFolder.tier("first"), to: "a.yml")
        try folder.write(TemporaryFolder.tier("third"), to: "b/c/x.yaml")
        try folder.write(TemporaryFolder.tier("never"), to: ".hidden/x.yaml")
        try folder.write(TemporaryFolder.tier("never"), to: ".x.yaml")
        try folder.write("not: [yaml", to: "notes.txt")
        try other.write(TemporaryFolder.tier("linked"), to: "target")
        try folder.link("m.yaml", to: other.path + "/target")
        try folder.link("loop", to: folder.path)
        let load = PolicyFolder(folder.path).load()
        #expect(load.diagnostics.map(\.description) == [])
        #expect(load.resources.tiers.map(\.name) == ["first", "linked", "second", "third", "default"])
    }

    @Test func `a suffix in capitals is one as well`() throws {
        let folder = try TemporaryFolder()
        try folder.write(TemporaryFolder.tier("first"), to: "a.YAML")
        try folder.write(TemporaryFolder.tier("second"), to: "b.Yml")
        try folder.write("not: [yaml", to: "xyaml")
        let load = PolicyFolder(folder.path).load()
        #expect(load.diagnostics.map(\.description) == [])
        #expect(load.resources.tiers.map(\.name) == ["first", "second", "default"])
    }

    private static let unreadableHint = " (every .yaml and .yml file is read; remove it, or let its name begin with a dot)"

    private func messages(_ path: String, in folder: TemporaryFolder) -> [String] {
        PolicyFolder(path).load().diagnostics.map { $0.description.replacing(folder.path, with: "F") }
    }

    @Test func `what cannot be read is an error`() throws {
        let folder = try TemporaryFolder()
        try folder.link("broken.yaml", to: "nowhere")
        try folder.makeFolder("folder.yaml")
        try folder.write(TemporaryFolder.tier("one"), to: "one.yaml")
        #expect(unsafe mkfifo(folder.path + "/pipe.yaml", 0o600) == 0)
        #expect(
            messages(folder.path, in: folder) == [
                "F/broken.yaml: error: cannot be read: No such file or directory\(Self.unreadableHint)",
                "F/pipe.yaml: error: is no file\(Self.unreadableHint)",
            ])
        #expect(
            PolicyFolder("/nonexistent/policies").load().diagnostics.map(\.description) == [
                "/nonexistent/policies: error: cannot be read: No such file or directory (give a file or folder that there is)"
            ])
        try folder.write(String(repeating: "#", count: ConfigurationDocument.Limit.byteCountMax + 1), to: "large.yaml")
        #expect(
            messages(folder.path + "/large.yaml", in: folder) == [
                "F/large.yaml: error: the file is larger than 8 MiB (divide it into several files)"
            ])
    }

    @Test func `several paths are one set of resources`() throws {
        let folder = try TemporaryFolder()
        try folder.write(TemporaryFolder.tier("one"), to: "one.yaml")
        try folder.write(TemporaryFolder.tier("one"), to: "two")
        let load = PolicyFolder(paths: [folder.path + "/one.yaml", folder.path + "/two"]).load()
        #expect(
            load.diagnostics.map { $0.description.replacing(folder.path, with: "F") } == [
                "F/two:3:18: error: metadata.name: Tier one is defined twice (first at F/one.yaml:3:18)"
            ])
    }

    @Test func `however many warnings there are, an error is among the findings`() throws {
        let folder = try TemporaryFolder()
        let warned = (0...DiagnosticList.capacityMax).map { number in
            """
            apiVersion: projectcalico.org/v3
            kind: GlobalNetworkPolicy
            metadata: {name: p\(number)}
            spec: {types: [Ingress], ingress: [{action: Allow}]}
            """
        }
        try folder.write(warned.joined(separator: "\n---\n"), to: "a.yaml")
        #expect(PolicyFolder(folder.path).load().isUsable)
        try folder.write(
            "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: deny}\n"
                + "spec: {types: [Egress], egress: [{action: Deni}]}\n", to: "b.yaml")
        let load = PolicyFolder(folder.path).load()
        #expect(!load.isUsable)
        #expect(load.diagnostics.count == DiagnosticList.capacityMax)
        #expect(load.diagnostics.filter { $0.severity == .error }.map(\.location?.file) == [folder.path + "/b.yaml"])
    }

    @Test func `an empty folder is valid`() throws {
        let folder = try TemporaryFolder()
        let load = PolicyFolder(folder.path).load()
        #expect(load.isUsable)
        #expect(load.resources == ResourceSet())
    }
}
