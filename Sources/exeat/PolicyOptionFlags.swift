import ArgumentParser
import DomainNames
import PolicyEngine
import PolicyModel

/// What the configuration says of policy as a whole, for commands that read no configuration.
struct PolicyOptionFlags: ParsableArguments {
    enum Verdict: String, ExpressibleByArgument { case allow, deny }

    @Option(help: "Endpoints that no policy selects and that name no profile (unselectedEndpoints): allow or deny.")
    var unselected = Verdict.allow

    @Flag(help: "Every policy with names in Allow rules keeps them for its endpoints (exclusiveDomains).")
    var exclusiveDomains = false

    @Option(help: "Whether flows allowed by name must give it in their hello (verifyName): off, observe or require.")
    var verifyName = NameVerification.observe

    @Option(help: "Which names endpoints may ask for of which no policy says it (dns.queryPolicy): any or allowed.")
    var queryPolicy = QueryPolicy.any

    @Option(help: "The name of the node (node): its FelixConfiguration node.NAME counts beside default.")
    var node: String?

    @Option(
        help: "A zone whose names anybody may ask for (dns.queryExemptZones); may be given several times.",
        transform: { try DomainName(parsing: $0) })
    var queryExemptZone: [DomainName] = []

    @Flag(
        inversion: .prefixedNo,
        help: "Refuse DNS over TLS, QUIC and HTTPS to public resolvers ahead of policy, as the daemon does by default (dns.builtInRules).")
    var builtInRules = true

    var options: PolicyOptions {
        PolicyOptions(
            unselectedAllowed: unselected == .allow, exclusiveByDefault: exclusiveDomains, nameVerification: verifyName,
            queryPolicy: queryPolicy, queryExemptZones: queryExemptZone, builtIns: builtInRules ? BuiltInRules() : .none, node: node)
    }
}

extension NameVerification: ExpressibleByArgument {}
extension QueryPolicy: ExpressibleByArgument {}
