/* SPDX-License-Identifier: Apache-2.0 */
/* What steers a tenant's devices, compiled: filters parsed, zones looked up. */
#include "campaign/engine.h"

#include "store/channel.h"
#include "store/freeze.h"
#include "store/site.h"

#include <string.h>

static int add_channel(const struct channel *channel, void *arg, struct error *err)
{
    struct steering *steering = arg;
    struct channel_rule *grown =
        snapshot_grow(steering->channels, steering->channel_count, sizeof *grown, err);

    if (!grown)
        return -1;
    steering->channels = grown;
    struct channel_rule *at = &grown[steering->channel_count];
    *at = (struct channel_rule){.row_id = channel->row_id};
    if (channel->rule[0] && filter_parse(channel->rule, &at->rule, err))
        return -1;
    steering->channel_count++;
    return 0;
}

static int add_freeze(const struct freeze *freeze, void *arg, struct error *err)
{
    struct steering *steering = arg;
    struct freeze_rule *grown =
        snapshot_grow(steering->freezes, steering->freeze_count, sizeof *grown, err);

    if (!grown)
        return -1;
    steering->freezes = grown;
    struct freeze_rule *at = &grown[steering->freeze_count];
    *at = (struct freeze_rule){.from_at = freeze->from_at, .until_at = freeze->until_at};
    snprintf(at->id, sizeof at->id, "%s", freeze->id);
    snprintf(at->reason, sizeof at->reason, "%s", freeze->reason);
    if (freeze->target[0] && filter_parse(freeze->target, &at->target, err))
        return -1;
    steering->freeze_count++;
    return 0;
}

static int add_site(const struct site *site, void *arg, struct error *err)
{
    struct steering *steering = arg;
    struct site_rule *grown =
        snapshot_grow(steering->sites, steering->site_count, sizeof *grown, err);

    if (!grown)
        return -1;
    steering->sites = grown;
    struct site_rule *at = &grown[steering->site_count++];
    *at = (struct site_rule){.zone = site->zone[0] ? zone_named(site->zone) : NULL,
                             .leases = site->leases,
                             .bytes = site->bytes};
    snprintf(at->id, sizeof at->id, "%s", site->id);
    return 0;
}

int steering_load(struct tx *tx, int64_t tenant_row, int64_t now, struct steering *ret,
                  struct error *err)
{
    CLEANUP(steering_clear) struct steering steering = {.tenant_row = tenant_row};
    struct halt halt;
    enum step step = halt_of(tx, tenant_row, &halt, err);

    if (step == STEP_FAILED || halt_lifted_at(tx, tenant_row, &steering.resumed_at, err) ||
        channel_each(tx, tenant_row, add_channel, &steering, err) ||
        freeze_each(tx, tenant_row, now, add_freeze, &steering, err) ||
        site_list(tx, tenant_row, "", INT64_MAX, add_site, &steering, err))
        return -1;
    steering.is_halted = step == STEP_ROW;
    if (steering.is_halted)
        snprintf(steering.halt_reason, sizeof steering.halt_reason, "%s", halt.reason);
    *ret = steering;
    steering = (struct steering){0};
    return 0;
}
