/* SPDX-License-Identifier: Apache-2.0 */
/* What steers a tenant's devices beside its campaigns, compiled: channels, freezes, sites, the
 * emergency stop. Constant once made. */
#ifndef OTAD_CAMPAIGN_STEERING_H
#define OTAD_CAMPAIGN_STEERING_H

#include "campaign/filter.h"
#include "campaign/zone.h"

struct channel_rule {
    int64_t row_id;
    struct filter *rule; /* NULL: devices are put into it by hand only */
};

struct freeze_rule {
    int64_t from_at, until_at;
    struct filter *target; /* NULL: everybody */
    char id[24], reason[161];
};

struct site_rule {
    char id[65];
    const struct zone *zone; /* NULL: not said */
    int64_t leases, bytes;   /* 0: as configured */
};

struct steering {
    int64_t tenant_row;
    bool is_halted;
    char halt_reason[161];
    int64_t resumed_at;            /* when the last emergency stop was lifted; 0: there was none */
    struct channel_rule *channels; /* in order of position */
    size_t channel_count;
    struct freeze_rule *freezes;
    size_t freeze_count;
    struct site_rule *sites; /* in order of id */
    size_t site_count;
};
void steering_clear(struct steering *steering);

/* The channel a device is in: the one it was put into by hand (a row, 0: none), else the first
 * whose rule matches; 0 when it is in none. */
int steering_channel(const struct steering *steering, const struct filter_subject *facts,
                     int64_t by_hand, int64_t *ret, struct error *err) MUST_CHECK;
/* Of the freezes that hold this device now the one that ends last; NULL: none does. */
int steering_freeze(const struct steering *steering, const struct filter_subject *facts,
                    int64_t now, const struct freeze_rule **ret, struct error *err) MUST_CHECK;
/* NULL when nothing is known of it. */
const struct site_rule *steering_site(const struct steering *steering, const char *site);

#endif
