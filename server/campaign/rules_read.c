/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a campaign's rules. Every default is decided here and nowhere else. */
#include "campaign/filter.h"
#include "campaign/rules.h"
#include "core/clock.h"
#include "core/text.h"

#include <string.h>

#define YEAR ((int64_t)365 * 24 * 3600)
#define HOUR 3600
#define COVERAGE 0.8
#define TEXT_MAX 1000

static const struct budget pause_budget = {.share = 0.02, .failures = 2, .sample = 50};
static const struct budget abort_budget = {.share = 0.05, .failures = 3, .sample = 20};

#define CANARY_STRATA (STRATUM_MODEL | STRATUM_VERSION)

static const struct preset {
    const char *name;
    struct {
        enum wave_kind kind;
        double amount;
        int64_t soak, min_confirmed;
        unsigned strata;
    } waves[5];
    size_t count;
    bool needs_reason;
} presets[] = {
    {"careful",
     {{WAVE_COUNT, 5, 24 * HOUR, 0, CANARY_STRATA},
      {WAVE_PERCENT, 1, 24 * HOUR, 0, 0},
      {WAVE_PERCENT, 10, 12 * HOUR, 0, 0},
      {WAVE_PERCENT, 50, 12 * HOUR, 0, 0},
      {WAVE_PERCENT, 100, 0, 0, 0}},
     5,                                                                            false},
    {"fast",    {{WAVE_PERCENT, 10, HOUR, 0, 0}, {WAVE_PERCENT, 100, 0, 0, 0}}, 2, false},
    {"all-now", {{WAVE_PERCENT, 100, 0, 0, 0}},                                 1, true },
};

/* -- values -- */

/* What is wrong lies in a member of `outer`: "share" becomes "pause.share". Always -1. */
static int within(const char *outer, struct error *err)
{
    char inner[sizeof err->field];

    snprintf(inner, sizeof inner, "%s", err->field);
    snprintf(err->field, sizeof err->field, "%.16s%s%.30s", outer, inner[0] ? "." : "", inner);
    return -1;
}

/* Seconds as a number, or "90", "90s", "10m", "4h", "7d". */
static int get_seconds_or(const json_t *object, const char *name, int64_t least, int64_t otherwise,
                          int64_t *ret, struct error *err)
{
    const json_t *value = json_object_get(object, name);

    if (!json_is_string(value))
        return json_get_integer_or(object, name, least, YEAR, otherwise, ret, err);
    if (seconds_from_text(json_string_value(value), YEAR, ret) == 0 && *ret >= least)
        return 0;
    return fail_field(err, PROBLEM_BAD_FIELD, name, "%s is a time such as 90, \"10m\" or \"7d\"",
                      name);
}

static int get_time_or_none(const json_t *object, const char *name, int64_t *ret, struct error *err)
{
    const char *text;

    *ret = 0;
    if (json_get_string_or(object, name, NULL, &text, err))
        return -1;
    if (text && (!clock_parse(text, ret) || *ret <= 0))
        return fail_field(err, PROBLEM_BAD_FIELD, name, "%s is a time such as 2026-05-01T22:00:00Z",
                          name);
    return 0;
}

static int get_text_or(const json_t *object, const char *name, const char *otherwise,
                       const char **ret, struct error *err)
{
    if (json_get_string_or(object, name, otherwise, ret, err))
        return -1;
    if (strlen(*ret) > TEXT_MAX)
        return fail_field(err, PROBLEM_BAD_FIELD, name, "%s is longer than %d bytes", name,
                          TEXT_MAX);
    return 0;
}

/* One of a list of words; the answer is its place. */
static int get_word_or(const json_t *object, const char *name, const char *const words[],
                       int otherwise, int *ret, struct error *err)
{
    const char *word;

    if (json_get_string_or(object, name, words[otherwise], &word, err))
        return -1;
    for (*ret = 0; words[*ret]; ++*ret)
        if (strcmp(words[*ret], word) == 0)
            return 0;
    return fail_field(err, PROBLEM_BAD_FIELD, name, "%s cannot be \"%.40s\"", name, word);
}

