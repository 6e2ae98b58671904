/* SPDX-License-Identifier: Apache-2.0 */
/* The PROXY protocol's header of version 2: what a balancer or proxy says about a connection before
 * its first byte (proxy-protocol.txt of haproxy). Pure: fed with bytes, knows no connection. */
#ifndef OTAD_TLS_PROXY_PROTOCOL_H
#define OTAD_TLS_PROXY_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define PROXY_HEADER_MAX                                                                           \
    4096 /* longer ones are refused; haproxy's with all options have under 600 */

enum proxy_reading {
    PROXY_INCOMPLETE, /* more bytes are needed */
    PROXY_COMPLETE,
    PROXY_REFUSED, /* no such header, too long, or its checksum is wrong */
};

struct proxy_header {
    size_t size;   /* bytes it takes; what follows is the connection's own */
    bool is_local; /* the sender's own connection, a health check: nothing is told */
    struct sockaddr_storage source; /* who connected to the sender; AF_UNSPEC: not told */
    char common_name[65]; /* of the client certificate it verified; empty: none, or no such name */
};

/* `ret` is filled when it is complete. Bytes behind the header may be there. */
enum proxy_reading proxy_header_read(const uint8_t *bytes, size_t count, struct proxy_header *ret);

#endif
