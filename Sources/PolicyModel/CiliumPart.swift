/// What becomes one policy of the model: the denials or the permissions of a Cilium policy, for one direction or both.
struct CiliumPart {
    let isDeny: Bool
    let impliesDefault: Bool
    private(set) var types: Set<PolicyType>
    private(set) var egress: [PolicyRule] = []
    private(set) var ingress: [PolicyRule] = []
    /// For ingress, beside another part for egress: it needs a name of its own.
    private(set) var isSplit = false

    init(isDeny: Bool, _ direction: PolicyType, _ rules: [PolicyRule], impliesDefault: Bool) {
        self.isDeny = isDeny
        self.impliesDefault = impliesDefault
        types = [direction]
        if direction == .egress { egress = rules } else { ingress = rules }
    }

    /// Both directions in one where they agree about default deny, which a policy has for all of it or not at all.
    static func merged(_ parts: [CiliumPart]) -> [CiliumPart] {
        var result: [CiliumPart] = []
        for part in parts {
            if let index = result.firstIndex(where: { $0.isDeny == part.isDeny }) {
                if result[index].impliesDefault == part.impliesDefault {
                    result[index].types.formUnion(part.types)
                    result[index].egress += part.egress
                    result[index].ingress += part.ingress
                    continue
                }
                var split = part
                split.isSplit = true
                result.append(split)
            } else {
                result.append(part)
            }
        }
        return result
    }
}
