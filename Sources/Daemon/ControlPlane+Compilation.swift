import Conntrack
import Enforcement
import NetfilterTables
import NetworkTypes
import PolicyEngine
import PolicyModel

/// From resources to policy with generations, from there to what the table holds, and from one such content to the next.
extension ControlPlane {
    /// Compiles and gives generations. `unnumbered` are endpoints of this node for which the registry has no number: they are not in the policy.
    static func compile(
        _ resources: ResourceSet, _ compiler: inout PolicyCompiler, _ registry: inout EndpointRegistry, previous: CompiledPolicy?,
        layout: MarkLayout, isLocal: (String?) -> Bool, nodeAddresses: [IPAddress], retired: RetiredGenerations = RetiredGenerations(),
        isClean: (IPAddress) -> Bool = { _ in false }
    ) -> (CompiledPolicy, EndpointRegistry.Generations, unnumbered: Set<String>) {
        var remote: Set<String> = []
        for endpoint in resources.endpoints where !isLocal(endpoint.node) { remote.insert(endpoint.identity) }
        for endpoint in resources.hostEndpoints where !isLocal(endpoint.node.isEmpty ? nil : endpoint.node) {
            remote.insert(endpoint.identity)
        }
        var unnumbered: Set<String> = []
        let policy = compiler.compile(resources.withTrustedServersOfServices()) { identity in
            guard !remote.contains(identity) else { return nil }
            let number = registry.register(identity)
            if number == nil { unnumbered.insert(identity) }
            return number
        }
        var classes: [EndpointID: UInt8] = [:]
        for endpoint in policy.endpoints where endpoint.isHost {
            if endpoint.processes == nil {
                registry.clearClass(of: endpoint.id)
            } else if layout.classesMax > 0, let number = registry.classNumber(of: endpoint.id) {
                classes[endpoint.id] = number
            }
        }
        let numbered = policy.withGenerations(policy.endpoints.map(\.generation), classes: classes)
        let generations = registry.generations(
            for: numbered, previous: previous, retired: retired, now: BootClock.now(), isClean: isClean,
            space: { endpoint in
                guard endpoint.isHost else { return nil }
                let range = layout.generations(ofClass: UInt32(endpoint.classNumber))
                return EndpointRegistry.Space(
                    addresses: endpoint.classNumber == 0 ? endpoint.addresses : nodeAddresses,
                    range: UInt16(range.lowerBound)...UInt16(range.upperBound))
            },
            marks: { marksInConntrack(layout) })
        return (policy.withGenerations(generations.values, classes: classes), generations, unnumbered)
    }

    /// Which of our codes the flows of each address bear; nil if conntrack cannot be read.
    private static func marksInConntrack(_ layout: MarkLayout) -> [IPAddress: Set<UInt16>]? {
        var marks: [IPAddress: Set<UInt16>] = [:]
        do {
            var conntrack = try ConntrackSocket()
            try conntrack.dump { flow in
                let code = layout.extract(flow.mark)
                if (1...layout.generationMax).contains(code) { marks[flow.original.source, default: []].insert(UInt16(code)) }
            }
        } catch {
            return nil
        }
        return marks
    }

    static func contents(
        of policy: CompiledPolicy, nodeAddresses: [IPAddress], upstreams: Set<IPAddress> = [], trusted: Set<IPAddress> = []
    ) -> TableContents {
        var contents = TableContents(upstreams: upstreams, trusted: trusted)
        for endpoint in policy.endpoints {
            if endpoint.classNumber != 0 {
                contents.policed.formUnion(nodeAddresses)
                for address in nodeAddresses {
                    contents.classes.insert(ClassGeneration(address: address, generation: UInt32(endpoint.generation)))
                }
            }
            for address in endpoint.addresses {
                // A host endpoint is the node itself: it sends from no workload interface.
                if !endpoint.isHost { contents.known.insert(KnownEndpoint(interface: endpoint.interfaceName, address: address)) }
                if endpoint.isPoliced {
                    contents.policed.insert(address)
                    contents.current[address] = UInt32(endpoint.generation)
                }
            }
        }
        return contents
    }

    static func changes(from old: TableContents, to new: TableContents) -> [TableChange] {
        var changes: [TableChange] = []
        for endpoint in old.known.subtracting(new.known).sorted() { changes.append(.removeKnown(endpoint)) }
        for (address, generation) in new.current.sorted(by: { $0.key < $1.key }) where old.current[address] != generation {
            changes.append(.setCurrent(address, generation: generation))
        }
        for address in new.policed.subtracting(old.policed).sorted() { changes.append(.addPoliced(address)) }
        for address in old.policed.subtracting(new.policed).sorted() { changes.append(.removePoliced(address)) }
        for address in old.current.keys.filter({ new.current[$0] == nil }).sorted() { changes.append(.removeCurrent(address)) }
        for endpoint in new.known.subtracting(old.known).sorted() { changes.append(.addKnown(endpoint)) }
        for address in old.capped.subtracting(new.capped).sorted() { changes.append(.removeCapped(address)) }
        for address in new.capped.subtracting(old.capped).sorted() { changes.append(.addCapped(address)) }
        changes += old.classes.subtracting(new.classes).map(TableChange.removeClass)
        changes += new.classes.subtracting(old.classes).map(TableChange.addClass)
        changes += new.upstreams.subtracting(old.upstreams).sorted().map(TableChange.addUpstream)
        changes += old.upstreams.subtracting(new.upstreams).sorted().map(TableChange.removeUpstream)
        changes += new.trusted.subtracting(old.trusted).sorted().map(TableChange.addTrusted)
        changes += old.trusted.subtracting(new.trusted).sorted().map(TableChange.removeTrusted)
        return changes
    }
}
