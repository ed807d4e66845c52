import Conntrack
import Logging
import NetfilterTables
import PolicyEngine

/// Flows that bear generations of an earlier process.
enum EarlierFlows {
    /// Has every flow asked about again that bears a generation which is not current. Call it when the table of this process is in.
    ///
    /// While no process ran, an address may have changed hands, or one died before it had purged. Such a flow is queued today, but would pass
    /// under a later generation with the same number: while the numbers of an endpoint have not begun again, nobody looks for who bears them.
    ///
    /// `before`: the layout of the process before, nil if nobody knows. In another one a mark means something else: all flows that bear one are asked about.
    static func ask(
        _ contents: TableContents, _ policy: CompiledPolicy, _ layout: MarkLayout, before: MarkLayout?, _ logger: Logger
    ) throws {
        var conntrack = try ConntrackSocket()
        let count = try conntrack.setMarks { entry in
            if let before, before != layout {
                let ours = before.mask | layout.mask
                guard entry.mark & ours != 0 else { return nil }
                let number = ofClass(entry, before.extract(entry.mark), contents, policy, before)
                let code =
                    (1...14).contains(number) && layout.classesMax > 0 ? layout.question(ofClass: number, 1) : layout.redecideOriginal
                return entry.mark & ~ours | layout.deposit(code)
            }
            let code = layout.extract(entry.mark)
            guard let asked = question(about: entry, code, contents, policy, layout) else { return nil }
            return layout.replacing(in: entry.mark, with: asked)
        }
        if count > 0 { logger.info("flows of an earlier policy are decided again", metadata: ["flows": "\(count)"]) }
    }

    /// The code that is in no `current`, so that the table asks with it; nil for what is current, or no generation.
    private static func question(
        about entry: ConntrackEntry, _ code: UInt32, _ contents: TableContents, _ policy: CompiledPolicy, _ layout: MarkLayout
    ) -> UInt32? {
        let source = entry.original.source
        guard (1...layout.generationMax).contains(code), contents.current[source] != code,
            !contents.classes.contains(ClassGeneration(address: source, generation: code))
        else { return nil }
        let number = ofClass(entry, code, contents, policy, layout)
        guard (1...14).contains(number) else { return layout.redecideOriginal }
        // Its four lowest codes are questions already.
        return layout.generations(ofClass: number).contains(code) ? layout.question(ofClass: number, 1) : nil
    }

    /// Of the node's own flows the highest bits tell the class; of all others, 0, they are a part of the generation.
    private static func ofClass(
        _ entry: ConntrackEntry, _ code: UInt32, _ contents: TableContents, _ policy: CompiledPolicy, _ layout: MarkLayout
    ) -> UInt32 {
        let source = entry.original.source
        let isOfNode =
            policy.endpointIndex(of: source).map { policy.endpoints[$0].isHost } ?? contents.classes.contains { $0.address == source }
        return isOfNode && layout.classesMax > 0 ? code >> layout.classShift : 0
    }
}
