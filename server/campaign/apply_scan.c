/* SPDX-License-Identifier: Apache-2.0 */
/* Counting the fleet: before a wave opens, when its gate could pass, and for previews. The only
 * work that takes as long as the fleet is large, hence on readers and never at a poll. */
#include "campaign/engine.h"

#include <string.h>

struct scan {
    struct tx *tx;
    const struct plan *plan;
    size_t wave;
    int64_t now;
    bool picks; /* the wave is one of N devices that has no limit yet */
    struct smallest smallest;
    struct headcount count;
};

static bool is_fresh(const struct scan *scan, const struct scanned *scanned)
{
    return scanned->seen_at && scanned->seen_at >= scan->now - scan->plan->stale_after;
}

static void count_member(struct scan *scan, bool is_active, int64_t rank)
{
    if (scan->picks && is_active)
        smallest_add(&scan->smallest, rank);
    if (!scan->picks) {
        scan->count.members++;
        scan->count.active += is_active;
    }
}

/* Who has a deployment is a member for good, and one whose outcome is known counts as active: it
 * was when it had it. */
static int count_device(const struct scanned *scanned, void *arg, struct error *err)
{
    struct scan *scan = arg;
    struct lookup lookup = {scan->tx, scanned->device.row_id};
    const struct filter_subject facts = subject_of(&scanned->device, &lookup);
    enum deployment_state state = DEPLOYMENT_OFFERED;
    bool has_deployment = deployment_state_of(scanned->state, &state);
    bool is_resolved = has_deployment && deployment_outcome(state) != OUTCOME_PENDING;
    bool matches = has_deployment;

    if (!matches && filter_matches(scan->plan->filter, &facts, &matches, err))
        return -1;
    if (!matches)
        return 0;
    scan->count.present += is_fresh(scan, scanned);
    if (!has_deployment &&
        resolve_fitness(scan->plan, &facts, scanned->device.floor) != REASON_OFFER)
        return 0;
    int64_t rank = rank_of(scan->plan->salt, scanned->device.id);
    size_t bands = scan->picks ? scan->wave : scan->plan->band_count;
    int wave = wave_of(scan->plan->bands, bands, rank);
    if (scan->picks ? wave < 0 : wave == (int)scan->wave)
        count_member(scan, is_resolved || is_fresh(scan, scanned), rank);
    return 0;
}

int headcount_take(struct tx *tx, const struct overview *overview, size_t wave, int64_t now,
                   struct headcount *ret, struct error *err)
{
    CLEANUP(plan_free) struct plan *plan = NULL;
    const struct wave *counted = &overview->waves[wave];
    struct scan scan = {.tx = tx, .wave = wave, .now = now};

    if (plan_make(tx, &overview->campaign, overview->waves, overview->wave_count, &plan, err))
        return -1;
    scan.plan = plan;
    scan.picks = counted->is_count && counted->rank_limit < 0;
    if (scan.picks && smallest_init(&scan.smallest, (size_t)counted->amount, err))
        return -1;
    int failed = deployment_scan(tx, plan->tenant_row, plan->row_id, count_device, &scan, err);
    scan.count.limit = scan.picks ? smallest_limit(&scan.smallest) : counted->rank_limit;
    if (scan.picks)
        scan.count.members = scan.count.active = (int64_t)scan.smallest.count;
    smallest_clear(&scan.smallest);
    if (!failed)
        *ret = scan.count;
    return failed;
}

/* -- the preview -- */

struct preview {
    struct tx *tx;
    const struct plan *plan;
    const struct wish *wish;
    int64_t now;
    int64_t matching, takes, bytes;
    int64_t excluded[REASONS];
    int64_t *ranks; /* of the active ones that would take it */
    size_t room;
};

static int keep_rank(struct preview *preview, int64_t rank, struct error *err)
{
    if ((size_t)preview->takes == preview->room) {
        size_t room = preview->room ? 2 * preview->room : 1024;
        int64_t *ranks = realloc(preview->ranks, room * sizeof *ranks);

        if (!ranks)
            return fail_internal(err, "memory for %zu ranks", room);
        preview->ranks = ranks;
        preview->room = room;
    }
    preview->ranks[preview->takes++] = rank;
    return 0;
}

