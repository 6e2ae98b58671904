/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/context.h"

#include "core/clock.h"
#include "core/digest.h"
#include "core/log.h"
#include "core/text.h"
#include "tls/certificate.h"
#include "tls/session.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#define TRUST_FILE_MAX (16 * MIB)
#define CHAIN_BYTES_MAX (16 * KIB) /* of what a peer sends */
#define CHAIN_DEPTH_MAX 4

#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384"
#define SUITES_12_ECDSA                                                                            \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES256-GCM-SHA384:"   \
    "ECDHE-ECDSA-AES128-CCM"
#define SUITES_12_RSA                                                                              \
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-RSA-AES256-GCM-SHA384"
#define GROUPS "P-256:X25519:P-384"
#define SIGNATURES                                                                                 \
    "ECDSA+SHA256:ed25519:ECDSA+SHA384:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:RSA+SHA256"

/* -- facts on the context -- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int facts_index = -1;

static void free_facts(void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long number,
                       void *arg)
{
    struct context_facts *facts = pointer;

    (void)parent;
    (void)data;
    (void)index;
    (void)number;
    (void)arg;
    if (!facts)
        return;
    session_store_release(&facts->sessions);
    verified_release(&facts->verified);
    free(facts);
}

static void start_once(void)
{
    facts_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_facts);
}

struct context_facts *context_facts(const SSL_CTX *context)
{
    return facts_index < 0 ? NULL : SSL_CTX_get_ex_data(context, facts_index);
}

static int attach_facts(SSL_CTX *context, const struct context_options *options, struct error *err)
{
    pthread_once(&once, start_once);
    struct context_facts *facts = calloc(1, sizeof *facts);

    if (!facts || facts_index < 0 || !SSL_CTX_set_ex_data(context, facts_index, facts)) {
        free(facts);
        return fail_openssl(err, "no memory for a TLS context");
    }
    facts->verified = verified_keep(options->verified);
    if (options->session_lifetime && options->sessions)
        facts->sessions = session_store_keep(options->sessions);
    facts->session_lifetime = options->session_lifetime;
    facts->crl_until = INT64_MAX;
    return 0;
}

/* -- the server's own certificate and key -- */

/* systemd's credentials are made readable by an ACL, which shows as group permission. */
static bool is_credential(const char *path)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");

    return folder && folder[0] && text_starts_with(path, folder);
}

static int load_key(SSL_CTX *context, const char *path, struct error *err)
{
    CLEANUP(private_key_free) EVP_PKEY *key = NULL;
    struct stat file;

    if (stat(path, &file))
        return fail_internal(err, "open %s: %m", path);
    if ((file.st_mode & 0077) && !is_credential(path))
        return fail_internal(err, "%s: a private key that others may read (mode %04o); chmod 600",
                             path, (unsigned)file.st_mode & 07777);
    if (private_key_read(path, &key, err))
        return -1;
    if (!SSL_CTX_use_PrivateKey(context, key))
        return fail_openssl(err, "%s: the key cannot be used", path);
    return 0;
}

static void warn_of_dates(const X509 *certificate, const char *path)
{
    int64_t from, until, now = clock_wall();

    if (certificate_time(X509_get0_notBefore(certificate), &from) &&
        certificate_time(X509_get0_notAfter(certificate), &until) && (now < from || now > until))
        log_warning("tls.own_certificate_not_valid_now", TEXT("file", path),
                    NUMBER("not_after", until));
}

static int load_identity(SSL_CTX *context, const struct context_options *options, struct error *err)
{
    if (access(options->certificate, R_OK))
        return fail_internal(err, "open %s: %m", options->certificate);
    if (!SSL_CTX_use_certificate_chain_file(context, options->certificate))
        return fail_openssl(err, "%s: no certificate that can be used", options->certificate);
    /* A key of another kind is refused while it is loaded, one of the same kind only here. */
    if (load_key(context, options->key, err))
        return -1;
    if (!SSL_CTX_check_private_key(context))
        return fail_openssl(err, "%s is not the key of %s", options->key, options->certificate);
    warn_of_dates(SSL_CTX_get0_certificate(context), options->certificate);
    return 0;
}

