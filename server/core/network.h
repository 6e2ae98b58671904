/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of networks in CIDR notation, for settings that name who may speak for others. */
#ifndef OTAD_CORE_NETWORK_H
#define OTAD_CORE_NETWORK_H

#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define NETWORKS_MAX 64

struct network {
    int family; /* AF_INET or AF_INET6 */
    unsigned bits;
    uint8_t address[16];
};

struct networks {
    unsigned count;
    struct network at[NETWORKS_MAX];
};

/* "10.0.0.0/8, 2001:db8::/32 192.0.2.7": separated by blanks or commas; without a length one
 * address is meant. Refuses bits behind the length: who wrote them meant another network. */
int networks_parse(const char *text, struct networks *ret, struct error *err) MUST_CHECK;

/* An IPv4 address inside an IPv6 one counts as IPv4. */
bool networks_hold(const struct networks *networks, const struct sockaddr_storage *address);

#endif
