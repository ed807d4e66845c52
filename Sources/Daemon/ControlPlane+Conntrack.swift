import Conntrack
import Dispatch
import Logging
import NetfilterTables
import NetworkTypes

/// Walks over conntrack: entries of addresses that came or went are purged, flows that were refused for good are decided anew.
extension ControlPlane {
    private static let cleanAddressesMax = 65_536

    /// A moment after an endpoint went, so that it may come again without a walk over conntrack; what goes within that moment goes along.
    func purgeSoon() {
        guard !addressesToPurge.isEmpty, !isPurgeScheduled else { return }
        isPurgeScheduled = true
        queue.asyncAfter(deadline: .now() + 0.3) { [self] in
            isPurgeScheduled = false
            purgeLater()
        }
    }

    /// Purges the addresses of endpoints that went; those that came again meanwhile were purged when they did.
    func purgeLater() {
        guard !addressesToPurge.isEmpty else { return }
        let addresses = addressesToPurge
        addressesToPurge = []
        purgeQueue.async { [self] in
            let succeeded = purge(addresses)
            queue.async { [self] in
                let known = Set(contents.known.map(\.address))
                // Not those that came and went again since: they had flows of their own.
                let gone = addresses.subtracting(known).subtracting(addressesToPurge)
                guard succeeded else {
                    addressesToPurge.formUnion(gone)
                    return
                }
                if cleanAddresses.count > Self.cleanAddressesMax { cleanAddresses = [] }
                cleanAddresses.formUnion(gone)
            }
        }
    }

    /// Endpoints with another policy: what was refused for good is decided anew, and so are flows of QUIC whose good name the kernel
    /// remembers without a generation. Refused TCP flows are over; others may be as alive as before.
    func forgive(_ addresses: Set<IPAddress>, again: Bool = true) {
        guard !addresses.isEmpty else { return }
        if again { addressesToForgive.formUnion(addresses) }
        let layout = tableConfiguration.mark
        purgeQueue.async { [self] in takeBackDenials(of: addresses, layout) }
    }

    /// On the purge queue. One walk over conntrack, and none while no flow is known to be denied.
    private func takeBackDenials(of addresses: Set<IPAddress>, _ layout: MarkLayout) {
        let count = revocations()
        let datagrams = allowedDatagrams()
        guard revocationsForgiven != count || datagramsTakenBack != datagrams else { return }
        var wanted: [ConntrackEntry] = []
        var checked: [ConntrackEntry] = []
        var others = 0
        var checkedOthers = 0
        do {
            var conntrack = try ConntrackSocket()
            try conntrack.dump { entry in
                let isOurs = addresses.contains(entry.original.source)
                switch layout.extract(entry.mark) {
                case layout.denied: if entry.transport != .tcp, isOurs { wanted.append(entry) } else { others += 1 }
                case layout.checkedQUIC: if isOurs { checked.append(entry) } else { checkedOthers += 1 }
                default: break
                }
            }
            // No packet bears this code in its ct mark: it is in no `current`, so that the table asks with it.
            let asked = layout.deposit(layout.redecideOriginal)
            for entry in checked {
                _ = try conntrack.setMark(asked, mask: layout.mask, of: entry.original, entry.transport, zone: entry.zone)
            }
            datagramsTakenBack = checked.isEmpty && checkedOthers == 0 ? datagrams : nil
            // Known to have been admitted once, so that a flow that stays refused is marked again and asks no more.
            for entry in wanted {
                _ = try conntrack.setMark(asked, mask: layout.mask, of: entry.original, entry.transport, zone: entry.zone)
            }
            revocationsForgiven = others == 0 ? count : nil
        } catch {
            logger.warning("flows could not be taken back", metadata: ["flows": "\(wanted.count + checked.count)", "error": "\(error)"])
        }
    }

    /// Purges flows that a generation would bring to life, or the next owner of an address would take over; until it succeeds.
    func purgeSurely(_ addresses: Set<IPAddress>) {
        addressesNotPurged.formUnion(addresses)
        guard purge(addressesNotPurged) else { return }
        addressesNotPurged = []
        registry.notePurged()
    }

    func purge(_ addresses: Set<IPAddress>) -> Bool {
        guard !addresses.isEmpty else { return true }
        do {
            var conntrack = try ConntrackSocket()
            _ = try conntrack.purge(originalSources: addresses)
            return true
        } catch {
            logger.warning(
                "conntrack entries could not be purged",
                metadata: ["addresses": "\(addresses.map(\.description).sorted().prefix(16))", "error": "\(error)"])
            return false
        }
    }

    /// Queries that were under way before the redirection would go on past it.
    func purgeResolverFlows(of addresses: Set<IPAddress>) {
        do {
            var conntrack = try ConntrackSocket()
            _ = try conntrack.purgePort53(originalSources: addresses)
        } catch {
            logger.warning("conntrack entries of port 53 could not be purged", metadata: ["error": "\(error)"])
        }
    }
}
