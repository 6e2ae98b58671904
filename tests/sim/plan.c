/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include "outcome.h"
#include "world.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void plan_plain(struct plan_model *plan, const char *version)
{
    *plan = (struct plan_model){
        .version = version,
        .target = "model = gw",
        .waves = {{.amount = 100, .coverage = 1}},
        .wave_count = 1,
        .pause = { 1, 1000000, 1},
        .abort = {                             1, 1000000, 1},
        .attempts = 3,
        .stale_after = 7 * DAY,
        .confirm_after = 10 * MINUTE,
        .verify_timeout = DAY,
        .offer_ttl = HOUR,
    };
}

/* -- at random -- */

static void random_waves(struct plan_model *plan, struct dice *dice)
{
    double percent = 0;

    plan->wave_count = (size_t)dice_between(dice, 1, 4);
    for (size_t i = 0; i < plan->wave_count; i++) {
        struct plan_wave *wave = &plan->waves[i];
        bool is_last = i + 1 == plan->wave_count;

        *wave = (struct plan_wave){.is_count = dice_chance(dice, is_last ? 0.1 : 0.5),
                                   .is_manual = dice_chance(dice, 0.1)};
        if (wave->is_count) {
            wave->amount = (double)dice_between(dice, 1, 8);
            wave->strata = dice_chance(dice, 0.4);
        } else {
            wave->ramp = dice_chance(dice, 0.2) ? dice_between(dice, MINUTE, 2 * HOUR) : 0;
            double rest = 100 - percent;
            wave->amount = is_last && dice_chance(dice, 0.8)
                               ? 100
                               : percent + rest * (0.1 + 0.6 * dice_share(dice));
            percent = wave->amount;
        }
        wave->min_confirmed = dice_chance(dice, 0.5) ? 0 : dice_between(dice, 1, 6);
        wave->coverage = dice_chance(dice, 0.5) ? 0.8 : dice_share(dice);
        wave->soak = dice_chance(dice, 0.3) ? 0 : dice_between(dice, 1, 10 * MINUTE);
    }
    if (dice_chance(dice, 0.1)) {
        memmove(&plan->waves[1], plan->waves, plan->wave_count++ * sizeof *plan->waves);
        plan->waves[0] = (struct plan_wave){.site = "s3", .coverage = 0.8};
    }
}

/* Around the hour it is now somewhere. */
static struct plan_window random_window(struct dice *dice)
{
    if (dice_chance(dice, 0.5))
        return (struct plan_window){0};
    return (struct plan_window){dice_below(dice, 24 * 60), dice_between(dice, 20, 23 * 60)};
}

static void random_times(struct plan_model *plan, struct dice *dice)
{
    static const char *const zones[] = {"Asia/Kathmandu",
                                        "Australia/Lord_Howe",
                                        "Pacific/Chatham",
                                        "America/St_Johns",
                                        "Pacific/Kiritimati",
                                        "Europe/Berlin",
                                        NULL};

    if (!dice_chance(dice, 0.2))
        return;
    plan->download = random_window(dice);
    plan->install = random_window(dice);
    plan->zone = zones[dice_below(dice, COUNT_OF(zones))];
    plan->is_expedited = dice_chance(dice, 0.1);
}

/* The pause comes first, whatever the number of resolved devices. */
static void random_budgets(struct plan_model *plan, struct dice *dice)
{
    plan->abort = (struct plan_budget){.share = dice_chance(dice, 0.3) ? 1 : 0.3 * dice_share(dice),
                                       .failures = dice_between(dice, 1, 8),
                                       .sample = dice_between(dice, 1, 30)};
    plan->pause = (struct plan_budget){.share = plan->abort.share * dice_share(dice),
                                       .failures = dice_between(dice, 1, plan->abort.failures),
                                       .sample = dice_between(dice, 1, plan->abort.sample)};
}

