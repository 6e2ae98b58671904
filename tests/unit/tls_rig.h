/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of tls/ share: authorities and files in a folder of their own, certificates that
 * break a rule, handshakes in memory. */
#ifndef OTAD_TESTS_UNIT_TLS_RIG_H
#define OTAD_TESTS_UNIT_TLS_RIG_H

#include "core/clock.h"
#include "tls/certificate.h"
#include "tls/context.h"
#include "tls/pki.h"
#include "tls/socket.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#define RIG_UNUSED __attribute__((unused))

/* A certificate and its key, and who signs with it. */
struct holder {
    X509 *certificate;
    EVP_PKEY *key;
};

struct rig {
    char folder[32];
    struct holder server_ca, device_ca, foreign_ca;
    struct pki_issuer *server_issuer, *device_issuer;
    struct session_store *sessions;
    struct verified *verified;
};

RIG_UNUSED static void holder_clear(struct holder *holder)
{
    X509_free(holder->certificate);
    EVP_PKEY_free(holder->key);
    *holder = (struct holder){0};
}

RIG_UNUSED static const char *rig_path(const struct rig *rig, const char *name)
{
    static char paths[16][96];
    static unsigned next;
    char *path = paths[next++ % 16];

    snprintf(path, sizeof paths[0], "%s/%s", rig->folder, name);
    return path;
}

RIG_UNUSED static struct holder rig_issue(const struct pki_issuer *issuer, enum pki_purpose purpose,
                                          const char *name)
{
    const struct pki_request request = {purpose, name, "localhost 127.0.0.1", 30};
    struct holder holder;
    struct error err;

    assert_int_equal(pki_issue(issuer, &request, &holder.certificate, &holder.key, &err), 0);
    return holder;
}

RIG_UNUSED static void rig_write(const struct rig *rig, const struct holder *holder,
                                 const char *certificate, const char *key)
{
    struct error err;

    unlink(rig_path(rig, certificate));
    unlink(rig_path(rig, key));
    assert_int_equal(pki_write(holder->certificate, holder->key, rig_path(rig, certificate),
                               rig_path(rig, key), &err),
                     0);
}

/* Files: server.crt, server.key, device-ca.crt and its key. */
RIG_UNUSED static void rig_open(struct rig *rig)
{
    struct error err;

    *rig = (struct rig){.folder = "/tmp/otad-tls-XXXXXX"};
    assert_non_null(mkdtemp(rig->folder));
    rig->server_ca = rig_issue(NULL, PKI_CA, "server CA");
    rig->device_ca = rig_issue(NULL, PKI_CA, "device CA");
    rig->foreign_ca = rig_issue(NULL, PKI_CA, "foreign CA");
    assert_int_equal(
        pki_issuer_from(rig->server_ca.certificate, rig->server_ca.key, &rig->server_issuer, &err),
        0);
    assert_int_equal(
        pki_issuer_from(rig->device_ca.certificate, rig->device_ca.key, &rig->device_issuer, &err),
        0);
    struct holder server = rig_issue(rig->server_issuer, PKI_SERVER, "localhost");
    rig_write(rig, &server, "server.crt", "server.key");
    holder_clear(&server);
    rig_write(rig, &rig->device_ca, "device-ca.crt", "device-ca.key");
    rig->sessions = session_store_new(100);
    rig->verified = verified_new(100);
}

RIG_UNUSED static void rig_close(struct rig *rig)
{
    static const char *const names[] = {"server.crt",    "server.key", "device-ca.crt",
                                        "device-ca.key", "crl.pem",    "other.crt",
                                        "other.key"};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        unlink(rig_path(rig, names[i]));
    assert_int_equal(rmdir(rig->folder), 0);
    holder_clear(&rig->server_ca);
    holder_clear(&rig->device_ca);
    holder_clear(&rig->foreign_ca);
    pki_issuer_close(&rig->server_issuer);
    pki_issuer_close(&rig->device_issuer);
    session_store_release(&rig->sessions);
    verified_release(&rig->verified);
}

RIG_UNUSED static struct context_options rig_options(const struct rig *rig)
{
    return (struct context_options){
        .name = "rig",
        .certificate = rig_path(rig, "server.crt"),
        .key = rig_path(rig, "server.key"),
        .ca = rig_path(rig, "device-ca.crt"),
        .crl = "",
        .has_tls12 = true,
        .has_kernel_tls = secure_socket_kernel_can_tls(),
        .session_lifetime = 3600,
        .sessions = rig->sessions,
        .verified = rig->verified,
    };
}

RIG_UNUSED static SSL_CTX *rig_context(const struct rig *rig)
{
    const struct context_options options = rig_options(rig);
    SSL_CTX *context = NULL;
    struct error err = {0};

    if (context_new(&options, &context, &err))
        fail_msg("%s", error_text(&err));
    context_facts(context)->generation = 1;
    return context;
}

/* What a certificate shall look like; NULL leaves an extension out. */
struct odd {
    const char *name;
    const char *constraints, *usage, *extended_usage;
    const char *unknown; /* a critical extension nobody knows */
    const char *curve;   /* NULL: RSA of `bits` */
    unsigned bits;
    const char *digest;
    int64_t from, until; /* from now */
};

