import NetworkTypes
import PolicyModel

/// Making the tables of a new version, each only if what it holds has changed.
extension PolicyCompiler {
    mutating func publish(_ changes: borrowing Changes, version: UInt32) -> CompiledPolicy {
        var parts = self.parts ?? emptyParts()
        let isFirst = self.parts == nil
        updateMembers(&parts, isFirst: isFirst)
        let contentChanged = updateContentHashes()
        let policiesChanged = isFirst || changes.all || changes.order || !changes.slots.isEmpty
        if policiesChanged { parts.ranks = FlatMemory(ranks) }
        if isFirst || changes.felix { updateFailsafes(&parts) }
        if policiesChanged || contentChanged || changes.networkSets { updateExclusives(&parts) }
        if isFirst || changes.networkSets || sets.namesChanged { updateExclusiveSets(&parts) }
        updateEndpoints(changes, isFirst: isFirst, &parts)
        if !changes.endpoints.isEmpty || !changes.withdrawnMembers.isEmpty { updateInfos(changes, &parts) }
        if isFirst || changes.sources || changes.networkSets || policiesChanged { updateSources(changes, &parts, isFirst: isFirst) }
        if isFirst || changes.programs {
            parts.programs = ContiguousArray(programs.values)
        }
        parts.deniesNames =
            options.queryPolicy == .allowed || parts.exclusives.view.count > 0 || parts.exclusiveSets.view.count > 0
            || parts.programs.contains { $0.deniesNames }
        parts.patterns = patterns.table
        parts.origins = ruleNumbers.origins
        sets.noteTaken()
        self.parts = parts
        return CompiledPolicy(version: version, endpoints: compiledEndpoints, programs: endpointPrograms, parts)
    }

    private func emptyParts() -> PolicyParts {
        PolicyParts(
            options: options, programs: [], hosts: AddressMembers([]), nets: AddressMembers([]), names: NameMembers([]), memberSets: [],
            memberViews: FlatMemory([]), setNames: FlatMemory([]), setPorts: FlatMemory([]), ranks: FlatMemory([]),
            exclusives: ExclusivePolicies([]), stagedExclusives: ExclusivePolicies([]), exclusiveSets: NameMembers([]),
            failsafes: FlatMemory([]), vxlanPort: 0,
            httpsResolvers: FlatMemory(options.builtIns.dnsOverHTTPSAddresses.sorted()),
            ownResolvers: FlatMemory((options.builtIns.resolvers ?? []).sorted()), addresses: AddressIndex([]),
            positions: EndpointPositions([]),
            patterns: patterns.table, origins: ruleNumbers.origins, deniesNames: false, sources: PolicySources())
    }

    // MARK: Members and address sets

    private mutating func updateMembers(_ parts: inout PolicyParts, isFirst: Bool) {
        if isFirst || sets.hostsChanged {
            parts.hosts = AddressMembers(prefixes { $0 == .endpoint || $0 == .slice })
        }
        if isFirst || sets.netsChanged { parts.nets = AddressMembers(prefixes { $0 == .networkSet }) }
        if isFirst || sets.namesChanged {
            var names: [NameMembers.View.Entry] = []
            for member in sets.members {
                guard let member, !member.entries.isEmpty else { continue }
                for name in member.content.names {
                    names.append(NameMembers.View.Entry(pattern: name.pattern, member: member.number, detail: UInt32(name.port)))
                }
            }
            parts.names = NameMembers(names)
        }
        if isFirst || !sets.changedMembers.isEmpty {
            let empty = MemberSets([])
            while memberSets.count < sets.members.count { memberSets.append(empty) }
            for number in sets.changedMembers {
                memberSets[Int(number)] = sets.members[Int(number)].map { MemberSets($0.entries) } ?? empty
            }
            parts.memberSets = memberSets
            parts.memberViews = FlatMemory(memberSets.map(\.view))
        }
        guard isFirst || !sets.changedSets.isEmpty || setNames.count < sets.sets.count else { return }
        while setNames.count < sets.sets.count { setNames.append(0) }
        for number in sets.changedSets { setNames[Int(number)] = (sets.sets[Int(number)]?.plainNames ?? 0) > 0 ? 1 : 0 }
        parts.setNames = FlatMemory(setNames)
        var ports: [UInt64] = []
        for set in sets.sets {
            guard let set, !set.portNames.isEmpty else { continue }
            for port in set.portNames.keys { ports.append(UInt64(set.number) << 16 | UInt64(port)) }
        }
        parts.setPorts = FlatMemory(ports.sorted())
    }

