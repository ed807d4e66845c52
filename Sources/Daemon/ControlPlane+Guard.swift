import NetfilterQueue
import NetfilterTables

/// What the guard asks for. All of it runs on the control plane's queue; nothing waits.
extension ControlPlane {
    private static let namedChangesMax = 8

    /// Transactions that touched our table. What others did is undone by installing it anew, in one transaction.
    func tableWasTouched(_ changes: [RulesetChange]) {
        // Those that wait are answered by one repair.
        let isFirst = touches.withLock { waiting in
            defer { waiting += changes }
            return waiting.isEmpty
        }
        guard isFirst else { return }
        queue.async { [self] in
            let changes = touches.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
            let foreign = changes.filter { $0.portID != table.portID }
            guard !foreign.isEmpty, !isStopped else { return }
            guardReport.foreignChanges.add(UInt64(foreign.count), ordering: .relaxed)
            for change in foreign.prefix(Self.namedChangesMax) {
                logger.error(
                    "another process changed our table; installing it anew",
                    metadata: ["pid": "\(change.processID)", "process": "\(change.processName)", "port": "\(change.portID)"])
            }
            repair(contents)
        }
    }

    /// Compares the table with what was installed, rule by rule and element by element, and installs it anew if they differ.
    func checkTable() {
        guard !isCheckWaiting.exchange(true, ordering: .relaxed) else { return }
        queue.async { [self] in
            isCheckWaiting.store(false, ordering: .relaxed)
            guard !isStopped else { return }
            do {
                let seen = try table.fingerprint()
                let there = try table.contents(mark: tableConfiguration.mark)
                guard seen != fingerprint || there != contents else { return }
                logger.error("the table is not as it was installed; installing it anew")
            } catch {
                logger.error("the table cannot be read; installing it anew", metadata: ["error": "\(error)"])
            }
            repair(contents)
        }
    }

    /// Sends what has to be decided to queue numbers that nobody listens on, where it drops, and back to our own.
    ///
    /// For while another process has one of our numbers: it would decide our packets.
    func keepGate(closed isClosed: Bool) {
        queue.async { [self] in
            guard !isStopped else { return }
            let count = UInt16(clamping: configuration.queues.count)
            if isClosed {
                let free = Self.freeQueues(count: 2 * configuration.queues.count + 1)
                tableConfiguration.queues = free.lowerBound...free.lowerBound + count - 1
                tableConfiguration.helloQueues = free.lowerBound + count...free.upperBound - 1
                tableConfiguration.snoopQueue = free.upperBound
            } else {
                tableConfiguration.queues = ownQueues
                tableConfiguration.helloQueues = configuration.helloQueues
                tableConfiguration.snoopQueue = configuration.snoopQueue
            }
            repair(contents)
        }
    }

    /// Makes a new socket for the table if the old one cannot even read, and a new one can.
    ///
    /// The holder lets go of its duplicate, so that nobody owns the table for a moment; it stays in force (persist), and the new socket
    /// takes it over.
    func replaceSocket(_ wanted: TableContents) {
        do throws(TableError) {
            _ = try table.isInstalled()
            return
        } catch {
            logger.error("the socket of the table is useless", metadata: ["error": "\(error)"])
        }
        do {
            let fresh = try TableSocket()
            _ = try fresh.isInstalled()
            let holder = HolderClient(existingIn: configuration.runtimeDirectory)
            try holder?.drop("table")
            table = fresh
            try holder?.put("table", table.descriptor)
            try installTable(wanted)
            countRepair()
        } catch {
            logger.critical("the socket of the table cannot be replaced", metadata: ["error": "\(error)"])
        }
    }

    private var ownQueues: ClosedRange<UInt16> {
        configuration.queues.first...(configuration.queues.first + UInt16(configuration.queues.count - 1))
    }

    private static func freeQueues(count: Int) -> ClosedRange<UInt16> {
        let taken = Set(QueueStatistics.all().map(\.queue))
        var last = UInt16.max
        while last > UInt16(count) {
            let range = last - UInt16(count - 1)...last
            guard let used = range.first(where: taken.contains) else { return range }
            last = used - 1
        }
        return UInt16.max - UInt16(count - 1)...UInt16.max
    }
}