#define ODD_GOOD                                                                                   \
    {                                                                                              \
        .name = "odd", .constraints = "critical,CA:FALSE", .usage = "critical,digitalSignature",   \
        .extended_usage = "clientAuth", .curve = "P-256", .digest = "SHA256", .from = -3600,       \
        .until = 86400                                                                             \
    }

RIG_UNUSED static void odd_extension(X509 *certificate, X509 *issuer, int kind, const char *value)
{
    X509V3_CTX context;

    if (!value)
        return;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    assert_non_null(extension);
    assert_true(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
}

RIG_UNUSED static void odd_unknown(X509 *certificate)
{
    ASN1_OBJECT *kind = OBJ_txt2obj("1.3.6.1.4.1.55555.1.1", 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();

    ASN1_OCTET_STRING_set(value, (const unsigned char *)"\x05", 1);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, kind, 1, value);
    assert_true(X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(kind);
}

RIG_UNUSED static struct holder odd_issue(const struct holder *issuer, const struct odd *odd)
{
    struct holder made = {X509_new(), odd->curve ? EVP_EC_gen(odd->curve) : EVP_RSA_gen(odd->bits)};
    X509_NAME *name = X509_get_subject_name(made.certificate);
    static long serial = 1000;

    assert_non_null(made.key);
    X509_set_version(made.certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(made.certificate), serial++);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)odd->name, -1, -1,
                               0);
    X509_set_issuer_name(made.certificate, X509_get_subject_name(issuer->certificate));
    X509_gmtime_adj(X509_getm_notBefore(made.certificate), odd->from);
    X509_gmtime_adj(X509_getm_notAfter(made.certificate), odd->until);
    X509_set_pubkey(made.certificate, made.key);
    odd_extension(made.certificate, issuer->certificate, NID_basic_constraints, odd->constraints);
    odd_extension(made.certificate, issuer->certificate, NID_key_usage, odd->usage);
    odd_extension(made.certificate, issuer->certificate, NID_ext_key_usage, odd->extended_usage);
    if (odd->unknown)
        odd_unknown(made.certificate);
    assert_true(X509_sign(made.certificate, issuer->key, EVP_get_digestbyname(odd->digest)) > 0);
    return made;
}

/* -- handshakes in memory -- */

struct client {
    const struct holder *holder; /* NULL: no certificate */
    STACK_OF(X509) * chain;      /* sent along; borrowed */
    int version;                 /* TLS1_2_VERSION or TLS1_3_VERSION */
    SSL_SESSION *session;        /* to resume; borrowed */
    const char *protocols;       /* ALPN as on the wire */
    SSL_SESSION **ret_session;   /* yours */
};

RIG_UNUSED static SSL *client_ssl(SSL_CTX *context, const struct client *client)
{
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_min_proto_version(context, client->version);
    SSL_CTX_set_max_proto_version(context, client->version);
    if (client->holder) {
        SSL_CTX_use_certificate(context, client->holder->certificate);
        SSL_CTX_use_PrivateKey(context, client->holder->key);
    }
    if (client->chain)
        SSL_CTX_set1_chain(context, client->chain);
    SSL *ssl = SSL_new(context);
    if (client->session)
        SSL_set_session(ssl, client->session);
    if (client->protocols)
        SSL_set_alpn_protos(ssl, (const unsigned char *)client->protocols,
                            (unsigned)strlen(client->protocols));
    SSL_set_connect_state(ssl);
    return ssl;
}

/* Lets both talk until nobody has anything to say. True when both are content. */
RIG_UNUSED static bool memory_handshake(SSL *server, SSL *client)
{
    BIO *server_end, *client_end;
    bool is_done = false;
    char nothing;

    assert_true(BIO_new_bio_pair(&server_end, 64 * KIB, &client_end, 64 * KIB));
    SSL_set_bio(server, server_end, server_end);
    SSL_set_bio(client, client_end, client_end);
    SSL_set_accept_state(server);
    for (int round = 0; round < 10; round++) {
        int at_client = SSL_do_handshake(client), at_server = SSL_do_handshake(server);

        is_done = at_client == 1 && at_server == 1;
    }
    if (is_done) /* takes in the session, or the alert that came after a TLS 1.3 handshake */
        SSL_read(client, &nothing, 1);
    ERR_clear_error();
    return is_done;
}

/* A whole handshake with `context`; fills who the server believes it is when it succeeds. */
RIG_UNUSED static bool try_client(SSL_CTX *context, const struct client *wish, SSL **ret_server)
{
    SSL_CTX *client_context = SSL_CTX_new(TLS_client_method());
    SSL *client = client_ssl(client_context, wish), *server = SSL_new(context);
    bool ok = memory_handshake(server, client);

    if (ok && wish->ret_session)
        *wish->ret_session = SSL_get1_session(client);
    if (ok)
        SSL_set_shutdown(client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(client);
    SSL_CTX_free(client_context);
    if (ok)
        SSL_set_shutdown(server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    if (ok && ret_server) {
        *ret_server = server;
        return true;
    }
    SSL_free(server);
    return ok;
}

#endif
