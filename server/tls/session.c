/* SPDX-License-Identifier: Apache-2.0 */
#include "tls/session.h"

#include "core/clock.h"
#include "tls/certificate.h"
#include "tls/context.h"

#include <openssl/ssl.h>
#include <string.h>

/* -- the peer as application data: fixed fields, then two texts with their NUL -- */

struct fixed_part {
    uint8_t fingerprint[32], issuer[32];
    int64_t not_before, not_after;
};
#define PACKED_MAX                                                                                 \
    (sizeof(struct fixed_part) + sizeof((struct peer *)0)->common_name +                           \
     sizeof((struct peer *)0)->serial)

static size_t pack_peer(const struct peer *peer, uint8_t ret[PACKED_MAX])
{
    struct fixed_part fixed = {.not_before = peer->not_before, .not_after = peer->not_after};
    size_t name = strlen(peer->common_name) + 1, serial = strlen(peer->serial) + 1;

    memcpy(fixed.fingerprint, peer->fingerprint, sizeof fixed.fingerprint);
    memcpy(fixed.issuer, peer->issuer, sizeof fixed.issuer);
    memcpy(ret, &fixed, sizeof fixed);
    memcpy(ret + sizeof fixed, peer->common_name, name);
    memcpy(ret + sizeof fixed + name, peer->serial, serial);
    return sizeof fixed + name + serial;
}

static bool unpack_peer(const uint8_t *packed, size_t size, struct peer *ret)
{
    struct fixed_part fixed;

    if (size < sizeof fixed + 2 || size > PACKED_MAX || packed[size - 1] != '\0')
        return false;
    const char *name = (const char *)packed + sizeof fixed;
    const char *serial = name + strlen(name) + 1;
    if (serial > (const char *)packed + size - 1)
        return false;
    memcpy(&fixed, packed, sizeof fixed);
    memcpy(ret->fingerprint, fixed.fingerprint, sizeof ret->fingerprint);
    memcpy(ret->issuer, fixed.issuer, sizeof ret->issuer);
    ret->not_before = fixed.not_before;
    ret->not_after = fixed.not_after;
    snprintf(ret->common_name, sizeof ret->common_name, "%s", name);
    snprintf(ret->serial, sizeof ret->serial, "%s", serial);
    ret->has_certificate = true;
    return true;
}

bool session_peer(SSL_SESSION *session, struct peer *ret)
{
    void *packed;
    size_t size;

    return session && SSL_SESSION_get0_ticket_appdata(session, &packed, &size) && packed &&
           unpack_peer(packed, size, ret);
}

/* -- cutting the certificate out -- */

/* Reads tag and length of one DER element; `*ret_size` covers both and the content. */
static bool der_element(const uint8_t *at, size_t left, size_t *ret_header, size_t *ret_size)
{
    size_t content, header = 2;

    if (left < 2)
        return false;
    content = at[1];
    if (content & 0x80) {
        size_t bytes = content & 0x7f;

        if (bytes < 1 || bytes > 3 || left < 2 + bytes)
            return false;
        content = 0;
        for (size_t i = 0; i < bytes; i++)
            content = content << 8 | at[2 + i];
        header += bytes;
    }
    *ret_header = header;
    *ret_size = header + content;
    return content <= left - header;
}

#define DER_SEQUENCE 0x30
#define DER_PEER_CERTIFICATE 0xa3 /* [3], constructed */
#define DER_HEADER_ROOM 4

size_t session_cut_certificate(const uint8_t *encoded, size_t size, uint8_t *ret, size_t room)
{
    size_t header, whole, kept = 0;

    if (!der_element(encoded, size, &header, &whole) || encoded[0] != DER_SEQUENCE || whole != size)
        return 0;
    for (size_t at = header; at < size; at += whole) {
        if (!der_element(encoded + at, size - at, &header, &whole))
            return 0;
        if (encoded[at] == DER_PEER_CERTIFICATE)
            continue;
        if (DER_HEADER_ROOM + kept + whole > room)
            return 0;
        memcpy(ret + DER_HEADER_ROOM + kept, encoded + at, whole);
        kept += whole;
    }
    if (kept > 0xffff)
        return 0;
    /* A length in two bytes, even where one would do: d2i reads it, and nothing has to move. */
    ret[0] = DER_SEQUENCE;
    ret[1] = 0x82;
    ret[2] = (uint8_t)(kept >> 8);
    ret[3] = (uint8_t)kept;
    return DER_HEADER_ROOM + kept;
}