void plan_random(struct plan_model *plan, struct dice *dice)
{
    static const char *const versions[] = {"2.0", "2.0", "3.0", "1.5"};
    static const char *const channels[] = {"beta", "stable"};
    static const char *const modes[] = {NULL, NULL, NULL, "optional", "prestage"};
    static const char *const targets[] = {"model = gw", "all", "model in (gw, ap)",
                                          "site = s1 or version < 1.5", "not site = s2"};

    plan_plain(plan, versions[dice_below(dice, COUNT_OF(versions))]);
    plan->target = targets[dice_below(dice, COUNT_OF(targets))];
    random_waves(plan, dice);
    random_budgets(plan, dice);
    plan->attempts = dice_between(dice, 1, 5);
    plan->priority = dice_between(dice, -1, 1);
    plan->stale_after = dice_between(dice, 10 * MINUTE, 3 * HOUR);
    plan->confirm_after = dice_chance(dice, 0.3) ? 0 : dice_between(dice, 1, 10 * MINUTE);
    plan->verify_timeout = dice_between(dice, 10 * MINUTE, HOUR);
    plan->offer_ttl = dice_between(dice, 2 * MINUTE, 30 * MINUTE);
    plan->download_deadline = dice_chance(dice, 0.3) ? dice_between(dice, MINUTE, 2 * HOUR) : 0;
    plan->dead_man = dice_chance(dice, 0.3) ? dice_between(dice, 20 * MINUTE, 2 * HOUR) : 0;
    plan->watch = dice_chance(dice, 0.3) ? dice_between(dice, MINUTE, HOUR) : 0;
    plan->rate_start = dice_chance(dice, 0.3) ? dice_between(dice, 1, 10) : 0;
    plan->leases = dice_chance(dice, 0.3) ? dice_between(dice, 1, 10) : 0;
    random_times(plan, dice);
    plan->rolls_back = dice_chance(dice, 0.3);
    plan->is_loose = dice_chance(dice, 0.1);
    plan->strata = dice_chance(dice, 0.15);
    plan->channel = dice_chance(dice, 0.25) ? channels[dice_below(dice, 2)] : NULL;
    plan->mode = modes[dice_below(dice, COUNT_OF(modes))];
    plan->asks_consent = dice_chance(dice, 0.15);
}

/* -- as JSON -- */

struct writing {
    char *to;
    size_t length;
};

