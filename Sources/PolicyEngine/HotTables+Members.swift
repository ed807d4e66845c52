import NetworkTypes

/// Which address sets an address belongs to.
extension HotTables {
    /// Notes the members that hold the flow's destination.
    @inlinable
    func collectMembers(_ search: inout FlowSearch) {
        let address = search.flow.destination
        collectMembers(hosts, address, &search)
        collectMembers(nets, address, &search)
    }

    @inlinable
    func collectMembers(_ table: AddressMembers.View, _ address: IPAddress, _ search: inout FlowSearch) {
        var place = 0
        let lengths = table.lengthCount(address.family)
        while place < lengths {
            let length = table.length(address.family, place)
            let masked = address.masked(length)
            let run = table.index.find(IndexKey.net(masked, length))
            var entry = 0
            while entry < run.count {
                let found = table.entry(run[entry])
                if found.prefix.address == masked, found.prefix.length == length { search.append(found.member) }
                entry &+= 1
            }
            place &+= 1
        }
    }

    /// Whether a member that holds the address belongs to the set, as seen on a port.
    @inlinable
    func holds(_ set: UInt32, _ address: IPAddress, _ port: UInt32) -> Bool {
        holds(hosts, set, address, port) || holds(nets, set, address, port)
    }

    @inlinable
    func holds(_ table: AddressMembers.View, _ set: UInt32, _ address: IPAddress, _ port: UInt32) -> Bool {
        var place = 0
        let lengths = table.lengthCount(address.family)
        while place < lengths {
            let length = table.length(address.family, place)
            let masked = address.masked(length)
            let run = table.index.find(IndexKey.net(masked, length))
            var entry = 0
            while entry < run.count {
                let found = table.entry(run[entry])
                if found.prefix.address == masked, found.prefix.length == length, sets(of: found.member).contains(set, port) { return true }
                entry &+= 1
            }
            place &+= 1
        }
        return false
    }

    /// Whether the set holds the destination, not counting names.
    @inlinable
    func holdsDestination(_ set: UInt32, _ search: FlowSearch) -> Bool {
        var place = 0
        while place < search.memberCount {
            if sets(of: search.members[place]).contains(set, search.destinationPort) { return true }
            place &+= 1
        }
        return search.hasMoreMembers && holds(set, search.flow.destination, search.destinationPort)
    }

    /// Whether a member of the set has the pattern among its names, for the flow's protocol and port.
    @inlinable
    func names(_ set: UInt32, _ pattern: PatternNumber, _ flow: FlowTuple) -> Bool {
        let run = names.index.find(IndexKey.pattern(pattern))
        var place = 0
        while place < run.count {
            let entry = names.entry(run[place])
            if entry.pattern == pattern, Self.counts(entry, for: flow), sets(of: entry.member).contains(set, 0) { return true }
            place &+= 1
        }
        return false
    }

    /// Whether a name of a network set counts for the flow: URLs do on their TCP port.
    @inlinable
    static func counts(_ entry: NameMembers.View.Entry, for flow: FlowTuple) -> Bool {
        entry.detail == 0 || flow.transport == .tcp && entry.detail == UInt32(flow.destinationPort)
    }
}
