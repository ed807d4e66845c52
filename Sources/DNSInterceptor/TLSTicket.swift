import CTLS
import NetworkTypes

/// What resumes a TLS session with an upstream (RFC 8446 §2.2): the key agreement remains, the certificate is not sent and checked again.
@safe
final class TLSTicket {
    /// From the last check of the certificate; then it is checked anew.
    static let secondsMax: UInt64 = 3_600

    /// `SSL_SESSION`, with a reference of its own.
    let session: OpaquePointer
    /// When the server's certificate was checked last.
    let verifiedAt: Instant

    /// Of the authorities that it was checked against (`TLSTrust.newConnection`).
    let trustGeneration: UInt64

    /// Takes over a reference to `session`.
    init(_ session: OpaquePointer, verifiedAt: Instant, trustGeneration: UInt64) {
        unsafe self.session = session
        self.verifiedAt = verifiedAt
        self.trustGeneration = trustGeneration
    }

    deinit { unsafe SSL_SESSION_free(session) }

    func isUsable(now: Instant, trustGeneration: UInt64) -> Bool {
        self.trustGeneration == trustGeneration && now < verifiedAt.advanced(bySeconds: Self.secondsMax)
    }
}
