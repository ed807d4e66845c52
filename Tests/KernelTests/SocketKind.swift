/// Kinds of sockets (`SOCK_*` of socket(2)) as numbers: which module the C enumeration comes from depends on what else a build imports.
enum SocketKind {
    static let stream: Int32 = 1
    static let datagram: Int32 = 2
    static let raw: Int32 = 3
    static let sequencedPackets: Int32 = 5
    static let closeOnExec: Int32 = 0o2_000_000
}
