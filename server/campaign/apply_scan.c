/* SPDX-License-Identifier: Apache-2.0 */
/* Counting the fleet: before a wave opens, when its gate could pass, and for previews. The only
 * work that takes as long as the fleet is large, hence on readers and never at a poll. The database
 * narrows it down to the devices the target names; everything else is asked of the same functions
 * as at a poll. */
#include "campaign/engine.h"

#include "campaign/filter_sql.h"
#include "campaign/forecast.h"

#include <string.h>

/* What every count needs to know of the fleet. */
struct fleet {
    struct tx *tx;
    const struct plan *plan;
    struct steering steering;
    int64_t now;
};

static void fleet_clear(struct fleet *fleet)
{
    steering_clear(&fleet->steering);
}

static int fleet_make(struct tx *tx, const struct plan *plan, int64_t now, struct fleet *ret,
                      struct error *err)
{
    *ret = (struct fleet){.tx = tx, .plan = plan, .now = now};
    return plan->channel_row ? steering_load(tx, plan->tenant_row, now, &ret->steering, err) : 0;
}

/* Calls for every active device the target names and for those with a deployment. */
static int fleet_scan(const struct fleet *fleet, scanned_fn each, void *arg, struct error *err)
{
    const struct plan *plan = fleet->plan;
    CLEANUP(filter_sql_clear) struct filter_sql sql = {0};

    if (filter_to_sql(plan->filter, &sql, err))
        return -1;
    const struct scan_of of = {
        plan->tenant_row, plan->row_id, fleet->now, {sql.condition, sql.values, sql.count}
    };
    return deployment_scan(fleet->tx, &of, each, arg, err);
}

static bool is_fresh(const struct fleet *fleet, const struct scanned *scanned)
{
    return scanned->seen_at && scanned->seen_at >= fleet->now - fleet->plan->rules.stale_after;
}

static int find_channel(const struct fleet *fleet, const struct device *device,
                        const struct filter_subject *facts, int64_t *ret, struct error *err)
{
    bool is_over = device->channel_until_at && device->channel_until_at <= fleet->now;

    return steering_channel(&fleet->steering, facts, is_over ? 0 : device->channel_row, ret, err);
}

/* REASON_OFFER when nothing that lasts keeps it from the release: its turn, freezes and the like
 * pass by themselves. */
static int ask(const struct fleet *fleet, const struct scanned *scanned,
               const struct filter_subject *facts, enum reason *ret, struct error *err)
{
    const struct plan *plan = fleet->plan;
    int64_t channel_row = plan->channel_row;

    if (channel_row && find_channel(fleet, &scanned->device, facts, &channel_row, err))
        return -1;
    if (scanned->is_pinned)
        *ret = scanned->is_held ? REASON_HOLD : REASON_PINNED;
    else if (channel_row != plan->channel_row)
        *ret = REASON_CHANNEL;
    else if (plan->rules.is_snapshot && plan->started_at &&
             scanned->device.created_at > plan->started_at)
        *ret = REASON_NEWCOMER;
    else
        *ret = resolve_fitness(plan, facts, scanned->device.floor);
    return 0;
}

/* -- one wave -- */

struct scan {
    const struct fleet *fleet;
    size_t wave;
    struct draw *draw; /* the wave is one of N devices that has no limits yet */
    struct headcount count;
};

static int show(struct scan *scan, const struct filter_subject *facts, int64_t rank,
                struct error *err)
{
    unsigned strata = scan->fleet->plan->bands[scan->wave].strata;
    char stratum[STRATUM_SIZE] = "";

    if (strata)
        stratum_of(strata, facts->model, facts->version, facts->site, stratum);
    return draw_show(scan->draw, stratum, rank, err);
}