    private func prefixes(_ isWanted: (MemberRecord.Content.Kind) -> Bool) -> [(prefix: IPPrefix, member: UInt32)] {
        var result: [(prefix: IPPrefix, member: UInt32)] = []
        for member in sets.members {
            guard let member, !member.entries.isEmpty, isWanted(member.content.kind) else { continue }
            for prefix in member.content.prefixes { result.append((prefix, member.number)) }
        }
        return result
    }

    /// Brings the content hashes of programs up to date; whether some may have changed.
    private func updateContentHashes() -> Bool {
        let changed = sets.changedSets
        for program in programs.values where !program.sets.isEmpty {
            guard program.contentHash == 0 || program.sets.contains(where: { changed.contains($0) }) else { continue }
            var sum: UInt64 = 1
            for number in program.sets {
                guard let set = sets.sets[Int(number)] else { preconditionFailure("a program's sets are held by its blocks") }
                sum &+= StableHash.hash(set.textHash, set.contentHash)
            }
            program.contentHash = sum
        }
        return !changed.isEmpty
    }

    // MARK: Configuration

    private func updateFailsafes(_ parts: inout PolicyParts) {
        // For all nodes, and of this one: the latter wins.
        let all = ["default", options.node.map { "node.\($0)" }].compactMap { name -> FelixConfiguration? in
            guard let name, case .felixConfiguration(let felix) = resources[ResourceKey(.felixConfiguration, name: name)] else {
                return nil
            }
            return felix
        }
        let ports = all.compactMap(\.failsafeOutboundHostPorts).last ?? FelixConfiguration.defaultFailsafeOutbound
        let anywhere = IPPrefix(IPAddress(v4: 0))
        let servers = all.compactMap(\.dnsTrustedServers).last
        if let own = options.builtIns.resolvers {
            var resolvers = own
            if options.builtIns.allowsTrustedResolvers {
                for resolver in (options.trustedResolvers ?? []) + (servers ?? []).compactMap(TrustedResolver.init(trustedServer:)) {
                    resolvers.insert(resolver.address)
                }
            }
            parts.ownResolvers = FlatMemory(resolvers.sorted())
        }
        parts.failsafes = FlatMemory(
            Self.limited(ports, to: options.trustedResolvers, and: servers).map {
                HotTables.Failsafe(transport: $0.protocol.rawValue, port: $0.port, hasNet: $0.net != nil, net: $0.net ?? anywhere)
            })
        parts.vxlanPort = all.compactMap(\.vxlanPort).last ?? 4789
    }

    /// Port 53 without `net` would let any process carry data out by DNS: it means the trusted resolvers and `dnsTrustedServers`. The former are
    /// open in any case, as the node's own resolver asks them.
    private static func limited(
        _ ports: [FelixConfiguration.FailsafePort], to resolvers: [TrustedResolver]?, and servers: [String]?
    ) -> [FelixConfiguration.FailsafePort] {
        guard resolvers != nil || servers != nil else { return ports }
        func isDNS(_ port: FelixConfiguration.FailsafePort) -> Bool {
            port.port == 53 && port.net == nil && (port.protocol == .udp || port.protocol == .tcp)
        }
        func open(_ resolver: TrustedResolver, _ transport: TransportProtocol) -> FelixConfiguration.FailsafePort {
            FelixConfiguration.FailsafePort(protocol: transport, port: resolver.port, net: IPPrefix(resolver.address))
        }
        var result = ports.filter { !isDNS($0) }
        for resolver in resolvers ?? [] {
            // UDP to the port of DNS over TLS would be DNS over QUIC, which the resolver does not speak.
            if !resolver.isSecure { result.append(open(resolver, .udp)) }
            result.append(open(resolver, .tcp))
        }
        for port in ports where isDNS(port) {
            result += (servers ?? []).compactMap(TrustedResolver.init(trustedServer:)).map { open($0, port.protocol) }
        }
        return result
    }

    // MARK: Exclusive names

    private func updateExclusives(_ parts: inout PolicyParts) {
        guard !exclusiveSlots.isEmpty || parts.exclusives.view.count + parts.stagedExclusives.view.count > 0 else { return }
        let replaced: Set<PolicyRecord.Target> = Set(
            stagedSlots.compactMap { slot in
                guard let record = records[Int(slot)], let action = record.policy.stagedAction, action == .set || action == .delete else {
                    return nil
                }
                return record.target
            })
        var enforced: [ExclusivePolicies.Policy] = []
        var staged: [ExclusivePolicies.Policy] = []
        for slot in exclusiveSlots.sorted(by: { ranks[Int($0)] < ranks[Int($1)] }) {
            guard let record = records[Int(slot)], let names = exclusiveNames(of: record), !names.isEmpty else { continue }
            let policy = ExclusivePolicies.Policy(
                rank: ranks[Int(slot)], number: record.origin.first + UInt32(record.policy.egress.count), patterns: names)
            if !record.isStaged {
                enforced.append(policy)
                if !replaced.contains(record.target) { staged.append(policy) }
            } else if record.policy.stagedAction == .set {
                staged.append(policy)
            }
        }
        parts.exclusives = ExclusivePolicies(enforced)
        parts.stagedExclusives = stagedSlots.isEmpty ? parts.exclusives : ExclusivePolicies(staged)
    }

