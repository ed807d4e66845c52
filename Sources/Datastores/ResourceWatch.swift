/// A source of resources that may change: files now, etcd and Kubernetes later.
///
/// Call `start` before the first `load`, then no change between the two is missed.
public protocol ResourceWatch: Sendable {
    /// Reads everything. Blocking; call it from a thread that may wait.
    func load() -> ResourceLoad

    /// Calls `onChange` from a thread of its own after something may have changed; several changes in quick succession
    /// give one call. `onChange` is never called concurrently with itself. Throws if it runs already.
    func start(onChange: @escaping @Sendable () -> Void) throws(ResourceWatchError)

    /// Ends the calls: none runs when this returns (unless it is called from within `onChange`). May be called twice.
    func stop()
}
