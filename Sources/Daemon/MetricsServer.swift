import Hummingbird
import Logging
import Telemetry

/// `/metrics` (OpenMetrics), `/health` (the process answers) and `/ready` (policy is enforced and DNS is served).
struct MetricsServer: Sendable {
    let page: @Sendable () -> String
    let isReady: @Sendable () -> Bool
    let logger: Logger

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
            configuration: .init(address: .hostname(listener.address.description, port: Int(listener.port)), serverName: "exeat"),
            logger: logger)
        try await application.run()
    }
}
