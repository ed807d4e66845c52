import Glibc
import Logging

/// How many descriptors this process may have (RLIMIT_NOFILE).
enum OpenFiles {
    /// More than this no daemon needs, and the kernel's tables of descriptors stay small.
    private static let countMax: rlim_t = 1 << 20

    /// The soft limit.
    static var limit: Int {
        var limit = rlimit()
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1_024 }
        return Int(clamping: limit.rlim_cur)
    }

    /// Takes what the hard limit allows. The soft one is 1,024 unless a unit says otherwise, for programs that use select(2): connections of
    /// a few pods would have them all, and policy files could not be opened any more. What is started from here inherits it.
    static func raiseLimit(_ logger: Logger) {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard unsafe getrlimit(resource, &limit) == 0 else { return }
        let wanted = min(limit.rlim_max, countMax)
        guard limit.rlim_cur < wanted else { return }
        let before = limit.rlim_cur
        limit.rlim_cur = wanted
        if unsafe setrlimit(resource, &limit) != 0 {
            logger.warning("the limit of open files stays", metadata: ["limit": "\(before)", "errno": "\(errno)"])
        }
    }
}