static int preview_device(const struct scanned *scanned, void *arg, struct error *err)
{
    struct preview *preview = arg;
    const struct plan *plan = preview->plan;
    struct lookup lookup = {preview->tx, scanned->device.row_id};
    const struct filter_subject facts = subject_of(&scanned->device, &lookup);
    bool matches;

    if (filter_matches(plan->filter, &facts, &matches, err))
        return -1;
    if (!matches)
        return 0;
    preview->matching++;
    enum reason reason = resolve_fitness(plan, &facts, scanned->device.floor);
    if (reason != REASON_OFFER) {
        preview->excluded[reason]++;
        return 0;
    }
    if (!scanned->seen_at || scanned->seen_at < preview->now - plan->stale_after)
        return 0;
    for (size_t i = 0; i < plan->image_count; i++)
        if (image_is_for(&plan->images[i], &facts))
            preview->bytes += plan->images[i].size;
    return keep_rank(preview, rank_of(plan->salt, scanned->device.id), err);
}

static int by_rank(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* With the ranks sorted a wave is a stretch: the next N, or all up to a limit. */
static json_t *preview_waves(struct preview *preview)
{
    json_t *waves = json_array();
    size_t at = 0, count = (size_t)preview->takes;

    if (count)
        qsort(preview->ranks, count, sizeof *preview->ranks, by_rank);
    for (size_t i = 0; i < preview->wish->wave_count; i++) {
        const struct wish_wave *wave = &preview->wish->waves[i];
        size_t from = at;

        if (wave->is_count)
            at = count - at > (size_t)wave->amount ? at + (size_t)wave->amount : count;
        else
            while (at < count && preview->ranks[at] <= rank_limit(wave->amount))
                at++;
        json_array_append_new(waves, json_pack("{s:I, s:s, s:f, s:I, s:I, s:s}", "position",
                                               (json_int_t)i + 1, "kind",
                                               wave->is_count ? "count" : "percent", "amount",
                                               wave->amount, "devices", (json_int_t)(at - from),
                                               "soak", (json_int_t)wave->gate.soak, "gate",
                                               wave->gate.is_manual ? "manual" : "auto"));
    }
    return waves;
}

static json_t *preview_to_json(struct preview *preview)
{
    json_t *excluded = json_object();
    int64_t unfit = 0;

    for (int i = 0; i < REASONS; i++) {
        unfit += preview->excluded[i];
        if (preview->excluded[i])
            json_object_set_new(excluded, reason_code((enum reason)i),
                                json_integer(preview->excluded[i]));
    }
    int64_t stale = preview->matching - unfit - preview->takes;
    if (stale)
        json_object_set_new(excluded, "stale", json_integer(stale));
    return json_pack("{s:s, s:s, s:I, s:I, s:o, s:o, s:I}", "release", preview->wish->release,
                     "target", preview->wish->target, "matching", (json_int_t)preview->matching,
                     "devices", (json_int_t)preview->takes, "excluded", excluded, "waves",
                     preview_waves(preview), "bytes", (json_int_t)preview->bytes);
}

int campaign_preview_json(struct tx *tx, struct campaigns *campaigns, int64_t tenant_row,
                          const json_t *json, int64_t now, json_t **ret, struct error *err)
{
    CLEANUP(plan_free) struct plan *plan = NULL;
    CLEANUP(campaign_clear) struct campaign campaign = {0};
    struct wish wish;

    if (wish_read(json, campaigns->config, &wish, err) ||
        campaign_from_wish(tx, tenant_row, &wish, &campaign, err) ||
        plan_make(tx, &campaign, NULL, 0, &plan, err))
        return -1;
    struct preview preview = {.tx = tx, .plan = plan, .wish = &wish, .now = now};
    int failed = deployment_scan(tx, tenant_row, 0, preview_device, &preview, err);
    if (!failed) {
        *ret = preview_to_json(&preview);
        failed = *ret ? 0 : fail_internal(err, "memory for a preview");
    }
    free(preview.ranks);
    return failed;
}
