import Enforcement

/// What a DNS worker counts. Names and labels as they are exported.
public enum DNSCounter: Int, CaseIterable, Sendable, BitwiseCopyable {
    case queriesUDP, queriesTCP
    case answersUDP, answersTCP
    case answersTruncated
    case cacheHits, cacheMisses, cacheCuts, coalesced
    /// Gauges, stored once per batch of changes.
    case cacheBytes, cacheEntries, cacheDenials, cacheEvictions
    case refusedUnknownClient, refusedAny, refusedVersion
    case refusedRebinding, refusedAddressesPerName, refusedNamesPerClient, refusedBindings, refusedEndpointGone
    case refusedDeniedName, refusedExclusiveName, refusedNotAllowedName, refusedTunnel
    case refusedSignedBinding
    case tunnelSuspects
    case strippedHints, strippedECH, strippedHTTP3
    case failedOutstanding, failedWaiters, failedUpstreams, failedMalformedAnswer, failedUpstreamsFull
    case upstreamQueriesUDP, upstreamQueriesTCP, upstreamQueriesTLS
    case upstreamTimeouts, upstreamSocketErrors, upstreamTCPFailures, upstreamTLSFailures, upstreamMalformed
    case upstreamTruncated, upstreamWithoutEDNS
    case upstreamServerFailures, upstreamRefusals, upstreamOtherErrors
    case wrongIdentifier, wrongQuestion, wrongLetterCase, wrongForm, wrongCookie
    case upstreamCookiesRefused
    case upstreamDown
    /// A gauge.
    case upstreamsDown
    case upstreamProbesAnswered, upstreamProbesFailed
    case upstreamHedges, upstreamHedgesWon, upstreamHedgesDenied
    case upstreamConnectionsOpened, upstreamConnectionsReopened
    /// A gauge.
    case upstreamConnectionsOpen
    case upstreamConnectionsReused
    case tlsHandshakesFull, tlsHandshakesResumed
    case tlsTimeouts, tlsWrongNames, tlsUntrusted, tlsExpired, tlsWrongPins, tlsProtocolErrors
    case tcpAccepted, tcpOpen, tcpRefusedTotal, tcpRefusedPerClient, tcpAcceptErrors, tcpIdleClosed, tcpSlowReaders, tcpBadFrames
    case datagramsLostBeforeReceive, datagramsLostAtSend
    case answersCoalesced
    case outstanding, waiting
    case staleLate, staleFailed, staleFailing
    case localZones, localHosts, localSearch
    case refreshesPrefetch, refreshesStale, refreshesSkipped
    case snoopedQuestions, snoopedQuestionsUnreadable, snoopedQuestionsFull
    case snoopedLearned, snoopedEmpty, snoopedUnasked, snoopedUnread, snoopedMalformed, snoopedRefused
    case snoopedSegmentsApart, snoopedConnectionsUnknown, snoopedConnectionsFull

