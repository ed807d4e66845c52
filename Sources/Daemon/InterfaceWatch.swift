import Glibc
import Logging
import PolicyEngine

/// Compares the interfaces of endpoints with those that are there. A vanished or renamed one opens nothing: packets of its endpoint are
/// then dropped as from an unknown or forged source. It is logged, once each way.
struct InterfaceWatch {
    /// Of endpoints -> index when it was last seen.
    private var seen: [String: UInt32] = [:]
    private var missing: Set<String> = []
    private static let linesMax = 16

    /// How many endpoints have an interface that is not there.
    mutating func look(at policy: CompiledPolicy, _ logger: Logger) -> Int {
        guard let present = Self.interfaces() else { return missing.count }
        var count = 0
        var wanted: Set<String> = []
        for endpoint in policy.endpoints where !endpoint.isHost {
            wanted.insert(endpoint.interfaceName)
            if present[endpoint.interfaceName] == nil { count += 1 }
        }
        var lines = 0
        for name in wanted {
            if let index = present[name] {
                seen[name] = index
                if missing.remove(name) != nil { logger.info("interface of an endpoint is there", metadata: ["interface": "\(name)"]) }
            } else if missing.insert(name).inserted, lines < Self.linesMax {
                lines += 1
                let index = seen[name]
                let renamed = present.first { index != nil && $0.value == index }?.key
                logger.warning(
                    "interface of an endpoint is not there",
                    metadata: ["interface": "\(name)", "renamed_to": "\(renamed ?? "-")", "endpoints_without": "\(count)"])
            }
        }
        missing.formIntersection(wanted)
        seen = seen.filter { wanted.contains($0.key) }
        return count
    }

    /// Names and indexes of this network namespace; nil if they cannot be read.
    private static func interfaces() -> [String: UInt32]? {
        guard let list = unsafe if_nameindex() else { return nil }
        defer { unsafe if_freenameindex(list) }
        var result: [String: UInt32] = [:]
        var index = 0
        while unsafe list[index].if_index != 0 {
            if let name = unsafe list[index].if_name { result[unsafe String(cString: name)] = unsafe list[index].if_index }
            index += 1
        }
        return result
    }
}
