import NetworkTypes
import Testing

@Suite struct PortRangeTests {
    struct Case: CustomTestStringConvertible {
        let lower: UInt16
        let upper: UInt16
        let inside: [UInt16]
        let outside: [UInt16]
        let text: String
        var testDescription: String { text }
    }

    @Test(arguments: [
        Case(lower: 443, upper: 443, inside: [443], outside: [0, 442, 444, 65535], text: "443"),
        Case(lower: 8000, upper: 9000, inside: [8000, 8500, 9000], outside: [0, 7999, 9001, 65535], text: "8000:9000"),
        Case(lower: 0, upper: 65535, inside: [0, 1, 65534, 65535], outside: [], text: "0:65535"),
        Case(lower: 65535, upper: 65535, inside: [65535], outside: [0, 65534], text: "65535"),
        Case(lower: 0, upper: 0, inside: [0], outside: [1, 65535], text: "0"),
    ])
    func `both ends belong to the range`(_ row: Case) throws {
        let range = try #require(PortRange(row.lower, row.upper))
        for port in row.inside { #expect(range.contains(port)) }
        for port in row.outside { #expect(!range.contains(port)) }
        #expect(range.description == row.text)
    }

    @Test func `a range upside down is refused`() {
        #expect(PortRange(2, 1) == nil)
        #expect(PortRange(65535, 0) == nil)
    }

    @Test func `one port is a range of one`() { #expect(PortRange(53) == PortRange(53, 53)) }
}
