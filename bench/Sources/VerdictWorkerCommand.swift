import ArgumentParser
import Daemon
import Enforcement
import Glibc
import NetfilterQueue
import NetfilterTables

/// The daemon's verdict loop alone in a process, so that it is measured as the C loop is: the same queue socket, handler, engine and
/// tables, filled from real policy and a real binding for each address of the flood. A second thread empties the ring of facts as often as
/// the daemon's flow log does; its time is not counted.
struct VerdictWorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "verdict-worker", shouldDisplay: false)

    @Option var queue: UInt16
    @Option var packets: Int
    @Option var policies: String

    mutating func run() throws {
        let parts = try VerdictParts(policies: policies)
        var options = QueueOptions()
        options.lengthMax = 65_536
        var socket = try QueueSocket(queue: queue, options: options)
        var handler = TimedHandler(parts.makeHandler())
        parts.startDraining()
        Self.print("{\"ready\":true}")

        var ready = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
        while unsafe poll(&ready, 1, -1) <= 0 {}
        let start = Self.usage()
        var decided = 0
        while decided < packets { decided += try socket.serve(&handler, timeoutMilliseconds: 500) }
        let end = Self.usage()
        let counters = socket.counters
        let (user, system) = (end.user - start.user, end.system - start.system)
        Self.print(
            "{\"packets\":\(decided),\"batches\":\(counters.batches),\"errors\":\(counters.verdictErrors + counters.sendErrors),"
                + "\"allowed\":\(parts.allowedCount),\"userNanoseconds\":\(user),\"systemNanoseconds\":\(system),"
                + "\"cpuNanoseconds\":\(user + system),\"betweenNanoseconds\":\(handler.nanoseconds)}")
        // The facts' thread goes with the process.
        Glibc.exit(0)
    }

    private static func print(_ line: String) {
        Swift.print(line)
        fflush(nil)
    }

    /// User and system time of this thread, nanoseconds (getrusage(2), RUSAGE_THREAD).
    private static func usage() -> (user: Int, system: Int) {
        var usage = rusage()
        unsafe getrusage(1, &usage)
        return (
            usage.ru_utime.tv_sec * 1_000_000_000 + Int(usage.ru_utime.tv_usec) * 1000,
            usage.ru_stime.tv_sec * 1_000_000_000 + Int(usage.ru_stime.tv_usec) * 1000
        )
    }
}
