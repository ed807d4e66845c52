import DomainNames
import NetworkTypes
import PolicyModel

/// Taking over resources.
extension PolicyCompiler {
    mutating func take(_ resourceChanges: ResourceChanges, _ changes: inout Changes) {
        // What others inherit from or stand in goes first.
        takeContext(resourceChanges, &changes)
        for key in resourceChanges.removals {
            guard let old = resources.removeValue(forKey: key) else { continue }
            remove(old, key, &changes)
        }
        for resource in resourceChanges.upserts {
            let key = resource.key
            resources[key] = resource
            switch resource {
            case .workloadEndpoint(let endpoint): setEndpoint(key, .workload(endpoint), &changes)
            case .hostEndpoint(let endpoint): setEndpoint(key, .host(endpoint), &changes)
            case .networkSet(let set): setNetworkSet(key, set, &changes)
            case .serviceEndpoints(let slice): setSlice(key, slice, &changes)
            case .felixConfiguration: changes.felix = true
            case .profile(let profile): setProfile(profile, &changes)
            case .policy(let policy): setPolicy(key, policy, &changes)
            case .tier, .namespace, .serviceAccount: break
            }
        }
        if changes.order { sortOrder(&changes) }
    }

    private mutating func remove(_ resource: Resource, _ key: ResourceKey, _ changes: inout Changes) {
        switch resource {
        case .policy: removePolicy(key, &changes)
        case .tier(let tier): removeTier(tier.name, &changes)
        case .workloadEndpoint, .hostEndpoint: removeEndpoint(key, &changes)
        case .networkSet: removeNetworkSet(key, &changes)
        case .serviceEndpoints:
            if let member = sliceMembers.removeValue(forKey: key) { sets.removeMember(member) }
            changes.sources = true
        case .felixConfiguration: changes.felix = true
        case .profile(let profile): removeProfile(profile.name, &changes)
        case .namespace, .serviceAccount: break
        }
    }

    // MARK: Labels that others inherit

    private mutating func takeContext(_ resourceChanges: ResourceChanges, _ changes: inout Changes) {
        var namespaces: Set<String> = []
        var accounts: Set<String> = []
        var profileNames: Set<String> = []
        for resource in resourceChanges.upserts {
            switch resource {
            case .namespace(let namespace):
                if context.namespaces.updateValue(namespace.labels, forKey: namespace.name) != namespace.labels {
                    namespaces.insert(namespace.name)
                }
            case .serviceAccount(let account):
                let name = "\(account.namespace)/\(account.name)"
                if context.serviceAccounts.updateValue(account.labels, forKey: name) != account.labels { accounts.insert(name) }
            case .profile(let profile):
                if context.profiles.updateValue(profile.labelsToApply, forKey: profile.name) != profile.labelsToApply {
                    profileNames.insert(profile.name)
                }
            case .tier(let tier): setTier(tier, &changes)
            default: break
            }
        }
        for key in resourceChanges.removals {
            switch key.kind {
            case .namespace: if context.namespaces.removeValue(forKey: key.name) != nil { namespaces.insert(key.name) }
            case .serviceAccount:
                let name = "\(key.namespace ?? "")/\(key.name)"
                if context.serviceAccounts.removeValue(forKey: name) != nil { accounts.insert(name) }
            case .profile: if context.profiles.removeValue(forKey: key.name) != nil { profileNames.insert(key.name) }
            default: break
            }
        }
        guard !namespaces.isEmpty || !accounts.isEmpty || !profileNames.isEmpty else { return }
        for (key, record) in endpoints {
            let inherits =
                switch record.resource {
                case .workload(let endpoint):
                    namespaces.contains(endpoint.namespace)
                        || endpoint.serviceAccount.map { accounts.contains("\(endpoint.namespace)/\($0)") } ?? false
                        || endpoint.profiles.contains { profileNames.contains($0) }
                case .host(let endpoint): endpoint.profiles.contains { profileNames.contains($0) }
                }
            if inherits { setEndpoint(key, record.resource, &changes) }
        }
        guard !namespaces.isEmpty else { return }
        for key in networkSetMembers.keys {
            guard let namespace = key.namespace, namespaces.contains(namespace), case .networkSet(let set) = resources[key] else {
                continue
            }
            setNetworkSet(key, set, &changes)
        }
    }

    // MARK: Endpoints

