import Hummingbird
import HummingbirdCore
import Logging
import Telemetry

/// `/metrics` (OpenMetrics), `/health` (the process answers) and `/ready` (policy is enforced and DNS is served).
struct MetricsServer: Sendable {
    let page: @Sendable () -> String
    let isReady: @Sendable () -> Bool
    let logger: Logger

    /// Any pod may connect: what it holds open must leave descriptors for names and policy. Further ones wait for a place.
    private static let connectionsMax = min(4_096, OpenFiles.limit / 8)
    private static let idleSeconds: Int64 = 30

    /// Serves until the task is cancelled.
    func run(on listener: ExeatConfiguration.Listener) async throws {
        let router = Router()
        router.get("/metrics") { _, _ in
            var headers = HTTPFields()
            headers[.contentType] = OpenMetricsText.contentType
            return Response(status: .ok, headers: headers, body: .init(byteBuffer: ByteBuffer(string: page())))
        }
        router.get("/health") { _, _ in "ok\n" }
        router.get("/ready") { _, _ in
            let ready = isReady()
            return Response(
                status: ready ? .ok : .serviceUnavailable, body: .init(byteBuffer: ByteBuffer(string: ready ? "ready\n" : "not ready\n")))
        }
        let application = Application(
            router: router,
            server: .http1(configuration: .init(idleTimeout: .seconds(Self.idleSeconds))),
            configuration: .init(
                address: .hostname(listener.address.description, port: Int(listener.port)), serverName: "exeat",
                availableConnectionsDelegate: MaximumAvailableConnections(Self.connectionsMax, logger: logger)),
            logger: logger)
        try await application.run()
    }
}
