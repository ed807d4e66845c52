import NetworkTypes

/// A destination that is asked about.
struct DiffDestination {
    let peer: FlowPeer
    /// For people: with what it stands for.
    let text: String

    /// Nil for a name.
    var family: IPFamily? {
        if case .address(let address) = peer { address.family } else { nil }
    }
}