static int get_filter(const json_t *object, const char *name, const struct config *config,
                      const char **ret, struct error *err)
{
    CLEANUP(filter_free) struct filter *filter = NULL;
    size_t most = config ? (size_t)config->campaign_filter_max : 65536;

    if (json_get_string(object, name, ret, err))
        return -1;
    if (strlen(*ret) > most)
        return fail_field(err, PROBLEM_BAD_FILTER, name, "the filter is longer than %zu bytes",
                          most);
    if (filter_parse(*ret, &filter, err) == 0)
        return 0;
    snprintf(err->field, sizeof err->field, "%s", name);
    return -1;
}

static int read_strata(const json_t *list, const char *name, unsigned *ret, struct error *err)
{
    static const char *const words[] = {"model", "version", "site"};

    *ret = 0;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *word = json_string_value(json_array_get(list, i));
        unsigned known = 0;

        for (size_t w = 0; word && w < COUNT_OF(words); w++)
            known |= strcmp(words[w], word) == 0 ? 1u << w : 0;
        if (!known)
            return fail_field(err, PROBLEM_BAD_FIELD, name,
                              "strata are made of model, version and site");
        *ret |= known;
    }
    return 0;
}

/* -- waves -- */

static int read_gate(const json_t *json, bool is_last, struct gate *ret, struct error *err)
{
    static const char *const words[] = {"auto", "manual", NULL};
    int gate;

    if (json_get_number_or(json, "coverage", 0, 1, is_last ? 1 : COVERAGE, &ret->coverage, err) ||
        json_get_integer_or(json, "min_confirmed", 0, INT32_MAX, 0, &ret->min_confirmed, err) ||
        get_seconds_or(json, "soak", 0, 0, &ret->soak, err) ||
        get_word_or(json, "gate", words, 0, &gate, err))
        return -1;
    ret->is_manual = gate == 1;
    return 0;
}

/* {"id": "l-3", "sha256": "…"} once expanded, the bare id before. */
static int read_list(const json_t *json, struct wave_rule *ret, struct error *err)
{
    const json_t *list = json_object_get(json, "list");
    const json_t *id = json_is_object(list) ? json_object_get(list, "id") : list;
    const json_t *sha256 = json_is_object(list) ? json_object_get(list, "sha256") : NULL;

    if (!json_is_string(id))
        return fail_field(err, PROBLEM_BAD_FIELD, "list", "a list wave names a device list");
    ret->kind = WAVE_LIST;
    ret->text = json_string_value(id);
    if (json_is_string(sha256))
        ret->list_sha256 = json_string_value(sha256);
    return 0;
}

static int read_kind(const json_t *json, const struct config *config, struct wave_rule *ret,
                     struct error *err)
{
    int kinds = 0;
    int64_t count = 0;

    ret->text = ret->list_sha256 = "";
    for (int kind = 0; kind < WAVE_KINDS; kind++)
        if (json_object_get(json, wave_kind_name((enum wave_kind)kind))) {
            ret->kind = (enum wave_kind)kind;
            kinds++;
        }
    if (kinds != 1)
        return fail(err, PROBLEM_BAD_FIELD,
                    "a wave is one of count, percent, tag, filter and list");
    switch (ret->kind) {
    case WAVE_COUNT:
        if (json_get_integer(json, "count", 1, 1000000, &count, err))
            return -1;
        ret->amount = (double)count;
        return 0;
    case WAVE_PERCENT:
        if (json_get_number_or(json, "percent", 0, 100, 0, &ret->amount, err))
            return -1;
        return ret->amount > 0
                   ? 0
                   : fail_field(err, PROBLEM_BAD_FIELD, "percent", "a percentage lies above 0");
    case WAVE_TAG:
        if (json_get_string(json, "tag", &ret->text, err))
            return -1;
        return ret->text[0] ? 0 : fail_field(err, PROBLEM_BAD_FIELD, "tag", "a tag is not empty");
    case WAVE_FILTER:
        return get_filter(json, "filter", config, &ret->text, err);
    default:
        return read_list(json, ret, err);
    }
}

static int read_wave(const json_t *json, const struct config *config, bool is_last,
                     struct wave_rule *ret, struct error *err)
{
    static const char *const members[] = {
        "count", "percent", "tag",        "filter", "list",   "coverage", "min_confirmed",
        "soak",  "gate",    "not_before", "ramp",   "strata", NULL};
    const json_t *strata;

