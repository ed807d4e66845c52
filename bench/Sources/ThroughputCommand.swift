import ArgumentParser

struct ThroughputCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "throughput", abstract: "An established TCP flow through the node (iperf3): the daemon, no filter, plain nft.")

    @OptionGroup var options: BenchOptions

    mutating func run() throws { print(try Self.measure(options).markdown) }

    static func measure(_ options: BenchOptions) throws -> ResultTable {
        let bare = try BenchLab()
        defer { bare.stop() }
        let plain = try BenchLab()
        defer { plain.stop() }
        let enforced = try BenchLab()
        defer { enforced.stop() }
        try plain.installAcceptRules()
        try enforced.startDaemon(try options.program(), hasLeases: true)
        try enforced.resolve()
        let labs = [bare, enforced, plain, bare]
        for lab in labs.dropLast() { try lab.startThroughputServer() }

        var table = ResultTable()
        for fromServer in options.quick ? [false] : [false, true] {
            var values: [[Double]] = [[], [], [], []]
            for round in 0..<BenchOptions.pairs {
                for place in labs.indices {
                    let index = (place + round) % labs.count
                    values[index].append(try labs[index].throughput(seconds: 1, fromServer: fromServer))
                }
            }
            func text(_ index: Int) -> String { "\((values[index].median / 1000).rounded(2)) Gbit/s" }
            let direction = fromServer ? "to the pod" : "from the pod"
            table.add(
                .init(
                    what: "Established TCP flow admitted by name, \(direction) (iperf3, 1 s), against the same path without filter",
                    measured: text(1), anchor: text(0), ratio: Interval(ratiosOf: values[1], to: values[0]),
                    anchorSpread: Interval(ratiosOf: values[3], to: values[0]), bar: .ratioAtLeast(0.98)))
            table.add(
                .init(
                    what: "The same against plain nft that tracks connections (established, related accept)", measured: text(1),
                    anchor: text(2),
                    ratio: Interval(ratiosOf: values[1], to: values[2])))
        }
        return table
    }
}
