import CNetfilter
import Glibc
import Netlink
import NetworkTypes

extension ConntrackSocket {
    /// The longest that an entry without packets lives, as the kernel's own for established connections (`nf_conntrack_tcp_timeout_established`).
    private static let establishedSeconds: UInt32 = 432_000

    /// Tells connection tracking of an established TCP connection that it has not seen begin: without an entry the next packet would be taken
    /// for the first of a flow, in whichever direction it goes. Windows are not checked, because those of before are not known.
    ///
    /// - Returns: false if there is an entry for it already.
    public mutating func createEstablished(original: FlowAddresses) throws(ConntrackError) -> Bool {
        let flags = UInt16(NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL)
        let request = Self.request(0, flags: flags, original, .tcp, 0) { writer in
            Self.writeTuple(2, original.reversed, .tcp, &writer)
            writer.attributeBig32(3, 0xe)  // CTA_STATUS: IPS_SEEN_REPLY, IPS_ASSURED, IPS_CONFIRMED
            writer.nested(4) { info in  // CTA_PROTOINFO
                info.nested(1) { tcp in  // CTA_PROTOINFO_TCP
                    tcp.attribute(1, [3])  // CTA_PROTOINFO_TCP_STATE: TCP_CONNTRACK_ESTABLISHED
                    // struct nf_ct_tcp_flags of both directions: IP_CT_TCP_FLAG_BE_LIBERAL, and its mask.
                    tcp.attribute(4, [8, 8])
                    tcp.attribute(5, [8, 8])
                }
            }
            writer.attributeBig32(7, Self.establishedSeconds)  // CTA_TIMEOUT
        }
        do {
            try writer.transact(request, "create a conntrack entry")
            return true
        } catch {
            guard error.errno == EEXIST else { throw .failed(error) }
            return false
        }
    }

    /// Deletes the entry of this tuple; false if there is none.
    @discardableResult
    public mutating func delete(_ addresses: FlowAddresses, _ transport: TransportProtocol) throws(ConntrackError) -> Bool {
        do {
            try writer.transact(Self.request(2, flags: UInt16(NLM_F_ACK), addresses, transport, 0) { _ in }, "delete a conntrack entry")
            return true
        } catch {
            guard error.errno == ENOENT else { throw .failed(error) }
            return false
        }
    }
}
