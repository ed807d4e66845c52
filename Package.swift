// swift-tools-version: 6.2
import PackageDescription

// Rings, from the bottom up; imports point down only (Tests/ImportTests checks the table in docs/architecture.md):
// C -> values -> core -> edges -> programs.

let strict: [SwiftSetting] = [
    .strictMemorySafety(),
    .enableUpcomingFeature("ExistentialAny"),
]

func module(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .testTarget(name: name, dependencies: dependencies, swiftSettings: strict)
}

let package = Package(
    name: "exeat",
    products: [
        .executable(name: "exeat", targets: ["exeat"]),
        .executable(name: "simulator", targets: ["simulator"]),
        .executable(name: "exeat-bench", targets: ["exeat-bench"]),
        .executable(name: "exeat-fuzz", targets: ["exeat-fuzz"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
    ],
    targets: [
        // C
        .systemLibrary(name: "CLDNS", pkgConfig: "ldns", providers: [.apt(["libldns-dev"])]),
        .systemLibrary(
            name: "CNetfilter",
            pkgConfig: "libnetfilter_queue",
            providers: [
                .apt(["libnetfilter-queue-dev", "libmnl-dev", "libnftnl-dev", "libnetfilter-conntrack-dev"])
            ]),
        .systemLibrary(name: "CIDN2", pkgConfig: "libidn2", providers: [.apt(["libidn2-dev"])]),
        .systemLibrary(name: "CPSL", pkgConfig: "libpsl", providers: [.apt(["libpsl-dev"])]),
        .systemLibrary(name: "CTLS", pkgConfig: "libssl", providers: [.apt(["libssl-dev"])]),
        .target(name: "CLinux"),

        // values
        module("NetworkTypes"),
        module("DomainNames", ["CIDN2", "CPSL"]),
        module("PacketHeaders", ["NetworkTypes"]),
        module(
            "NameInspection",
            [
                "NetworkTypes", "DomainNames", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ]),
        module("PolicyModel", ["NetworkTypes", "DomainNames"]),

        // core
        module("PolicyEngine", ["NetworkTypes", "DomainNames", "PolicyModel"]),
        module("Enforcement", ["NetworkTypes", "DomainNames", "PacketHeaders", "NameInspection", "PolicyModel", "PolicyEngine"]),
        module("PolicyTools", ["NetworkTypes", "DomainNames", "PolicyModel", "PolicyEngine"]),
        module("Telemetry", ["NetworkTypes", "DomainNames"]),

        // edges
        module("DNSMessages", ["NetworkTypes", "DomainNames", "CLDNS"]),
        module("Netlink", ["CNetfilter", "CLinux"]),
        module("NetfilterQueue", ["NetworkTypes", "Netlink", "CNetfilter", "CLinux"]),
        module("NetfilterTables", ["NetworkTypes", "Netlink", "CNetfilter", "CLinux"]),
        module("Conntrack", ["NetworkTypes", "Netlink", "CNetfilter", "CLinux"]),
        module("FlowResets", ["NetworkTypes", "Enforcement", "Conntrack"]),
        module("DNSInterceptor", ["NetworkTypes", "DomainNames", "PacketHeaders", "DNSMessages", "Enforcement", "CLinux", "CTLS"]),
        module(
            "Datastores",
            ["NetworkTypes", "PolicyModel", "CLinux", .product(name: "Yams", package: "Yams")]),

        // programs
        module(
            "Daemon",
            [
                "NetworkTypes", "DomainNames", "PacketHeaders", "NameInspection", "PolicyModel", "PolicyEngine", "Enforcement", "Telemetry",
                "DNSMessages", "Netlink", "NetfilterQueue", "NetfilterTables", "Conntrack", "FlowResets", "DNSInterceptor", "Datastores",
                "CLinux",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
            ]),
        module("DemoNetwork", ["NetworkTypes", "CLinux"]),
        .executableTarget(
            name: "exeat",
            dependencies: [
                "NetworkTypes", "DomainNames", "PolicyModel", "PolicyEngine", "PolicyTools", "Telemetry", "NetfilterTables", "Datastores",
                "Daemon", "DemoNetwork",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),

        // testing
        module("EnforcementTesting", ["NetworkTypes", "DomainNames", "PolicyModel", "PolicyEngine", "Enforcement"]),
        .executableTarget(
            name: "simulator",
            dependencies: [
                "EnforcementTesting", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "exeat-bench",
            dependencies: [
                "NetworkTypes", "DomainNames", "PolicyModel", "PolicyEngine", "Enforcement", "Netlink", "NetfilterQueue", "NetfilterTables",
                "DNSInterceptor", "Datastores", "Daemon", "DemoNetwork",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            path: "bench/Sources",
            swiftSettings: strict),
        .executableTarget(
            name: "exeat-fuzz",
            dependencies: ["DNSMessages", "PacketHeaders", "NameInspection", "Datastores", "PolicyModel", "Netlink", "Conntrack"],
            exclude: ["Corpus"],
            swiftSettings: strict),
        .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
        .target(name: "CThreadFreezer", path: "Tests/CThreadFreezer"),
        tests("ImportTests", []),
        tests("NetworkTypesTests", ["NetworkTypes"]),
        tests("DomainNamesTests", ["DomainNames", "CAllocationCounter"]),
        tests("PacketHeadersTests", ["PacketHeaders", "CAllocationCounter"]),
        tests(
            "NameInspectionTests",
            [
                "NetworkTypes", "DomainNames", "NameInspection", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ]),
        tests("PolicyModelTests", ["PolicyModel", "Datastores"]),
        tests("DifferentialTests", ["NetworkTypes", "DomainNames", "PolicyModel", "PolicyEngine", "EnforcementTesting"]),
        tests("PolicyEngineTests", ["PolicyEngine", "Datastores", "EnforcementTesting", "CAllocationCounter"]),
        .testTarget(
            name: "EnforcementTests", dependencies: ["Enforcement", "EnforcementTesting", "Datastores", "CAllocationCounter"],
            exclude: ["Scenarios"], swiftSettings: strict),
        tests("PolicyToolsTests", ["NetworkTypes", "DomainNames", "PolicyModel", "PolicyEngine", "PolicyTools", "Datastores"]),
        tests("TelemetryTests", ["Telemetry"]),
        tests("DNSMessagesTests", ["DNSMessages", "CLDNS", "CAllocationCounter"]),
        tests(
            "DNSInterceptorTests",
            ["DNSInterceptor", "DNSMessages", "Enforcement", "DomainNames", "NetworkTypes", "CTLS", "CAllocationCounter"]),
        tests(
            "NetfilterTests",
            [
                "NetworkTypes", "PacketHeaders", "Enforcement", "Netlink", "NetfilterQueue", "NetfilterTables", "Conntrack", "FlowResets",
                "CLinux", "CAllocationCounter",
            ]),
        .testTarget(name: "DatastoresTests", dependencies: ["Datastores"], exclude: ["Broken"], swiftSettings: strict),
        tests(
            "KernelTests",
            [
                "NetworkTypes", "DemoNetwork", "CLinux", "CThreadFreezer", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "CryptoExtras", package: "swift-crypto"),
            ]),
        tests("CommandLineTests", ["NetworkTypes", "DemoNetwork"]),
    ],
    swiftLanguageModes: [.v6]
)
