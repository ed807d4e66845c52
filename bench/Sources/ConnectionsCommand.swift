import ArgumentParser
import DemoNetwork

struct ConnectionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connections",
        abstract: "New connections per second to one destination: kernel leases, every first packet queued, name check, plain nft.")

    @OptionGroup var options: BenchOptions

    mutating func run() throws { print(try Self.measure(options).markdown) }

    /// Connections that the client keeps under way.
    static let atOnce = 32

    /// What is measured, each in its turn.
    private enum Turn: CaseIterable {
        case bare, plain, plainAgain, leased, queued
        case plainHello, plainHelloAgain, offHello, observeHello, requireHello

        var sendsHello: Bool {
            switch self {
            case .bare, .plain, .plainAgain, .leased, .queued: false
            case .plainHello, .plainHelloAgain, .offHello, .observeHello, .requireHello: true
            }
        }
    }

    static func measure(_ options: BenchOptions) throws -> ResultTable {
        let load = try options.anchor("tcp-load")
        let program = try options.program()
        let bare = try BenchLab()
        defer { bare.stop() }
        let plain = try BenchLab()
        defer { plain.stop() }
        try plain.installAcceptRules()
        let off = try BenchLab(verifyName: "off")
        defer { off.stop() }
        let queued = try BenchLab(verifyName: "off")
        defer { queued.stop() }
        let observe = try BenchLab(verifyName: "observe")
        defer { observe.stop() }
        let require = try BenchLab(verifyName: "require")
        defer { require.stop() }
        for lab in [bare, plain, off, queued, observe, require] { try lab.startLoadServers(load) }
        for lab in [off, queued, observe, require] {
            try lab.startDaemon(program, hasLeases: lab !== queued)
            try lab.resolve()
        }
        func lab(_ turn: Turn) -> BenchLab {
            switch turn {
            case .bare: bare
            case .plain, .plainAgain, .plainHello, .plainHelloAgain: plain
            case .leased, .offHello: off
            case .queued: queued
            case .observeHello: observe
            case .requireHello: require
            }
        }

        let milliseconds = options.quick ? 150 : 400
        var turns = Turn.allCases
        var results: [Turn: [LoadResult]] = [:]
        func measure(_ turn: Turn) throws -> LoadResult {
            let lab = lab(turn)
            return try lab.load(
                load, connectionsAtOnce: atOnce, milliseconds: milliseconds, sendsHello: turn.sendsHello, decider: lab.daemon)
        }
        // A mode that refuses every connection is not measured, and the table says so.
        turns = try turns.filter { try measure($0).connections > 0 }
        for round in 0..<BenchOptions.pairs {
            for place in turns.indices {
                let turn = turns[(place + round) % turns.count]
                results[turn, default: []].append(try measure(turn))
            }
        }

        func rates(_ turn: Turn) -> [Double] { (results[turn] ?? []).map(\.perSecond) }
        func sum(_ turn: Turn, _ value: (LoadResult) -> Double) -> Double { (results[turn] ?? []).reduce(0) { $0 + value($1) } }
        func text(_ turn: Turn) -> String {
            var text = "\(rates(turn).median.rounded(0)) a second"
            let (failed, used) = (sum(turn, \.failed), sum(turn, \.filterNanoseconds))
            if used > 0 { text += ", daemon \((used / sum(turn, \.connections) / 1000).rounded(1)) µs CPU each" }
            if failed > 0 { text += ", \(Int(failed)) failed" }
            return text
        }
        var table = ResultTable()
        func add(_ what: String, _ turn: Turn, against anchor: Turn, again: Turn? = nil, bar: ResultTable.Bar? = nil) {
            guard turns.contains(turn) else {
                return table.add(.init(what: what, measured: "refuses every connection", anchor: text(anchor)))
            }
            table.add(
                .init(
                    what: what, measured: text(turn), anchor: text(anchor), ratio: Interval(ratiosOf: rates(turn), to: rates(anchor)),
                    anchorSpread: again.map { Interval(ratiosOf: rates($0), to: rates(anchor)) }, bar: bar))
        }
        add(
            "New connections to a leased destination, `verify-name: off`, \(atOnce) at once, opened and closed, against plain nft accept",
            .leased, against: .plain, again: .plainAgain, bar: .ratioAtLeast(0.95))
        add("The same without kernel leases: every first packet queued", .queued, against: .plain)
        add("No filter at all against plain nft accept", .bare, against: .plain)
        add(
            "Connections that send a ClientHello and get an answer, `verify-name: off`, leased, against plain nft accept", .offHello,
            against: .plainHello, again: .plainHelloAgain)
        add("The same with `verify-name: observe`", .observeHello, against: .plainHello)
        add("The same with `verify-name: require`", .requireHello, against: .plainHello)
        return table
    }
}
