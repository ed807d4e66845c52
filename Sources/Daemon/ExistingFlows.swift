import Conntrack
import Logging
import NetfilterTables
import PolicyEngine

/// `existingFlows: keep`: flows that were there before anything was enforced.
enum ExistingFlows {
    /// Gives the flows that conntrack has now, of endpoints that are policed, the generation of their endpoint, so that the table takes
    /// them for decided ones. Call it right before the first table is installed.
    ///
    /// Does nothing if there is a table: then every flow was decided, or began while it could not be. What is old is known from this
    /// dump alone; a packet without SYN proves nothing.
    static func keep(_ policy: CompiledPolicy, _ layout: MarkLayout, _ logger: Logger) throws {
        guard try !TableSocket().isInstalled() else { return }
        var conntrack = try ConntrackSocket()
        let count = try conntrack.setMarks { entry in
            // What the node's own processes have begun was marked with their class (`NodeConnections`).
            let code = layout.extract(entry.mark)
            let number = layout.classesMax > 0 ? UInt8(truncatingIfNeeded: code >> layout.classShift) : 0
            guard let index = policy.endpointIndex(ofClass: number) ?? policy.endpointIndex(of: entry.original.source),
                let endpoint = policy.endpoint(policy.programs[index].id), endpoint.isPoliced
            else { return nil }
            let mark = layout.replacing(in: entry.mark, with: UInt32(endpoint.generation))
            return mark == entry.mark ? nil : mark
        }
        logger.info("flows from before the start are kept", metadata: ["flows": "\(count)"])
    }
}
