/* SPDX-License-Identifier: Apache-2.0 */
/* Token buckets per address (IPv4 /32, IPv6 /56), above all for handshakes that are unfinished or
 * failed: a token is taken at accept and given back by a completed handshake, so that a fleet
 * behind one address is never held up by its own success. Any thread. */
#ifndef OTAD_TLS_LIMITS_H
#define OTAD_TLS_LIMITS_H

#include "core/cleanup.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

struct limits;

/* NULL when memory is out. `sets` * 4 addresses are remembered; who has the fullest bucket is
 * forgotten first, since forgetting fills a bucket. */
struct limits *limits_new(int64_t rate, int64_t burst, unsigned sets);
void limits_free(struct limits **limits);

/* False when the address has no token left. `now_ms` is monotonic. */
bool limits_take(struct limits *limits, const struct sockaddr_storage *address, int64_t now_ms);
/* From a bucket that the address has for `about` alone. */
bool limits_take_about(struct limits *limits, const struct sockaddr_storage *address,
                       const char *about, int64_t now_ms);
void limits_give_back(struct limits *limits, const struct sockaddr_storage *address,
                      int64_t now_ms);

#endif