static void put(struct writing *writing, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void put(struct writing *writing, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    int more = vsnprintf(writing->to + writing->length, PLAN_JSON_SIZE - writing->length, format,
                         arguments);
    va_end(arguments);
    if (more < 0 || (writing->length += (size_t)more) >= PLAN_JSON_SIZE)
        die("a plan longer than %d bytes", PLAN_JSON_SIZE);
}

static void put_waves(struct writing *writing, const struct plan_model *plan)
{
    for (size_t i = 0; i < plan->wave_count; i++) {
        const struct plan_wave *wave = &plan->waves[i];

        put(writing, "%s{", i ? ", " : "");
        if (wave->site)
            put(writing, "\"filter\": \"site = %s\"", wave->site);
        else
            put(writing, "\"%s\": %.17g", wave->is_count ? "count" : "percent", wave->amount);
        put(writing, ", \"coverage\": %.17g, \"soak\": %lld", wave->coverage,
            (long long)wave->soak);
        if (wave->strata)
            put(writing, ", \"strata\": [\"model\", \"site\"]");
        if (wave->ramp)
            put(writing, ", \"ramp\": %lld", (long long)wave->ramp);
        if (wave->min_confirmed)
            put(writing, ", \"min_confirmed\": %lld", (long long)wave->min_confirmed);
        put(writing, "%s}", wave->is_manual ? ", \"gate\": \"manual\"" : "");
    }
}

static void put_budget(struct writing *writing, const char *name, const struct plan_budget *budget)
{
    put(writing, "\"%s\": {\"share\": %.17g, \"failures\": %lld, \"sample\": %lld}, ", name,
        budget->share, (long long)budget->failures, (long long)budget->sample);
}

static void put_window(struct writing *writing, const char *name, const struct plan_window *window)
{
    if (window->length)
        put(writing, "\"%s\": [{\"start\": \"%02lld:%02lld\", \"length\": %lld}], ", name,
            (long long)window->start / 60, (long long)window->start % 60,
            (long long)window->length * MINUTE);
}

/* Only what differs from what is usual. */
static void put_options(struct writing *writing, const struct plan_model *plan)
{
    put(writing, "\"reason\": \"tried\", \"windows\": {");
    put_window(writing, "download", &plan->download);
    put_window(writing, "install", &plan->install);
    put(writing, "\"zone\": \"%s\", \"expedite\": %s}, ", plan->zone ? plan->zone : "",
        plan->is_expedited ? "true" : "false");
    if (plan->strata)
        put(writing, "\"strata\": {\"by\": [\"model\", \"site\"]}, ");
    if (plan->rolls_back)
        put(writing, "\"on_abort\": \"rollback\", ");
    if (plan->is_loose)
        put(writing, "\"sticky\": false, ");
    if (plan->channel)
        put(writing, "\"channel\": \"%s\", ", plan->channel);
    if (plan->asks_consent)
        put(writing, "\"consent\": true, ");
    if (plan->mode)
        put(writing, "\"install\": \"%s\", ", plan->mode);
    if (plan->salt_from)
        put(writing, "\"salt_from\": \"%s\", ", plan->salt_from);
    if (plan->expected)
        put(writing, "\"expected\": {\"count\": %lld}, ", (long long)plan->expected);
}

void plan_json(const struct plan_model *plan, char ret[PLAN_JSON_SIZE])
{
    struct writing writing = {ret, 0};

    put(&writing, "{\"release\": \"gw:%s\", \"target\": \"%s\", \"waves\": [", plan->version,
        plan->target);
    put_waves(&writing, plan);
    put(&writing, "], ");
    put_budget(&writing, "pause", &plan->pause);
    put_budget(&writing, "abort", &plan->abort);
    put_options(&writing, plan);
    put(&writing, "\"attempts\": %lld, \"priority\": %lld, ", (long long)plan->attempts,
        (long long)plan->priority);
    put(&writing,
        "\"stale_after\": %lld, \"confirm_after\": %lld, \"verify_timeout\": %lld, "
        "\"offer_ttl\": %lld, ",
        (long long)plan->stale_after, (long long)plan->confirm_after,
        (long long)plan->verify_timeout, (long long)plan->offer_ttl);
    put(&writing,
        "\"download_deadline\": %lld, \"dead_man\": %lld, \"watch\": %lld, "
        "\"rate\": {\"start\": %lld}, \"caps\": {\"leases\": %lld}}",
        (long long)plan->download_deadline, (long long)plan->dead_man, (long long)plan->watch,
        (long long)plan->rate_start, (long long)plan->leases);
}

int64_t plan_trips_at(const struct plan_budget *budget, int64_t resolved)
{
    int64_t of = resolved > budget->sample ? resolved : budget->sample;
    int64_t share = (int64_t)ceil(budget->share * (double)of - 1e-9);

    return share > budget->failures ? share : budget->failures;
}

/* -- the clocks of a place -- */

static void set_zone(const char *zone)
{
    static char present[64];

    if (strcmp(present, zone) == 0)
        return;
    snprintf(present, sizeof present, "%s", zone);
    setenv("TZ", zone, 1);
    tzset();
}

static struct tm clocks_at(int64_t at)
{
    struct tm clocks;
    time_t time = (time_t)at;

    localtime_r(&time, &clocks);
    return clocks;
}

static bool is_past_start(const struct tm *clocks, const struct plan_window *window)
{
    return 60 * clocks->tm_hour + clocks->tm_min >= window->start;
}

/* The first minute of its day that shows the start or later; clocks may have been set back. */
static bool opens_at(const struct plan_window *window, int64_t at)
{
    struct tm clocks = clocks_at(at), before;

    if (!is_past_start(&clocks, window))
        return false;
    for (int64_t minutes = 1; minutes <= 180; minutes++) {
        before = clocks_at(at - minutes * MINUTE);
        if (before.tm_yday == clocks.tm_yday && is_past_start(&before, window))
            return false;
    }
    return true;
}

/* How far back nothing can have opened, be the clocks set by an hour in between; at least one. */
static int64_t leap_from(const struct plan_window *window, int64_t minutes)
{
    int64_t leap = minutes >= window->start       ? minutes - 60 - window->start
                   : minutes + 60 < window->start ? minutes - 60
                                                  : 1;

    return leap > 1 ? leap : 1;
}

bool plan_window_is_open(const struct plan_window *window, const char *zone, int64_t now)
{
    if (!window->length)
        return true;
    set_zone(zone ? zone : "UTC");
    for (int64_t at = now; at > now - window->length * MINUTE;) {
        struct tm clocks = clocks_at(at);

        if (opens_at(window, at))
            return true;
        at -= leap_from(window, 60 * clocks.tm_hour + clocks.tm_min) * MINUTE;
    }
    return false;
}
