/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign with its waves and all its counts, for gates, brakes and operators. */
#include "campaign/engine.h"

#include "store/stratum_count.h"

#include <string.h>

/* Offered and expected to say something. Who waits for a window, for a person or for the next
 * attempt may be silent. */
static bool is_to_speak(const struct rules *rules, enum deployment_state state)
{
    bool has_windows = rules->install_windows.count || rules->download_windows.count;

    switch (state) {
    case DEPLOYMENT_OFFERED:
    case DEPLOYMENT_DOWNLOADING:
    case DEPLOYMENT_INSTALLING:
    case DEPLOYMENT_VERIFYING:
        return true;
    case DEPLOYMENT_WITHDRAWN:
        return !has_windows;
    case DEPLOYMENT_DOWNLOADED:
        return !has_windows && rules->install == INSTALL_FORCED;
    default:
        return false;
    }
}

static int add_count(int wave, const char *state_name, int64_t count, void *arg, struct error *err)
{
    struct overview *overview = arg;
    enum deployment_state state = DEPLOYMENT_OFFERED;

    (void)err;
    if (wave < 0 || (size_t)wave >= overview->wave_count)
        return 0;
    bool is_state = deployment_state_of(state_name, &state);
    enum outcome outcome = outcome_counted(state_name);
    struct tally *const sums[] = {&overview->whole, &overview->tallies[wave]};
    for (size_t i = 0; i < COUNT_OF(sums); i++) {
        sums[i]->offered += count;
        sums[i]->confirmed += outcome == OUTCOME_CONFIRMED ? count : 0;
        sums[i]->failed += outcome == OUTCOME_FAILED ? count : 0;
        sums[i]->uncounted += outcome == OUTCOME_UNCOUNTED ? count : 0;
    }
    overview->silent += is_state && is_to_speak(&overview->rules, state) ? count : 0;
    return 0;
}

static int weigh_stratum(const struct stratum_count *count, void *arg, struct error *err)
{
    struct overview *overview = arg;
    const struct tally tally = {.confirmed = count->confirmed, .failed = count->failed};
    enum brake brake = gate_brake(&overview->rules.strata_pause, &overview->rules.strata_abort,
                                  &tally, count->accepted);

    (void)err;
    if (brake == BRAKE_NONE || brake < overview->strata_brake ||
        (brake == overview->strata_brake && tally.failed <= overview->worst.failed))
        return 0;
    overview->strata_brake = brake;
    overview->worst = tally;
    snprintf(overview->worst_stratum, sizeof overview->worst_stratum, "%s", count->stratum);
    return 0;
}

static int load_counts(struct tx *tx, struct overview *overview, struct error *err)
{
    int64_t row = overview->campaign.row_id;

    for (size_t i = 0; i < overview->wave_count; i++) {
        overview->tallies[i].active = overview->waves[i].active;
        overview->whole.active += overview->waves[i].active;
    }
    if (deployment_counts(tx, row, add_count, overview, err))
        return -1;
    return overview->rules.strata ? stratum_counts(tx, row, weigh_stratum, overview, err) : 0;
}

int overview_load(struct tx *tx, int64_t campaign_row, struct overview *ret, struct error *err)
{
    CLEANUP(overview_clear) struct overview found = {0};

    if (campaign_need(tx, campaign_row, &found.campaign, err) ||
        rules_load(found.campaign.plan, NULL, &found.rules, err) ||
        waves_of(tx, campaign_row, &found.waves, &found.wave_count, err))
        return -1;
    if (found.wave_count > found.rules.wave_count)
        return fail_internal(err, "campaign row %lld has %zu waves", (long long)campaign_row,
                             found.wave_count);
    if (load_counts(tx, &found, err))
        return -1;
    *ret = found;
    found = (struct overview){0};
    return 0;
}

void overview_clear(struct overview *overview)
{
    campaign_clear(&overview->campaign);
    rules_clear(&overview->rules);
    waves_free(overview->waves, overview->wave_count);
    overview->waves = NULL;
    overview->wave_count = 0;
}

static enum brake worse(enum brake a, enum brake b)
{
    return a > b ? a : b;
}

enum brake overview_brake_of_wave(const struct overview *overview, int wave)
{
    const struct rules *rules = &overview->rules;
    enum brake whole = gate_brake(&rules->pause, &rules->abort, &overview->whole,
                                  overview->campaign.accepted_failures);

    if (wave < 0 || (size_t)wave >= overview->wave_count)
        return whole;
    return worse(whole, gate_brake(&rules->pause, &rules->abort, &overview->tallies[wave],
                                   overview->waves[wave].accepted));
}

enum brake overview_brake(const struct overview *overview, int wave)
{
    return worse(overview->strata_brake, overview_brake_of_wave(overview, wave));
}

/* Never less than before, never more than there are. */
static int64_t taken_on(int64_t before, int64_t failed, int64_t most)
{
    int64_t now = failed < most ? failed : most;

    return now > before ? now : before;
}

int overview_accept(struct tx *tx, struct overview *overview, int64_t most, struct error *err)
{
    struct campaign *campaign = &overview->campaign;

    campaign->accepted_failures =
        taken_on(campaign->accepted_failures, overview->whole.failed, most);
    for (size_t i = 0; i < overview->wave_count; i++) {
        struct wave *wave = &overview->waves[i];
        int64_t accepted = taken_on(wave->accepted, overview->tallies[i].failed, most);

        if (accepted == wave->accepted)
            continue;
        wave->accepted = accepted;
        if (wave_save(tx, wave, err))
            return -1;
    }
    if (!overview->rules.strata)
        return 0;
    overview->strata_brake = BRAKE_NONE;
    overview->worst = (struct tally){0};
    if (stratum_counts_accept(tx, campaign->row_id, most, err))
        return -1;
    return stratum_counts(tx, campaign->row_id, weigh_stratum, overview, err);
}

int overview_clamp_accepted(struct tx *tx, int64_t campaign_row, struct error *err)
{
    CLEANUP(overview_clear) struct overview overview = {0};

    if (overview_load(tx, campaign_row, &overview, err))
        return -1;
    for (size_t i = 0; i < overview.wave_count; i++) {
        if (overview.waves[i].accepted <= overview.tallies[i].failed)
            continue;
        overview.waves[i].accepted = overview.tallies[i].failed;
        if (wave_save(tx, &overview.waves[i], err))
            return -1;
    }
    if (overview.rules.strata && stratum_counts_clamp(tx, campaign_row, err))
        return -1;
    if (overview.campaign.accepted_failures <= overview.whole.failed)
        return 0;
    overview.campaign.accepted_failures = overview.whole.failed;
    return campaign_save(tx, &overview.campaign, err);
}

struct wave *overview_current(const struct overview *overview)
{
    for (size_t i = 0; i < overview->wave_count; i++) {
        enum wave_state state = wave_state_in(&overview->waves[i]);

        if (state != WAVE_PASSED && state != WAVE_SKIPPED)
            return &overview->waves[i];
    }
    return NULL;
}
