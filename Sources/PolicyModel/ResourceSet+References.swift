import NetworkTypes

extension ResourceSet {
    /// What must hold between resources.
    func checkReferences(_ references: ResourceDecoder.References, _ problems: inout DiagnosticList) {
        checkTiers(references, &problems)
        checkAddresses(references, &problems)
    }

    private func checkTiers(_ references: ResourceDecoder.References, _ problems: inout DiagnosticList) {
        // A tier that is there, but with an error of its own, is not reported a second time as unknown.
        let known = Set(tiers.map(\.name)).union(references.declaredTiers)
        for (tier, field) in references.namedTiers where !known.contains(tier) {
            field.error(
                "there is no tier \"\(tier)\"",
                hint: NameSuggestion.hint(for: tier, among: known.sorted()) ?? "known tiers: \(known.sorted().joined(separator: ", "))",
                into: &problems)
        }
    }

    /// Flows are attributed to endpoints by address, so an address may belong to one only.
    private func checkAddresses(_ references: ResourceDecoder.References, _ problems: inout DiagnosticList) {
        var owners: [IPAddress: WorkloadEndpoint] = [:]
        for (endpoint, addressField) in references.endpointAddresses {
            for (address, field) in addressField {
                if let owner = owners[address] {
                    field.error(
                        "the address \(address) already belongs to the endpoint \(owner.identity)",
                        hint: owner.location.map { "at \($0)" }, into: &problems)
                } else {
                    owners[address] = endpoint
                }
            }
        }
    }
}
