import CNetfilter
import Glibc
import Netlink
import NetworkTypes

/// The socket that owns the table `inet exeat`. One thread uses it; all others post to that thread.
///
/// Every change is one transaction of nf_tables: packets see all of it or nothing. While the socket (or a duplicate of its descriptor)
/// is open, the kernel refuses changes of the table by anybody else (`TableOwnership.ownerPersist`); afterwards the table stays, and
/// the next `install` takes it over. In between root may edit it, so `install` replaces everything.
public struct TableSocket: ~Copyable {
    let socket: NetlinkSocket
    /// What was installed, nil before.
    var configuration: TableConfiguration?
    /// What the sets hold as far as we know: changes are compared with it, so that each is idempotent.
    var mirror = TableContents()

    /// Opens a socket in the network namespace of the calling thread.
    public init() throws(TableError) { socket = try Self.open(nil) }

    /// Takes over a descriptor that somebody kept open. Its port id, and so the ownership of the table, stays. `install` must follow.
    public init(adopting descriptor: Int32) throws(TableError) { socket = try Self.open(descriptor) }

    private static func open(_ descriptor: Int32?) throws(TableError) -> NetlinkSocket {
        do {
            let socket = if let descriptor { try NetlinkSocket(adopting: descriptor) } else { try NetlinkSocket() }
            try socket.setBuffers(receive: 4 << 20, send: sendBuffer)
            return socket
        } catch {
            throw .refused(error)
        }
    }

    /// A transaction is one datagram, which must fit.
    static let sendBuffer: Int32 = 256 << 20

    public var descriptor: Int32 { socket.descriptor }
    /// What `nft list ruleset` shows as owner.
    public var portID: UInt32 { socket.portID }

    /// Whether there is such a table, whoever made it.
    public func isInstalled(table: String = "exeat") throws(TableError) -> Bool { try tableState(table) != nil }

    /// Deletes the table. Does nothing if there is none.
    ///
    /// What is removed: the table, in the network namespace in which the socket was opened. Packets in a queue are dropped by the
    /// kernel with it.
    public mutating func remove(table: String = "exeat") throws(TableError) {
        guard try tableState(table) != nil else { return }
        var batch = BatchWriter(table: table)
        batch.deleteTable()
        batch.finish()
        try transact(batch.bytes, "delete table inet \(table)", table: table)
        configuration = nil
        mirror = TableContents()
    }

    /// Carries out a transaction; turns EPERM at a table with an owner into its name.
    func transact(_ bytes: [UInt8], _ operation: String, table: String) throws(TableError) {
        do {
            try socket.transact(bytes, operation)
        } catch {
            if error.errno == EPERM, let state = try tableState(table), let owner = state.owner, owner != socket.portID {
                throw .ownedByOther(portID: owner)
            }
            throw .refused(error)
        }
    }
}
