/* SPDX-License-Identifier: Apache-2.0 */
/* Between OpenSSL and the session store: what is kept of a session, and who it belongs to.
 *
 * The peer's certificate is cut out of the encoded session (it would be decoded at every
 * resumption); what we need to know of it travels inside the session as its application data. A
 * session never outlives the certificate. */
#ifndef OTAD_TLS_SESSION_H
#define OTAD_TLS_SESSION_H

#include "core/cleanup.h"
#include "tls/peer.h"

#include <openssl/ssl.h>
#include <stddef.h>

/* Installs the callbacks; the context's facts must be there and have a store. */
void session_install(SSL_CTX *context);

/* Fills what the certificate said when the session began; false when this session has none of ours.
 */
bool session_peer(SSL_SESSION *session, struct peer *ret);

/* Copies an encoded SSL_SESSION without its element [3], the peer's certificate. Returns the new
 * size, 0 when it cannot be read or does not fit. */
size_t session_cut_certificate(const uint8_t *encoded, size_t size, uint8_t *ret, size_t room);

#endif
