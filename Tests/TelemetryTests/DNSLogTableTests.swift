import DomainNames
import Foundation
import NetworkTypes
import Telemetry
import Testing

struct DNSLogTableTests {
    private static let server = IPAddress(v4: 0xc000_0235)

    private static func key(_ name: String, client: UInt32 = 1, rcode: UInt16 = 0) throws -> DNSLogTable.Key {
        DNSLogTable.Key(
            client: .address(IPAddress(v4: 0x0a41_0000 + client), classNumber: 0), qname: try DomainName(parsing: name), qtype: 1,
            rcode: rcode, reason: nil, rule: nil)
    }

    private static func sighting(_ lookup: String, latency: UInt64? = nil, answer: UInt64 = 7, client: UInt64 = 1) -> DNSLogTable.Sighting {
        DNSLogTable.Sighting(client: client, lookup: lookup, latencyNanoseconds: latency, server: server, answer: answer)
    }

    private static func line(labels: [String: String] = ["app": "shop"]) -> DNSLogLine {
        var line = DNSLogLine()
        line.client.address = "10.65.0.1"
        line.client.name = "shop-1"
        line.client.aggregatedName = "shop-1"
        line.client.namespace = "default"
        line.client.labels = labels
        line.qname = "api.example.org"
        line.qtype = "A"
        line.rcode = "NoError"
        line.verdict = "allowed"
        return line
    }

    private static func records(_ data: String...) -> ([DNSLogLine.RecordSet], Int) {
        ([DNSLogLine.RecordSet(name: "api.example.org", type: "A", data: data)], 0)
    }

    private static func take(_ table: inout DNSLogTable, endsInterval: Bool = true) -> [DNSLogTable.Line] {
        table.takeLines(from: 100, to: 160, endsInterval: endsInterval) { address in
            var peer = DNSLogLine.Peer()
            peer.address = address.description
            peer.aggregatedName = "pub"
            return peer
        }
    }

