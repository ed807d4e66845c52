import CLinux
import CNetfilter
import Glibc
import Netlink
import NetworkTypes
import Synchronization

extension TableSocket {
    /// Tries every feature for real, in a network namespace that exists only for that: a thread makes it, and it goes with the thread.
    /// Without CAP_SYS_ADMIN, which that needs, each is tried where we are, in a transaction that deletes again what it has made, and in chains
    /// without a hook: where one goes, also in vain, the kernel drops all that waits in any queue (`nf_queue_nf_hook_drop`).
    ///
    /// - Throws: if the kernel has no nf_tables, or we no CAP_NET_ADMIN.
    public static func probe() throws(TableError) -> KernelFeatures {
        let outcome = ProbeOutcome()
        var thread = pthread_t()
        let box = unsafe Unmanaged.passRetained(outcome)
        let error = unsafe pthread_create(
            &thread, nil,
            { pointer in
                if let pointer = unsafe pointer { unsafe Unmanaged<ProbeOutcome>.fromOpaque(pointer).takeRetainedValue().run() }
                return nil
            }, box.toOpaque())
        guard error == 0 else {
            unsafe box.release()
            throw .refused(NetlinkError("start a thread for the probe", errno: error))
        }
        pthread_join(thread, nil)
        switch outcome.result.withLock({ $0 }) {
        case .success(let features): return features
        case .failure(let error): throw error
        case nil: throw .refused(NetlinkError("probe", errno: ESRCH))
        }
    }

    /// Runs a transaction that makes a table of its own, and deletes it again: in the same transaction, or in a second one, so that the
    /// first has been carried out.
    fileprivate static func works(
        _ socket: borrowing NetlinkSocket, _ body: (inout BatchWriter) -> Void, flags: UInt32 = 0, isAlone: Bool
    ) -> Bool {
        var batch = BatchWriter(table: "exeat_probe")
        batch.addTable(flags: flags)
        body(&batch)
        if !isAlone { batch.deleteTable() }
        batch.finish()
        do {
            try socket.transact(batch.bytes, "probe")
        } catch {
            return false
        }
        guard isAlone else { return true }
        var removal = BatchWriter(table: "exeat_probe")
        removal.deleteTable()
        removal.finish()
        try? socket.transact(removal.bytes, "probe")
        return true
    }

