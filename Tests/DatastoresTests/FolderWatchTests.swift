import Datastores
import Foundation
import Synchronization
import Testing

/// One at a time: the last test looks at the threads and descriptors of the process.
@Suite(.serialized)
struct FolderWatchTests {
    /// Counts the calls and waits for them.
    final class Counter: Sendable {
        private let count = Mutex(0)
        var value: Int { count.withLock { $0 } }
        func increment() { count.withLock { $0 += 1 } }

        /// Waits until the count exceeds `old`, 3 s at most.
        func waits(beyond old: Int) async throws -> Bool {
            for _ in 0..<300 {
                if value > old { return true }
                try await Task.sleep(for: .milliseconds(10))
            }
            return false
        }
    }

    private func watching(_ path: String, _ body: (Counter, FolderWatch) async throws -> Void) async throws {
        let watch = FolderWatch(PolicyFolder(path))
        let counter = Counter()
        try watch.start { counter.increment() }
        defer { watch.stop() }
        try await body(counter, watch)
    }

    /// Runs each step and waits for its report; the folder then settles.
    private func expectReport(_ counter: Counter, _ what: Comment, after step: () throws -> Void) async throws {
        let before = counter.value
        try step()
        #expect(try await counter.waits(beyond: before), what)
        try await Task.sleep(for: .milliseconds(250))
    }

    /// The step is not reported. It is tried several times: what else happens to the folders above, by whomever, may be reported meanwhile.
    private func expectSilence(_ counter: Counter, after step: () throws -> Void) async throws {
        var isSilent = false
        for _ in 0..<5 where !isSilent {
            let before = counter.value
            try step()
            try await Task.sleep(for: .milliseconds(300))
            isSilent = counter.value == before
        }
        #expect(isSilent)
    }

    @Test func `every way to change a folder is reported`() async throws {
        let folder = try TemporaryFolder()
        try folder.write(TemporaryFolder.tier("one"), to: "a.yaml")
        try await watching(folder.path) { counter, watch in
            #expect(watch.load().resources.tiers.map(\.name) == ["one", "default"])
            try await expectReport(counter, "written in place") { try folder.write(TemporaryFolder.tier("two"), to: "a.yaml") }
            #expect(watch.load().resources.tiers.map(\.name) == ["two", "default"])
            try await expectReport(counter, "renamed over") {
                try folder.write(TemporaryFolder.tier("three"), to: ".a.yaml.tmp")
                folder.rename(".a.yaml.tmp", to: "a.yaml")
            }
            #expect(watch.load().resources.tiers.map(\.name) == ["three", "default"])
            try await expectReport(counter, "a subfolder with a file") {
                try folder.makeFolder("sub/deep")
                try folder.write(TemporaryFolder.tier("four"), to: "sub/deep/b.yaml")
            }
            #expect(watch.load().resources.tiers.map(\.name) == ["three", "four", "default"])
            try await expectReport(counter, "written in a subfolder") {
                try folder.write(TemporaryFolder.tier("five"), to: "sub/deep/b.yaml")
            }
            try await expectReport(counter, "deleted") { try folder.remove("a.yaml") }
            try await expectReport(counter, "subfolder deleted") { try folder.remove("sub") }
            #expect(watch.load().resources.tiers.map(\.name) == ["default"])
        }
    }

    @Test func `a ConfigMap volume that is swapped by its link is reported`() async throws {
        let folder = try TemporaryFolder()
        try folder.makeFolder("..1")
        try folder.write(TemporaryFolder.tier("one"), to: "..1/a.yaml")
        try folder.link("..data", to: "..1")
        try folder.link("a.yaml", to: "..data/a.yaml")
        try await watching(folder.path) { counter, watch in
            for round in 2...3 {
                try await expectReport(counter, "swap \(round)") {
                    try folder.makeFolder("..\(round)")
                    try folder.write(TemporaryFolder.tier("round-\(round)"), to: "..\(round)/a.yaml")
                    try folder.link("..data_tmp", to: "..\(round)")
                    folder.rename("..data_tmp", to: "..data")
                    try folder.remove("..\(round - 1)")
                }
                #expect(watch.load().resources.tiers.map(\.name) == ["round-\(round)", "default"])
            }
        }
    }

    @Test func `the target of a link is watched where it lies`() async throws {
        let folder = try TemporaryFolder()
        let other = try TemporaryFolder()
        try other.write(TemporaryFolder.tier("one"), to: "t")
        try folder.link("a.yaml", to: other.path + "/t")
        try await watching(folder.path) { counter, watch in
            try await expectReport(counter, "written") { try other.write(TemporaryFolder.tier("two"), to: "t") }
            try await expectReport(counter, "renamed over") {
                try other.write(TemporaryFolder.tier("three"), to: "u")
                other.rename("u", to: "t")
            }
            try await expectReport(counter, "written again") { try other.write(TemporaryFolder.tier("four"), to: "t") }
            #expect(watch.load().resources.tiers.map(\.name) == ["four", "default"])
        }
    }