/* Without a deployment yet: would it take the release, and in which wave? */
static int count_candidate(struct scan *scan, const struct scanned *scanned,
                           const struct filter_subject *facts, struct error *err)
{
    const struct plan *plan = scan->fleet->plan;
    bool is_active = is_fresh(scan->fleet, scanned);
    size_t bands = scan->draw ? scan->wave : plan->band_count;
    enum reason reason;
    struct place place;

    if (ask(scan->fleet, scanned, facts, &reason, err))
        return -1;
    scan->count.present += is_active && (reason == REASON_OFFER || reason_step(reason) > 3);
    if (reason != REASON_OFFER)
        return 0;
    int64_t rank = rank_of(plan->salt, scanned->device.id);
    if (wave_place(plan->bands, bands, facts, rank, scan->fleet->now, &place, err))
        return -1;
    if (scan->draw)
        return place.wave < 0 && is_active ? show(scan, facts, rank, err) : 0;
    scan->count.members += place.wave == (int)scan->wave;
    scan->count.active += place.wave == (int)scan->wave && is_active;
    return 0;
}

/* Its silence will have an outcome: whoever began is not left out before it is lost or timed out.
 */
static bool is_begun(const struct rules *rules, enum deployment_state state)
{
    switch (state) {
    case DEPLOYMENT_OFFERED:
    case DEPLOYMENT_WITHDRAWN:
        return false;
    case DEPLOYMENT_DOWNLOADING:
        return rules->download_deadline > 0;
    default:
        return true;
    }
}

/* Who has a deployment is a member for good, and one whose outcome is known counts as active: it
 * was when it had it. */
static int count_device(const struct scanned *scanned, void *arg, struct error *err)
{
    struct scan *scan = arg;
    struct lookup lookup = {.tx = scan->fleet->tx, .device_row = scanned->device.row_id};
    const struct filter_subject facts = subject_of(&scanned->device, &lookup);
    enum deployment_state state = DEPLOYMENT_OFFERED;

    if (!deployment_state_of(scanned->state, &state))
        return count_candidate(scan, scanned, &facts, err);
    bool is_active = is_fresh(scan->fleet, scanned);
    scan->count.present += is_active;
    if (scanned->wave == (int)scan->wave) {
        scan->count.members++;
        scan->count.active += is_active || is_begun(&scan->fleet->plan->rules, state);
    }
    return 0;
}

static int end_draw(struct scan *scan, struct error *err)
{
    if (!scan->draw)
        return 0;
    if (draw_end(scan->draw, &scan->count.drawn, err))
        return -1;
    scan->count.is_drawn = true;
    scan->count.members = scan->count.active = scan->count.drawn.devices;
    return 0;
}

int headcount_take(struct tx *tx, const struct overview *overview, size_t wave, int64_t now,
                   struct headcount *ret, struct error *err)
{
    CLEANUP(plan_free) struct plan *plan = NULL;
    CLEANUP(draw_free) struct draw *draw = NULL;
    const struct wave_rule *rule = &overview->rules.waves[wave];

    if (plan_make(tx, NULL, &overview->campaign, overview->waves, overview->wave_count, &plan, err))
        return -1;
    if (rule->kind == WAVE_COUNT && overview->waves[wave].rank_limit < 0 &&
        draw_new((size_t)rule->amount, &draw, err))
        return -1;
    CLEANUP(fleet_clear) struct fleet fleet = {0};
    struct scan scan = {.fleet = &fleet, .wave = wave, .draw = draw};
    if (fleet_make(tx, plan, now, &fleet, err) || fleet_scan(&fleet, count_device, &scan, err) ||
        end_draw(&scan, err))
        return -1;
    *ret = scan.count;
    return 0;
}

void headcount_clear(struct headcount *count)
{
    drawn_clear(&count->drawn);
    *count = (struct headcount){0};
}

/* -- the preview -- */

struct preview {
    const struct fleet *fleet;
    const struct client_release *release; /* NULL: nobody asks */
    bool asks_vin;                        /* it matters which devices are Zephyr's */
    struct forecast *forecast;
    struct preview_count count;
    int64_t sample_ranks[PREVIEW_SAMPLE]; /* ascending */
};