/* -- whom to trust -- */

/* Reads a file of certificates or revocation lists and adds it to the running digest. */
static int read_trust_file(const char *path, struct digest *digest, BIO **ret, struct error *err)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP(free_memory) char *bytes = malloc(TRUST_FILE_MAX);
    size_t length = 0;
    ssize_t got = 0;

    if (fd < 0)
        return fail_internal(err, "open %s: %m", path);
    if (!bytes)
        return fail_internal(err, "no memory for %s", path);
    while (length < TRUST_FILE_MAX && (got = read(fd, bytes + length, TRUST_FILE_MAX - length)) > 0)
        length += (size_t)got;
    if (got < 0)
        return fail_internal(err, "read %s: %m", path);
    if (length == TRUST_FILE_MAX)
        return fail_internal(err, "%s is larger than %d bytes", path, TRUST_FILE_MAX);
    digest_add(digest, bytes, length);
    digest_add(digest, "|", 1);
    BIO *memory = BIO_new(BIO_s_mem());
    if (!memory || BIO_write(memory, bytes, (int)length) != (int)length) {
        BIO_free(memory);
        return fail_internal(err, "no memory for %s", path);
    }
    *ret = memory;
    return 0;
}

static void free_bio(BIO **bio)
{
    BIO_free(*bio);
}

static void free_infos(STACK_OF(X509_INFO) * *infos)
{
    sk_X509_INFO_pop_free(*infos, X509_INFO_free);
}

static int load_authorities(SSL_CTX *context, const struct context_options *options,
                            struct digest *digest, struct error *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    CLEANUP(free_bio) BIO *file = NULL;
    int count = 0;

    if (read_trust_file(options->ca, digest, &file, err))
        return -1;
    CLEANUP(free_infos) STACK_OF(X509_INFO) *infos = PEM_X509_INFO_read_bio(file, NULL, NULL, NULL);
    for (int i = 0; i < sk_X509_INFO_num(infos); i++) {
        X509 *authority = sk_X509_INFO_value(infos, i)->x509;

        if (!authority)
            continue;
        if (!X509_STORE_add_cert(store, authority))
            return fail_openssl(err, "%s: certificate %d cannot be used", options->ca, count + 1);
        /* Names help a browser to choose. Devices have one certificate, and little memory. */
        if (options->is_certificate_optional && !SSL_CTX_add_client_CA(context, authority))
            return fail_openssl(err, "%s: certificate %d has no name", options->ca, count + 1);
        count++;
    }
    if (!count)
        return fail_openssl(err, "%s: no certificate authority in PEM", options->ca);
    return 0;
}

static int load_revocations(SSL_CTX *context, const char *path, struct digest *digest,
                            struct error *err)
{
    X509_STORE *store = SSL_CTX_get_cert_store(context);
    struct context_facts *facts = context_facts(context);
    CLEANUP(free_bio) BIO *file = NULL;
    int count = 0;

    if (read_trust_file(path, digest, &file, err))
        return -1;
    CLEANUP(free_infos) STACK_OF(X509_INFO) *infos = PEM_X509_INFO_read_bio(file, NULL, NULL, NULL);
    for (int i = 0; i < sk_X509_INFO_num(infos); i++) {
        X509_CRL *list = sk_X509_INFO_value(infos, i)->crl;
        int64_t until;

        if (!list)
            continue;
        if (!X509_STORE_add_crl(store, list))
            return fail_openssl(err, "%s: list %d cannot be used", path, count + 1);
        if (X509_CRL_get0_nextUpdate(list) &&
            certificate_time(X509_CRL_get0_nextUpdate(list), &until) && until < facts->crl_until)
            facts->crl_until = until;
        count++;
    }
    if (!count)
        return fail_openssl(err, "%s: no revocation list in PEM", path);
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    return 0;
}

