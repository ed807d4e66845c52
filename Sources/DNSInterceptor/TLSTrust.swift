import CTLS
import Synchronization

/// Whom TLS connections to upstreams believe: a set of certificate authorities, shared by connections of all threads, which others may take the place of.
public final class TLSTrust: Sendable, Hashable {
    /// What could not be had.
    public struct Failure: Error, CustomStringConvertible {
        public let description: String
    }

    /// Where distributions keep the system's authorities in one file: Debian, Fedora, SUSE, Alpine.
    public static let systemFiles = [
        "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
    ]

    /// `SSL_CTX`. Not changed after `init`; OpenSSL counts the references to it atomically.
    @safe
    private final class Context: Sendable {
        nonisolated(unsafe) let pointer: OpaquePointer

        init(_ pointer: OpaquePointer) { unsafe self.pointer = pointer }

        deinit { unsafe SSL_CTX_free(pointer) }
    }

    /// `generation` is another after each `adopt`.
    private let state: Mutex<(context: Context, generation: UInt64)>

    /// Reads authorities in PEM; nil: none, for upstreams that are known by a pin alone.
    public init(file: String?) throws(Failure) {
        ERR_clear_error()
        guard let context = unsafe exeat_tls_new_context() else { throw Failure(description: "TLS cannot be had: \(Self.lastError)") }
        state = Mutex((unsafe Context(context), 0))
        guard let file else { return }
        guard unsafe SSL_CTX_load_verify_file(context, file) == 1 else {
            throw Failure(description: "no certificate authorities in \(file): \(Self.lastError)")
        }
    }

    /// The system's authorities.
    public static func system(_ files: [String] = systemFiles) throws(Failure) -> TLSTrust {
        var failure = Failure(description: "no file of certificate authorities")
        for file in files {
            do throws(Failure) {
                return try TLSTrust(file: file)
            } catch {
                failure = error
            }
        }
        throw failure
    }

    /// Takes over the authorities of another: handshakes that begin from here on are checked against these, and none resumes a session that was checked
    /// against those before. Connections that are open stay.
    public func adopt(_ other: TLSTrust) {
        let context = other.state.withLock { $0.context }
        state.withLock {
            $0.context = context
            $0.generation += 1
        }
    }

    /// An `SSL`, which holds on to the authorities of this moment; nil if there is no memory.
    func newConnection() -> (connection: OpaquePointer, generation: UInt64)? {
        let (context, generation) = state.withLock { $0 }
        defer { withExtendedLifetime(context) {} }
        guard let connection = unsafe SSL_new(context.pointer) else { return nil }
        return unsafe (connection, generation)
    }

    public static func == (left: TLSTrust, right: TLSTrust) -> Bool { left === right }

    public func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }

    /// The reason of the newest entry of this thread's queue (ERR_get_error(3)).
    static var lastError: String {
        let code = ERR_peek_last_error()
        guard code != 0, let text = unsafe ERR_reason_error_string(code) else { return "no reason given" }
        return unsafe String(cString: text)
    }
}
