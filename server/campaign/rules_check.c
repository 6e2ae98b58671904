/* SPDX-License-Identifier: Apache-2.0 */
/* What makes no sense in a plan that is made now. Plans already stored were looked at then. */
#include "campaign/rules.h"
#include "core/clock.h"

#define NEVER_SHUT 60 /* seconds a window must be open in before the end */

static int check_times(const struct rules *rules, int64_t now, struct error *err)
{
    const struct {
        const char *field;
        int64_t at;
    } times[] = {
        {"start_at",         rules->start_at},
        {"end_at",           rules->end_at  },
        {"install.force_at", rules->force_at},
    };

    for (size_t i = 0; i < COUNT_OF(times); i++)
        if (times[i].at && times[i].at <= now)
            return fail_field(err, PROBLEM_BAD_FIELD, times[i].field, "%s lies in the past",
                              times[i].field);
    for (size_t i = 0; i < rules->wave_count; i++) {
        char field[40];

        snprintf(field, sizeof field, "waves[%zu].not_before", i);
        if (rules->end_at && rules->waves[i].not_before >= rules->end_at)
            return fail_field(err, PROBLEM_BAD_FIELD, field, "the wave opens after end_at");
    }
    return 0;
}

/* Somewhere between start and end there must be a moment for it. */
static int check_window(const struct rules *rules, const struct windows *windows, const char *field,
                        int64_t now, struct error *err)
{
    const struct zone *zone = zone_named(rules->zone[0] ? rules->zone : "UTC");
    int64_t from = rules->start_at > now ? rules->start_at : now, opens;

    if (!windows->count || !rules->end_at || !zone || rules->is_expedited)
        return 0;
    if (windows_are_open(windows, zone, from, &opens) || opens + NEVER_SHUT <= rules->end_at)
        return 0;
    return fail_field(err, PROBLEM_BAD_FIELD, field, "it never opens before end_at");
}

static int check_budgets(const struct rules *rules, struct error *err)
{
    if (!budget_comes_first(&rules->pause, &rules->abort))
        return fail_field(err, PROBLEM_BAD_FIELD, "pause",
                          "the pause budget is looser than the abort budget, which would come "
                          "first; say both");
    if (rules->strata && !budget_comes_first(&rules->strata_pause, &rules->strata_abort))
        return fail_field(err, PROBLEM_BAD_FIELD, "strata.pause",
                          "the pause budget is looser than the abort budget");
    return 0;
}

static int check_end(const struct rules *rules, struct error *err)
{
    if (rules->end_cancels && !rules->end_at)
        return fail_field(err, PROBLEM_BAD_FIELD, "on_end", "on_end needs an end_at");
    if (rules->rate.max && rules->rate.start > rules->rate.max)
        return fail_field(err, PROBLEM_BAD_FIELD, "rate.max", "max lies below start");
    return 0;
}

int rules_check(const struct rules *rules, int64_t now, struct error *err)
{
    return check_times(rules, now, err) ||
                   check_window(rules, &rules->download_windows, "windows.download", now, err) ||
                   check_window(rules, &rules->install_windows, "windows.install", now, err) ||
                   check_budgets(rules, err) || check_end(rules, err)
               ? -1
               : 0;
}