static void free_digest(struct digest **digest)
{
    digest_free(digest);
}

static int load_trust(SSL_CTX *context, const struct context_options *options, struct error *err)
{
    struct context_facts *facts = context_facts(context);
    CLEANUP(free_digest) struct digest *digest = digest_new(DIGEST_SHA256);

    if (!options->ca[0])
        return 0;
    if (!digest)
        return fail_internal(err, "no memory for a digest");
    if (load_authorities(context, options, digest, err))
        return -1;
    if (options->crl[0] && load_revocations(context, options->crl, digest, err))
        return -1;
    digest_end(digest, facts->trust);
    /* A listed authority is trusted for itself: nobody must list the root above it as well. */
    X509_STORE_set_flags(SSL_CTX_get_cert_store(context), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_verify(context,
                       SSL_VERIFY_PEER |
                           (options->is_certificate_optional ? 0 : SSL_VERIFY_FAIL_IF_NO_PEER_CERT),
                       NULL);
    SSL_CTX_set_verify_depth(context, CHAIN_DEPTH_MAX);
    SSL_CTX_set_max_cert_list(context, CHAIN_BYTES_MAX);
    SSL_CTX_set_cert_verify_callback(context, verify_chain, facts);
    return 0;
}

/* -- protocol -- */

/* HTTP/1.1 or nothing: a client that insists on something else must not be surprised by it. */
static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_size,
                           const unsigned char *offered, unsigned size, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, ret_size, ours, sizeof ours - 1, offered, size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static int set_protocol(SSL_CTX *context, const struct context_options *options, struct error *err)
{
    const EVP_PKEY *key = SSL_CTX_get0_privatekey(context);
    bool has_rsa = key && EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA;

    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                     SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                     (options->has_kernel_tls ? SSL_OP_ENABLE_KTLS : 0));
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_security_level(context, 2);
    SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
    if (!SSL_CTX_set_min_proto_version(context,
                                       options->has_tls12 ? TLS1_2_VERSION : TLS1_3_VERSION) ||
        !SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(context, SUITES_13) ||
        !SSL_CTX_set_cipher_list(context,
                                 has_rsa ? SUITES_12_ECDSA ":" SUITES_12_RSA : SUITES_12_ECDSA) ||
        !SSL_CTX_set1_groups_list(context, GROUPS) ||
        !SSL_CTX_set1_sigalgs_list(context, SIGNATURES) ||
        !SSL_CTX_set_max_early_data(context, 0) || !SSL_CTX_set_recv_max_early_data(context, 0))
        return fail_openssl(err, "set up TLS");
    return 0;
}

static int set_sessions(SSL_CTX *context, const struct context_options *options, struct error *err)
{
    const unsigned char *id = (const unsigned char *)options->name;

    if (!SSL_CTX_set_session_id_context(context, id, (unsigned)strlen(options->name)))
        return fail_openssl(err, "set up sessions");
    if (!context_facts(context)->sessions) {
        SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_num_tickets(context, 0);
        return 0;
    }
    session_install(context);
    SSL_CTX_set_timeout(context, (long)options->session_lifetime);
    SSL_CTX_set_num_tickets(context, 1);
    return 0;
}

void context_free(SSL_CTX **context)
{
    SSL_CTX_free(*context);
}

int context_new(const struct context_options *options, SSL_CTX **ret, struct error *err)
{
    CLEANUP(context_free) SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    ERR_clear_error();
    if (!context)
        return fail_openssl(err, "no memory for a TLS context");
    if (attach_facts(context, options, err) || load_identity(context, options, err) ||
        load_trust(context, options, err) || set_protocol(context, options, err) ||
        set_sessions(context, options, err))
        return -1;
    ERR_clear_error();
    *ret = MOVE(context);
    return 0;
}
