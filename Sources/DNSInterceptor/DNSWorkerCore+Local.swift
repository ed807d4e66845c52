import DNSMessages
import Enforcement
import NetworkTypes

/// Questions that this node answers by itself: looked for behind the cache, so that what others are asked for is not slowed, and not kept there.
extension DNSWorkerCore {
    /// The answer to a question of the configuration's own names; nil: upstreams are to be asked.
    mutating func localAnswer(_ query: DNSQuery, _ key: CacheKey, hash: UInt64) -> Answer? {
        guard let (message, source, teaches) = local.value.answer(key, query.qname, search: configuration.search) else { return nil }
        switch source {
        case .zone: counters.add(.localZones)
        case .hosts: counters.add(.localHosts)
        case .search: counters.add(.localSearch)
        }
        do throws(MessageFault) {
            let response = try DNSResponse(parsing: message.span)
            return Answer(
                key: key, hash: hash, message: message.span, response: response, now: now, configuration: configuration,
                mayTeach: teaches)
        } catch {
            // More addresses than a message holds are not taken by `HostTable`.
            return Answer(key: key, hash: hash, failure: .other("local data: \(error.label)"), storedAt: now, lifetimeSeconds: 0)
        }
    }

    /// Takes over what has changed in the local names, and forgets what upstreams had said about those that are new.
    mutating func refreshLocalData() {
        guard local.refresh() else { return }
        let data = local.value
        cache.forget { data.hasHost($0.qname) }
    }
}
