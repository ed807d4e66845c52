/// One transaction of nf_tables that somebody has committed, as `NFT_MSG_NEWGEN` announces it.
public struct RulesetChange: Hashable, Sendable {
    /// The netlink socket that sent it.
    public var portID: UInt32
    public var processID: UInt32
    /// As ps shows it.
    public var processName: String
    /// Whether something of the table that is watched was made, changed or deleted.
    public var touchesTable: Bool

    public init(portID: UInt32, processID: UInt32, processName: String, touchesTable: Bool) {
        self.portID = portID
        self.processID = processID
        self.processName = processName
        self.touchesTable = touchesTable
    }
}
