import CNetfilter
import Glibc
import Netlink

/// Hears of every transaction of nf_tables in the network namespace in which it was opened (group `NFNLGRP_NFTABLES`). Use it on one
/// thread.
public struct RulesetMonitor: ~Copyable {
    /// What was heard.
    public struct News: Sendable {
        public var changes: [RulesetChange] = []
        /// Announcements were lost because they came faster than they were read: whatever has happened, look for yourself.
        public var hasLost = false

        public init() {}
    }

    private let socket: NetlinkSocket
    private var reader: RulesetReader
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    public init(table: String = "exeat") throws(TableError) {
        do {
            let socket = try NetlinkSocket()
            try socket.setBuffers(receive: 8 << 20, send: nil)
            // NETLINK_ADD_MEMBERSHIP.
            try socket.setOption(level: 270, name: 1, 7, "join NFNLGRP_NFTABLES")
            self.socket = socket
        } catch {
            throw .refused(error)
        }
        reader = RulesetReader(table: table)
    }

    /// Waits for announcements and reads what is there, up to some thousands of datagrams.
    public mutating func wait(timeoutMilliseconds: Int32) throws(TableError) -> News {
        var news = News()
        var reader = reader
        defer { self.reader = reader }
        var polled = pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&polled, 1, timeoutMilliseconds) > 0 else { return news }
        for _ in 0..<4_096 {
            do throws(NetlinkError) {
                guard let count = try socket.receive(into: &buffer, "read announcements of nf_tables") else { break }
                let bytes = buffer.span.extracting(0..<count)
                news.changes += reader.handle(bytes)
            } catch {
                // EMSGSIZE: one that is larger than any that the kernel makes.
                guard error.errno == ENOBUFS || error.errno == EMSGSIZE else { throw .refused(error) }
                news.hasLost = true
            }
        }
        return news
    }
}
