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
    /// Names of users that the node does not have.
    var unknownUsers: [String] = []

    /// 2^32 - 1 owns nothing (setreuid(2)): of a user that the node does not have.
    private static let nobody: ClosedRange<UInt32> = .max ... .max

    /// Users of names are looked up in the password file, not by way of other services, which may need the network that is being closed.
    init(_ policy: CompiledPolicy, users accounts: [String: UInt32], port: (UInt8) -> UInt16?) {
        for endpoint in policy.endpoints.sorted(by: { $0.identity < $1.identity }) where endpoint.classNumber != 0 {
            let users: ClosedRange<UInt32>
            switch endpoint.processes {
            case .users(let range)?: users = range
            case .userName(let name)?:
                if accounts[name] == nil { unknownUsers.append(name) }
                users = accounts[name].map { $0...$0 } ?? Self.nobody
            case nil: continue
            }
            rules.append(ProcessClassRule(number: endpoint.classNumber, users: users, dnsPort: port(endpoint.classNumber)))
        }
        isNodeOpen = !rules.isEmpty && !policy.endpoints.contains { $0.isHost && $0.classNumber == 0 && !$0.addresses.isEmpty }
    }

    /// Pairs of classes that share a user: names are told from numbers here alone. The first of the two counts.
    var overlaps: [(UInt8, UInt8)] {
        rules.indices.flatMap { first in
            rules[(first + 1)...].filter { $0.users.overlaps(rules[first].users) && $0.users != Self.nobody }.map {
                (rules[first].number, $0.number)
            }
        }
    }

    /// Names and numbers of `/etc/passwd` (passwd(5)).
    static func users() -> [String: UInt32] {
        var found: [String: UInt32] = [:]
        for line in ((try? TextFile.read("/etc/passwd")) ?? "").split(whereSeparator: \.isNewline) {
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 3, let number = UInt32(fields[2]) else { continue }
            if found[String(fields[0])] == nil { found[String(fields[0])] = number }
        }
        return found
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
