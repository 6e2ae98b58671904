/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/wish.h"

#include "core/text.h"

#include <string.h>

#define YEAR (365 * 24 * 3600)
#define HOUR 3600
#define COVERAGE 0.8

static const struct budget pause_budget = {.share = 0.02, .failures = 2, .sample = 50};
static const struct budget abort_budget = {.share = 0.05, .failures = 3, .sample = 20};

static const struct preset {
    const char *name;
    struct {
        bool is_count;
        double amount;
        int64_t soak;
    } waves[5];
    size_t count;
} presets[] = {
    {"careful",
     {{true, 5, 24 * HOUR},
      {false, 1, 24 * HOUR},
      {false, 10, 12 * HOUR},
      {false, 50, 12 * HOUR},
      {false, 100, 0}},
     5                                                 },
    {"fast",    {{false, 10, HOUR}, {false, 100, 0}}, 2},
    {"all-now", {{false, 100, 0}},                    1},
};

/* Seconds as a number, or "90", "90s", "10m", "4h", "7d". */
static int get_seconds_or(const json_t *object, const char *name, int64_t least, int64_t otherwise,
                          int64_t *ret, struct error *err)
{
    static const char units[] = "smhd";
    static const int64_t seconds[] = {1, 60, 3600, 86400};
    const json_t *value = json_object_get(object, name);
    char digits[24];
    const char *unit = NULL;
    int64_t number;

    if (!json_is_string(value))
        return json_get_integer_or(object, name, least, YEAR, otherwise, ret, err);
    size_t length = json_string_length(value);
    if (length > 0 && length < sizeof digits) {
        strcpy(digits, json_string_value(value));
        unit = strchr(units, digits[length - 1]);
        if (unit)
            digits[length - 1] = '\0';
        if (number_from_text(digits, &number) && number <= YEAR) {
            number *= unit ? seconds[unit - units] : 1;
            if (number >= least && number <= YEAR) {
                *ret = number;
                return 0;
            }
        }
    }
    return fail_field(err, PROBLEM_BAD_FIELD, name, "%s is a time such as 90, \"10m\" or \"7d\"",
                      name);
}

static int read_gate(const json_t *json, bool is_last, struct gate *ret, struct error *err)
{
    const char *gate;

    if (json_get_number_or(json, "coverage", 0, 1, is_last ? 1 : COVERAGE, &ret->coverage, err) ||
        json_get_integer_or(json, "min_confirmed", 0, INT32_MAX, 0, &ret->min_confirmed, err) ||
        get_seconds_or(json, "soak", 0, 0, &ret->soak, err) ||
        json_get_string_or(json, "gate", "auto", &gate, err))
        return -1;
    ret->is_manual = strcmp(gate, "manual") == 0;
    if (!ret->is_manual && strcmp(gate, "auto") != 0)
        return fail_field(err, PROBLEM_BAD_FIELD, "gate", "gate is auto or manual");
    return 0;
}

static int read_wave(const json_t *json, bool is_last, struct wish_wave *ret, struct error *err)
{
    static const char *const members[] = {"count", "percent", "coverage", "min_confirmed",
                                          "soak",  "gate",    NULL};
    int64_t count;
    double percent;

    if (!json_is_object(json))
        return fail_field(err, PROBLEM_BAD_FIELD, "waves", "a wave is an object");
    if (json_only_members(json, members, err) || read_gate(json, is_last, &ret->gate, err) ||
        json_get_integer_or(json, "count", 1, 1000000, 0, &count, err) ||
        json_get_number_or(json, "percent", 0, 100, 0, &percent, err))
        return -1;
    if ((count > 0) == (percent > 0))
        return fail_field(err, PROBLEM_BAD_FIELD, "waves",
                          "a wave has either a count or a percent above 0");
    ret->is_count = count > 0;
    ret->amount = ret->is_count ? (double)count : percent;
    return 0;
}

static int read_waves(const json_t *json, const struct config *config, struct wish *ret,
                      struct error *err)
{
    size_t most = (size_t)config->campaign_waves_max;
    double percent = 0;

    if (most > WISH_WAVES_MAX)
        most = WISH_WAVES_MAX;
    ret->wave_count = json_array_size(json);
    if (ret->wave_count < 1 || ret->wave_count > most)
        return fail_field(err, PROBLEM_BAD_FIELD, "waves", "1 to %zu waves are possible", most);
    for (size_t i = 0; i < ret->wave_count; i++) {
        struct wish_wave *wave = &ret->waves[i];

        if (read_wave(json_array_get(json, i), i + 1 == ret->wave_count, wave, err))
            return -1;
        if (!wave->is_count && wave->amount <= percent)
            return fail_field(err, PROBLEM_BAD_FIELD, "waves",
                              "percentages are cumulative and must grow");
        if (!wave->is_count)
            percent = wave->amount;
    }
    return 0;
}

