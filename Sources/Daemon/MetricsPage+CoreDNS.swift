import DNSInterceptor
import Telemetry

/// The same numbers once more under the names that CoreDNS and NodeLocal DNSCache give them, for dashboards and alerts that are made for these.
///
/// Only what is counted here: what a name of theirs stands for and this process does not know is left out (docs/metrics.md).
extension MetricsPage {
    private static let cachePrefix = "coredns_cache_"

    /// - Parameter port: `dns.port`; CoreDNS names a server that listens on all addresses by its port.
    static func coreDNS(_ dns: DNSTotals, port: UInt16) -> [MetricFamily] {
        guard let replies = dns.replies else { return [] }
        let server = (name: "server", value: "dns://:\(port)")
        let ofServer = [server, (name: "zone", value: "."), (name: "view", value: "")]
        let ofCache = [server, (name: "zones", value: "."), (name: "view", value: "")]
        return [
            MetricFamily(
                "coredns_build", .info, help: "What runs here in place of CoreDNS.",
                samples: [.init(labels: [("version", "exeat-\(ExeatVersion.text)")], value: 1)]),
            sum(replies, "coredns_dns_requests", "Queries that were answered.", ofServer) {
                [
                    (name: "proto", value: $0.isTCP ? "tcp" : "udp"), (name: "family", value: $0.family == .v4 ? "1" : "2"),
                    (name: "type", value: $0.type),
                ]
            },
            MetricFamily(
                "coredns_dns_do_requests", .counter, help: "Of these, queries with DO.",
                samples: [.init(labels: ofServer, value: replies.reduce(0) { $0 + ($1.isDNSSECOK ? Double($1.count) : 0) })]),
            sum(replies, "coredns_dns_responses", "Answers by response code.", ofServer) {
                [(name: "rcode", value: $0.code), (name: "plugin", value: plugin($0.source))]
            },
            missDuration(dns, ofServer),
        ] + cache(dns, replies, ofCache) + forward(dns)
    }

    /// Whose work it would have been there.
    private static func plugin(_ source: DNSReplyTally.Source) -> String {
        switch source {
        case .success, .denial, .stale: "cache"
        case .upstream: "forward"
        case .local: "hosts"
        case .refused: ""
        }
    }

    /// A counter of replies by some of what is known of them.
    private static func sum(
        _ replies: [DNSReplyTally.Entry], _ name: String, _ help: String, _ fixed: [(name: String, value: String)],
        by labels: (DNSReplyTally.Entry) -> [(name: String, value: String)]
    ) -> MetricFamily {
        var order: [[String]] = []
        var sums: [[String]: (labels: [(name: String, value: String)], count: UInt64)] = [:]
        for entry in replies {
            let own = labels(entry)
            let key = own.map(\.value)
            if sums[key] == nil { order.append(key) }
            sums[key, default: (own, 0)].count += entry.count
        }
        let samples = order.compactMap { sums[$0] }.map { MetricFamily.Sample(labels: fixed + $0.labels, value: Double($0.count)) }
        return MetricFamily(name, .counter, help: help, samples: samples)
    }

    /// Answers out of the cache are not timed.
    private static func missDuration(_ dns: DNSTotals, _ labels: [(name: String, value: String)]) -> MetricFamily {
        let name = "exeat_dns_miss_duration_seconds"
        return MetricFamily(
            "coredns_dns_request_duration_seconds", .histogram, help: "Time that queries took that missed the cache.",
            samples: dns.snapshot().filter { $0.name.hasPrefix(name) }.map { sample in
                .init(
                    suffix: String(sample.name.dropFirst(name.count)), labels: labels + sample.labels.map { (name: $0.0, value: $0.1) },
                    value: sample.value)
            })
    }

    private static func cache(
        _ dns: DNSTotals, _ replies: [DNSReplyTally.Entry], _ labels: [(name: String, value: String)]
    ) -> [MetricFamily] {
        func family(_ name: String, _ help: String, _ value: UInt64) -> MetricFamily {
            MetricFamily(cachePrefix + name, .counter, help: help, samples: [.init(labels: labels, value: Double(value))])
        }
        func byType(_ name: String, _ kind: MetricFamily.Kind, _ help: String, success: UInt64, denial: UInt64) -> MetricFamily {
            MetricFamily(
                cachePrefix + name, kind, help: help,
                samples: [("success", success), ("denial", denial)].map {
                    .init(labels: [labels[0], (name: "type", value: $0.0)] + labels.dropFirst(), value: Double($0.1))
                })
        }
        func hits(_ source: DNSReplyTally.Source) -> UInt64 { replies.reduce(0) { $0 + ($1.source == source ? $1.count : 0) } }
        // Answers that a name above is not there are hits to others.
        let cuts = dns[.cacheCuts]
        let (success, denial, misses) = (hits(.success), hits(.denial), dns[.cacheMisses] - cuts)
        // Set one after the other, while this reads: each is read once.
        let entries = dns[.cacheEntries]
        let denials = min(dns[.cacheDenials], entries)
        return [
            family("requests", "Hits and misses.", success + denial + misses),
            byType("hits", .counter, "Answers out of the cache.", success: success, denial: denial),
            family("misses", "Queries that the cache had no answer to.", misses),
            byType("entries", .gauge, "Stored answers.", success: entries - denials, denial: denials),
            family("prefetch", "Answers fetched before they expired.", dns[.refreshesPrefetch]),
            family("served_stale", "Expired answers given out.", dns[.staleLate] + dns[.staleFailed] + dns[.staleFailing]),
        ]
    }

    private static func forward(_ dns: DNSTotals) -> [MetricFamily] {
        var order: [String] = []
        var tallies: [String: UpstreamTally] = [:]
        for report in dns.upstreams {
            let upstream = UpstreamAddress(report.upstream.address, port: report.upstream.port).description
            if tallies[upstream] == nil { order.append(upstream) }
            tallies[upstream, default: UpstreamTally()].add(report.tally)
        }
        let known = order.compactMap { upstream in tallies[upstream].map { (upstream, $0) } }
        return [
            MetricFamily(
                "coredns_forward_requests", .counter, help: "Queries sent to one upstream.",
                samples: known.map { .init(labels: [("to", $0.0)], value: Double($0.1.queries)) }),
            MetricFamily(
                "coredns_proxy_request_duration_seconds", .histogram, help: "Time that answers of one upstream took.",
                samples: known.flatMap { upstream, tally -> [MetricFamily.Sample] in
                    let labels = [(name: "proxy_name", value: "forward"), (name: "to", value: upstream)]
                    return [
                        .init(suffix: "_bucket", labels: labels + [(name: "le", value: "+Inf")], value: Double(tally.answers)),
                        .init(suffix: "_count", labels: labels, value: Double(tally.answers)),
                        .init(suffix: "_sum", labels: labels, value: Double(tally.answerNanoseconds) / 1_000_000_000),
                    ]
                }),
            MetricFamily(
                "coredns_forward_max_concurrent_rejects", .counter, help: "Queries not forwarded because too many were in flight.",
                value: dns[.failedOutstanding] + dns[.failedUpstreamsFull]),
        ]
    }
}
