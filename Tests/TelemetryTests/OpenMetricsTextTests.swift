import Telemetry
import Testing

struct OpenMetricsTextTests {
    @Test func `the exposition is exact`() {
        let families = [
            MetricFamily("exeat_verdicts", .counter, help: "Decided packets.", by: "reason", [("policy_allow", 12), ("policy_deny", 0)]),
            MetricFamily("exeat_bindings", .gauge, help: "Live bindings.", value: 262_144),
            MetricFamily(
                "exeat_answer_seconds", .histogram, help: "From query to answer.",
                samples: [
                    .init(suffix: "_bucket", labels: [("le", "0.001")], value: 3),
                    .init(suffix: "_bucket", labels: [("le", "+Inf")], value: 4),
                    .init(suffix: "_sum", value: 0.25), .init(suffix: "_count", value: 4),
                ]),
            MetricFamily(
                "exeat_build", .info, help: "The build.", samples: [.init(labels: [("version", "1.0"), ("kernel", "6.1")], value: 1)]),
        ]
        #expect(
            OpenMetricsText.render(families) == """
                # TYPE exeat_verdicts counter
                # HELP exeat_verdicts Decided packets.
                exeat_verdicts_total{reason="policy_allow"} 12
                exeat_verdicts_total{reason="policy_deny"} 0
                # TYPE exeat_bindings gauge
                # HELP exeat_bindings Live bindings.
                exeat_bindings 262144
                # TYPE exeat_answer_seconds histogram
                # HELP exeat_answer_seconds From query to answer.
                exeat_answer_seconds_bucket{le="0.001"} 3
                exeat_answer_seconds_bucket{le="+Inf"} 4
                exeat_answer_seconds_sum 0.25
                exeat_answer_seconds_count 4
                # TYPE exeat_build info
                # HELP exeat_build The build.
                exeat_build_info{version="1.0",kernel="6.1"} 1
                # EOF

                """)
    }

    @Test func `an empty exposition is its end`() {
        #expect(OpenMetricsText.render([]) == "# EOF\n")
    }

    @Test(arguments: [
        (#"a\b"#, #"a\\b"#), (#"a"b"#, #"a\"b"#), ("a\nb", #"a\nb"#), ("\r\n", "\r\\n"), ("größe 日本", "größe 日本"), (#"\n"#, #"\\n"#),
    ])
    func `help texts and label values are escaped`(row: (plain: String, escaped: String)) {
        let text = OpenMetricsText.render([MetricFamily("m", .gauge, help: row.plain, by: "l", [(row.plain, 1)])])
        #expect(text == "# TYPE m gauge\n# HELP m \(row.escaped)\nm{l=\"\(row.escaped)\"} 1\n# EOF\n")
    }

    @Test(arguments: [
        (0.0, "0"), (-1, "-1"), (1.5, "1.5"), (4_503_599_627_370_496, "4503599627370496"), (1e300, "1e+300"), (0.000_1, "0.0001"),
    ])
    func `whole numbers have no fraction`(row: (Double, String)) {
        #expect(OpenMetricsText.render([MetricFamily("m", .gauge, help: "", samples: [.init(value: row.0)])]).contains("\nm \(row.1)\n"))
    }
}