    /// The names of its Allow rules and of the sets that they select, ascending.
    private func exclusiveNames(of record: PolicyRecord) -> [PatternNumber]? {
        guard let block = record.blocks[[]] else { return nil }
        var names = Set(block.allowedPatterns)
        for number in block.allowedSets {
            for member in sets.sets[Int(number)]?.members ?? [] {
                names.formUnion(sets.members[Int(member)]?.content.names.map(\.pattern) ?? [])
            }
        }
        return names.sorted()
    }

    private func updateExclusiveSets(_ parts: inout PolicyParts) {
        guard !exclusiveSetOrigins.isEmpty || parts.exclusiveSets.view.count > 0 else { return }
        var names: [NameMembers.View.Entry] = []
        for (key, origin) in exclusiveSetOrigins {
            guard let number = networkSetMembers[key], let member = sets.members[Int(number)] else { continue }
            for pattern in Set(member.content.names.map(\.pattern)) {
                names.append(NameMembers.View.Entry(pattern: pattern, member: number, detail: origin.first))
            }
        }
        names.sort { ($0.detail, $0.pattern) < ($1.detail, $1.pattern) }
        parts.exclusiveSets = NameMembers(names)
    }

    /// A hash for what is exclusively others' at each program.
    private func exclusiveHashes(_ parts: PolicyParts) -> [ObjectIdentifier: UInt64]? {
        guard parts.exclusives.view.count > 0 || parts.exclusiveSets.view.count > 0 else { return nil }
        var bySlot: [UInt32: UInt64] = [:]
        var total: UInt64 = 0
        for slot in exclusiveSlots {
            guard let record = records[Int(slot)], !record.isStaged, let names = exclusiveNames(of: record), !names.isEmpty else {
                continue
            }
            let sum = names.reduce(UInt64(0)) { $0 &+ StableHash.hash(patterns.hash($1), 2) }
            let hash = StableHash.hash(sum, orderHashes[Int(slot)])
            bySlot[slot] = hash
            total &+= hash
        }
        var result: [ObjectIdentifier: UInt64] = [:]
        for program in programs.values {
            var others = total
            var places = StableHash()
            for place in 0..<program.tierBlockCount {
                let slot = program.blocks[place].slot
                if let hash = bySlot[slot] { others &-= hash }
                places.combine(orderHashes[Int(slot)])
            }
            var sum: UInt64 = 0
            for key in exclusiveSetOrigins.keys {
                guard let number = networkSetMembers[key], let member = sets.members[Int(number)], !allows(program, member) else {
                    continue
                }
                sum &+= StableHash.hash(StableHash.hash(key.description), member.content.nameHash)
            }
            // Where the others stand among its own policies counts too.
            result[ObjectIdentifier(program)] = StableHash.hash(StableHash.hash(others, places.value), sum)
        }
        return result
    }

    private func allows(_ program: PolicyProgram, _ member: MemberRecord) -> Bool {
        let numbers = Set(member.entries.map { UInt32($0 >> 32) })
        return program.blocks[..<program.tierBlockCount].contains { $0.allowedSets.contains { numbers.contains($0) } }
    }

    // MARK: Endpoints