    if (!json_is_object(json))
        return fail(err, PROBLEM_BAD_FIELD, "a wave is an object");
    if (json_only_members(json, members, err) || read_kind(json, config, ret, err) ||
        read_gate(json, is_last, &ret->gate, err) ||
        get_time_or_none(json, "not_before", &ret->not_before, err) ||
        get_seconds_or(json, "ramp", 0, 0, &ret->ramp, err) ||
        json_get_array_or_none(json, "strata", &strata, err) ||
        read_strata(strata, "strata", &ret->strata, err))
        return -1;
    if (ret->strata && ret->kind != WAVE_COUNT)
        return fail(err, PROBLEM_BAD_FIELD, "only count waves are drawn in strata");
    if (ret->ramp && ret->kind != WAVE_PERCENT)
        return fail(err, PROBLEM_BAD_FIELD, "only percent waves have a ramp");
    return 0;
}

#define WAVE_FIELD_SIZE 32

static const char *wave_field(size_t wave, const char *member, char ret[WAVE_FIELD_SIZE])
{
    snprintf(ret, WAVE_FIELD_SIZE, "waves[%zu]%s", wave, member);
    return ret;
}

/* Explicit waves stand before the bands, and percentages grow. */
static int check_order(const struct rules *rules, struct error *err)
{
    char field[WAVE_FIELD_SIZE];
    double percent = 0;
    bool has_band = false;

    for (size_t i = 0; i < rules->wave_count; i++) {
        const struct wave_rule *wave = &rules->waves[i];

        if (wave_kind_is_explicit(wave->kind) && has_band)
            return fail_field(err, PROBLEM_BAD_FIELD, wave_field(i, "", field),
                              "waves by tag, filter or list stand before counts and percentages");
        has_band |= !wave_kind_is_explicit(wave->kind);
        if (wave->kind != WAVE_PERCENT)
            continue;
        if (wave->amount <= percent)
            return fail_field(err, PROBLEM_BAD_FIELD, wave_field(i, ".percent", field),
                              "percentages are cumulative and must grow");
        percent = wave->amount;
    }
    return 0;
}

static int read_waves(const json_t *json, const struct config *config, struct rules *ret,
                      struct error *err)
{
    size_t most = config ? (size_t)config->campaign_waves_max : RULES_WAVES_MAX;
    char field[WAVE_FIELD_SIZE];

    if (most > RULES_WAVES_MAX)
        most = RULES_WAVES_MAX;
    ret->wave_count = json_array_size(json);
    if (ret->wave_count < 1 || ret->wave_count > most)
        return fail_field(err, PROBLEM_BAD_FIELD, "waves", "1 to %zu waves are possible", most);
    for (size_t i = 0; i < ret->wave_count; i++)
        if (read_wave(json_array_get(json, i), config, i + 1 == ret->wave_count, &ret->waves[i],
                      err))
            return within(wave_field(i, "", field), err);
    return check_order(ret, err);
}

static int use_preset(const char *name, struct rules *ret, struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(presets); i++) {
        const struct preset *preset = &presets[i];

        if (strcmp(preset->name, name) != 0)
            continue;
        if (preset->needs_reason && !ret->reason[0])
            return fail_field(err, PROBLEM_BAD_FIELD, "reason", "%s needs a reason", name);
        ret->wave_count = preset->count;
        for (size_t w = 0; w < preset->count; w++)
            ret->waves[w] = (struct wave_rule){
                .kind = preset->waves[w].kind,
                .amount = preset->waves[w].amount,
                .text = "",
                .list_sha256 = "",
                .strata = preset->waves[w].strata,
                .gate = {.coverage = w + 1 == preset->count ? 1 : COVERAGE,
                         .min_confirmed = preset->waves[w].min_confirmed,
                         .soak = preset->waves[w].soak},
            };
        return 0;
    }
    return fail_field(err, PROBLEM_BAD_FIELD, "preset", "preset is careful, fast or all-now");
}

/* -- budgets and capacity -- */

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
        return within(name, err);
    return 0;
}

/* Whoever wants it aborted sooner than the pause that is usual wants no later pause. */
static const struct budget *pause_otherwise(const struct budget *abort)
{
    return budget_comes_first(&pause_budget, abort) ? &pause_budget : abort;
}

