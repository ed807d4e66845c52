import DomainNames

/// A pattern as some rule or set names it; one in URL form counts on its TCP port only.
struct ReferenceName {
    let pattern: DomainPattern
    let port: UInt16?

    func counts(for flow: ReferenceFlow) -> Bool {
        guard let port else { return true }
        return flow.transport == .tcp && flow.destinationPort == port
    }
}
