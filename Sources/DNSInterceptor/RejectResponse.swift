import NetworkTypes

/// What a client gets that asks for a name which policy keeps from it.
///
/// Libraries differ: on REFUSED musl waits until its timeout, and glibc asks the next server; on NXDOMAIN all of them stop at once.
public enum RejectResponse: Hashable, Sendable {
    case refused
    /// NXDOMAIN, without an SOA record: nobody keeps it (RFC 2308 §5), so that the name is there as soon as policy allows it.
    case nameError
    /// NOERROR without records.
    case noData
    /// An address of the family that was asked for, and no data of any other type. Nothing is learned by it.
    case sinkhole(v4: IPAddress?, v6: IPAddress?)
}
