import Logging
import Telemetry

/// The daemon's own log, on standard error. A line of it is one line, whatever stands in the texts that it tells of: who writes a policy must not be able
/// to write lines of the log.
struct PlainLogHandler: LogHandler {
    private var inner: StreamLogHandler

    init(label: String) { inner = .standardError(label: label) }

    var logLevel: Logger.Level {
        get { inner.logLevel }
        set { inner.logLevel = newValue }
    }

    var metadata: Logger.Metadata {
        get { inner.metadata }
        set { inner.metadata = newValue }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { inner[metadataKey: key] }
        set { inner[metadataKey: key] = newValue }
    }

    func log(event: LogEvent) {
        var event = event
        event.message = "\(TerminalText.plain(event.message.description))"
        event.metadata = event.metadata?.mapValues { .string(TerminalText.plain($0.description)) }
        inner.log(event: event)
    }
}
