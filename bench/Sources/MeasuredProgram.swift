import DemoNetwork
import Foundation

/// A program that writes lines of JSON to a file: an anchor, or our verdict loop.
struct MeasuredProgram {
    let process: ChildProcess
    private let output: String

    /// Starts it in the namespace and waits for its first line, `{"ready":true}`.
    init(_ arguments: [String], in namespace: DemoNetwork.Namespace, output: String) throws {
        try? FileManager.default.removeItem(atPath: output)
        self.output = output
        process = try namespace.spawn(arguments, output: output)
        try waitForLines(1)
    }

    /// What it has written so far, each line one object of numbers.
    var lines: [[String: Double]] {
        let text = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").compactMap { line in
            guard let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else { return nil }
            return object.compactMapValues { ($0 as? NSNumber)?.doubleValue }
        }
    }

    @discardableResult
    func waitForLines(_ count: Int, seconds: Double = 10) throws -> [String: Double] {
        let deadline = CPUTime.nowNanoseconds() + UInt64(seconds * 1e9)
        while true {
            let lines = self.lines
            if lines.count >= count { return lines[count - 1] }
            guard process.isRunning, CPUTime.nowNanoseconds() < deadline else {
                let text = (try? String(contentsOfFile: output, encoding: .utf8)) ?? ""
                process.kill()
                throw BenchError("a measured program gave no result: \(text)")
            }
            usleep(500)
        }
    }

    /// Stops it where it is, and waits until the kernel says so.
    func pause() throws {
        process.kill(SIGSTOP)
        for _ in 0..<2000 {
            let stat = (try? String(contentsOfFile: "/proc/\(process.pid)/stat", encoding: .utf8)) ?? ""
            if let end = stat.lastIndex(of: ")"), stat[end...].dropFirst(2).first == "T" { return }
            usleep(500)
        }
        throw BenchError("process \(process.pid) does not stop")
    }

    func goOn() { process.kill(SIGCONT) }

    /// Its last line, written when it has ended.
    func result(seconds: Double = 20) throws -> [String: Double] {
        guard process.wait(timeoutSeconds: seconds) == 0, let last = lines.last else {
            process.kill()
            throw BenchError("a measured program failed: \((try? String(contentsOfFile: output, encoding: .utf8)) ?? "")")
        }
        return last
    }
}
