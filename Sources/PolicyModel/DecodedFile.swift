/// The resources of one file, each checked by itself: what can be kept while the file does not change.
public struct DecodedFile: Sendable {
    let decoder: ResourceDecoder
    let problems: DiagnosticList

    /// Decodes the documents of one file; `problems`: what was found when they were read. Documents without content are passed over.
    public init(decoding documents: [ConfigurationNode], after problems: DiagnosticList = DiagnosticList()) {
        var problems = problems
        var decoder = ResourceDecoder()
        for document in documents { decoder.decode(document, &problems) }
        self.decoder = decoder
        self.problems = problems
    }
}

extension ResourceSet {
    /// The resources of all files, checked against each other. Appends every finding to `problems`, those of each file too.
    public init(combining files: [DecodedFile], _ problems: inout DiagnosticList) {
        var all = ResourceSet()
        all.tiers = []
        var references = ResourceReferences()
        var declared: [ResourceKey: ConfigurationField] = [:]
        for file in files {
            let decoder = file.decoder
            problems.append(contentsOf: file.problems)
            for (key, field) in decoder.declared {
                if let first = declared.updateValue(field, forKey: key) {
                    field.error("\(key) is defined twice", hint: "first at \(first.location)", into: &problems)
                }
            }
            references.add(decoder.references)
            all.policies += decoder.policies
            all.tiers += decoder.tiers
            all.networkSets += decoder.networkSets
            all.endpoints += decoder.endpoints
            all.hostEndpoints += decoder.hostEndpoints
            all.profiles += decoder.profiles
            all.namespaces += decoder.namespaces
            all.serviceAccounts += decoder.serviceAccounts
            all.serviceEndpoints += decoder.serviceEndpoints
            all.felixConfigurations += decoder.felixConfigurations
        }
        all.tiers = Self.completing(all.tiers, for: all.policies)
        self = all
        checkReferences(references, &problems)
    }
}
