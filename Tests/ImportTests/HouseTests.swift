import Testing

@Suite struct HouseTests {
    static let places = ["Sources", "Tests", "bench", "docs", "config", "scripts", "README.md"]

    /// Words that belong to one machine or one moment. Put together here, so that this file does not hold them.
    static let machinePaths = ["/" + "work/", "/" + "root/"]
    static let promises = ["TO" + "DO", "FIX" + "ME"]

    @Test(arguments: places)
    func `no file names a place on somebody's machine or promises work`(_ place: String) throws {
        for file in try Repository.files(below: place) {
            for (index, line) in file.text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
                let words = line.split { !$0.isLetter && !$0.isNumber }
                let found = Self.machinePaths.filter { line.contains($0) } + Self.promises.filter { words.contains(Substring($0)) }
                #expect(found.isEmpty, "\(file.path):\(index + 1): \(found.joined(separator: ", "))")
            }
        }
    }
}
