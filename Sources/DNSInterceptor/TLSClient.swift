import CTLS
import NetworkTypes

/// The TLS side of one connection to an upstream: bytes of the network in, bytes for it out, and clear bytes on the other side.
///
///     write -> (kept until it is known who the server is) -> SSL_write -> outgoing -> moveOutput
///     receive <------------------------------- SSL_read <------------- incoming <- bytes of the network
///
/// It does no input or output and never waits. What comes is taken apart at once, so that `incoming` holds a part of one record at most; what
/// goes is bounded by the questions of a connection and by what one piece of input can make the library say.
@safe
final class TLSClient {
    private enum State { case shakingHands, open, ended, failed }

    /// `SSL`; it owns the two buffers.
    private let connection: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private let identity: UpstreamTLS
    private let trustGeneration: UInt64
    private var state = State.shakingHands
    /// Clear bytes that wait for the end of the handshake.
    private var kept: [UInt8] = []
    /// Of the certificate: now, or when the session that is resumed was new.
    private var verifiedAt: Instant
    private let startedAt: Instant
    /// What OpenSSL said of a fault.
    private(set) var faultDetail = ""

    /// Begins the handshake: its first bytes are there for ``moveOutput(into:)``. Nil if there is no memory, or nothing to know the server by.
    init?(_ identity: UpstreamTLS, resuming ticket: TLSTicket?, now: Instant) {
        guard identity.name != nil || !identity.pins.isEmpty, let (connection, generation) = unsafe identity.trust.newConnection() else {
            return nil
        }
        guard let incoming = unsafe exeat_tls_new_buffer() else {
            unsafe SSL_free(connection)
            return nil
        }
        guard let outgoing = unsafe exeat_tls_new_buffer() else {
            unsafe BIO_free(incoming)
            unsafe SSL_free(connection)
            return nil
        }
        unsafe SSL_set_bio(connection, incoming, outgoing)
        unsafe self.connection = connection
        unsafe self.incoming = incoming
        unsafe self.outgoing = outgoing
        self.identity = identity
        trustGeneration = generation
        verifiedAt = now
        startedAt = now
        unsafe SSL_set_connect_state(connection)
        guard expectName() else { return nil }
        if let ticket, ticket.isUsable(now: now, trustGeneration: generation) {
            let isTaken = unsafe SSL_set_session(connection, ticket.session) == 1
            if isTaken { verifiedAt = ticket.verifiedAt }
        }
        ERR_clear_error()
        _ = unsafe SSL_do_handshake(connection)
    }

    deinit { unsafe SSL_free(connection) }

    /// RFC 6125 without the subject's common name and without partial wildcards. False if that cannot be asked for.
    private func expectName() -> Bool {
        guard let name = identity.name else {
            // The key decides, behind the handshake and ahead of the first question.
            unsafe SSL_set_verify(connection, SSL_VERIFY_NONE, nil)
            return true
        }
        unsafe SSL_set_verify(connection, SSL_VERIFY_PEER, nil)
        if IPAddress(parsing: name) != nil {
            // RFC 6066 §3: no address in SNI.
            return unsafe X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(connection), name) == 1
        }
        unsafe SSL_set_hostflags(connection, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        let isExpected = unsafe SSL_set1_host(connection, name) == 1
        let isSaid = unsafe exeat_tls_set_server_name(connection, name) == 1
        return isExpected && isSaid
    }

    var isShakingHands: Bool { state == .shakingHands }

    /// The server has said that nothing more comes.
    var hasEnded: Bool { state == .ended }

    /// The session is one of before.
    var isResumed: Bool { unsafe SSL_session_reused(connection) == 1 }

    /// What a later connection may resume; nil if the server gives no tickets, or has given none yet.
    var ticket: TLSTicket? {
        guard state == .open || state == .ended, let session = unsafe SSL_get1_session(connection) else { return nil }
        let ticket = unsafe TLSTicket(session, verifiedAt: verifiedAt, trustGeneration: trustGeneration)
        return unsafe SSL_SESSION_is_resumable(session) == 1 ? ticket : nil
    }