/* -- OpenSSL's callbacks -- */

static bool read_id(const uint8_t *id, size_t size, uint8_t ret[SESSION_ID_MAX])
{
    if (size < 8 || size > SESSION_ID_MAX)
        return false;
    memset(ret, 0, SESSION_ID_MAX);
    memcpy(ret, id, size);
    return true;
}

/* From the session itself when it goes on from an earlier one, else from the certificate. */
static bool find_peer(SSL *ssl, SSL_SESSION *session, struct peer *ret)
{
    if (session_peer(session, ret))
        return true;
    const X509 *certificate = SSL_get0_peer_certificate(ssl);
    return certificate && certificate_describe(certificate, ret);
}

static void keep_session(const struct context_facts *facts, SSL_SESSION *session,
                         const struct session_entry *entry)
{
    unsigned char whole[16 * KIB], cut[SESSION_ENCODED_MAX], *end = whole;
    int size = i2d_SSL_SESSION(session, NULL);

    if (size <= 0 || (size_t)size > sizeof whole || i2d_SSL_SESSION(session, &end) != size)
        return;
    size_t left = session_cut_certificate(whole, (size_t)size, cut, sizeof cut);
    if (left)
        session_store_add(facts->sessions, entry, cut, left);
    explicit_bzero(whole, (size_t)size);
    explicit_bzero(cut, sizeof cut);
}

static int on_new_session(SSL *ssl, SSL_SESSION *session)
{
    const struct context_facts *facts = context_facts(SSL_get_SSL_CTX(ssl));
    uint8_t packed[PACKED_MAX];
    int64_t now = clock_wall(), lifetime = facts->session_lifetime;
    struct session_entry entry = {.generation = facts->generation};
    struct peer peer;
    unsigned size;

    const uint8_t *id = SSL_SESSION_get_id(session, &size);
    if (!read_id(id, size, entry.id) || !find_peer(ssl, session, &peer))
        return 0;
    if (lifetime > peer.not_after - now)
        lifetime = peer.not_after - now;
    if (lifetime <= 0)
        return 0;
    SSL_SESSION_set_timeout(session, (long)lifetime);
    if (!SSL_SESSION_set1_ticket_appdata(session, packed, pack_peer(&peer, packed)))
        return 0;
    entry.expires_at = now + lifetime;
    memcpy(entry.fingerprint, peer.fingerprint, sizeof entry.fingerprint);
    keep_session(facts, session, &entry);
    return 0; /* OpenSSL keeps its reference */
}

static SSL_SESSION *on_get_session(SSL *ssl, const unsigned char *id, int size, int *must_copy)
{
    const struct context_facts *facts = context_facts(SSL_get_SSL_CTX(ssl));
    uint8_t key[SESSION_ID_MAX], encoded[SESSION_ENCODED_MAX];
    const unsigned char *at = encoded;

    *must_copy = 0;
    if (size < 0 || !read_id(id, (size_t)size, key))
        return NULL;
    size_t found =
        session_store_find(facts->sessions, key, facts->generation, clock_wall(), encoded);
    if (!found)
        return NULL;
    SSL_SESSION *session = d2i_SSL_SESSION(NULL, &at, (long)found);
    explicit_bzero(encoded, found);
    return session;
}

static void on_remove_session(SSL_CTX *context, SSL_SESSION *session)
{
    const struct context_facts *facts = context_facts(context);
    uint8_t key[SESSION_ID_MAX];
    unsigned size;

    const uint8_t *id = SSL_SESSION_get_id(session, &size);
    if (facts && read_id(id, size, key))
        session_store_remove(facts->sessions, key);
}

void session_install(SSL_CTX *context)
{
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER | SSL_SESS_CACHE_NO_INTERNAL |
                                                SSL_SESS_CACHE_NO_AUTO_CLEAR);
    SSL_CTX_sess_set_new_cb(context, on_new_session);
    SSL_CTX_sess_set_get_cb(context, on_get_session);
    SSL_CTX_sess_set_remove_cb(context, on_remove_session);
}
