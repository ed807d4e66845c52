import NetworkTypes

/// How many kernel leases each endpoint may ask for: one that reaches many destinations must not fill the map of all. For one verdict
/// thread.
///
/// Counts by endpoint number within windows of `leaseSeconds`; a lease lives as long as a window, so of one endpoint at most twice the
/// budget is in the kernel.
@safe
public final class LeaseBudget: @unchecked Sendable {
    /// How long the kernel remembers a verdict.
    public static let leaseSeconds: UInt64 = 10
    /// What a binding must have left: the lease begins a moment after the decision, and must not outlive it.
    static let bindingSecondsMin = leaseSeconds + 1
    /// Of one endpoint in one window, over all verdict threads; the map holds 65,536.
    public static let perEndpoint = 4_096

    private struct Account {
        var window: UInt64
        var count: Int
    }

    private let accounts: UnsafeMutablePointer<Account>
    private let endpointsMax: Int
    private let countMax: Int

    /// For endpoint numbers below `endpointsMax`, which is 0 where no leases are wanted.
    public init(endpointsMax: Int, countMax: Int = LeaseBudget.perEndpoint) {
        self.endpointsMax = endpointsMax
        self.countMax = countMax
        unsafe accounts = .allocate(capacity: max(1, endpointsMax))
        unsafe accounts.initialize(repeating: Account(window: 0, count: 0), count: max(1, endpointsMax))
    }

    deinit { unsafe accounts.deallocate() }

    public static let none = LeaseBudget(endpointsMax: 0)

    var isWanted: Bool { endpointsMax > 0 }

    /// False if the endpoint has asked for too many.
    func take(_ endpoint: EndpointID, now: Instant) -> Bool {
        let place = Int(endpoint.rawValue)
        guard place < endpointsMax else { return false }
        let window = now.nanoseconds / (Self.leaseSeconds * 1_000_000_000)
        // Sound: the place is below `endpointsMax`, and one thread uses the accounts.
        if unsafe accounts[place].window != window { unsafe accounts[place] = Account(window: window, count: 0) }
        guard unsafe accounts[place].count < countMax else { return false }
        unsafe accounts[place].count += 1
        return true
    }
}
