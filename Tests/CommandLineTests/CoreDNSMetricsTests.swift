import Foundation
import Testing

extension CommandLineTests {
    @Suite(.serialized) struct CoreDNSMetricsTests {
        @Test func `metrics under CoreDNS's names say what was asked and answered, and are those that the page of metrics lists`() throws {
            let lab = try DaemonLab(showsCoreDNSNames: true) { [.init(bytes: $0.reply().a(Lie.trueAddress).bytes)] }
            defer { lab.stop() }
            for _ in 0..<3 { #expect(try lab.ask("n0.true.lies.example.org") != nil) }
            #expect(try lab.ask("n1.true.lies.example.org") != nil)
            #expect(try lab.ask([WireMessage.name("localhost")], type: 28)[0] != nil)
            // Gauges and upstreams are told once a second.
            let cache = "server=\"dns://:53\",zones=\".\",view=\"\""
            let entries = "coredns_cache_entries{server=\"dns://:53\",type=\"success\",zones=\".\",view=\"\"}"
            var values: [String: Double] = [:]
            for _ in 0..<50
            where values[entries] != 2 || values["coredns_forward_requests_total{to=\"\(DaemonLab.upstreamAddress):53\"}"] ?? 0 < 2 {
                usleep(100_000)
                values = try lab.metrics()
            }
            let all = "server=\"dns://:53\",zone=\".\",view=\"\""
            let hit = "server=\"dns://:53\",type=\"success\",zones=\".\",view=\"\""
            let expected: [String: Double] = [
                "coredns_dns_requests_total{\(all),proto=\"udp\",family=\"1\",type=\"A\"}": 4,
                "coredns_dns_requests_total{\(all),proto=\"udp\",family=\"1\",type=\"AAAA\"}": 1,
                "coredns_dns_responses_total{\(all),rcode=\"NOERROR\",plugin=\"cache\"}": 2,
                "coredns_dns_responses_total{\(all),rcode=\"NOERROR\",plugin=\"forward\"}": 2,
                "coredns_dns_responses_total{\(all),rcode=\"NOERROR\",plugin=\"hosts\"}": 1,
                "coredns_cache_hits_total{\(hit)}": 2, "coredns_cache_misses_total{\(cache)}": 3,
                "coredns_cache_requests_total{\(cache)}": 5,
                entries: 2,
                "coredns_dns_request_duration_seconds_count{\(all)}": 2,
                "coredns_build_info{version=\"exeat-0.1.0\"}": 1, "coredns_forward_max_concurrent_rejects_total": 0,
                "coredns_dns_do_requests_total{\(all)}": 0,
            ]
            for (sample, value) in expected { #expect(values[sample] == value, "\(sample)") }
            // A slow answer is asked for again.
            for sample in [
                "coredns_forward_requests_total{to=\"\(DaemonLab.upstreamAddress):53\"}",
                "coredns_proxy_request_duration_seconds_count{proxy_name=\"forward\",to=\"\(DaemonLab.upstreamAddress):53\"}",
            ] { #expect(values[sample] ?? 0 >= 2, "\(sample)") }

            let text = try lab.metricsText()
            let series = text.split(separator: "\n").filter { !$0.hasPrefix("#") }.compactMap { $0.split(separator: " ").first }
            #expect(Set(series).count == series.count)
            var shown: [String: Set<String>] = [:]
            var family = ""
            for line in text.split(separator: "\n") {
                if line.hasPrefix("# TYPE ") {
                    let words = line.split(separator: " ")
                    family = String(words[2]) + (words[3] == "counter" ? "_total" : words[3] == "info" ? "_info" : "")
                } else if family.hasPrefix("coredns_") {
                    shown[family, default: []].formUnion(line.matches(of: /([a-z_]+)="/).map { String($0.1) }.filter { $0 != "le" })
                }
            }
            let page = try DocumentationPage("docs/metrics.md")
            let documented = page.rows(columns: 3).filter { $0[0].contains("`coredns_") }
            #expect(
                Dictionary(
                    uniqueKeysWithValues: documented.map { (DocumentationPage.words($0[0])[0], Set(DocumentationPage.words($0[1]))) })
                    == shown)
            for row in page.rows(columns: 2) where row[0].contains("`coredns_") {
                for name in DocumentationPage.words(row[0]) { #expect(!text.contains(name), "\(name) is shown") }
            }
        }
    }
}
