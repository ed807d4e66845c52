/// What the first bytes of a flow tell so far.
///
/// It never changes by more bytes once it is a name or a fault, however they are cut into segments or datagrams.
public enum NameReading: Hashable, Sendable {
    case needsMore
    case name(SeenName)
    case fault(NameFault)
}
