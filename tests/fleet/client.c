/* SPDX-License-Identifier: Apache-2.0 */
/* The server is believed only with a chain to the given authority and the name in the URL: a fleet
 * that talks to anybody would prove nothing. */
#include "client.h"

#include "core/text.h"
#include "tls/certificate.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <openssl/x509v3.h>
#include <string.h>

/* The session arrives with or after the first answer; the newest replaces the one before. */
static int keep_session(SSL *ssl, SSL_SESSION *session)
{
    struct identity *identity = SSL_get_app_data(ssl);

    SSL_SESSION_free(identity->session);
    identity->session = session;
    return 1;
}

static int read_url(struct client *client, const char *url, char port[8], struct error *err)
{
    static const char scheme[] = "https://";
    const char *host = url + strlen(scheme), *colon;
    size_t length;
    struct in_addr address;

    if (!text_starts_with(url, scheme))
        return fail(err, PROBLEM_BAD_FIELD, "--url: https://host:port, not %s", url);
    length = strcspn(host, "/");
    colon = memrchr(host, ':', length);
    if (!colon || colon == host || length >= sizeof client->authority ||
        (size_t)(host + length - colon) > 6)
        return fail(err, PROBLEM_BAD_FIELD, "--url: https://host:port, not %s", url);
    snprintf(client->host, sizeof client->host, "%.*s", (int)(colon - host), host);
    snprintf(port, 8, "%.*s", (int)(host + length - colon - 1), colon + 1);
    snprintf(client->authority, sizeof client->authority, "%.*s", (int)length, host);
    client->host_is_address = inet_pton(AF_INET, client->host, &address) == 1;
    return 0;
}

static int look_up(struct client *client, const char *host, const char *port, struct error *err)
{
    struct addrinfo wish = {.ai_socktype = SOCK_STREAM, .ai_family = AF_INET}, *found;
    int code = getaddrinfo(host, port, &wish, &found);

    if (code)
        return fail_internal(err, "%s: %s", host, gai_strerror(code));
    memcpy(&client->address, found->ai_addr, found->ai_addrlen);
    client->address_size = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

static int make_context(struct client *client, const struct client_options *options,
                        struct error *err)
{
    SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

    client->tls = tls;
    if (!tls)
        return fail_openssl(err, "TLS context");
    if (!SSL_CTX_load_verify_locations(tls, options->ca, NULL))
        return fail_openssl(err, "%s", options->ca);
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_min_proto_version(tls,
                                  options->tls_version ? options->tls_version : TLS1_2_VERSION);
    SSL_CTX_set_max_proto_version(tls, options->tls_version);
    /* Only the leaf is sent: a chain costs the server a certificate more to decode. */
    SSL_CTX_set_mode(tls, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_RELEASE_BUFFERS |
                              SSL_MODE_ENABLE_PARTIAL_WRITE);
    SSL_CTX_set_session_cache_mode(tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(tls, keep_session);
    return 0;
}

int client_open(struct client *client, const struct client_options *options, struct error *err)
{
    char port[8];

    client->resumes = options->resumes;
    if (read_url(client, options->url, port, err) ||
        look_up(client, options->address ? options->address : client->host, port, err))
        return -1;
    return make_context(client, options, err);
}

void client_close(struct client *client)
{
    SSL_CTX_free(client->tls);
    client->tls = NULL;
}

int identity_load(struct identity *identity, struct error *err)
{
    CLEANUP(free_string) char *certificate = NULL, *key = NULL;

    if (identity->certificate && identity->key)
        return 0;
    if (asprintf(&certificate, "%s/device.crt", identity->folder) < 0 ||
        asprintf(&key, "%s/device.key", identity->folder) < 0)
        return fail_internal(err, "out of memory");
    if (certificate_read(certificate, &identity->certificate, err))
        return -1;
    return private_key_read(key, &identity->key, err);
}

void identity_clear(struct identity *identity)
{
    free_string(&identity->folder);
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
    SSL_SESSION_free(identity->session);
    *identity = (struct identity){0};
}

int client_connect(struct client *client, struct identity *identity, int fd, SSL **ret,
                   struct error *err)
{
    SSL *ssl;
    int ok;

    if (identity_load(identity, err))
        return -1;
    ssl = SSL_new(client->tls);
    if (!ssl)
        return fail_openssl(err, "TLS connection");
    SSL_set_app_data(ssl, identity);
    if (client->host_is_address)
        ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), client->host);
    else
        ok = SSL_set1_host(ssl, client->host) && SSL_set_tlsext_host_name(ssl, client->host);
    ok = ok && SSL_use_certificate(ssl, identity->certificate) &&
         SSL_use_PrivateKey(ssl, identity->key) && SSL_set_fd(ssl, fd);
    if (ok && client->resumes && identity->session)
        ok = SSL_set_session(ssl, identity->session);
    if (!ok) {
        SSL_free(ssl);
        return fail_openssl(err, "%s", identity->folder);
    }
    *ret = ssl;
    return 0;
}
