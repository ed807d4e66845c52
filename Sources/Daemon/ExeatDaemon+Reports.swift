import Dispatch

/// What the control socket and the page of metrics tell.
extension ExeatDaemon {
    /// Whether DNS is served, and the table is as it is to be.
    var isServing: Bool {
        let now = BootClock.now()
        return isReady.load(ordering: .acquiring) && !control.status.isTableBehind && !pulses.contains { $0.isSilent(now: now) }
    }

    func statusLines() -> [String] {
        StatusReport.lines(
            configuration: configuration, control: control.status, guardReport: control.guardReport, isReady: isServing,
            uptime: BootClock.now().nanoseconds(since: startTime), flowLog: flowLog, dnsLog: dnsLog, names: nameReport(),
            upstreamsDown: Int(dnsTotals[.upstreamsDown]), flows: flows.state, queues: queueReports)
    }

    func endpointLines() -> [String] { StatusReport.endpoints(published.current) }

    func bindingLines() throws -> [String] {
        let policy = published.current
        guard let lines = onWorker({ gate in StatusReport.bindings(gate, policy, now: BootClock.now()) }) else {
            throw DaemonError("the first DNS worker does not answer", hint: "ask again in a moment")
        }
        return lines
    }

    func liveFlowLines() throws -> [String] {
        let shared = ResultBox<[String]>()
        let done = DispatchSemaphore(value: 0)
        let isAsked = flowMailbox.ask { lines in
            shared.set(lines)
            done.signal()
        }
        guard isAsked, done.wait(timeout: .now() + 10) == .success, let lines = shared.take() else {
            throw DaemonError("the table of flows does not answer", hint: "ask again in a moment; the log may say more")
        }
        return lines
    }

    /// As it was last told while the worker does not answer: counters must not go back.
    private func nameReport() -> NameReport {
        let told = onWorker { gate in
            let names = gate.names
            return NameReport(bindings: names.bindingCount, names: names.nameCount, counters: names.counters, refusals: names.refusals)
        }
        return lastNameReport.withLock { last in
            if let told { last = told }
            last.isCurrent = told != nil
            return last
        }
    }

    /// Runs `body` on the thread of the first DNS worker; nil if it does not answer within two seconds.
    private func onWorker<Result: Sendable>(_ body: @escaping @Sendable (borrowing WorkerGate) -> Result) -> Result? {
        let shared = ResultBox<Result>()
        let done = DispatchSemaphore(value: 0)
        mailboxes[0].post { gate in
            shared.set(body(gate))
            done.signal()
        }
        _ = done.wait(timeout: .now() + 2)
        return shared.take()
    }

    func metricsPage() -> String {
        MetricsPage.render(
            control: control.status, guardReport: control.guardReport, verdicts: verdictCounters, hellos: helloCounters,
            forgottenNames: verifiedNames.evictionCount, queues: queueReports, flowLog: flowLog, dnsLog: dnsLog,
            holds: link, dns: dnsTotals, liveUpstreams: liveUpstreams.report, authorityFiles: authorityFiles.report, names: nameReport(),
            flows: flows.state, lostFacts: flowMailbox.lostFacts, isReady: isServing, mode: configuration.mode,
            dnsPort: configuration.dns.port)
    }
}