    fileprivate static func tryAll() throws(TableError) -> KernelFeatures {
        let isAlone = exeat_unshare(exeat_clone_newnet()) == 0
        guard isAlone || errno == EPERM else { throw .refused(NetlinkError("make a network namespace for the probe", errno: errno)) }
        let socket: NetlinkSocket
        do { socket = try NetlinkSocket() } catch { throw .refused(error) }

        var present: Set<KernelFeature> = []
        func test(_ feature: KernelFeature, flags: UInt32 = 0, _ body: (inout BatchWriter) -> Void) {
            if works(socket, body, flags: flags, isAlone: isAlone) { present.insert(feature) }
        }
        func chain(_ type: String, _ hook: nf_inet_hooks, _ priority: Int32) -> Chain {
            Chain(name: "c", hook: isAlone ? Chain.Hook(type: type, number: hook.rawValue, priority: priority) : nil)
        }
        let filter = chain("filter", NF_INET_FORWARD, 20)
        func rule(_ expressions: [Expression]) -> (inout BatchWriter) -> Void {
            { batch in
                batch.addChain(filter)
                batch.addRule(Rule(chain: "c", expressions: expressions, comment: nil))
            }
        }
        test(.tables) { _ in }
        guard isAlone || present.contains(.tables) else { throw .refused(NetlinkError("probe (needs CAP_NET_ADMIN)", errno: EPERM)) }
        test(.ownerPersist, flags: 0x2 | 0x4) { _ in }
        test(.nativeQueue, rule([.queue(first: 0, total: 1, isBypassed: false)]))
        test(.compatQueue, rule([.target(name: "NFQUEUE", revision: 3, info: [0, 0, 1, 0, 0, 0, 0, 0])]))
        test(.inetNAT) { batch in
            batch.addChain(chain("nat", NF_INET_PRE_ROUTING, -110))
            batch.addRule(
                Rule(
                    chain: "c",
                    expressions: Expression.isIPv4 + Expression.isProtocol(17) + [
                        .immediate(register: 1, [169, 254, 20, 10]), .immediate(register: 2, [0, 53]),
                        .destinationNAT(family: 2, addressRegister: 1, portRegister: 2),
                    ], comment: nil))
        }
        test(.conntrackLookup) { batch in
            batch.addSet(.current(.v4), id: 1)
            batch.addChain(filter)
            batch.addRule(
                Rule(
                    chain: "c",
                    expressions: Expression.isIPv4 + [
                        .loadConntrack(NFT_CT_SRC_IP.rawValue, direction: 0, into: 1),
                        .loadConntrack(NFT_CT_MARK.rawValue, direction: nil, into: 9),
                        .bitwise(register: 9, mask: Expression.native(1), xor: Expression.native(0)),
                        .lookup(set: ElementSet.current(.v4).name, register: 1, isInverted: false),
                    ], comment: nil))
        }
        test(.conntrackMark, rule(Expression.setFlowMark(clear: 1, set: 1)))
        test(.reject, rule([.reject(type: NFT_REJECT_ICMPX_UNREACH.rawValue, code: 3)]))
        test(.namedCounters) { batch in
            batch.addCounter(.rejected)
            rule([.counter(.rejected)])(&batch)
        }
        test(.cgroups) { batch in
            batch.addChain(chain("filter", NF_INET_LOCAL_OUT, 20))
            batch.addRule(
                Rule(
                    chain: "c",
                    expressions: [
                        .loadSocketCgroup(level: 1, into: 1),
                        .compare(NFT_CMP_EQ.rawValue, register: 1, Expression.native64(1)),
                    ], comment: nil))
        }
        test(.sockets) { batch in
            batch.addChain(chain("filter", NF_INET_LOCAL_IN, 20))
            batch.addRule(Rule(chain: "c", expressions: Expression.hasSocket, comment: nil))
        }
        test(.leases) { batch in
            let map = ElementSet.leases(.v4)
            batch.addSet(map, id: 1)
            rule([
                .immediate(register: 1, Array(repeating: 1, count: 16)), .immediate(register: 4, Expression.native(1)),
                .addElement(map: map.name, key: 1, data: 4), .deleteElement(map: map.name, key: 1, data: 4),
                .map(map.name, key: 1, into: 1), .setMetaMark(from: 1),
            ])(&batch)
        }
        test(.endpointLimits) { batch in
            let (asked, limited) = (ElementSet.asked(.v4), ElementSet.limited(.v4))
            batch.addSet(asked, id: 1)
            batch.addSet(limited, id: 2)
            let limit = RateLimit(packetsPerSecond: 1_000, burst: 1_000)
            rule([
                .immediate(register: 1, [192, 0, 2, 1]), .exceedsLimit(limit, set: asked.name, key: 1), .exceeds(limit),
                .addMember(set: limited.name, key: 1),
            ])(&batch)
        }
        test(.destructiveSetReplace) { batch in
            let key = ElementSet.key(IPAddress(v4: 0xc000_0201), mark: 1)
            batch.addSet(.current(.v4), id: 1)
            batch.addElements(to: .current(.v4), keys: [key])
            batch.deleteElements(of: .current(.v4), keys: [key])
            batch.addElements(to: .current(.v4), keys: [ElementSet.key(IPAddress(v4: 0xc000_0201), mark: 2)])
        }
        do throws(TableError) {
            _ = try RulesetMonitor()
            present.insert(.announcements)
        } catch {}
        if exeat_has_seccomp() != 0 { present.insert(.systemCallFilter) }
        return KernelFeatures(present: present)
    }
}

/// Handed to the thread of a probe, which fills it in before it ends.
private final class ProbeOutcome: Sendable {
    let result = Mutex<Result<KernelFeatures, TableError>?>(nil)

    func run() {
        let made: Result<KernelFeatures, TableError>
        do throws(TableError) { made = .success(try TableSocket.tryAll()) } catch { made = .failure(error) }
        result.withLock { $0 = made }
    }
}