static void keep_sample(struct preview *preview, const char *id, int64_t rank)
{
    struct preview_count *count = &preview->count;
    size_t at = count->sample_count;

    if (at == PREVIEW_SAMPLE && rank >= preview->sample_ranks[at - 1])
        return;
    if (at < PREVIEW_SAMPLE)
        count->sample_count++;
    else
        at--;
    for (; at > 0 && preview->sample_ranks[at - 1] > rank; at--) {
        preview->sample_ranks[at] = preview->sample_ranks[at - 1];
        memcpy(count->sample[at], count->sample[at - 1], sizeof count->sample[at]);
    }
    preview->sample_ranks[at] = rank;
    snprintf(count->sample[at], sizeof count->sample[at], "%s", id);
}

static int64_t size_for(const struct plan *plan, const struct filter_subject *facts)
{
    int64_t size = 0;

    for (size_t i = 0; i < plan->image_count; i++)
        if (image_is_for(&plan->images[i], facts))
            size += plan->images[i].size;
    return size;
}

static bool suits_zephyr(const struct client_release *release)
{
    for (int i = 0; i < CLIENT_WARNING_COUNT; i++)
        if (client_warns(CLIENT_ZEPHYR, (enum client_warning)i, release))
            return false;
    return true;
}

/* An operator may know better than we whether it waits. */
static bool is_warned(const struct scanned *scanned, enum client client,
                      enum client_warning warning, const struct client_release *release)
{
    enum announce announce = scanned->device.announce;

    if (warning == CLIENT_DOES_NOT_WAIT && announce != ANNOUNCE_AUTO)
        return announce == ANNOUNCE_NO && release->is_prestaged;
    return client_warns(client, warning, release);
}

static int count_warnings(struct preview *preview, const struct scanned *scanned, struct error *err)
{
    bool tells_vin = false;
    char vin[4];

    if (preview->asks_vin && scanned->seen_at && !scanned->client[0] &&
        device_attribute(preview->fleet->tx, scanned->device.row_id, CLIENT_ZEPHYR_ATTRIBUTE, vin,
                         sizeof vin, &tells_vin, err))
        return -1;
    enum client client = client_from_facts(scanned->client, tells_vin);
    for (int i = 0; i < CLIENT_WARNING_COUNT; i++)
        preview->count.warned[i] +=
            is_warned(scanned, client, (enum client_warning)i, preview->release);
    return 0;
}

static int preview_device(const struct scanned *scanned, void *arg, struct error *err)
{
    struct preview *preview = arg;
    const struct fleet *fleet = preview->fleet;
    struct lookup lookup = {.tx = fleet->tx, .device_row = scanned->device.row_id};
    const struct filter_subject facts = subject_of(&scanned->device, &lookup);
    enum reason reason;

    preview->count.matching++;
    if (ask(fleet, scanned, &facts, &reason, err))
        return -1;
    if (reason != REASON_OFFER) {
        preview->count.excluded[reason]++;
        return 0;
    }
    if (!is_fresh(fleet, scanned)) {
        preview->count.stale++;
        return 0;
    }
    int64_t rank = rank_of(fleet->plan->salt, scanned->device.id);
    preview->count.devices++;
    preview->count.bytes += size_for(fleet->plan, &facts);
    keep_sample(preview, scanned->device.id, rank);
    if (preview->release && count_warnings(preview, scanned, err))
        return -1;
    return forecast_add(preview->forecast, &facts, rank, err);
}

int preview_take(struct tx *tx, const struct plan *plan, const struct client_release *release,
                 int64_t now, struct preview_count *ret, struct error *err)
{
    CLEANUP(forecast_free) struct forecast *forecast = NULL;
    CLEANUP(fleet_clear) struct fleet fleet = {0};

    if (forecast_new(&plan->rules, &forecast, err) || fleet_make(tx, plan, now, &fleet, err))
        return -1;
    struct preview preview = {.fleet = &fleet,
                              .forecast = forecast,
                              .release = release,
                              .asks_vin = release && !suits_zephyr(release)};
    if (fleet_scan(&fleet, preview_device, &preview, err) ||
        forecast_end(forecast, preview.count.waves, err))
        return -1;
    *ret = preview.count;
    return 0;
}
