import Glibc
import NetfilterTables
import NetworkTypes
import Synchronization
import Testing

extension KernelSuites {
    /// The table itself: made, listed, taken over, protected.
    @Suite(.serialized)
    struct TableTests {
        @Test func `the kernel has what the table needs`() throws {
            let features = try TableSocket.probe()
            #expect(features.missing.isEmpty, "missing: \(features.missing.map(\.rawValue))")
            #expect(features.queueBackend != nil)
        }

        @Test(arguments: [EnforcementMode.enforce, .audit])
        func `nft lists the table in text and JSON`(mode: EnforcementMode) throws {
            let fixture = try Fixture(serveQueues: false) { $0.mode = mode }
            defer { fixture.stop() }
            let text = try fixture.node("nft list ruleset").text
            for part in [
                "table inet exeat", "set current4", "type ipv4_addr . mark", "192.0.2.2 . 0x00000001", "type ifname . ipv4_addr",
                "\"caliA\" . 192.0.2.2", "iifname \"cali*\" goto workload", "hook forward priority", "counter name \"unknown_endpoint\"",
                "dnat ip to 169.254.20.10:53", "map leases6",
                "add @leases4 { ip saddr . ip daddr . meta l4proto . th dport : ct mark & 0x00001f7f }",
                "meta mark set ip6 saddr . ip6 daddr . meta l4proto . th dport map @leases6", "delete @leases4 { ip saddr",
                "reject with tcp reset", "2001:db8:1::2",
            ] { #expect(text.contains(part), "\(part) not in \(text)") }
            // nft prints the compat target with the help of libxt_NFQUEUE.so (package iptables); without it only this rule is missing.
            #expect(text.contains("queue num 100-101") || text.contains("queue flags bypass to 100-101") || text.contains("NFQUEUE"))
            if mode == .audit { #expect(!text.contains("counter name \"unknown_endpoint\" drop")) }
            // nft 1.0.6 warns on standard error that it prints a statement of a map as text.
            let json = try fixture.node("nft -j list ruleset 2>/dev/null").text
            #expect(json.hasPrefix("{\"nftables\": [") && json.hasSuffix("}\n") && json.contains("\"exeat\""))
        }

        @Test func `a ruleset listed as text is accepted by nft again`() throws {
            // The compat target prints as a comment-like line that nft cannot read back; with the native queue it can.
            guard try Fixture.backend() == .native else { return }
            let fixture = try Fixture(serveQueues: false) { $0.ownership = .none }
            defer { fixture.stop() }
            #expect(
                try fixture.node(
                    "nft list ruleset > /tmp/\(fixture.network.prefix)rules && nft -c -f /tmp/\(fixture.network.prefix)rules; rm -f /tmp/\(fixture.network.prefix)rules"
                ).status == 0)
        }

        @Test func `contents are read back as written, and every change is idempotent`() throws {
            let fixture = try Fixture(serveQueues: false)
            defer { fixture.stop() }
            #expect(try fixture.table.socket.contents() == Fixture.contents)
            let b = TestNetwork.addressB
            let changes: [TableChange] = [
                .addPoliced(b), .setCurrent(b, generation: 7), .setCurrent(TestNetwork.addressA, generation: 4087),
                .removeCurrent(TestNetwork.address6A), .removeKnown(KnownEndpoint(interface: "caliB", address: TestNetwork.address6B)),
                .addKnown(KnownEndpoint(interface: "cali0123456789a", address: b)),
            ]
            for _ in 0..<2 {
                try fixture.table.socket.apply(changes)
                let contents = try fixture.table.socket.contents()
                #expect(contents.current == [TestNetwork.addressA: 4087, b: 7])
                #expect(contents.policed == [TestNetwork.addressA, TestNetwork.address6A, b])
                #expect(contents.known.contains(KnownEndpoint(interface: "cali0123456789a", address: b)))
                #expect(contents.known.count == 4)
            }
            #expect(throws: TableError.self) { try fixture.table.socket.apply([.setCurrent(b, generation: 4088)]) }
        }

        @Test func `a second generation of an address is not overlooked`() throws {
            let fixture = try Fixture(serveQueues: false) { $0.ownership = .none }
            defer { fixture.stop() }
            let address = TestNetwork.addressA
            for generation in 2...9 {
                _ = try fixture.node("nft add element inet exeat current4 '{ \(address) . \(generation) }'")
                #expect(try fixture.table.socket.contents() != Fixture.contents, "and \(generation)")
            }
            for generation in 2...9 { _ = try fixture.node("nft delete element inet exeat current4 '{ \(address) . \(generation) }'") }
            #expect(try fixture.table.socket.contents() == Fixture.contents)
        }

        @Test func `the table is known again while others change theirs`() throws {
            let fixture = try Fixture(serveQueues: false)
            defer { fixture.stop() }
            let network = fixture.network
            var others = try Fixture.standardConfiguration { $0.ownership = .none }
            others.tableName = "others"
            // The kernel tells of tables in the order in which they were made.
            try fixture.table.socket.remove()
            let other = try inNamespace(network.node) { TableBox(try TableSocket()) }
            try other.socket.install(others)
            try fixture.table.socket.install(fixture.configuration, contents: Fixture.contents)
            let before = try fixture.table.socket.fingerprint()
            let isDone = Mutex(false)
            defer { isDone.withLock { $0 = true } }
            let changes = NamespaceTask(network.node) { [others] in
                var others = others
                var number = 0
                while !isDone.withLock({ $0 }) {
                    number += 1
                    others.workloadInterfaces = (0..<number % 100 + 1).map { "veth\($0)" }
                    try other.socket.install(others)
                }
                return number
            }
            var differences = 0
            for _ in 0..<200 where try fixture.table.socket.fingerprint() != before { differences += 1 }
            isDone.withLock { $0 = true }
            let count = try changes.join()
            #expect(differences == 0, "with \(count) changes")
        }

        @Test func `50 000 endpoints are installed and changed`() throws {
            let fixture = try Fixture(serveQueues: false)
            defer { fixture.stop() }
            var contents = TableContents()
            for number in 0..<UInt32(25_000) {
                for address in [IPAddress(v4: 0x0a00_0000 + number), IPAddress(v6Upper: 0x2001_0db8_0000_0000, lower: UInt64(number))] {
                    contents.known.insert(KnownEndpoint(interface: "cali\(number)", address: address))
                    contents.policed.insert(address)
                    contents.current[address] = number % 4087 + 1
                }
            }
            try fixture.table.socket.install(fixture.configuration, contents: contents)
            #expect(try fixture.table.socket.contents() == contents)
            let wanted = contents.current.mapValues { $0 % 4087 + 1 }
            try fixture.table.socket.apply(wanted.map { .setCurrent($0.key, generation: $0.value) })
            #expect(try fixture.table.socket.contents().current == wanted)
        }

        @Test func `installing twice and with another layout keeps one table`() throws {
            let fixture = try Fixture(serveQueues: false)
            defer { fixture.stop() }
            var configuration = fixture.configuration
            try fixture.table.socket.install(configuration, contents: Fixture.contents)
            let first = try fixture.node("nft list ruleset").text
            configuration.workloadInterfaces = ["veth*", "eth7"]
            try fixture.table.socket.install(configuration, contents: TableContents())
            let second = try fixture.node("nft list ruleset").text
            #expect(second.contains("iifname \"eth7\"") && !second.contains("cali"))
            try fixture.table.socket.install(fixture.configuration, contents: Fixture.contents)
            #expect(try fixture.node("nft list ruleset").text == first)
        }

        @Test func `nobody else can change the table while its socket is open, also as a duplicate`() throws {
            guard try TableSocket.probe().has(.ownerPersist) else { return }
            let fixture = try Fixture(serveQueues: false)
            defer { fixture.stop() }
            let before = try fixture.node("nft list table inet exeat").text
            func expectProtected() throws {
                for command in ["nft flush ruleset", "nft delete table inet exeat", "nft flush chain inet exeat forward"] {
                    _ = try fixture.node(command, mustSucceed: false)
                    #expect(try fixture.node("nft list table inet exeat").text == before, "after \(command)")
                }
                #expect(try fixture.node("nft delete table inet exeat", mustSucceed: false).status != 0)
            }
            try expectProtected()
            let copy = dup(fixture.table.socket.descriptor)
            let network = fixture.network
            fixture.table.socket = try inNamespace(network.podB) { TableBox(try TableSocket()) }.takeSocket()
            try expectProtected()  // the first socket is closed; the duplicate, as a holder has it, protects

            // A second daemon is told who owns it.
            #expect {
                try inNamespace(network.node) {
                    var other = try TableSocket()
                    try other.install(try Fixture.standardConfiguration())
                }
            } throws: { if case TableError.ownedByOther = $0 { true } else { false } }

            // The next daemon takes the duplicate over.
            fixture.table.socket = try TableSocket(adopting: copy)
            try fixture.table.socket.install(fixture.configuration, contents: Fixture.contents)
            try fixture.table.socket.apply([.setCurrent(TestNetwork.addressA, generation: 2)])
            #expect(try fixture.table.socket.contents().current[TestNetwork.addressA] == 2)
        }

