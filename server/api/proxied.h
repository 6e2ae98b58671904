/* SPDX-License-Identifier: Apache-2.0 */
/* The headers in which a proxy tells whose certificate it verified: hawkBit's, of either
 * generation. What a proxy does not write or remove itself is its client's, so that nothing counts
 * which is told twice or in two ways. Pure; borrows what it is given. */
#ifndef OTAD_API_PROXIED_H
#define OTAD_API_PROXIED_H

#include <stdbool.h>

struct proxied {
    const char *header;      /* the name's: X-Controller-Id, or the older X-Ssl-Client-Cn */
    const char *authorities; /* any of which must be named; "": none must */
    const char *name;        /* NULL: not told yet */
    bool is_contradictory;   /* one of the fields was told twice */
    const char *other_name;
    unsigned told; /* which fields of authorities were: a bit for each number, one for none */
    bool is_known; /* one of them is of `authorities` */
};

/* Takes one header field; of other names it takes no notice. */
void proxied_take(struct proxied *proxied, const char *header, const char *value);

/* The id the device is given, "" when the proxy gave none, or none that counts. */
const char *proxied_name(const struct proxied *proxied);

#endif
