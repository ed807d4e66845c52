import Foundation
import Testing

extension CommandLineTests {
    @Suite(.serialized) struct MatchTests {
        static let conformance = Program.repository.deletingLastPathComponent().appending(path: "shared/conformance")
        static var isConformancePresent: Bool { FileManager.default.fileExists(atPath: conformance.path) }

        @Test(arguments: [
            ("app == 'shop'", "app=shop", "true"), ("app == 'shop'", "app=batch", "false"), ("app == 'shop'", "", "false"),
            ("has(app) && tier in {'a', 'b'}", "app=,tier=b", "true"), ("!has(app) || app != 'x'", "app=x", "false"), ("all()", "", "true"),
            ("a == 'b=c'", "a=b=c", "true"),
        ])
        func `a selector is true or false of labels`(_ expression: String, _ labels: String, _ expected: String) throws {
            let result = try Program.run("match", "selector", expression, "--labels", labels)
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.output == expected + "\n")
        }

        @Test(arguments: [
            ("*.example.org", "api.example.org", "calico", "true"), ("*.example.org", "a.b.example.org", "calico", "true"),
            ("*.example.org", "example.org", "calico", "false"), ("a.*.example.org", "a.b.c.example.org", "calico", "true"),
            ("API.example.org.", "api.EXAMPLE.org", "calico", "true"), ("*.example.org", "a.b.example.org", "ovn", "false"),
            ("*.example.org", "a.b.example.org", "kubernetes", "true"),
        ])
        func `a pattern matches a name or does not`(_ pattern: String, _ name: String, _ dialect: String, _ expected: String) throws {
            let result = try Program.run("match", "domain", pattern, name, "--dialect", dialect)
            #expect(result.status == 0, "\(result.errors)")
            #expect(result.output == expected + "\n")
        }

        @Test func `output that cannot be written is no success`() throws {
            let result = try Program.run(["match", "selector", "all()", "--labels", ""], output: "/dev/full")
            #expect(result.status == 74 && result.errors == "not all of the output could be written\n", "\(result)")
        }

        @Test(arguments: [
            ["selector", "app = 'x'", "--labels", "app=x"], ["selector", "app ==", "--labels", "app=x"],
            ["selector", "has(", "--labels", ""],
            ["domain", "*ple.example.org", "a.example.org"], ["domain", "*.*.example.org", "a.example.org"],
            ["domain", "192.0.2.1", "a.example.org"], ["domain", "*.example.org", "a..example.org"],
            ["domain", "*.example.org", "a.example.org", "--dialect", "bind"], ["domain", "a.*.org", "a.b.org", "--dialect", "ovn"],
        ])
        func `an invalid expression exits with 2 and says why`(_ arguments: [String]) throws {
            let result = try Program.run(["match"] + arguments)
            #expect(result.status == 2)
            #expect(result.output.isEmpty)
            #expect(!result.errors.isEmpty)
        }

        @Test func `a batch answers a line before the next one comes`() throws {
            let (input, output) = (Pipe(), Pipe())
            let process = Process()
            process.executableURL = URL(filePath: Program.path)
            process.arguments = ["match", "selector", "--batch"]
            (process.standardInput, process.standardOutput) = (input, output)
            try process.run()
            defer { process.terminate() }
            try input.fileHandleForWriting.write(contentsOf: Data("{\"selector\":\"all()\"}\n".utf8))
            var state = pollfd(fd: output.fileHandleForReading.fileDescriptor, events: Int16(POLLIN), revents: 0)
            try #require(unsafe poll(&state, 1, 20_000) == 1, "no answer while the input is open")
            #expect(String(decoding: output.fileHandleForReading.availableData, as: UTF8.self) == "{\"valid\":true,\"match\":true}\n")
        }

        @Test func `a batch answers each line with one, whatever stands in it`() throws {
            let input = """
                {"selector":"a == 'b'","labels":{"a":"b"}}
                {"selector":"a == 'b'"}
                {"selector":"a =","labels":{}}
                {"labels":{}}
                no object
                [1]
                {"selector":"has(\\u0000)","labels":{}}

                """
            let result = try Program.run("match", "selector", "--batch", input: input)
            #expect(result.status == 0)
            let objects = try result.objects()
            #expect(objects.map { $0["valid"] as? Bool } == [true, true, false, false, false, false, false])
            #expect(objects.map { $0["match"] as? Bool } == [true, false, nil, nil, nil, nil, nil])
            #expect(objects.dropFirst(2).allSatisfy { ($0["error"] as? String)?.isEmpty == false })

            let domains = try Program.run(
                "match", "domain", "--batch",
                input: """
                    {"pattern":"*.example.org","name":"a.example.org"}
                    {"pattern":"*.example.org","name":"a.b.example.org","dialect":"ovn"}
                    {"pattern":"*a.example.org","name":"aa.example.org"}
                    {"pattern":"*.example.org","name":"a.example.org","dialect":"none"}
                    {"name":"a.example.org"}
                    """)
            #expect(domains.status == 0)
            #expect(try domains.objects().map { $0["valid"] as? Bool } == [true, true, false, false, false])
            #expect(try domains.objects().map { $0["match"] as? Bool } == [true, false, nil, nil, nil])
        }

        @Test func `labels that are no texts are an error, not absent`() throws {
            let result = try Program.run("match", "selector", "--batch", input: "{\"selector\":\"!has(a)\",\"labels\":{\"a\":1}}\n")
            #expect(try result.objects().first?["valid"] as? Bool == false, "\(result.output)")
        }

        @Test(.enabled(if: isConformancePresent, "the folder ../shared/conformance is absent"))
        func `every selector of the conformance rows comes out as Calico has it, in one batch`() throws {
            let text = try String(contentsOf: Self.conformance.appending(path: "calico-selectors.jsonl"), encoding: .utf8)
            let rows = try text.split(separator: "\n").map { try Program.object(String($0)) }
            let result = try Program.run("match", "selector", "--batch", input: text)
            #expect(result.status == 0)
            let answers = try result.objects()
            try #require(answers.count == rows.count)
            #expect(rows.count > 100)
            for (row, answer) in zip(rows, answers) {
                let isValid = row["valid"] as? Bool ?? true
                #expect(answer["valid"] as? Bool == isValid, "\(row)")
                if let expected = row["match"] as? Bool { #expect(answer["match"] as? Bool == expected, "\(row)") }
            }
        }

        @Test(.enabled(if: isConformancePresent, "the folder ../shared/conformance is absent"))
        func `every Calico pattern of the conformance rows comes out as Calico has it, in one batch`() throws {
            let text = try String(contentsOf: Self.conformance.appending(path: "calico-domains.jsonl"), encoding: .utf8)
            let lines = try text.split(separator: "\n").map(String.init).filter { line in
                let row = try Program.object(line)
                return row["dialect"] as? String == "calico" && row["pattern"] != nil
            }
            let rows = try lines.map(Program.object)
            let answers = try Program.run("match", "domain", "--batch", input: lines.joined(separator: "\n")).objects()
            try #require(answers.count == rows.count)
            #expect(rows.count > 10)
            for (row, answer) in zip(rows, answers) {
                let isValid = row["valid"] as? Bool ?? true
                #expect(answer["valid"] as? Bool == isValid, "\(row)")
                if let expected = row["match"] as? Bool { #expect(answer["match"] as? Bool == expected, "\(row)") }
            }
        }
    }
}
