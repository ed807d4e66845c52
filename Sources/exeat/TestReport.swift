import PolicyTools
import Telemetry

/// Outcomes of `exeat test`, in four forms.
struct TestReport {
    private var checks: [(file: String, check: PolicyTestRun.Check)] = []
    private var testCount = 0

    mutating func add(_ run: PolicyTestRun, file: String) {
        checks += run.checks.map { (file, $0) }
        testCount += Set(run.checks.map(\.location)).count
    }

    var failureCount: Int { checks.count { !$0.check.failures.isEmpty } }

    private var summary: String {
        "\(checks.count) checks in \(testCount) tests: \(checks.count - failureCount) passed, \(failureCount) failed"
    }

    private static func title(_ check: PolicyTestRun.Check) -> String { "\(check.test): \(check.from) -> \(check.to)" }

    /// A line for each failure, and the summary.
    var textLines: [String] {
        checks.filter { !$0.check.failures.isEmpty }.map {
            "\($0.check.location): \(Self.title($0.check)): \($0.check.failures.joined(separator: "; "))"
        } + [summary]
    }

    /// TAP version 13 (testanything.org).
    var tapLines: [String] {
        var lines = ["TAP version 13", "1..\(checks.count)"]
        for (number, (_, check)) in checks.enumerated() {
            // "#" begins a directive.
            let title = Self.title(check).replacing("#", with: "\\#")
            lines.append("\(check.failures.isEmpty ? "ok" : "not ok") \(number + 1) - \(title)")
            lines += check.failures.map { "# \(check.location): \($0)" }
        }
        return lines
    }

    var jsonLines: [String] {
        let rows = checks.map { _, check in
            var line = JSONLine()
            line.add("test", check.test)
            line.add("from", check.from)
            line.add("to", check.to)
            line.add("file", check.location.file)
            line.add("line", check.location.line)
            line.add("passed", check.failures.isEmpty)
            line.add("failures", check.failures)
            return line.finished
        }
        var line = JSONLine()
        line.add("tests", testCount)
        line.add("checks", checks.count)
        line.add("passed", checks.count - failureCount)
        line.add("failed", failureCount)
        return rows + [line.finished]
    }

    /// The form that CI servers read; a test suite for each file.
    var junit: String {
        var text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"\(checks.count)\" failures=\"\(failureCount)\">\n"
        var files: [String] = []
        for (file, _) in checks where files.last != file { files.append(file) }
        for file in files {
            let own = checks.filter { $0.file == file }.map(\.check)
            let failures = own.count { !$0.failures.isEmpty }
            text += "  <testsuite name=\"\(Self.escaped(file))\" tests=\"\(own.count)\" failures=\"\(failures)\">\n"
            for check in own {
                let name = "\(check.from) -> \(check.to)"
                text += "    <testcase classname=\"\(Self.escaped(check.test))\" name=\"\(Self.escaped(name))\""
                text += " file=\"\(Self.escaped(check.location.file))\" line=\"\(check.location.line)\""
                if check.failures.isEmpty {
                    text += "/>\n"
                } else {
                    text += ">\n      <failure message=\"\(Self.escaped(check.failures.joined(separator: "; ")))\"/>\n    </testcase>\n"
                }
            }
            text += "  </testsuite>\n"
        }
        return text + "</testsuites>\n"
    }

    /// XML 1.0 §2.4; control characters have no form there and are left out.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case _ where scalar.value < 0x20: result += scalar == "\n" || scalar == "\t" ? " " : ""
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