static int use_preset(const char *name, struct wish *ret, struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(presets); i++) {
        const struct preset *preset = &presets[i];

        if (strcmp(preset->name, name) != 0)
            continue;
        ret->wave_count = preset->count;
        for (size_t w = 0; w < preset->count; w++)
            ret->waves[w] = (struct wish_wave){
                .is_count = preset->waves[w].is_count,
                .amount = preset->waves[w].amount,
                .gate = {.coverage = w + 1 == preset->count ? 1 : COVERAGE,
                         .soak = preset->waves[w].soak},
            };
        return 0;
    }
    return fail_field(err, PROBLEM_BAD_FIELD, "preset", "preset is careful, fast or all-now");
}

static int read_budget(const json_t *json, const char *name, const struct budget *otherwise,
                       struct budget *ret, struct error *err)
{
    static const char *const members[] = {"share", "failures", "sample", NULL};
    const json_t *budget;

    *ret = *otherwise;
    if (json_get_object_or_none(json, name, &budget, err))
        return -1;
    if (!budget)
        return 0;
    if (json_only_members(budget, members, err) ||
        json_get_number_or(budget, "share", 0, 1, otherwise->share, &ret->share, err) ||
        json_get_integer_or(budget, "failures", 1, INT32_MAX, otherwise->failures, &ret->failures,
                            err) ||
        json_get_integer_or(budget, "sample", 1, INT32_MAX, otherwise->sample, &ret->sample, err))
        return -1;
    return 0;
}

static int read_times(const json_t *json, const struct config *config, struct wish *ret,
                      struct error *err)
{
    if (get_seconds_or(json, "confirm_after", 0, config->campaign_confirm_after,
                       &ret->confirm_after, err) ||
        get_seconds_or(json, "stale_after", 1, config->campaign_stale_after, &ret->stale_after,
                       err) ||
        get_seconds_or(json, "verify_timeout", 1, config->campaign_verify_timeout,
                       &ret->verify_timeout, err) ||
        get_seconds_or(json, "offer_ttl", 1, config->campaign_offer_ttl, &ret->offer_ttl, err))
        return -1;
    return 0;
}

static int read_texts(const json_t *json, const struct config *config, struct wish *ret,
                      struct error *err)
{
    if (json_get_string(json, "release", &ret->release, err) ||
        json_get_string(json, "target", &ret->target, err) ||
        json_get_string_or(json, "name", ret->release, &ret->name, err))
        return -1;
    if (ret->name[0] == '\0' || strlen(ret->name) >= WISH_NAME_SIZE)
        return fail_field(err, PROBLEM_BAD_FIELD, "name", "a name has 1 to %d bytes",
                          WISH_NAME_SIZE - 1);
    if (strlen(ret->target) > (size_t)config->campaign_filter_max)
        return fail_field(err, PROBLEM_BAD_FILTER, "target", "the target is longer than %lld bytes",
                          (long long)config->campaign_filter_max);
    return 0;
}

int wish_read(const json_t *json, const struct config *config, struct wish *ret, struct error *err)
{
    static const char *const members[] = {
        "release",        "target",    "name",          "waves",    "pause",
        "abort",          "priority",  "confirm_after", "attempts", "stale_after",
        "verify_timeout", "offer_ttl", "rate",          "start",    "preset",
        "reason",         NULL};
    const json_t *waves;
    const char *preset;

    *ret = (struct wish){0};
    if (json_only_members(json, members, err) || read_texts(json, config, ret, err) ||
        read_times(json, config, ret, err) ||
        read_budget(json, "pause", &pause_budget, &ret->pause, err) ||
        read_budget(json, "abort", &abort_budget, &ret->abort, err) ||
        json_get_integer_or(json, "priority", -1000, 1000, 0, &ret->priority, err) ||
        json_get_integer_or(json, "attempts", 1, 100, 3, &ret->attempts_max, err) ||
        json_get_integer_or(json, "rate", 0, INT64_C(1) << 40, 0, &ret->rate, err) ||
        json_get_bool_or(json, "start", false, &ret->starts, err) ||
        json_get_array_or_none(json, "waves", &waves, err) ||
        json_get_string_or(json, "preset", "careful", &preset, err))
        return -1;
    return waves ? read_waves(waves, config, ret, err) : use_preset(preset, ret, err);
}