    private static func object(_ line: DNSLogTable.Line) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: Data(line.text.utf8)) as? [String: Any])
    }

    @Test func `equal lookups are one line with Calico's fields and ours`() throws {
        var table = DNSLogTable(entriesMax: 10, linesMax: 0)
        let key = try Self.key("api.example.org")
        table.add(key, Self.sighting("miss", latency: 3_000)) {
            Self.line()
        } records: {
            Self.records("192.0.2.1")
        }
        table.add(key, Self.sighting("miss", latency: 1_000)) {
            Self.line()
        } records: {
            Self.records("not asked for again")
        }
        table.add(key, Self.sighting("hit", answer: 8)) {
            Self.line()
        } records: {
            Self.records("192.0.2.1", "192.0.2.2")
        }
        let lines = Self.take(&table)
        #expect(
            lines.map(\.text) == [
                #"{"start_time":100,"end_time":160,"type":"LOG","count":3,"client_ip":"10.65.0.1","client_name":"shop-1","#
                    + #""client_name_aggr":"shop-1","client_namespace":"default","client_labels":["app=shop"],"qname":"api.example.org","#
                    + #""qtype":"A","qclass":"IN","rcode":"NoError","#
                    + #""rrsets":[{"name":"api.example.org","type":"A","class":"IN","rdata":["192.0.2.1","192.0.2.2"]}],"#
                    + #""servers":[{"ip":"192.0.2.53","name":"-","name_aggr":"pub","namespace":"-","labels":[]}],"#
                    + #""latency_count":2,"latency_mean":2000,"latency_max":3000,"verdict":"allowed","cache":{"miss":2,"hit":1}}"#
            ])
        #expect(lines.map(\.count) == [3])
        #expect(Self.take(&table).isEmpty)
    }

    @Test func `what differs in client, name or code is another line`() throws {
        var table = DNSLogTable(entriesMax: 10, linesMax: 0)
        let keys = [
            try Self.key("a.example.org"), try Self.key("b.example.org"), try Self.key("a.example.org", client: 2),
            try Self.key("a.example.org", rcode: 3),
        ]
        for key in keys + keys {
            table.add(key, Self.sighting("hit")) {
                Self.line()
            } records: {
                ([], 0)
            }
        }
        #expect(Self.take(&table).map(\.count) == [2, 2, 2, 2])
    }

    @Test func `of several clients the labels that all have are shown`() throws {
        var table = DNSLogTable(entriesMax: 10, linesMax: 0)
        let key = try Self.key("api.example.org")
        for (client, labels) in [["app": "shop", "pod": "1"], ["app": "shop", "pod": "2"], ["app": "shop", "zone": "a"]].enumerated() {
            table.add(key, Self.sighting("hit", client: UInt64(client))) {
                Self.line(labels: labels)
            } records: {
                ([], 0)
            }
        }
        #expect(try Self.object(Self.take(&table)[0])["client_labels"] as? [String] == ["app=shop"])
    }

    @Test func `records beyond the bound are counted, as are those that were missing`() throws {
        var table = DNSLogTable(entriesMax: 10, linesMax: 0)
        let set = DNSLogLine.RecordSet(name: "x", type: "A", data: (0..<40).map { "192.0.2.\($0)" })
        table.add(try Self.key("x.example.org"), Self.sighting("hit")) {
            Self.line()
        } records: {
            ([set], 5)
        }
        let object = try Self.object(Self.take(&table)[0])
        let sets = try #require(object["rrsets"] as? [[String: Any]])
        #expect((sets[0]["rdata"] as? [String])?.count == DNSLogTable.recordsMax)
        #expect(object["rrsets_omitted"] as? Int == 40 - DNSLogTable.recordsMax + 5)
    }

    @Test func `the counts of all lines are the number of lookups, whatever the bounds`() throws {
        var table = DNSLogTable(entriesMax: 8, linesMax: 20)
        var lines: [DNSLogTable.Line] = []
        for number in 0..<500 {
            if table.isFull { lines += Self.take(&table, endsInterval: false) }
            #expect(table.count <= 8)
            table.add(try Self.key("n\(number % 50).example.org"), Self.sighting("hit")) {
                Self.line()
            } records: {
                ([], 0)
            }
        }
        table.addUnlogged(3)
        lines += Self.take(&table)
        #expect(lines.count == 21)
        #expect(lines.reduce(0) { $0 + $1.count } == 503)
        let last = try #require(lines.last)
        #expect(last.isUnlogged)
        #expect(last.text == #"{"start_time":100,"end_time":160,"type":"UNLOGGED","count":\#(last.count)}"#)
        // The next interval has lines of its own again.
        table.add(try Self.key("next.example.org"), Self.sighting("hit")) {
            Self.line()
        } records: {
            ([], 0)
        }
        #expect(Self.take(&table).map(\.isUnlogged) == [false])
    }

    @Test func `a line for several clients has no address, and a refusal its rule`() throws {
        var line = Self.line()
        line.client.address = nil
        line.verdict = "denied"
        line.reason = "denied_name"
        line.rule = "default|\"odd\"|egress[0]|Deny"
        let object = try #require(try JSONSerialization.jsonObject(with: Data(line.json.utf8)) as? [String: Any])
        #expect(object["client_ip"] is NSNull)
        #expect(object["verdict"] as? String == "denied" && object["reason"] as? String == "denied_name")
        #expect(object["rule"] as? String == "default|\"odd\"|egress[0]|Deny")
    }
}

struct LoggedNamesTests {
    private static let name = "Secret.App.example.co.uk"

    @Test(arguments: [
        (LoggedNames.Extent.full, "secret.app.example.co.uk"), (.registeredDomain, "example.co.uk"), (.none, "-"),
    ])
    func `a name is shown as far as it may be`(_ extent: LoggedNames.Extent, _ text: String) throws {
        #expect(LoggedNames(extent).text(try DomainName(parsing: Self.name)) == text)
    }

    @Test func `a hash is the same for equal names, another for others, and another in the next process`() throws {
        let names = LoggedNames(.hashed)
        let text = names.text(try DomainName(parsing: Self.name))
        #expect(text.count == 16)
        #expect(names.text(try DomainName(parsing: Self.name.lowercased())) == text)
        #expect(names.text(try DomainName(parsing: "other.example.co.uk")) != text)
        #expect(LoggedNames(.hashed).text(try DomainName(parsing: Self.name)) != text)
    }

    @Test(arguments: [
        ("shop-6f7b9d5c4-x2x4z", "shop-6f7b9d5c4-*"), ("shop-6f7b9d5c4-x2x4a", "shop-6f7b9d5c4-x2x4a"), ("db-0", "db-0"),
        ("-bcdfg", "-bcdfg"), ("", ""),
    ])
    func `generated endings of names become a star`(_ name: String, _ aggregated: String) {
        #expect(WorkloadName.aggregated(name) == aggregated)
    }
}