        @Test func `an orphaned and edited table is taken over and made whole`() throws {
            let fixture = try Fixture(serveQueues: false)
            defer { fixture.stop() }
            let network = fixture.network
            let before = try fixture.node("nft list table inet exeat").text.replacing(#/# progname.*/#, with: "")
            fixture.table.socket = try inNamespace(network.podB) { TableBox(try TableSocket()) }.takeSocket()
            // Nobody holds the old socket any more: the table stays, and root may edit it.
            try fixture.node("nft list table inet exeat | grep -q 'hook forward'").expectSuccess()
            for edit in [
                "nft insert rule inet exeat forward accept && nft add element inet exeat policed4 { 203.0.113.7 }",
                "nft 'add chain inet exeat evil { type filter hook forward priority 0; policy drop; }'",
                "nft flush set inet exeat known4",
                "nft delete table inet exeat",
            ] {
                // A program that another test starts at this moment has the socket until it runs.
                #expect(try waitUntil { try fixture.node(edit, mustSucceed: false).status == 0 }, "\(edit)")
                let box = try inNamespace(network.node) {
                    var socket = try TableSocket()
                    try socket.install(try Fixture.standardConfiguration(), contents: Fixture.contents)
                    return TableBox(socket)
                }
                #expect(try box.socket.contents() == Fixture.contents)
                let after = try fixture.node("nft list table inet exeat").text.replacing(#/# progname.*/#, with: "")
                #expect(after == before, "after \(edit)")
            }
        }

        @Test func `removing deletes the table and nothing else`() throws {
            let fixture = try Fixture(serveQueues: false)
            defer { fixture.stop() }
            try fixture.node("nft add table inet foreign").expectSuccess()
            try fixture.table.socket.remove()
            #expect(try fixture.node("nft list tables").text == "table inet foreign\n")
            try fixture.table.socket.remove()
            #expect(throws: TableError.notInstalled) { try fixture.table.socket.apply([.addPoliced(TestNetwork.addressA)]) }
        }

        @Test(arguments: ["", "*", "a*b", "sixteen-letters-", "has space", "veth/1"])
        func `an interface pattern that the kernel cannot match is an error`(pattern: String) throws {
            let fixture = try Fixture(serveQueues: false)
            defer { fixture.stop() }
            var configuration = fixture.configuration
            configuration.workloadInterfaces = [pattern]
            #expect(throws: TableError.self) { try fixture.table.socket.install(configuration) }
        }
    }
}

extension TableBox {
    /// The socket, replaced by nothing usable: the box is thrown away by its caller.
    func takeSocket() throws -> TableSocket { try TableSocket(adopting: dup(socket.descriptor)) }
}

extension Output {
    func expectSuccess() throws { if status != 0 { throw HarnessError(text) } }
}