    private mutating func updateEndpoints(_ changes: borrowing Changes, isFirst: Bool, _ parts: inout PolicyParts) {
        let newcomers = endpoints.values.filter { $0.id != nil && $0.position == nil }
        if !newcomers.isEmpty {
            // In the order in which their members came: that of the resources.
            for record in newcomers.sorted(by: { $0.member < $1.member }) { append(record) }
        }
        let exclusive = exclusiveHashes(parts)
        var failsafeHash = StableHash()
        for place in 0..<parts.failsafes.count {
            let failsafe = unsafe parts.failsafes.base[place]
            failsafeHash.combine(UInt64(failsafe.transport) << 16 | UInt64(failsafe.port))
            if failsafe.hasNet { failsafeHash.combine(AddressRange.disjoint([failsafe.net])) }
        }
        let builtIns = builtInHash(parts.ownResolvers)
        for position in published.indices {
            let record = published[position]
            guard let program = record.program, let id = record.id else { preconditionFailure("a published endpoint has a program") }
            var hash = StableHash()
            hash.combine(program.structureHash)
            hash.combine(program.contentHash)
            hash.combine(record.info.isHost ? failsafeHash.value : UInt64(parts.vxlanPort))
            // Who else belongs to the class now, or no longer, is decided anew.
            if let processes = record.info.processes { hash.combine(StableHash.hash(processes.text)) }
            if !record.info.isHost, builtIns != 0 { hash.combine(builtIns) }
            if let exclusive { hash.combine(exclusive[ObjectIdentifier(program)] ?? 0) }
            compiledEndpoints[position].id = id
            compiledEndpoints[position].info = record.info
            compiledEndpoints[position].isPoliced = !program.isOpen || exclusive != nil
            compiledEndpoints[position].fingerprint = hash.value
            endpointPrograms[position] = unsafe EndpointProgram(
                id: id, generation: 0, enforced: UnsafePointer(program.view), staged: record.staged.map { unsafe UnsafePointer($0.view) })
        }
        guard isFirst || changes.population || !newcomers.isEmpty else { return }
        parts.addresses = AddressIndex(
            published.indices.flatMap { position in published[position].info.addresses.map { ($0, UInt32(position)) } })
        parts.positions = EndpointPositions(compiledEndpoints.map(\.id))
    }

    /// Of the built-in rules; 0 of none, which keeps the generations of before there were any.
    private func builtInHash(_ ownResolvers: FlatMemory<IPAddress>) -> UInt64 {
        let rules = options.builtIns
        guard rules != .none else { return 0 }
        var hash = StableHash()
        hash.combine(UInt64((rules.refusesDNSOverTLS ? 1 : 0) | (rules.refusesDNSOverQUIC ? 2 : 0) | (rules.resolvers == nil ? 0 : 4)))
        let resolvers = (0..<ownResolvers.count).map { unsafe ownResolvers.base[$0] }
        for addresses in [rules.dnsOverHTTPSAddresses.sorted(), resolvers] {
            hash.combine(UInt64(addresses.count))
            for address in addresses {
                hash.combine(UInt64(address.family.rawValue))
                hash.combine(address.upper)
                hash.combine(address.lower)
            }
        }
        return hash.value | 1
    }

    private mutating func append(_ record: EndpointRecord) {
        guard let id = record.id, let program = record.program else { preconditionFailure("an endpoint with a number has a program") }
        record.position = published.count
        published.append(record)
        compiledEndpoints.append(CompiledEndpoint(id: id, info: record.info, isPoliced: false, fingerprint: 0))
        endpointPrograms.append(unsafe EndpointProgram(id: id, generation: 0, enforced: UnsafePointer(program.view), staged: nil))
    }

    // MARK: Resources, for explanations

    private func updateInfos(_ changes: borrowing Changes, _ parts: inout PolicyParts) {
        while parts.sources.endpoints.count < sets.members.count { parts.sources.endpoints.append(nil) }
        for number in changes.withdrawnMembers { parts.sources.endpoints[Int(number)] = nil }
        for key in changes.endpoints {
            if let record = endpoints[key] { parts.sources.endpoints[Int(record.member)] = record.info }
        }
    }

    private func updateSources(_ changes: borrowing Changes, _ parts: inout PolicyParts, isFirst: Bool) {
        if isFirst || changes.all || changes.order || changes.slots.count > 64 {
            parts.sources.policies = ContiguousArray(records.map { $0?.source })
        } else if !changes.slots.isEmpty {
            while parts.sources.policies.count < records.count { parts.sources.policies.append(nil) }
            for slot in changes.slots { parts.sources.policies[Int(slot)] = records[Int(slot)]?.source }
        }
        if isFirst || changes.all || changes.order || !changes.slots.isEmpty { parts.sources.order = ContiguousArray(order) }
        if isFirst || changes.sources {
            parts.sources.tiers = tiers.mapValues(\.tier)
            parts.tierNames = [:]
            for (name, tier) in tiers { parts.tierNames[tier.slot] = name }
            parts.sources.profiles = [:]
            parts.sources.services = []
            for resource in resources.values {
                switch resource {
                case .profile(let profile): parts.sources.profiles[profile.name] = profile
                case .serviceEndpoints(let slice): parts.sources.services.append(slice)
                default: break
                }
            }
        }
        if isFirst || changes.networkSets {
            parts.sources.networkSets = []
            for key in networkSetMembers.keys {
                if case .networkSet(let set) = resources[key] { parts.sources.networkSets.append((set, context.labels(of: set))) }
            }
        }
    }
}
