/* SPDX-License-Identifier: Apache-2.0 */
/* Sites: what is known of the places that devices name in their column `site`. */
#ifndef OTAD_STORE_SITE_H
#define OTAD_STORE_SITE_H

#include "store/store.h"

struct site {
    int64_t row_id, tenant_row, created_at;
    int64_t leases, bytes; /* transfers at once, bytes per second of them all; 0: as configured */
    char id[65], zone[64]; /* IANA name or "" */
};

enum step site_by_id(struct tx *tx, int64_t tenant_row, const char *id, struct site *ret,
                     struct error *err) MUST_CHECK;
/* Makes it or replaces zone and limits. */
int site_set(struct tx *tx, const struct site *site, struct error *err) MUST_CHECK;
int site_delete(struct tx *tx, int64_t row_id, struct error *err) MUST_CHECK;
/* In order of id, after `after`; of all tenants when tenant_row is 0. Borrowed for the call. */
typedef int (*site_fn)(const struct site *site, void *arg, struct error *err);
int site_list(struct tx *tx, int64_t tenant_row, const char *after, int64_t limit, site_fn each,
              void *arg, struct error *err) MUST_CHECK;

/* A device's own zone goes before its site's; "": it has none. */
int device_set_zone(struct tx *tx, int64_t device_row, const char *zone, int64_t now,
                    struct error *err) MUST_CHECK;

#endif
