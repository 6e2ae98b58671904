/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/steering.h"

#include <string.h>

void steering_clear(struct steering *steering)
{
    for (size_t i = 0; i < steering->channel_count; i++)
        filter_free(&steering->channels[i].rule);
    for (size_t i = 0; i < steering->freeze_count; i++)
        filter_free(&steering->freezes[i].target);
    free(steering->channels);
    free(steering->freezes);
    free(steering->sites);
    *steering = (struct steering){0};
}

int steering_channel(const struct steering *steering, const struct filter_subject *facts,
                     int64_t by_hand, int64_t *ret, struct error *err)
{
    bool is_in = false;

    *ret = by_hand;
    for (size_t i = 0; i < steering->channel_count && !*ret; i++) {
        const struct channel_rule *channel = &steering->channels[i];

        if (channel->rule && filter_matches(channel->rule, facts, &is_in, err))
            return -1;
        if (channel->rule && is_in)
            *ret = channel->row_id;
    }
    return 0;
}

int steering_freeze(const struct steering *steering, const struct filter_subject *facts,
                    int64_t now, const struct freeze_rule **ret, struct error *err)
{
    *ret = NULL;
    for (size_t i = 0; i < steering->freeze_count; i++) {
        const struct freeze_rule *freeze = &steering->freezes[i];
        bool holds = true;

        if (now < freeze->from_at || now >= freeze->until_at ||
            (*ret && freeze->until_at <= (*ret)->until_at))
            continue;
        if (freeze->target && filter_matches(freeze->target, facts, &holds, err))
            return -1;
        if (holds)
            *ret = freeze;
    }
    return 0;
}

static int compare_site(const void *key, const void *element)
{
    const struct site_rule *site = element;

    return strcmp(key, site->id);
}

const struct site_rule *steering_site(const struct steering *steering, const char *site)
{
    if (steering->site_count == 0 || !site[0])
        return NULL;
    return bsearch(site, steering->sites, steering->site_count, sizeof *steering->sites,
                   compare_site);
}