static int read_strata_budgets(const json_t *json, struct rules *ret, struct error *err)
{
    static const char *const members[] = {"by", "pause", "abort", NULL};
    const json_t *strata, *by;

    ret->strata_pause = ret->pause;
    ret->strata_abort = ret->abort;
    if (json_get_object_or_none(json, "strata", &strata, err))
        return -1;
    if (!strata)
        return 0;
    if (json_only_members(strata, members, err) || json_get_array(strata, "by", &by, err) ||
        read_strata(by, "by", &ret->strata, err) ||
        read_budget(strata, "pause", &ret->pause, &ret->strata_pause, err) ||
        read_budget(strata, "abort", &ret->abort, &ret->strata_abort, err))
        return within("strata", err);
    return ret->strata ? 0 : fail_field(err, PROBLEM_BAD_FIELD, "strata.by", "no stratum is named");
}

static int read_rate(const json_t *json, const struct config *config, struct rules *ret,
                     struct error *err)
{
    static const char *const members[] = {"start", "factor", "step", "step_on", "max", NULL};
    static const char *const events[] = {"confirmed", "offered", NULL};
    const json_t *rate;
    int event;

    ret->rate =
        (struct rate_rule){.start = config ? config->campaign_rate : 10, .factor = 2, .step = 100};
    if (json_get_object_or_none(json, "rate", &rate, err))
        return -1;
    if (!rate)
        return 0;
    if (json_only_members(rate, members, err) ||
        json_get_integer_or(rate, "start", 0, INT32_MAX, ret->rate.start, &ret->rate.start, err) ||
        json_get_number_or(rate, "factor", 1, 100, 2, &ret->rate.factor, err) ||
        json_get_integer_or(rate, "step", 1, INT32_MAX, 100, &ret->rate.step, err) ||
        json_get_integer_or(rate, "max", 0, INT32_MAX, 0, &ret->rate.max, err) ||
        get_word_or(rate, "step_on", events, 0, &event, err))
        return within("rate", err);
    ret->rate.step_on = event == 0 ? RATE_CONFIRMED : RATE_OFFERED;
    return 0;
}

static int read_caps(const json_t *json, struct rules *ret, struct error *err)
{
    static const char *const members[] = {"leases", "bytes", "transfer_rate", NULL};
    const json_t *caps;
    const int64_t most = INT64_C(1) << 40;

    if (json_get_object_or_none(json, "caps", &caps, err))
        return -1;
    if (!caps)
        return 0;
    if (json_only_members(caps, members, err) ||
        json_get_integer_or(caps, "leases", 0, INT32_MAX, 0, &ret->leases, err) ||
        json_get_integer_or(caps, "bytes", 0, most, 0, &ret->bytes, err) ||
        json_get_integer_or(caps, "transfer_rate", 0, most, 0, &ret->transfer_rate, err))
        return within("caps", err);
    return 0;
}

/* -- times, windows, installation -- */

static int read_times(const json_t *json, const struct config *config, struct rules *ret,
                      struct error *err)
{
    const struct {
        const char *name;
        int64_t *ret, least, otherwise;
    } times[] = {
        {"confirm_after",     &ret->confirm_after,     0, config ? config->campaign_confirm_after : 600 },
        {"stale_after",       &ret->stale_after,       1, config ? config->campaign_stale_after : 604800},
        {"verify_timeout",    &ret->verify_timeout,    1,
         config ? config->campaign_verify_timeout : 86400                                               },
        {"offer_ttl",         &ret->offer_ttl,         1, config ? config->campaign_offer_ttl : 3600    },
        {"download_deadline", &ret->download_deadline, 0,
         config ? config->campaign_download_deadline : 604800                                           },
        {"stall",             &ret->stall,             1, config ? config->campaign_stall : 1800        },
        {"dead_man",          &ret->dead_man,          0, config ? config->campaign_dead_man : 14400    },
        {"watch",             &ret->watch,             0, config ? config->campaign_watch : 604800      },
    };

    for (size_t i = 0; i < COUNT_OF(times); i++)
        if (get_seconds_or(json, times[i].name, times[i].least, times[i].otherwise, times[i].ret,
                           err))
            return -1;
    return 0;
}

static int read_span(const json_t *json, struct rules *ret, struct error *err)
{
    static const char *const ends[] = {"stop_offers", "cancel", NULL};
    static const char *const members[] = {"count", "tolerance", NULL};
    const json_t *expected;
    int end;

    ret->expected_count = -1;
    if (get_time_or_none(json, "start_at", &ret->start_at, err) ||
        get_time_or_none(json, "end_at", &ret->end_at, err) ||
        get_word_or(json, "on_end", ends, 0, &end, err) ||
        json_get_object_or_none(json, "expected", &expected, err))
        return -1;
    ret->end_cancels = end == 1;
    if (ret->end_at && ret->end_at <= ret->start_at)
        return fail_field(err, PROBLEM_BAD_FIELD, "end_at", "end_at lies before start_at");
    if (!expected)
        return 0;
    if (json_only_members(expected, members, err) ||
        json_get_integer(expected, "count", 0, INT32_MAX, &ret->expected_count, err) ||
        json_get_number_or(expected, "tolerance", 0, 1, 0.1, &ret->expected_tolerance, err))
        return within("expected", err);
    return 0;
}

