import Glibc
import Netlink
import Synchronization

/// One line of `/proc/net/netfilter/nfnetlink_queue`: a queue as the kernel sees it.
public struct QueueStatistics: Sendable, Hashable {
    public let queue: UInt16
    /// The netlink port of its owner.
    public let portID: UInt32
    /// Packets that wait for a verdict.
    public let waiting: UInt64
    /// Packets dropped because the queue was full.
    public let dropped: UInt64
    /// Packets dropped because the owner's socket buffer was full.
    public let userDropped: UInt64
    /// The id of the last packet.
    public let lastID: UInt64

    /// Reads the queues of the calling thread's network namespace; empty if the file cannot be read.
    public static func all() -> [QueueStatistics] { current() ?? [] }

    /// As above; nil if the file cannot be read.
    public static func current() -> [QueueStatistics]? {
        let descriptor = opened.load(ordering: .relaxed)
        return (descriptor >= 0 ? readWhole(descriptor) : readFile(path)).map(parse)
    }

    private static let path = "/proc/thread-self/net/netfilter/nfnetlink_queue"
    /// The file, opened while this process was root's: others may not open it.
    private static let opened = Atomic<Int32>(-1)

    /// From now on the file is read from this descriptor, in whichever namespace it was opened; nil: by its name.
    public static func read(from descriptor: Int32?) { opened.store(descriptor ?? -1, ordering: .relaxed) }

    /// The processes that hold this queue's socket, as far as they can be seen.
    public static func holders(of row: QueueStatistics) -> [NetlinkPeer] { NetlinkPeer.holders(ofPort: row.portID) }

    /// The columns are queue, port id, waiting, copy mode, copy range, dropped, user dropped, last id, 1 (nfnetlink_queue.c, `seq_show`).
    public static func parse(_ text: String) -> [QueueStatistics] {
        text.split(separator: "\n").compactMap { line in
            let columns = line.split(separator: " ").compactMap { UInt64($0) }
            guard columns.count >= 8, let queue = UInt16(exactly: columns[0]), let port = UInt32(exactly: columns[1]) else { return nil }
            return QueueStatistics(
                queue: queue, portID: port, waiting: columns[2], dropped: columns[5], userDropped: columns[6], lastID: columns[7])
        }
    }

    private static func readFile(_ path: String) -> String? {
        let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return readWhole(descriptor)
    }

    /// From the beginning, wherever others have read to.
    private static func readWhole(_ descriptor: Int32) -> String? {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe pread(descriptor, $0.baseAddress, $0.count, bytes.count) }
            guard count >= 0 else { return nil }
            if count == 0 { break }
            bytes.append(contentsOf: chunk[..<count])
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
