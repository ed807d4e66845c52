import Netlink

/// What became of one flow (`NFNLGRP_CONNTRACK_NEW`, `_UPDATE`, `_DESTROY`: linux/netfilter/nfnetlink_compat.h).
public struct ConntrackEvent: Hashable, Sendable, BitwiseCopyable {
    public enum Kind: UInt8, Hashable, Sendable, BitwiseCopyable, CaseIterable {
        /// Its first packet has passed all hooks; the mark is the one that it has then.
        case began
        case changed
        /// With its last counters; the kernel leaves the timeout out, and in older versions the TCP state.
        case ended
    }

    public let kind: Kind
    public let entry: ConntrackEntry

    public init(kind: Kind, entry: ConntrackEntry) {
        self.kind = kind
        self.entry = entry
    }

    private static let newType: UInt16 = 1 << 8  // NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW
    private static let deleteType: UInt16 = 1 << 8 | 2  // IPCTNL_MSG_CT_DELETE
    private static let createFlag: UInt16 = 0x400  // NLM_F_CREATE

    /// Decodes one message of the event groups; nil for other messages and for entries without both tuples. Total.
    public init?(decoding bytes: Span<UInt8>, _ message: NetlinkMessage) {
        let kind: Kind
        switch message.type {
        case Self.newType: kind = message.flags & Self.createFlag != 0 ? .began : .changed
        case Self.deleteType: kind = .ended
        default: return nil
        }
        guard let entry = ConntrackEntry(decoding: bytes, message) else { return nil }
        self.init(kind: kind, entry: entry)
    }
}