    // MARK: bytes

    /// Clear bytes for the server, which leave once it is known who it is.
    func write(_ bytes: [UInt8]) {
        guard state == .open else {
            if state == .shakingHands { kept += bytes }
            return
        }
        var written = 0
        ERR_clear_error()
        // Into memory: all of it, or none as the connection is no use any more. Then nothing comes back either.
        if unsafe SSL_write_ex(connection, bytes, bytes.count, &written) != 1 { state = .failed }
    }

    /// Takes bytes of the network; clear ones go to the end of `clear`.
    func receive(_ bytes: Span<UInt8>, into clear: inout [UInt8]) throws(TLSFault) {
        let taken = unsafe bytes.withUnsafeBytes { unsafe BIO_write(incoming, $0.baseAddress, Int32($0.count)) }
        guard taken == bytes.count else { throw fail(.protocolError, "no memory") }
        if state == .shakingHands {
            ERR_clear_error()
            let status = unsafe SSL_do_handshake(connection)
            guard status == 1 else {
                guard unsafe SSL_get_error(connection, status) == SSL_ERROR_WANT_READ else { throw handshakeFault() }
                return
            }
            guard hasPinnedKey else { throw fail(.wrongPin, "") }
            state = .open
            if !isResumed { verifiedAt = startedAt }
            let first = kept
            kept = []
            if !first.isEmpty { write(first) }
        }
        try read(into: &clear)
    }

    private func read(into clear: inout [UInt8]) throws(TLSFault) {
        var error = SSL_ERROR_NONE
        unsafe withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 8) { buffer in
            while state == .open {
                var count = 0
                ERR_clear_error()
                let status = unsafe SSL_read_ex(connection, buffer.baseAddress, buffer.count, &count)
                guard status == 1 else {
                    error = unsafe SSL_get_error(connection, status)
                    return
                }
                unsafe clear.append(contentsOf: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            }
        }
        switch error {
        case SSL_ERROR_NONE, SSL_ERROR_WANT_READ: if state == .failed { throw fail(.protocolError, TLSTrust.lastError) }
        case SSL_ERROR_ZERO_RETURN: state = .ended
        default: throw fail(.protocolError, TLSTrust.lastError)
        }
    }

    /// What is to be sent now goes to the end of `output`.
    func moveOutput(into output: inout [UInt8]) {
        var bytes: UnsafeMutablePointer<CChar>?
        let count = unsafe exeat_tls_waiting(outgoing, &bytes)
        guard count > 0, let bytes = unsafe bytes else { return }
        unsafe output.append(contentsOf: UnsafeRawBufferPointer(start: bytes, count: count))
        unsafe exeat_tls_clear(outgoing)
    }

    /// Says that nothing more comes (close_notify, RFC 7858 §3.4), if that may be said.
    func end() {
        guard state == .open || state == .ended else { return }
        ERR_clear_error()
        _ = unsafe SSL_shutdown(connection)
    }

    // MARK: who it is

    private var hasPinnedKey: Bool {
        guard !identity.pins.isEmpty else { return true }
        guard let certificate = unsafe SSL_get0_peer_certificate(connection) else { return false }
        var digest = [UInt8](repeating: 0, count: 32)
        guard unsafe exeat_tls_key_digest(certificate, &digest) == 1 else { return false }
        return identity.pins.contains(digest)
    }

    private func handshakeFault() -> TLSFault {
        let result = unsafe SSL_get_verify_result(connection)
        guard identity.name != nil, result != X509_V_OK else { return fail(.protocolError, TLSTrust.lastError) }
        let detail = unsafe String(cString: X509_verify_cert_error_string(result))
        switch Int32(result) {
        case X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH: return fail(.wrongName, detail)
        case X509_V_ERR_CERT_HAS_EXPIRED, X509_V_ERR_CERT_NOT_YET_VALID: return fail(.expired, detail)
        default: return fail(.untrustedIssuer, detail)
        }
    }

    private func fail(_ fault: TLSFault, _ detail: String) -> TLSFault {
        state = .failed
        faultDetail = detail
        return fault
    }
}