static int read_windows(const json_t *json, struct rules *ret, struct error *err)
{
    static const char *const members[] = {"download", "install", "zone", "expedite", NULL};
    const json_t *windows;

    ret->zone = "";
    if (json_get_object_or_none(json, "windows", &windows, err))
        return -1;
    if (!windows)
        return 0;
    if (json_only_members(windows, members, err) ||
        windows_read(json_object_get(windows, "download"), "download", &ret->download_windows,
                     err) ||
        windows_read(json_object_get(windows, "install"), "install", &ret->install_windows, err) ||
        get_text_or(windows, "zone", "", &ret->zone, err) ||
        json_get_bool_or(windows, "expedite", false, &ret->is_expedited, err))
        return within("windows", err);
    if (ret->zone[0] && !zone_named(ret->zone))
        return fail_field(err, PROBLEM_BAD_FIELD, "windows.zone", "there is no zone \"%.60s\"",
                          ret->zone);
    if (ret->is_expedited && !ret->reason[0])
        return fail_field(err, PROBLEM_BAD_FIELD, "reason", "expedite needs a reason");
    return 0;
}

static int read_install(const json_t *json, struct rules *ret, struct error *err)
{
    static const char *const modes[] = {"forced", "optional", "prestage", NULL};
    static const char *const members[] = {"mode", "force_at", "risk", NULL};
    const json_t *install = json_object_get(json, "install");
    int mode = 0;

    ret->risk = "";
    if (json_is_string(install)) {
        if (get_word_or(json, "install", modes, 0, &mode, err))
            return -1;
    } else if (install && !json_is_null(install)) {
        if (json_get_object(json, "install", &install, err) ||
            json_only_members(install, members, err) ||
            get_word_or(install, "mode", modes, 0, &mode, err) ||
            get_time_or_none(install, "force_at", &ret->force_at, err) ||
            get_text_or(install, "risk", "", &ret->risk, err))
            return within("install", err);
    }
    ret->install = (enum install)mode;
    if (ret->force_at && ret->install != INSTALL_OPTIONAL)
        return fail_field(err, PROBLEM_BAD_FIELD, "install.force_at",
                          "only an optional installation is forced later");
    return 0;
}

/* -- who and how -- */

static int read_priority(const json_t *json, struct rules *ret, struct error *err)
{
    const json_t *priority = json_object_get(json, "priority");

    if (json_is_string(priority) && strcmp(json_string_value(priority), "urgent") == 0) {
        ret->priority = RULES_URGENT;
        return 0;
    }
    return json_get_integer_or(json, "priority", -1000, 1000, 0, &ret->priority, err);
}

static int read_texts(const json_t *json, const struct config *config, struct rules *ret,
                      struct error *err)
{
    static const char *const kinds[] = {"update", "rollback", "baseline", "pin", NULL};
    static const char *const ways[] = {"replace", "queue", "coexist", NULL};
    static const char *const modes[] = {"open", "snapshot", NULL};
    int kind, way, mode;

    if (json_get_string(json, "release", &ret->release, err) ||
        get_filter(json, "target", config, &ret->target, err) ||
        get_text_or(json, "channel", "", &ret->channel, err) ||
        get_text_or(json, "reason", "", &ret->reason, err) ||
        get_text_or(json, "salt_from", "", &ret->salt_from, err) ||
        get_word_or(json, "kind", kinds, KIND_UPDATE, &kind, err) ||
        get_word_or(json, "supersede", ways, SUPERSEDE_REPLACE, &way, err) ||
        get_word_or(json, "members", modes, 0, &mode, err) || read_priority(json, ret, err))
        return -1;
    ret->kind = (enum campaign_kind)kind;
    ret->supersede = (enum supersede)way;
    ret->is_snapshot = mode == 1;
    if (ret->kind == KIND_ROLLBACK && !ret->reason[0])
        return fail_field(err, PROBLEM_BAD_FIELD, "reason", "a rollback needs a reason");
    return 0;
}

