/// Which features this kernel has, as tried.
public struct KernelFeatures: Sendable, Hashable {
    public let present: Set<KernelFeature>

    public init(present: Set<KernelFeature>) { self.present = present }

    /// As if these were not there.
    public func without(_ features: Set<KernelFeature>) -> KernelFeatures { KernelFeatures(present: present.subtracting(features)) }

    public func has(_ feature: KernelFeature) -> Bool { present.contains(feature) }

    /// Nil if neither way to the queue works.
    public var queueBackend: QueueBackend? { has(.nativeQueue) ? .native : has(.compatQueue) ? .compat : nil }

    public var ownership: TableOwnership { has(.ownerPersist) ? .ownerPersist : .none }

    /// What is missing and cannot be replaced: enforcement is impossible without.
    public var missing: [KernelFeature] {
        var needed: [KernelFeature] = [.tables, .conntrackLookup, .conntrackMark, .reject, .namedCounters, .destructiveSetReplace]
        if queueBackend == nil { needed.append(.compatQueue) }
        return needed.filter { !has($0) }
    }
}
