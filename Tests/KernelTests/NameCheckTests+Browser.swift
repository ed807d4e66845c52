import DemoNetwork
import Foundation
import NetworkTypes
import Testing

extension KernelSuites.NameCheckTests {
    private static let isWanted = ProcessInfo.processInfo.environment["EXEAT_CHROMIUM"] != nil

    /// Its hello is of post-quantum size, over two datagrams, in CRYPTO frames that are cut and mixed. There is no server of QUIC: what leaves is enough.
    @Test(.enabled(if: isWanted, "EXEAT_CHROMIUM is not set: needs Debian's chromium, see scripts/torture"))
    func `a browser that speaks QUIC reaches the name that was resolved and no other of the same address`() throws {
        let node = try Self.node("require")
        defer { node.stop() }
        let address = try #require(IPAddress(parsing: Self.address))
        let witness = try Witness(in: node.lab, datagramsTo: address)
        func browse(_ name: String) throws {
            let host = "\(name).shared.test"
            _ = try node.pod("pod-a").namespace.run(
                [
                    "timeout", "25", "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                    "--disable-background-networking", "--user-data-dir=\(node.lab.directory)/browser-\(name)",
                    "--origin-to-force-quic-on=\(host):443", "--ignore-certificate-errors",
                    "--host-resolver-rules=MAP \(host) \(Self.address)", "--dump-dom", "https://\(host)/",
                ], timeoutSeconds: 40)
        }
        try browse("stranger")
        let mismatch = try node.flow("pod-a", to: Self.address) { $0.transport == "UDP" && $0.nameCheck != nil }
        #expect(mismatch.nameCheck == "mismatch", "\(mismatch.detail ?? "")")
        #expect(mismatch.seenName == "stranger.shared.test")
        #expect(try witness.packets() == 0)
        try browse("api")
        let match = try node.flow("pod-a", to: Self.address) { $0.transport == "UDP" && $0.seenName == "api.shared.test" }
        #expect(match.nameCheck == "match")
        #expect(match.verdict == "allow")
        #expect(try witness.packets() > 0)
    }
}
