import Glibc

extension StubResolver {
    /// What the privileged part of the start has seen: the part that follows cannot look into other users' processes.
    private static let variable = "EXEAT_STUB_RESOLVERS"

    /// Looks, for the part of the start that follows.
    static func note(_ configuration: ExeatConfiguration) {
        let found = find(resolvConf: configuration.dns.resolvConf, own: configuration.dns.listen)
        unsafe setenv(variable, found.map(\.description).joined(separator: "; "), 1)
    }

    /// What was noted, else what is seen now; nil if there is none.
    static func noted(_ configuration: ExeatConfiguration) -> String? {
        let text: String
        if let noted = unsafe getenv(variable) {
            text = unsafe String(cString: noted)
        } else {
            text = find(resolvConf: configuration.dns.resolvConf, own: configuration.dns.listen).map(\.description).joined(separator: "; ")
        }
        return text.isEmpty ? nil : text
    }

    /// Why it matters.
    public static let consequence =
        "it asks for every process of the node, past Exeat or in one name: host endpoints learn nothing from its answers"
    public static let remedy = "name Exeat's own address (dns.listen) in resolv.conf instead"
}
