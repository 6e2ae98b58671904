/* SPDX-License-Identifier: Apache-2.0 */
/* The headers in which a proxy tells whose certificate it verified: hawkBit's, of both generations.
 * Pure; borrows what it is given. */
#ifndef OTAD_API_PROXIED_H
#define OTAD_API_PROXIED_H

#include <stdbool.h>

enum { PROXIED_GENERATIONS = 2 };

struct proxied {
    const char *authorities; /* any of which must be named; "": none must */
    const char *name;        /* NULL: not told yet */
    bool is_contradictory;   /* told twice, and differently */
    struct {
        bool is_told, is_good;
    } authority[PROXIED_GENERATIONS];
};

/* Takes one header field; of other names it takes no notice. */
void proxied_take(struct proxied *proxied, const char *header, const char *value);

/* The id the device is given, "" when the proxy gave none, or none that counts. Where one name or
 * list comes from the proxy and the other from a client behind it, neither alone does. */
const char *proxied_name(const struct proxied *proxied);

#endif
