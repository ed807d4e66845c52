import Netlink

extension QueueSocket {
    /// Binds the queue again with the same socket, after the kernel has lost the binding (somebody sent an unbind message by a duplicate
    /// of the descriptor). Whoever keeps a duplicate keeps it: the socket stays the same. What waited is gone already.
    ///
    /// - Throws: `heldByOther` if another socket has taken the number meanwhile.
    public mutating func rebind() throws(QueueError) {
        do throws(NetlinkError) {
            try Self.configure(socket, queue, bind: true, options)
        } catch {
            throw Self.named(error, queue)
        }
        held.removeAll()
    }
}
