import PolicyModel

/// An address set as the compiler keeps it: who belongs to it, and what that amounts to.
final class AddressSetRecord {
    let number: UInt32
    let kind: AddressSetKind
    /// Nil for a service.
    let selector: Selector?
    let textHash: UInt64
    /// Blocks that refer to it, each as often as it does.
    var users = 0
    var members: Set<UInt32> = []
    /// The sum over its members: equal for equal contents, over restarts.
    var contentHash: UInt64 = 0
    /// How many names its members have that count on every port, and on one TCP port.
    var plainNames = 0
    var portNames: [UInt16: Int] = [:]

    init(number: UInt32, kind: AddressSetKind, selector: Selector?, textHash: UInt64) {
        self.number = number
        self.kind = kind
        self.selector = selector
        self.textHash = textHash
    }
}