    /// Without the `exeat_dns_` prefix.
    var sample: (name: String, labels: [(String, String)]) {
        switch self {
        case .queriesUDP: ("queries_total", [("transport", "udp")])
        case .queriesTCP: ("queries_total", [("transport", "tcp")])
        case .answersUDP: ("answers_total", [("transport", "udp")])
        case .answersTCP: ("answers_total", [("transport", "tcp")])
        case .answersTruncated: ("answers_truncated_total", [])
        case .cacheHits: ("cache_lookups_total", [("result", "hit")])
        case .cacheMisses: ("cache_lookups_total", [("result", "miss")])
        case .cacheCuts: ("cache_cut_answers_total", [])
        case .coalesced: ("coalesced_total", [])
        case .cacheBytes: ("cache_size_bytes", [])
        case .cacheEntries: ("cache_entries", [])
        case .cacheDenials: ("cache_negative_entries", [])
        case .cacheEvictions: ("cache_evictions_total", [])
        case .refusedUnknownClient: ("refused_total", [("reason", "unknown_client")])
        case .refusedAny: ("refused_total", [("reason", "any")])
        case .refusedVersion: ("refused_total", [("reason", "edns_version")])
        case .refusedRebinding: ("refused_total", [("reason", "rebinding")])
        case .refusedAddressesPerName: ("refused_total", [("reason", "addresses_per_name_full")])
        case .refusedNamesPerClient: ("refused_total", [("reason", "names_per_client_full")])
        case .refusedBindings: ("refused_total", [("reason", "bindings_full")])
        case .refusedEndpointGone: ("refused_total", [("reason", "endpoint_gone")])
        case .refusedDeniedName: ("refused_total", [("reason", "denied_name")])
        case .refusedExclusiveName: ("refused_total", [("reason", "exclusive_name")])
        case .refusedNotAllowedName: ("refused_total", [("reason", "not_allowed_name")])
        case .refusedTunnel: ("refused_total", [("reason", "tunnel")])
        case .refusedSignedBinding: ("refused_total", [("reason", "signed_service_binding")])
        case .tunnelSuspects: ("tunnel_suspects_total", [])
        case .strippedHints: ("service_parameters_stripped_total", [("parameter", "hints")])
        case .strippedECH: ("service_parameters_stripped_total", [("parameter", "ech")])
        case .strippedHTTP3: ("service_parameters_stripped_total", [("parameter", "http3")])
        case .failedOutstanding: ("failed_total", [("reason", "outstanding_full")])
        case .failedWaiters: ("failed_total", [("reason", "waiters_full")])
        case .failedUpstreams: ("failed_total", [("reason", "upstreams")])
        case .failedUpstreamsFull: ("failed_total", [("reason", "upstreams_full")])
        case .failedMalformedAnswer: ("failed_total", [("reason", "malformed_answer")])
        case .upstreamQueriesUDP: ("upstream_queries_total", [("transport", "udp")])
        case .upstreamQueriesTCP: ("upstream_queries_total", [("transport", "tcp")])
        case .upstreamQueriesTLS: ("upstream_queries_total", [("transport", "tls")])
        case .upstreamTimeouts: ("upstream_failures_total", [("reason", "timeout")])
        case .upstreamSocketErrors: ("upstream_failures_total", [("reason", "socket")])
        case .upstreamTCPFailures: ("upstream_failures_total", [("reason", "tcp")])
        case .upstreamTLSFailures: ("upstream_failures_total", [("reason", "tls")])
        case .upstreamMalformed: ("upstream_failures_total", [("reason", "malformed")])
        case .upstreamServerFailures: ("upstream_failures_total", [("reason", "servfail")])
        case .upstreamRefusals: ("upstream_failures_total", [("reason", "refused")])
        case .upstreamOtherErrors: ("upstream_failures_total", [("reason", "other_rcode")])
        case .upstreamTruncated: ("upstream_truncated_total", [])
        case .upstreamWithoutEDNS: ("upstream_without_edns_total", [])
        case .wrongIdentifier: ("wrong_replies_total", [("reason", "id")])
        case .wrongQuestion: ("wrong_replies_total", [("reason", "question")])
        case .wrongLetterCase: ("wrong_replies_total", [("reason", "letter_case")])
        case .wrongForm: ("wrong_replies_total", [("reason", "form")])
        case .wrongCookie: ("wrong_replies_total", [("reason", "cookie")])
        case .upstreamCookiesRefused: ("upstream_cookies_refused_total", [])
        case .upstreamDown: ("upstream_down_total", [])
        case .upstreamsDown: ("upstreams_down", [])
        case .upstreamProbesAnswered: ("upstream_probes_total", [("result", "answered")])
        case .upstreamProbesFailed: ("upstream_probes_total", [("result", "failed")])
        case .upstreamHedges: ("upstream_hedges_total", [("result", "asked")])
        case .upstreamHedgesWon: ("upstream_hedges_total", [("result", "won")])
        case .upstreamHedgesDenied: ("upstream_hedges_total", [("result", "denied")])
        case .upstreamConnectionsOpened: ("upstream_connections_total", [("event", "opened")])
        case .upstreamConnectionsReopened: ("upstream_connections_total", [("event", "replaced")])
        case .upstreamConnectionsReused: ("upstream_connections_total", [("event", "reused")])
        case .upstreamConnectionsOpen: ("upstream_connections_open", [])
        case .tlsHandshakesFull: ("upstream_tls_handshakes_total", [("kind", "full")])
        case .tlsHandshakesResumed: ("upstream_tls_handshakes_total", [("kind", "resumed")])
        case .tlsTimeouts: ("upstream_tls_failures_total", [("reason", "timeout")])
        case .tlsWrongNames: ("upstream_tls_failures_total", [("reason", "name")])
        case .tlsUntrusted: ("upstream_tls_failures_total", [("reason", "issuer")])
        case .tlsExpired: ("upstream_tls_failures_total", [("reason", "expired")])
        case .tlsWrongPins: ("upstream_tls_failures_total", [("reason", "pin")])
        case .tlsProtocolErrors: ("upstream_tls_failures_total", [("reason", "protocol")])
        case .tcpAccepted: ("tcp_connections_total", [])
        case .tcpOpen: ("tcp_connections_open", [])
        case .tcpRefusedTotal: ("tcp_closed_total", [("reason", "connections_max")])
        case .tcpRefusedPerClient: ("tcp_closed_total", [("reason", "connections_per_client_max")])
        case .tcpIdleClosed: ("tcp_closed_total", [("reason", "idle")])
        case .tcpSlowReaders: ("tcp_closed_total", [("reason", "slow_reader")])
        case .tcpBadFrames: ("tcp_closed_total", [("reason", "bad_frame")])
        case .tcpAcceptErrors: ("tcp_accept_errors_total", [])
        case .datagramsLostBeforeReceive: ("datagrams_lost_total", [("direction", "in")])
        case .datagramsLostAtSend: ("datagrams_lost_total", [("direction", "out")])
        case .answersCoalesced: ("answers_coalesced_total", [])
        case .outstanding: ("upstream_outstanding", [])
        case .waiting: ("queries_waiting", [])
        case .staleLate: ("stale_answers_total", [("reason", "late")])
        case .staleFailed: ("stale_answers_total", [("reason", "failed")])
        case .staleFailing: ("stale_answers_total", [("reason", "failing")])
        case .localZones: ("local_answers_total", [("source", "zone")])
        case .localHosts: ("local_answers_total", [("source", "hosts")])
        case .localSearch: ("local_answers_total", [("source", "search")])
        case .refreshesPrefetch: ("cache_refreshes_total", [("reason", "prefetch")])
        case .refreshesStale: ("cache_refreshes_total", [("reason", "stale")])
        case .refreshesSkipped: ("cache_refreshes_skipped_total", [])
        case .snoopedQuestions: ("snooped_questions_total", [("result", "noted")])
        case .snoopedQuestionsUnreadable: ("snooped_questions_total", [("result", "unreadable")])
        case .snoopedQuestionsFull: ("snooped_questions_total", [("result", "full")])
        case .snoopedLearned: ("snooped_answers_total", [("result", "learned")])
        case .snoopedEmpty: ("snooped_answers_total", [("result", "empty")])
        case .snoopedUnasked: ("snooped_answers_total", [("result", "unasked")])
        case .snoopedUnread: ("snooped_answers_total", [("result", "unread")])
        case .snoopedMalformed: ("snooped_answers_total", [("result", "malformed")])
        case .snoopedRefused: ("snooped_answers_total", [("result", "refused")])
        case .snoopedSegmentsApart: ("snooped_segments_total", [("result", "apart")])
        case .snoopedConnectionsUnknown: ("snooped_segments_total", [("result", "unknown_connection")])
        case .snoopedConnectionsFull: ("snooped_segments_total", [("result", "full")])
        }
    }
}

extension AnswerRefusal {
    /// Where it is counted.
    var counter: DNSCounter {
        switch self {
        case .addressesPerNameFull: .refusedAddressesPerName
        case .namesPerClientFull: .refusedNamesPerClient
        case .bindingsFull: .refusedBindings
        case .rebinding: .refusedRebinding
        case .unknownClient: .refusedEndpointGone
        case .deniedName: .refusedDeniedName
        case .exclusiveName: .refusedExclusiveName
        case .notAllowedName: .refusedNotAllowedName
        }
    }
}
