import Glibc
import Logging
import NetfilterTables
import NetworkTypes
import PolicyEngine
import PolicyModel

/// Classes of this node's processes as the table has them.
struct NodeClasses: Equatable {
    var rules: [ProcessClassRule] = []
    /// No host endpoint stands for the node itself: processes of no class are not policed.
    var isNodeOpen = false
    /// Names of users that the node does not have, and cgroups that are not there.
    var unknown: [String] = []

    /// 2^32 - 1 owns nothing (setreuid(2)): of what the node does not have.
    private static let nobody = ProcessClassRule.Owner.users(.max ... .max)

    /// Users of names are looked up in the password file, not by way of other services, which may need the network that is being closed.
    init(_ policy: CompiledPolicy, _ owners: NodeOwners, port: (UInt8) -> UInt16?) {
        for endpoint in policy.endpoints.sorted(by: { $0.identity < $1.identity }) where endpoint.classNumber != 0 {
            guard let processes = endpoint.processes else { continue }
            let owner = owners.owner(of: processes)
            if owner == nil { unknown.append(processes.text) }
            rules.append(
                ProcessClassRule(number: endpoint.classNumber, owner: owner ?? Self.nobody, dnsPort: port(endpoint.classNumber)))
        }
        // What a cgroup says goes before what the user says.
        rules = rules.filter(\.isCgroup) + rules.filter { !$0.isCgroup }
        isNodeOpen = !rules.isEmpty && !policy.endpoints.contains { $0.isHost && $0.classNumber == 0 && !$0.addresses.isEmpty }
    }

    /// Pairs of classes that share a user: names are told from numbers here alone. The first of the two counts.
    var overlaps: [(UInt8, UInt8)] {
        rules.indices.flatMap { first in
            rules[(first + 1)...].filter { $0.owner != Self.nobody && $0.overlaps(rules[first]) }.map { (rules[first].number, $0.number) }
        }
    }
}

extension ProcessClassRule {
    /// By the user alone, which is no answer of a cgroup.
    func isSurelyOf(user: UInt32) -> Bool {
        if case .users(let users) = owner { return users.contains(user) }
        return false
    }

    fileprivate func overlaps(_ other: ProcessClassRule) -> Bool {
        if case .users(let left) = owner, case .users(let right) = other.owner { return left.overlaps(right) }
        return false
    }
}

extension TableConfiguration {
    func with(_ classes: NodeClasses) -> TableConfiguration {
        var result = self
        result.classes = classes.rules
        result.isNodeOpen = classes.isNodeOpen
        return result
    }
}