    @Test func `a folder that comes, goes and comes again is watched`() async throws {
        let parent = try TemporaryFolder()
        try await watching(parent.path + "/x/policies") { counter, watch in
            #expect(!watch.load().isUsable)
            try await expectReport(counter, "made") { try parent.makeFolder("x/policies") }
            try await expectReport(counter, "a file in it") { try parent.write(TemporaryFolder.tier("one"), to: "x/policies/a.yaml") }
            try await expectReport(counter, "moved away") { parent.rename("x", to: "y") }
            #expect(!watch.load().isUsable)
            try await expectReport(counter, "made again") {
                try parent.makeFolder("x/policies")
                try parent.write(TemporaryFolder.tier("two"), to: "x/policies/a.yaml")
            }
            #expect(watch.load().resources.tiers.map(\.name) == ["two", "default"])
            try await expectReport(counter, "written") { try parent.write(TemporaryFolder.tier("three"), to: "x/policies/a.yaml") }
        }
    }

    @Test func `a single file is watched, its neighbours are not`() async throws {
        let folder = try TemporaryFolder()
        try folder.write(TemporaryFolder.tier("one"), to: "a.yaml")
        try await watching(folder.path + "/a.yaml") { counter, _ in
            try await expectSilence(counter) { try folder.write("x", to: "neighbour.yaml") }
            try await expectReport(counter, "written") { try folder.write(TemporaryFolder.tier("two"), to: "a.yaml") }
        }
    }

    @Test func `a burst is no more reports than files, and hidden files are none`() async throws {
        let folder = try TemporaryFolder()
        try await watching(folder.path) { counter, _ in
            for number in 0..<50 { try folder.write(TemporaryFolder.tier("t\(number)"), to: "\(number).yaml") }
            // How few depends on how fast they were written. It is over when nothing has come for a while.
            var before = -1
            for _ in 0..<50 where counter.value != before {
                before = counter.value
                try await Task.sleep(for: .milliseconds(400))
            }
            #expect((1...50).contains(counter.value))
            try await expectSilence(counter) { try folder.write("swap", to: ".a.yaml.swp") }
        }
    }

    @Test func `what is not read is not reported, such as a log in the folder`() async throws {
        let folder = try TemporaryFolder()
        try folder.write(TemporaryFolder.tier("one"), to: "a.yaml")
        try await watching(folder.path) { counter, watch in
            for name in ["flows.jsonl", "flows.jsonl.1", "notes"] {
                try await expectSilence(counter) { try folder.write("x", to: name) }
            }
            try await expectReport(counter, "made a file of policy") {
                try FileManager.default.moveItem(atPath: folder.path + "/notes", toPath: folder.path + "/b.YML")
            }
            try await expectReport(counter, "no such file any more") {
                try FileManager.default.moveItem(atPath: folder.path + "/b.YML", toPath: folder.path + "/b.bak")
            }
            #expect(watch.load().resources.tiers.map(\.name) == ["one", "default"])
        }
    }

    @Test func `a file that is named itself is watched in a folder that is read, too`() async throws {
        let folder = try TemporaryFolder()
        try folder.write(TemporaryFolder.tier("one"), to: "named")
        let watch = FolderWatch(PolicyFolder(paths: [folder.path, folder.path + "/named"]))
        let counter = Counter()
        try watch.start { counter.increment() }
        defer { watch.stop() }
        try await expectReport(counter, "written") { try folder.write(TemporaryFolder.tier("two"), to: "named") }
    }

    @Test func `events without a pause are reported all the same`() async throws {
        let folder = try TemporaryFolder()
        try await watching(folder.path) { counter, _ in
            let end = ContinuousClock.now + .milliseconds(2_500)
            var writeCount = 0
            while ContinuousClock.now < end {
                try folder.write("# x", to: "a.yaml")
                writeCount += 1
                try await Task.sleep(for: .milliseconds(20))
            }
            // How many depends on the scheduler: a writer that stalls makes a pause. What counts is that writing on does not keep them off.
            #expect((1...writeCount).contains(counter.value))
        }
    }

    @Test func `stop leaves no thread and no descriptor, and may come from the callback`() async throws {
        let folder = try TemporaryFolder()
        let watch = FolderWatch(PolicyFolder(folder.path))
        let counter = Counter()
        for _ in 0..<20 {
            try watch.start { counter.increment() }
            #expect(throws: ResourceWatchError.alreadyStarted) { try watch.start {} }
            watch.stop()
            watch.stop()
        }
        let before = counter.value
        try watch.start { [watch] in
            counter.increment()
            watch.stop()
        }
        try folder.write("# x", to: "a.yaml")
        #expect(try await counter.waits(beyond: before))
        // Other suites may have a watch of their own for a while.
        var left: [String] = []
        for _ in 0..<1_000 {
            left = try Self.descriptors() + Self.threads()
            if left.isEmpty { break }
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(left == [])
    }

    private static func descriptors() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap {
            try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\($0)")
        }.filter { $0.contains("inotify") }
    }

    private static func threads() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").compactMap {
            try? String(contentsOfFile: "/proc/self/task/\($0)/comm", encoding: .utf8)
        }.filter { $0.hasPrefix("exeat-watch") }
    }
}
