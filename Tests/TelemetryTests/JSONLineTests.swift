import Telemetry
import Testing

struct JSONLineTests {
    @Test(arguments: [
        ("plain", "plain"), (#"say "hi""#, #"say \"hi\""#), (#"C:\x"#, #"C:\\x"#), ("a\tb\r\nc", #"a\tb\r\nc"#),
        ("\u{0}\u{1f}", #"\u0000\u001f"#),
        ("\u{8}\u{c}\u{1b}", #"\u0008\u000c\u001b"#), ("\u{7f}", "\u{7f}"), ("größe 日本 🦉", "größe 日本 🦉"), ("\u{2028}", "\u{2028}"),
        ("e\u{301}", "e\u{301}"),
        ("/", "/"), ("", ""),
    ])
    func `texts are escaped as RFC 8259 wants`(row: (plain: String, escaped: String)) {
        var line = JSONLine()
        line.add(row.plain, row.plain)
        #expect(line.finished == "{\"\(row.escaped)\":\"\(row.escaped)\"}")
        #expect(!line.finished.utf8.contains { $0 < 0x20 })
    }

    @Test func `fields stand in the order of the calls, maps in the order of their keys`() {
        var line = JSONLine()
        line.add("z", 1)
        line.add("a", true)
        line.add("list", ["x", "\""])
        line.add("empty", [String]())
        line.add("map", ["b": "2", "a": "1", "\\": ""])
        line.add("none", [String: String]())
        line.add("negative", -5)
        line.add("large", UInt64.max)
        line.add("no", false)
        #expect(
            line.finished
                == #"{"z":1,"a":true,"list":["x","\""],"empty":[],"map":{"\\":"","a":"1","b":"2"},"none":{},"negative":-5,"large":18446744073709551615,"no":false}"#
        )
    }

    @Test func `an object without fields is whole`() {
        #expect(JSONLine().finished == "{}")
    }
}
