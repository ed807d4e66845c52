import DNSMessages

/// NXDOMAIN for names below one that does not exist (RFC 8020), where that is configured: looked for when the cache has no answer, ahead of asking.
///
/// The cache is looked through for each ancestor of the name, under the type asked for and under A and AAAA, which are what is asked for most. An
/// answer counts for names of its own zone alone: others have upstreams who may know more. What bears DO or CD is for clients that want
/// proofs and is asked for as ever. Nothing that is made so is kept: it ends with the answer that it is made from.
extension DNSWorkerCore {
    /// The answer to a query that some name above does not exist; nil: the cache knows of none.
    mutating func denial(above query: DNSQuery, _ key: CacheKey, hash: UInt64) -> Answer? {
        guard configuration.cutsAtNameErrors, cache.denials > 0, !query.isDNSSECOK, !query.isCheckingDisabled else { return nil }
        let zone = query.name.withSpan { zoneTable.zone(of: $0) }
        let wire = query.name.bytes
        let types = [query.qtype] + [RecordType.a, .aaaa].filter { $0 != query.qtype }
        // The cache wants a name where it stands in messages.
        var message = [UInt8](repeating: 0, count: 12)
        var start = wire[0] == 0 ? 0 : 1 + Int(wire[0])
        while wire[start] != 0 {
            message.replaceSubrange(12..., with: wire[start...])
            // Longer zones are found first: further up there are only others.
            guard zoneTable.zone(of: message.span.extracting(12..<message.count)) == zone else { return nil }
            for type in types {
                let head = query.head.asking(for: type, nameCount: wire.count - start)
                guard let found = cache.findDenial(message.span, head, hash: cache.hash(message.span, head), now: now) else { continue }
                return denial(found, key, hash: hash)
            }
            start += 1 + Int(wire[start])
        }
        return nil
    }

    private func denial(_ found: Answer, _ key: CacheKey, hash: UInt64) -> Answer? {
        guard let stored = found.stored else { return nil }
        let seconds = found.lifetimeSeconds - min(found.ageSeconds(now: now), found.lifetimeSeconds)
        let message = found.withBytes { bytes, _ in NameDenial.message(bytes, questionEnd: stored.questionEnd, about: key, seconds: seconds)
        }
        guard let message, let response = try? DNSResponse(parsing: message.span) else { return nil }
        return Answer(key: key, hash: hash, message: message.span, response: response, now: now, configuration: configuration)
    }
}
