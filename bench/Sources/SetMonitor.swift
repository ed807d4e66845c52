import Glibc
import Netlink
import NetworkTypes
import Synchronization

/// Hears of every element that comes into or goes out of the set `current` of our table (nfnetlink's group of nf_tables), and when.
final class SetMonitor: Sendable {
    struct Event: Sendable {
        let address: IPAddress
        let isAddition: Bool
        /// CLOCK_MONOTONIC, nanoseconds.
        let time: UInt64
    }

    private struct State {
        var events: [Event] = []
        var lastAddition: [IPAddress: UInt64] = [:]
        var lastRemoval: [IPAddress: UInt64] = [:]
        var overruns = 0

        mutating func append(_ more: [Event]) {
            events += more
            for event in more {
                if event.isAddition { lastAddition[event.address] = event.time } else { lastRemoval[event.address] = event.time }
            }
        }
    }

    private let state = Mutex(State())
    private let isOver = Atomic<Bool>(false)

    /// Listens in the namespace of the calling thread; runs on a thread of its own.
    func start() throws {
        let socket = try NetlinkSocket()
        try socket.setBuffers(receive: 64 << 20, send: nil)
        // SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTABLES (linux/netlink.h, linux/netfilter/nfnetlink.h).
        try socket.setOption(level: 270, name: 1, 7, "NETLINK_ADD_MEMBERSHIP")
        let descriptor = dup(socket.descriptor)
        guard descriptor >= 0 else { throw BenchError("dup: errno \(errno)") }
        BenchThread.start { [self] in
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            while !isOver.load(ordering: .relaxed) {
                var polled = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                guard unsafe poll(&polled, 1, 100) > 0 else { continue }
                let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT)) }
                if count < 0, errno == ENOBUFS { state.withLock { $0.overruns += 1 } }
                guard count > 0 else { continue }
                let events = Self.events(buffer.span.extracting(0..<count), time: Self.now())
                if !events.isEmpty { state.withLock { $0.append(events) } }
            }
            close(descriptor)
        }
    }

    /// What was heard until now, in order.
    func events() -> [Event] { state.withLock { $0.events } }

    /// Whether the address has come (or gone) at this time or later.
    func hasHeard(of address: IPAddress, isAddition: Bool, since time: UInt64) -> Bool {
        state.withLock { ((isAddition ? $0.lastAddition : $0.lastRemoval)[address] ?? 0) >= time }
    }

    /// What was heard, in order. Throws if something was missed.
    func stop() throws -> [Event] {
        isOver.store(true, ordering: .relaxed)
        return try state.withLock { state in
            guard state.overruns == 0 else { throw BenchError("the kernel's messages came faster than they were read") }
            return state.events
        }
    }

    static func now() -> UInt64 {
        var time = timespec()
        _ = unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private static func events(_ bytes: Span<UInt8>, time: UInt64) -> [Event] {
        var events: [Event] = []
        var offset = 0
        while let message = NetlinkMessage(in: bytes, at: &offset) {
            // NFNL_SUBSYS_NFTABLES; NFT_MSG_NEWSETELEM, NFT_MSG_DELSETELEM.
            guard message.type >> 8 == 10, message.type & 0xff == 12 || message.type & 0xff == 14 else { continue }
            var isOurs = false
            var isCurrent = false
            var at = message.payloadStart + 4
            while let attribute = NetlinkAttribute(in: bytes, at: &at, end: message.payloadEnd) {
                switch attribute.type {
                case 1: isOurs = text(bytes, attribute) == "exeat"  // NFTA_SET_ELEM_LIST_TABLE
                case 2: isCurrent = text(bytes, attribute).hasPrefix("current")  // NFTA_SET_ELEM_LIST_SET
                case 3 where isOurs && isCurrent:  // NFTA_SET_ELEM_LIST_ELEMENTS
                    var element = attribute.start
                    while let item = NetlinkAttribute(in: bytes, at: &element, end: attribute.end) {
                        guard let address = address(bytes, item) else { continue }
                        events.append(Event(address: address, isAddition: message.type & 0xff == 12, time: time))
                    }
                default: break
                }
            }
        }
        return events
    }

    /// NFTA_SET_ELEM_KEY, in it NFTA_DATA_VALUE: the address, then the mark.
    private static func address(_ bytes: Span<UInt8>, _ item: NetlinkAttribute) -> IPAddress? {
        var at = item.start
        while let field = NetlinkAttribute(in: bytes, at: &at, end: item.end) {
            guard field.type == 1 else { continue }
            var inner = field.start
            guard let value = NetlinkAttribute(in: bytes, at: &inner, end: field.end), value.count >= 8 else { return nil }
            return IPAddress(networkBytes: bytes.extracting(value.start..<value.end - 4))
        }
        return nil
    }

    private static func text(_ bytes: Span<UInt8>, _ attribute: NetlinkAttribute) -> String {
        var characters: [UInt8] = []
        for index in attribute.start..<attribute.end where bytes[index] != 0 { characters.append(bytes[index]) }
        return String(decoding: characters, as: UTF8.self)
    }
}
