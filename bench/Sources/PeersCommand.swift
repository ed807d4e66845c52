import ArgumentParser
import DemoNetwork
import Foundation

struct PeersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "peers",
        abstract: "Side by side: no filter, plain nft, the daemon, the C loop, OpenSnitch. Connections per second, added latency, CPU.")

    @OptionGroup var options: BenchOptions

    mutating func run() throws { print(try Self.measure(options).markdown) }

    /// One filter in a lab of its own, and the process whose CPU time is the filter's.
    private struct Peer {
        let name: String
        let lab: BenchLab
        let decider: ChildProcess?
    }

    private static let queue: UInt16 = 100

    static func measure(_ options: BenchOptions) throws -> ResultTable {
        let load = try options.anchor("tcp-load")
        let program = try options.program()
        var labs: [BenchLab] = []
        defer { for lab in labs { lab.stop() } }
        func lab() throws -> BenchLab {
            let lab = try BenchLab(verifyName: "off")
            labs.append(lab)
            try lab.startLoadServers(load)
            return lab
        }
        let plain = try lab()
        try plain.installAcceptRules()
        var peers = [Peer(name: "Plain nft accept", lab: plain, decider: nil)]
        peers.append(Peer(name: "No filter", lab: try lab(), decider: nil))
        for hasLeases in [true, false] {
            let enforced = try lab()
            try enforced.startDaemon(program, hasLeases: hasLeases)
            try enforced.resolve()
            let name = hasLeases ? "Exeat, kernel leases" : "Exeat, every first packet queued"
            peers.append(Peer(name: name, lab: enforced, decider: enforced.daemon))
        }
        let looped = try lab()
        try looped.installTable(queue: queue)
        let loop = try MeasuredProgram(
            [try options.anchor("nfqueue-loop"), "\(queue)", "0", "1", "repeat"], in: looped.network.node, output: looped.path("loop.out"))
        peers.append(Peer(name: "C loop, every first packet queued", lab: looped, decider: loop.process))
        let hasOpenSnitch = isInstalled(OpenSnitch.program)
        if hasOpenSnitch {
            let snitched = try lab()
            peers.append(Peer(name: "OpenSnitch, in the pod", lab: snitched, decider: try OpenSnitch(in: snitched).process))
        }

        let milliseconds = options.quick ? 150 : 400
        var rates: [[LoadResult]] = peers.map { _ in [] }
        var single: [[Double]] = peers.map { _ in [] }
        var again: (rate: [Double], single: [Double]) = ([], [])
        func rate(_ peer: Peer) throws -> LoadResult {
            try peer.lab.load(load, connectionsAtOnce: ConnectionsCommand.atOnce, milliseconds: milliseconds, decider: peer.decider)
        }
        func latency(_ peer: Peer) throws -> Double {
            try peer.lab.load(load, connectionsAtOnce: 1, milliseconds: milliseconds / 4).medianMicroseconds
        }
        for peer in peers {
            _ = try rate(peer)
            _ = try latency(peer)
        }
        for round in 0..<BenchOptions.pairs {
            for place in peers.indices {
                let index = (place + round) % peers.count
                rates[index].append(try rate(peers[index]))
                single[index].append(try latency(peers[index]))
            }
            again.rate.append(try rate(peers[0]).perSecond)
            again.single.append(try latency(peers[0]))
        }

        let anchor = rates[0].map(\.perSecond)
        var table = ResultTable()
        for (index, peer) in peers.enumerated().dropFirst() {
            let own = rates[index].map(\.perSecond)
            let failed = rates[index].reduce(0) { $0 + $1.failed }
            let used = rates[index].reduce(0) { $0 + $1.filterNanoseconds } / rates[index].reduce(0) { $0 + $1.connections } / 1000
            table.add(
                .init(
                    what: "\(peer.name): connections, \(ConnectionsCommand.atOnce) at once, against plain nft accept",
                    measured: "\(own.median.rounded(0)) a second"
                        + (peer.decider == nil ? "" : ", \(used.rounded(1)) µs CPU of its process each")
                        + (failed > 0 ? ", \(Int(failed)) failed" : ""),
                    anchor: "\(anchor.median.rounded(0)) a second", ratio: Interval(ratiosOf: own, to: anchor),
                    anchorSpread: index == 1 ? Interval(ratiosOf: again.rate, to: anchor) : nil))
            // A slice in which nothing was connected has no time.
            guard !single[index].contains(0) else { continue }
            let added = Interval(zip(single[index], single[0]).map { $0 - $1 })
            table.add(
                .init(
                    what: "\(peer.name): time to connect, one after the other; adds \(added.median.rounded(0)) µs "
                        + "[\(added.low.rounded(0)), \(added.high.rounded(0))]",
                    measured: "\(single[index].median.rounded(0)) µs", anchor: "\(single[0].median.rounded(0)) µs",
                    ratio: Interval(ratiosOf: single[index], to: single[0]),
                    anchorSpread: index == 1 ? Interval(ratiosOf: again.single, to: single[0]) : nil))
        }
        if !hasOpenSnitch { table.add(.init(what: "OpenSnitch", measured: "not installed (apt-get install opensnitch)", anchor: "-")) }
        return table
    }

    private static func isInstalled(_ program: String) -> Bool {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":")
            .contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(program)") }
    }
}
