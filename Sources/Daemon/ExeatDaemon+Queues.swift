import DNSInterceptor
import Enforcement
import Logging
import NameInspection
import NetfilterQueue
import NetfilterTables
import PolicyEngine

/// The queues of packets and of hellos, which the holder keeps from one daemon to the next.
extension ExeatDaemon {
    static func hold(
        _ configuration: ExeatConfiguration, _ link: HoldLink?, thread: Int, _ counters: VerdictCounters,
        _ mailbox: DNSMailbox<WorkerGate>
    ) -> PacketHold {
        guard let link else { return PacketHold() }
        return PacketHold(
            capacity: configuration.hold.packets, milliseconds: configuration.hold.milliseconds, link: link, thread: thread,
            counters: counters, wake: { mailbox.wake() })
    }

    static func openQueue(_ number: UInt16, _ holder: borrowing HolderClient, _ options: QueueOptions) throws -> QueueSocket {
        let name = queueName(number)
        if let kept = try holder.get(name) { return try QueueSocket(adopting: kept, queue: number, options: options) }
        let queue = try QueueSocket(queue: number, options: options)
        try holder.put(name, queue.descriptor)
        return queue
    }

    static func queueOptions(_ configuration: ExeatConfiguration) -> QueueOptions {
        var options = QueueOptions()
        options.lengthMax = configuration.queues.lengthMax
        options.failsOpen = configuration.mode == .audit
        options.heldMax = configuration.hold.isOn ? configuration.hold.packets : 0
        // Later than the handler's own bound, which gives a reason.
        options.holdMilliseconds = configuration.hold.milliseconds + 100
        return options
    }

    /// Whole packets, which wait longer than a name may take: the table of names decides first.
    static func helloQueueOptions(_ configuration: ExeatConfiguration) -> QueueOptions {
        let limits = NameCheckLimits()
        var options = queueOptions(configuration)
        options.copyRange = 65_531
        options.heldMax = limits.packets + 256
        options.lengthMax = max(options.lengthMax, UInt32(clamping: 2 * limits.packets))
        options.holdMilliseconds = UInt32(clamping: limits.waitingSeconds * 1_000 + 3_000)
        return options
    }

    /// Whole packets, each datagram and segment by itself: a message is read as its client gets it.
    static func snoopQueueOptions(_ configuration: ExeatConfiguration) -> QueueOptions {
        var options = queueOptions(configuration)
        options.copyRange = 65_531
        options.heldMax = 0
        options.takesAggregates = false
        return options
    }

    /// The thread that reads others' DNS.
    static func startSnooping(
        _ configuration: ExeatConfiguration, _ holder: borrowing HolderClient, gate: consuming WorkerGate, counters: DNSCounters,
        log: Ring<DNSLogRecord>?, policy: Published<CompiledPolicy>, layout: MarkLayout, logger: Logger
    ) throws -> QueueReport {
        let number = configuration.snoopQueue
        let queue = try openQueue(number, holder, snoopQueueOptions(configuration))
        let report = QueueReport(queue: number)
        VerdictThread.start(
            queue: queue,
            handler: SnoopHandler(
                snoop: DNSSnoop(counters: counters, log: log, isEnforcing: configuration.mode == .enforce), gate: gate, policy: policy,
                layout: layout),
            report: report, logger: logger,
            reopen: { [configuration] in try reopenQueue(number, configuration, snoopQueueOptions(configuration)) })
        return report
    }

    /// A new socket for a queue whose old one is useless. The holder lets go of its duplicate first: else the kernel would refuse.
    static func reopenQueue(
        _ number: UInt16, _ configuration: ExeatConfiguration, _ options: QueueOptions
    ) throws -> QueueSocket {
        let holder = HolderClient(existingIn: configuration.runtimeDirectory)
        try holder?.drop(queueName(number))
        let queue = try QueueSocket(queue: number, options: options)
        try holder?.put(queueName(number), queue.descriptor)
        return queue
    }

    private static func queueName(_ number: UInt16) -> String { "queue-\(number)" }

    /// What the holder keeps for a configuration.
    static func heldNames(_ configuration: ExeatConfiguration, hasClasses: Bool) -> Set<String> {
        var names: Set<String> = ["table"]
        for index in 0..<configuration.queues.count { names.insert(queueName(configuration.queues.first + UInt16(index))) }
        for number in configuration.helloQueues { names.insert(queueName(number)) }
        if configuration.dns.snooping != .none { names.insert(queueName(configuration.snoopQueue)) }
        names.formUnion(DNSThreads.heldNames(configuration.dns, hasClasses: hasClasses))
        return names
    }
}
