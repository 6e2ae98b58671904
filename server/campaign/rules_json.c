/* SPDX-License-Identifier: Apache-2.0 */
/* The rules with every default spelt out. What is not in here is not in the hash: every member of
 * struct rules that changes who gets what and when must be. */
#include "campaign/rules.h"

static json_t *budget_json(const struct budget *budget)
{
    return json_pack("{s:f, s:I, s:I}", "share", budget->share, "failures",
                     (json_int_t)budget->failures, "sample", (json_int_t)budget->sample);
}

static json_t *strata_json(unsigned strata)
{
    static const char *const words[] = {"model", "version", "site"};
    json_t *list = json_array();

    for (unsigned i = 0; i < COUNT_OF(words); i++)
        if (strata & 1u << i)
            json_array_append_new(list, json_string(words[i]));
    return list;
}

static json_t *measure_json(const struct wave_rule *wave)
{
    switch (wave->kind) {
    case WAVE_COUNT:
        return json_integer((json_int_t)wave->amount);
    case WAVE_PERCENT:
        return json_real(wave->amount);
    case WAVE_LIST:
        return json_pack("{s:s, s:s}", "id", wave->text, "sha256", wave->list_sha256);
    default:
        return json_string(wave->text);
    }
}

static json_t *wave_json(const struct wave_rule *wave)
{
    json_t *json = json_pack(
        "{s:o, s:f, s:I, s:I, s:s, s:o}", wave_kind_name(wave->kind), measure_json(wave),
        "coverage", wave->gate.coverage, "min_confirmed", (json_int_t)wave->gate.min_confirmed,
        "soak", (json_int_t)wave->gate.soak, "gate", wave->gate.is_manual ? "manual" : "auto",
        "not_before", json_from_time(wave->not_before));

    if (json && wave->kind == WAVE_COUNT)
        json_object_set_new(json, "strata", strata_json(wave->strata));
    if (json && wave->kind == WAVE_PERCENT)
        json_object_set_new(json, "ramp", json_integer(wave->ramp));
    return json;
}

static json_t *waves_json(const struct rules *rules)
{
    json_t *waves = json_array();

    for (size_t i = 0; i < rules->wave_count; i++)
        if (json_array_append_new(waves, wave_json(&rules->waves[i]))) {
            json_decref(waves);
            return NULL;
        }
    return waves;
}

static json_t *who_json(const struct rules *rules)
{
    static const char *const ways[] = {"replace", "queue", "coexist"};

    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:b, s:i, s:b}", "release",
                     rules->release, "target", rules->target, "channel", rules->channel, "kind",
                     campaign_kind_name(rules->kind), "reason", rules->reason, "salt_from",
                     rules->salt_from, "priority", (json_int_t)rules->priority, "supersede",
                     ways[rules->supersede], "members", rules->is_snapshot ? "snapshot" : "open",
                     "sticky", rules->is_sticky, "approvals", rules->approvals, "consent",
                     rules->asks_consent);
}

static json_t *when_json(const struct rules *rules)
{
    static const char *const modes[] = {"forced", "optional", "prestage"};
    json_t *expected = rules->expected_count < 0
                           ? json_null()
                           : json_pack("{s:I, s:f}", "count", (json_int_t)rules->expected_count,
                                       "tolerance", rules->expected_tolerance);

    return json_pack("{s:{s:s, s:o, s:s}, s:o, s:o, s:s, s:o, s:{s:o, s:o, s:s, s:b}}", "install",
                     "mode", modes[rules->install], "force_at", json_from_time(rules->force_at),
                     "risk", rules->risk, "start_at", json_from_time(rules->start_at), "end_at",
                     json_from_time(rules->end_at), "on_end",
                     rules->end_cancels ? "cancel" : "stop_offers", "expected", expected, "windows",
                     "download", windows_to_json(&rules->download_windows), "install",
                     windows_to_json(&rules->install_windows), "zone", rules->zone, "expedite",
                     rules->is_expedited);
}

static json_t *how_json(const struct rules *rules)
{
    const struct rate_rule *rate = &rules->rate;
    json_t *strata = rules->strata ? json_pack("{s:o, s:o, s:o}", "by", strata_json(rules->strata),
                                               "pause", budget_json(&rules->strata_pause), "abort",
                                               budget_json(&rules->strata_abort))
                                   : json_null();

    return json_pack(
        "{s:{s:I, s:f, s:I, s:s, s:I}, s:{s:I, s:I, s:I}, s:o, s:o, s:o, s:o}", "rate", "start",
        (json_int_t)rate->start, "factor", rate->factor, "step", (json_int_t)rate->step, "step_on",
        rate->step_on == RATE_CONFIRMED ? "confirmed" : "offered", "max", (json_int_t)rate->max,
        "caps", "leases", (json_int_t)rules->leases, "bytes", (json_int_t)rules->bytes,
        "transfer_rate", (json_int_t)rules->transfer_rate, "waves", waves_json(rules), "pause",
        budget_json(&rules->pause), "abort", budget_json(&rules->abort), "strata", strata);
}

static json_t *limits_json(const struct rules *rules)
{
    return json_pack("{s:I, s:s, s:I, s:b, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "dead_man",
                     (json_int_t)rules->dead_man, "on_abort",
                     rules->rolls_back ? "rollback" : "none", "watch", (json_int_t)rules->watch,
                     "promote", rules->promotes, "attempts", (json_int_t)rules->attempts_max,
                     "confirm_after", (json_int_t)rules->confirm_after, "stale_after",
                     (json_int_t)rules->stale_after, "verify_timeout",
                     (json_int_t)rules->verify_timeout, "offer_ttl", (json_int_t)rules->offer_ttl,
                     "download_deadline", (json_int_t)rules->download_deadline, "stall",
                     (json_int_t)rules->stall);
}

json_t *rules_to_json(const struct rules *rules)
{
    json_t *parts[] = {when_json(rules), how_json(rules), limits_json(rules)};
    json_t *json = who_json(rules);

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (!json || !parts[i] || json_object_update(json, parts[i])) {
            json_decref(json);
            json = NULL;
        }
        json_decref(parts[i]);
    }
    return json;
}
