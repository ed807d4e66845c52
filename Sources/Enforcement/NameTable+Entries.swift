import DomainNames
import NetworkTypes
import PolicyEngine

extension NameTable {
    enum State {
        case free
        case live
        case draining
        case remembered
    }

    /// What the last sweep over conntrack said of a draining record.
    enum Use {
        case unknown
        case flow
        case none
    }

    /// One binding, or what is remembered of one.
    struct Record {
        var client: EndpointID
        var name: Int32
        var address: IPAddress
        var expiry: Instant
        var state: State
        /// All of its numbers found a place in the table: only then may a renewal be left out.
        var isPublished = false
        /// Sweeps over conntrack, one after the other, that saw no flow for its name since it drains.
        var unseenSweeps: UInt8 = 0
        var use = Use.unknown
        /// Rises with each binding that is made.
        var order: UInt64 = 0
        /// Its lists, and its neighbours in them; -1 at the ends.
        var ofAddress: Int32 = -1
        var next: Int32 = -1
        var previous: Int32 = -1
        var ofName: Int32 = -1
        var nextOfName: Int32 = -1
        var previousOfName: Int32 = -1
    }

    /// The records of one client and name, the newest first.
    struct NameList {
        let client: EndpointID
        let name: Int32
        var first: Int32 = -1
        var live = 0
    }

    /// The records of one client and address, the newest first.
    struct AddressList {
        let client: EndpointID
        let address: IPAddress
        var first: Int32 = -1
        /// Live and draining.
        var bound = 0
    }

    struct Name {
        let name: DomainName
        /// Where the index has it.
        let indexKey: NameIndex.Key?
        var references = 0
        /// Of these, live and draining.
        var bound = 0
        /// Numbers of all patterns that match. Those that policy no longer has are taken out by the sweep.
        var numbers: [PatternNumber] = []
    }

    struct Client {
        /// Those with live bindings.
        var names = 0
        /// Live and draining.
        var bindings = 0
        var draining = 0
        var remembered = 0
    }
}
