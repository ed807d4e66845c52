import DomainNames
import NetworkTypes
import PolicyModel

/// All policy of the node, compiled to immutable tables of numbers.
///
///     endpoint -> program: [block of policy A][block of policy B] tier end [block of policy C] tier end [profile]
///                    |            |
///                    |            v
///                    |      rules, with their nets, ports and pattern numbers; shared by all programs
///                    v
///                  index: what a rule asks of the destination -> positions of rules
///
///     destination -> members (endpoints, network sets, slices of services) -> address sets that rules refer to
///
/// Endpoints that the same policies treat alike share a program. The control plane makes a new `CompiledPolicy` for every change, which
/// shares with the one before what did not change, and publishes it whole; verdict threads read it without locks.
@safe
public final class CompiledPolicy: @unchecked Sendable {
    /// Rises with every compilation.
    public let version: UInt32
    public let endpoints: [CompiledEndpoint]
    /// In the order of `endpoints`.
    public let programs: [EndpointProgram]

    let parts: PolicyParts
    private let programMemory: FlatMemory<EndpointProgram>
    @usableFromInline let hot: HotTables
    /// Places in `endpoints` by number of the class; -1 where there is none.
    @usableFromInline let classPositions: InlineArray<16, Int32>

    init(
        version: UInt32, endpoints: [CompiledEndpoint], programs: [EndpointProgram], _ parts: PolicyParts,
        classPositions: InlineArray<16, Int32> = InlineArray(repeating: -1)
    ) {
        self.classPositions = classPositions
        self.version = version
        self.endpoints = endpoints
        self.programs = programs
        self.parts = parts
        programMemory = FlatMemory(programs)
        hot = parts.hotTables(programMemory)
    }

    /// Whether workloads that name no profile are allowed what no tier decides.
    public var unselectedAllowed: Bool { parts.options.unselectedAllowed }

    /// Whether some query may be refused by name, so that `nameDecision` has to be asked.
    public var deniesNames: Bool { parts.deniesNames }

    var patternTable: PatternTable { parts.patterns }

    /// Place in `endpoints` of the endpoint that has this address.
    @inlinable
    public func endpointIndex(of address: IPAddress) -> Int? { hot.addresses.find(address) }

    /// Place in `endpoints` of the host endpoint that stands for a class of processes, by the number that `withGenerations` gave it.
    @inlinable
    public func endpointIndex(ofClass number: UInt8) -> Int? {
        guard number < 16, classPositions[Int(number)] >= 0 else { return nil }
        return Int(classPositions[Int(number)])
    }

    /// Place in `endpoints`.
    public func position(of id: EndpointID) -> Int? { parts.positions.byID[id] }

    /// The endpoint with this number.
    public func endpoint(_ id: EndpointID) -> CompiledEndpoint? { position(of: id).map { endpoints[$0] } }

    /// Where the rule of a decision stands. Nil for `noRule` and for rules that this version does not have.
    public func description(ofRule number: UInt32) -> RuleDescription? {
        number == PolicyDecision.noRule ? nil : parts.origins[Int(number)]?.description(of: number)
    }

    /// The same policy with generations set, in the order of `endpoints`, and numbers below 16 of those that stand for classes of processes.
    public func withGenerations(_ generations: [UInt16], classes: [EndpointID: UInt8] = [:]) -> CompiledPolicy {
        precondition(generations.count == endpoints.count, "one generation for each endpoint")
        var stampedEndpoints = endpoints
        var stampedPrograms = programs
        for position in generations.indices {
            stampedEndpoints[position].generation = generations[position]
            stampedPrograms[position].generation = generations[position]
        }
        var classPositions: InlineArray<16, Int32> = InlineArray(repeating: -1)
        for (id, number) in classes {
            guard number < 16, let position = position(of: id) else { continue }
            classPositions[Int(number)] = Int32(position)
            stampedEndpoints[position].classNumber = number
        }
        return CompiledPolicy(
            version: version, endpoints: stampedEndpoints, programs: stampedPrograms, parts, classPositions: classPositions)
    }
}
