import DomainNames
import NetworkTypes

/// What verdicts have to know of names in hellos: who holds which address under which name, and what flows have given already. Shared by all
/// verdict threads.
public final class SeenNames: Sendable {
    let index: NameIndex
    let verified: VerifiedNames
    let store: BindingStore
    private let syns = SynNumbers()

    public init(index: NameIndex, verified: VerifiedNames, store: BindingStore) {
        self.index = index
        self.verified = verified
        self.store = store
    }

    /// The record under which the client holds the address by this very name: live, or kept for flows that were admitted while it lived.
    func record(_ client: EndpointID, _ address: IPAddress, _ name: DomainName, in table: AddressTable, now: Instant) -> Int? {
        guard let (record, expiry) = index.binding(client, address, name),
            expiry > now || table.isDraining(client, address, expiry: expiry.nanoseconds),
            store.name(ofRecord: record, client: client, address: address) == name
        else { return nil }
        return record
    }

    /// The good name that the flow gave in its hello; nil if none was seen, or it is kept no longer.
    func name(of flow: FlowKey, client: EndpointID) -> DomainName? {
        guard let place = verified.place(of: flow), let (record, _) = index.binding(client, at: place) else { return nil }
        return store.name(ofRecord: record, client: client, address: flow.destination)
    }

    func noteSyn(_ flow: FlowKey, sequence: UInt32) { syns.note(verified.key(flow), sequence) }

    /// Of the SYN of a flow that is observed only; nil if it is remembered no longer.
    func synSequence(of flow: FlowKey) -> UInt32? { syns.number(verified.key(flow)) }

    func forget(_ flow: FlowKey) { verified.remove(flow) }

    func note(_ flow: FlowKey, _ name: DomainName) { verified.note(flow, place: index.place(flow.destination, name)) }
}
