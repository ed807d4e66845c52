import Foundation

/// The inputs to begin with. Every input that once broke something stays here, with a line of history.
enum Corpus {
    struct Seed {
        let path: String
        let bytes: [UInt8]
    }

    /// The files of a folder by name: `.hex` files hold hexadecimal digits and `#` comments, others are taken as they are.
    static func load(_ folder: String) -> [Seed] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.sorted().compactMap { name in
            let path = "\(folder)/\(name)"
            guard !name.hasPrefix("."), let data = FileManager.default.contents(atPath: path) else { return nil }
            return Seed(path: path, bytes: name.hasSuffix(".hex") ? decode(data) : Array(data))
        }
    }

    private static func decode(_ data: Data) -> [UInt8] {
        var bytes: [UInt8] = []
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
            let digits = line.prefix { $0 != "#" }.compactMap(\.hexDigitValue)
            for index in stride(from: 0, to: digits.count - 1, by: 2) { bytes.append(UInt8(digits[index] << 4 | digits[index + 1])) }
        }
        return bytes
    }
}
