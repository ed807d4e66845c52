// OpenSSL 3.0, libssl: the protocol alone, between two buffers in memory (BIO_s_mem(3)). It is never given a descriptor, so it neither blocks
// nor raises SIGPIPE, and reads no file but the authorities, at the start. `SSL_CTX_set_default_verify_paths` is never used: it looks for
// certificates in a folder during the handshake.
#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

// What OpenSSL has as macros, which Swift cannot see.

// TLS 1.2 or later (RFC 8310 §9), without renegotiation, which nobody honest asks for. Sessions are kept by the caller. NULL: no memory.
// Curves alone: finite fields of 8,192 bits, which whoever is on the way can ask for before the server is known, cost tenths of a second.
// The second list is for providers without X25519. OpenSSL's handler at exit is not wanted: threads may still use it then.
static inline SSL_CTX *exeat_tls_new_context(void) {
    OPENSSL_init_ssl(OPENSSL_INIT_NO_ATEXIT, NULL);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    if (context == NULL) return NULL;
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1
        && SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1
        && (SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") == 1 || SSL_CTX_set1_groups_list(context, "P-256:P-384") == 1))
        return context;
    SSL_CTX_free(context);
    return NULL;
}

static inline int exeat_tls_set_server_name(SSL *connection, const char *name) { return (int)SSL_set_tlsext_host_name(connection, name); }

// An empty buffer means "later", not the end of the stream.
static inline BIO *exeat_tls_new_buffer(void) {
    BIO *buffer = BIO_new(BIO_s_mem());
    if (buffer != NULL) BIO_set_mem_eof_return(buffer, -1);
    return buffer;
}

// The bytes that wait in a buffer, in place.
static inline long exeat_tls_waiting(BIO *buffer, char **bytes) { return BIO_get_mem_data(buffer, bytes); }

static inline void exeat_tls_clear(BIO *buffer) { (void)BIO_reset(buffer); }

// SHA-256 of the SubjectPublicKeyInfo in DER (RFC 7469 §2.4), 32 bytes; 0 if it cannot be had.
static inline int exeat_tls_key_digest(const X509 *certificate, unsigned char *digest) {
    unsigned char *bytes = NULL;
    int length = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &bytes);
    if (length <= 0) return 0;
    SHA256(bytes, (size_t)length, digest);
    OPENSSL_free(bytes);
    return 1;
}
