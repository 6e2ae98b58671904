/* SPDX-License-Identifier: Apache-2.0 */
/* How many connections are open: all together, with one certificate, and without any from one
 * address that is no trusted proxy's. Any thread. */
#ifndef OTAD_HTTP_CONNECTION_LIMITS_H
#define OTAD_HTTP_CONNECTION_LIMITS_H

#include "core/error.h"
#include "tls/peer.h"

struct connection_limits;
struct connection_limits_most {
    int64_t connections, per_address, per_device;
};

int connection_limits_new(const struct connection_limits_most *most, struct connection_limits **ret,
                          struct error *err) MUST_CHECK;
void connection_limits_free(struct connection_limits **limits);

/* Why one more connection of this peer is too many; NULL when it is not. */
const char *connection_limits_reached(struct connection_limits *limits, const struct peer *peer);
/* Each successful connection_limits_add() is taken back by one connection_limits_remove() with the
 * same peer. */
int connection_limits_add(struct connection_limits *limits, const struct peer *peer,
                          struct error *err) MUST_CHECK;
void connection_limits_remove(struct connection_limits *limits, const struct peer *peer);

#endif