    private mutating func setEndpoint(_ key: ResourceKey, _ resource: EndpointRecord.Resource, _ changes: inout Changes) {
        let info =
            switch resource {
            case .workload(let endpoint): EndpointInfo(endpoint, context)
            case .host(let endpoint): EndpointInfo(endpoint, context)
            }
        guard let record = endpoints[key] else {
            let member = sets.insertMember(EndpointRecord.content(info))
            endpoints[key] = EndpointRecord(resource, info: info, member: member)
            changes.endpoints.insert(key)
            changes.population = true
            return
        }
        if record.info.addresses != info.addresses || record.info.identity != info.identity { changes.population = true }
        record.resource = resource
        record.info = info
        sets.updateMember(record.member, EndpointRecord.content(info))
        changes.endpoints.insert(key)
    }

    private mutating func removeEndpoint(_ key: ResourceKey, _ changes: inout Changes) {
        guard let record = endpoints.removeValue(forKey: key) else { return }
        sets.removeMember(record.member)
        changes.withdrawnMembers.append(record.member)
        withdraw(record)
        use(nil, at: \.program, of: record, &changes)
        use(nil, at: \.staged, of: record, &changes)
        changes.endpoints.remove(key)
        changes.population = true
    }

    /// Takes an endpoint out of those that are published; the last one moves to its place.
    mutating func withdraw(_ record: EndpointRecord) {
        guard let position = record.position else { return }
        let last = published.count - 1
        if position != last {
            published[position] = published[last]
            compiledEndpoints[position] = compiledEndpoints[last]
            endpointPrograms[position] = endpointPrograms[last]
            published[position].position = position
        }
        published.removeLast()
        compiledEndpoints.removeLast()
        endpointPrograms.removeLast()
        record.position = nil
    }

    // MARK: Network sets and services

    private mutating func setNetworkSet(_ key: ResourceKey, _ set: NetworkSet, _ changes: inout Changes) {
        changes.networkSets = true
        var content = MemberRecord.Content(kind: .networkSet, labels: context.labels(of: set), prefixes: set.nets)
        for (pattern, port) in set.allowedEgressDomains.map({ ($0, UInt16(0)) }) + set.allowedEgressURLs.map({ ($0.pattern, $0.port) }) {
            let (number, hash) = patterns.acquire(pattern)
            content.names.append((number, port))
            content.nameHash &+= StableHash.hash(hash, UInt64(port))
        }
        if let member = networkSetMembers[key] {
            if let old = sets.members[Int(member)] { changes.droppedPatterns += old.content.names.map(\.pattern) }
            sets.updateMember(member, content)
        } else {
            networkSetMembers[key] = sets.insertMember(content)
        }
        if let origin = exclusiveSetOrigins.removeValue(forKey: key) { ruleNumbers.release(origin) }
        if set.isExclusive { exclusiveSetOrigins[key] = ruleNumbers.register(.set(set)) }
    }

    private mutating func removeNetworkSet(_ key: ResourceKey, _ changes: inout Changes) {
        guard let member = networkSetMembers.removeValue(forKey: key) else { return }
        changes.networkSets = true
        if let old = sets.members[Int(member)] { changes.droppedPatterns += old.content.names.map(\.pattern) }
        sets.removeMember(member)
        if let origin = exclusiveSetOrigins.removeValue(forKey: key) { ruleNumbers.release(origin) }
    }

    private mutating func setSlice(_ key: ResourceKey, _ slice: ServiceEndpoints, _ changes: inout Changes) {
        let content = MemberRecord.Content(
            kind: .slice, prefixes: slice.addresses.map { IPPrefix($0) }, ports: slice.ports,
            service: .service(namespace: slice.namespace, name: slice.service))
        if let member = sliceMembers[key] {
            sets.updateMember(member, content)
        } else {
            sliceMembers[key] = sets.insertMember(content)
        }
        changes.sources = true
    }

    // MARK: Profiles

    private mutating func setProfile(_ profile: Profile, _ changes: inout Changes) {
        removeProfile(profile.name, &changes)
        profiles[profile.name] = ProfileRecord(profile, origin: ruleNumbers.register(.profile(profile)))
    }

    private mutating func removeProfile(_ name: String, _ changes: inout Changes) {
        changes.sources = true
        for (key, record) in endpoints where record.info.profiles.contains(name) { changes.endpoints.insert(key) }
        guard let old = profiles.removeValue(forKey: name) else { return }
        changes.dropped += old.blocks.values
        ruleNumbers.release(old.origin)
    }

    /// The profile of that name, one that Calico makes by itself among them.
    mutating func profile(_ name: String) -> ProfileRecord? {
        if let known = profiles[name] { return known }
        guard let profile = Profile.builtIn(name) else { return nil }
        let record = ProfileRecord(profile, origin: ruleNumbers.register(.profile(profile)))
        profiles[name] = record
        return record
    }
}