static int read_ends(const json_t *json, const struct config *config, struct rules *ret,
                     struct error *err)
{
    static const char *const aborts[] = {"none", "rollback", NULL};
    int64_t least = config ? config->campaign_approvals : 0, approvals;
    bool brings = ret->channel[0] && ret->install != INSTALL_PRESTAGE;
    int on_abort;

    if (get_word_or(json, "on_abort", aborts, 0, &on_abort, err) ||
        json_get_bool_or(json, "promote", brings, &ret->promotes, err) ||
        json_get_bool_or(json, "sticky", true, &ret->is_sticky, err) ||
        json_get_bool_or(json, "consent", false, &ret->asks_consent, err) ||
        json_get_integer_or(json, "approvals", 0, 2, least, &approvals, err) ||
        json_get_integer_or(json, "attempts", 1, 100, 3, &ret->attempts_max, err))
        return -1;
    ret->rolls_back = on_abort == 1;
    ret->approvals = (int)approvals;
    if (approvals < least && ret->kind <= KIND_ROLLBACK)
        return fail_field(err, PROBLEM_BAD_FIELD, "approvals", "this server asks for %d approvals",
                          (int)least);
    if (ret->promotes && !ret->channel[0])
        return fail_field(err, PROBLEM_BAD_FIELD, "promote", "only a channel's campaign promotes");
    ret->promotes &= brings || config; /* plans of old promised more */
    if (ret->promotes && !brings)
        return fail_field(err, PROBLEM_BAD_FIELD, "promote",
                          "what was only downloaded proves nothing about the release");
    return 0;
}

static int read_extra(const json_t *json, const struct rules *rules, struct rules_extra *ret,
                      struct error *err)
{
    if (json_get_string_or(json, "name", rules->release, &ret->name, err) ||
        json_get_bool_or(json, "start", false, &ret->starts, err))
        return -1;
    if (ret->name[0] == '\0' || strlen(ret->name) >= RULES_NAME_SIZE)
        return fail_field(err, PROBLEM_BAD_FIELD, "name", "a name has 1 to %d bytes",
                          RULES_NAME_SIZE - 1);
    return 0;
}

static int read_all(const json_t *json, const struct config *config, struct rules *ret,
                    struct error *err)
{
    /* clang-format off */
    static const char *const members[] = {
        "release", "target", "channel", "kind", "reason", "salt_from", "priority", "supersede",
        "members", "sticky", "approvals", "install", "start_at", "end_at", "on_end", "expected",
        "windows", "rate", "caps", "waves", "preset", "pause", "abort", "strata", "dead_man",
        "on_abort", "watch", "promote", "attempts", "confirm_after", "stall", "stale_after",
        "verify_timeout", "offer_ttl", "download_deadline", "consent", "name", "start", NULL
    };
    /* clang-format on */
    const json_t *waves;
    const char *preset;

    *ret = (struct rules){0};
    if (json_only_members(json, members, err) || read_texts(json, config, ret, err) ||
        read_install(json, ret, err) || read_ends(json, config, ret, err) ||
        read_times(json, config, ret, err) || read_span(json, ret, err) ||
        read_windows(json, ret, err) || read_rate(json, config, ret, err) ||
        read_caps(json, ret, err) || read_budget(json, "abort", &abort_budget, &ret->abort, err) ||
        read_budget(json, "pause", pause_otherwise(&ret->abort), &ret->pause, err) ||
        read_strata_budgets(json, ret, err) || json_get_array_or_none(json, "waves", &waves, err) ||
        json_get_string_or(json, "preset", "careful", &preset, err))
        return -1;
    return waves ? read_waves(waves, config, ret, err) : use_preset(preset, ret, err);
}

/* Read once for what is asked, then again from the expanded form, whose texts live on. */
int rules_read(const json_t *json, const struct config *config, struct rules *ret,
               struct rules_extra *extra, struct error *err)
{
    struct rules asked;

    if (read_all(json, config, &asked, err) || (extra && read_extra(json, &asked, extra, err)))
        return -1;
    json_t *expanded = rules_to_json(&asked);
    if (!expanded)
        return fail_internal(err, "memory for a plan");
    if (read_all(expanded, config, ret, err)) {
        json_decref(expanded);
        return -1;
    }
    ret->json = expanded;
    return 0;
}
