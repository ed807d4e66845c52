import Foundation
import Testing

struct ScenarioTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scenarios")

    static let files: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
        .filter { $0.hasSuffix(".scenario") }.sorted()

    @Test func `there are scenarios`() { #expect(Self.files.count >= 12) }

    @Test(arguments: files)
    func `the scenario goes as it says`(file: String) throws {
        let text = try String(contentsOf: Self.folder.appending(path: file), encoding: .utf8)
        let run = try ScenarioRun(parsing: text, file: file)
        for mismatch in try run.play() { Issue.record(Comment(rawValue: mismatch)) }
        #expect(run.expectationCount > 1, "a scenario without expectations proves nothing")
    }
}
