/* SPDX-License-Identifier: Apache-2.0 */
/* What a plan would do, before it does: for previews, and as the last look before a start. Counts
 * the whole fleet, hence on readers. */
#include "campaign/engine.h"

#include "core/text.h"
#include "store/artifact.h"

#include <math.h>
#include <string.h>

struct outlook {
    const struct config *config;
    struct plan *plan; /* the others are its, or the campaign's */
    struct campaign campaign;
    struct release release;
    struct preview_count count;
    int64_t now;
};

static void outlook_clear(struct outlook *outlook)
{
    plan_free(&outlook->plan);
    campaign_clear(&outlook->campaign);
}

static int add_target(struct tx *tx, const struct target *target, struct client_release *release,
                      struct error *err)
{
    struct artifact artifact;
    uint8_t sha256[SHA256_SIZE];

    if (!hex_to_bytes(target->sha256, sha256, sizeof sha256))
        return fail_internal(err, "target %s: malformed hash", target->path);
    if (artifact_get(tx, sha256, &artifact, err))
        return -1;
    release->artifacts++;
    release->has_raucb |= text_ends_with(target->file, ".raucb");
    release->is_encoded |= artifact.is_encrypted;
    return 0;
}

/* The targets come in order of component. */
static bool each_component_has(const char *suffix, const struct target *targets, size_t count)
{
    bool has_one = count > 0;

    for (size_t i = 0; i < count; i++) {
        bool is_next = i > 0 && strcmp(targets[i].component, targets[i - 1].component) != 0;

        if (is_next && !has_one)
            return false;
        has_one = (has_one && i > 0 && !is_next) || text_ends_with(targets[i].file, suffix);
    }
    return has_one;
}

/* What clients may stumble over. */
static int look_at_files(struct tx *tx, const struct outlook *outlook, struct client_release *ret,
                         struct error *err)
{
    const struct rules *rules = &outlook->plan->rules;
    struct target *targets = NULL;
    size_t count = 0;
    int failed = 0;

    *ret = (struct client_release){.is_prestaged =
                                       rules->install == INSTALL_PRESTAGE ||
                                       (rules->install_windows.count > 0 && !rules->is_expedited)};
    if (release_targets(tx, outlook->release.row_id, &targets, &count, err))
        return -1;
    for (size_t i = 0; i < count && !failed; i++)
        failed = add_target(tx, &targets[i], ret, err);
    ret->has_swu = each_component_has(".swu", targets, count);
    targets_free(&targets, count);
    return failed;
}

static int look(struct tx *tx, struct outlook *outlook, struct error *err)
{
    struct client_release files;

    return release_by_row(tx, outlook->campaign.release_row, &outlook->release, err) != STEP_ROW ||
                   plan_make(tx, NULL, &outlook->campaign, NULL, 0, &outlook->plan, err) ||
                   look_at_files(tx, outlook, &files, err) ||
                   preview_take(tx, outlook->plan, &files, outlook->now, &outlook->count, err)
               ? -1
               : 0;
}

/* -- how long it takes at least -- */

/* Minutes until as many as these were offered it, each of whom confirms at once. */
static double minutes_at_rate(const struct rate_rule *rule, int64_t devices)
{
    double minutes = 0;

    for (int64_t offered = 0; offered < devices;) {
        int64_t rate = rate_per_minute(rule, offered);
        bool is_steady = rule->step == 0 || rule->factor <= 1 || rate == rule->max;
        int64_t rest = devices - offered;
        int64_t stretch = is_steady ? rest : rule->step - offered % rule->step;

        if (rate == 0)
            return 0;
        stretch = stretch < rest ? stretch : rest;
        minutes += (double)stretch / (double)rate;
        offered += stretch;
    }
    return minutes;
}

static double least_above_0(double a, double b)
{
    return a <= 0 ? b : b <= 0 ? a : fmin(a, b);
}

/* Bytes per second that all its transfers may have together; 0: nobody limits them. */
static double bytes_per_second(const struct outlook *outlook)
{
    const struct rules *rules = &outlook->plan->rules;
    const struct config *config = outlook->config;
    int64_t rate = rules->transfer_rate ? rules->transfer_rate : config->delivery_rate;
    double budget = least_above_0((double)rules->bytes, (double)config->capacity_bytes);
    double leases = least_above_0((double)rules->leases, (double)config->capacity_leases);

    return least_above_0(budget, leases * (double)rate);
}

static json_t *hours_json(const struct outlook *outlook)
{
    double at_rate = minutes_at_rate(&outlook->plan->rules.rate, outlook->count.devices) / 60;
    double bytes = bytes_per_second(outlook);

    return json_pack("{s:f, s:o}", "at_rate", at_rate, "at_bytes",
                     bytes > 0 ? json_real((double)outlook->count.bytes / bytes / 3600)
                               : json_null());
}

/* -- what to think about -- */

static void warn(json_t *warnings, const char *code, const char *text, ...) PRINTF_LIKE(3, 4);
static void warn(json_t *warnings, const char *code, const char *text, ...)
{
    char line[256];
    va_list arguments;

    va_start(arguments, text);
    vsnprintf(line, sizeof line, text, arguments);
    va_end(arguments);
    json_array_append_new(warnings, json_pack("{s:s, s:s}", "code", code, "text", line));
}

static bool is_broad(const struct outlook *outlook)
{
    return strcmp(outlook->plan->rules.target, "all") == 0 ||
           preview_population(&outlook->count) > outlook->config->campaign_expected_above;
}

static void warn_of_target(const struct outlook *outlook, json_t *warnings)
{
    const struct preview_count *count = &outlook->count;
    const struct rules *rules = &outlook->plan->rules;

    if (!outlook->campaign.release_is_published)
        warn(warnings, "not_published", "The release is not published; it cannot start");
    if (preview_population(count) == 0)
        warn(warnings, "empty_target", "No active device fulfils the target");
    else if (count->devices == 0)
        warn(warnings, "no_device", "No device of the target would take the release now");
    if (rules->expected_count < 0 && is_broad(outlook))
        warn(warnings, "no_expected",
             "The target is broad: to start it the plan must say \"expected\": {\"count\": %lld}",
             (long long)preview_population(count));
    if (count->stale * 5 > count->matching)
        warn(warnings, "stale",
             "%lld of %lld devices were not seen lately and are left out of "
             "the counts",
             (long long)count->stale, (long long)count->matching);
}

/* What the first devices can show at best, beside what would stop the campaign. */
static void warn_of_sample(const struct outlook *outlook, json_t *warnings)
{
    const struct rules *rules = &outlook->plan->rules;
    int64_t first = outlook->count.waves[0];
    double bound = gate_upper_bound(0, first);

    if (first && first < outlook->count.devices && bound > rules->abort.share)
        warn(warnings, "small_sample",
             "%lld canaries cannot show a failure rate below %.0f %%, even if none fails",
             (long long)first, bound * 100);
    if (rules->wave_count == 1 && outlook->count.devices > rules->abort.sample &&
        !rules->waves[0].ramp)
        warn(warnings, "one_wave", "All devices are in one wave: nobody goes first");
}

/* The rules' zone was checked; devices far from it may have no window before the end. */
static void warn_of_windows(const struct outlook *outlook, json_t *warnings)
{
    static const char *const ends[] = {"Pacific/Kiritimati", "Etc/GMT+12"};
    const struct rules *rules = &outlook->plan->rules;
    const struct windows *const windows[] = {&rules->download_windows, &rules->install_windows};
    int64_t from = rules->start_at > outlook->now ? rules->start_at : outlook->now, opens;

    for (size_t w = 0; w < COUNT_OF(windows) && rules->end_at; w++)
        for (size_t z = 0; z < COUNT_OF(ends); z++) {
            const struct zone *zone = zone_named(ends[z]);

            if (!zone || !windows[w]->count || windows_are_open(windows[w], zone, from, &opens) ||
                opens < rules->end_at)
                continue;
            warn(warnings, "window", "The %s window opens nowhere near %s before the end",
                 w == 0 ? "download" : "install", ends[z]);
        }
}

static void warn_of_release(const struct outlook *outlook, json_t *warnings)
{
    if (strcmp(outlook->release.severity, "security") == 0 &&
        outlook->plan->rules.priority < RULES_URGENT)
        warn(warnings, "severity",
             "The release closes security holes; with the priority \"urgent\" it goes before "
             "other campaigns");
}

static void warn_of_clients(const struct outlook *outlook, json_t *warnings)
{
    for (int i = 0; i < CLIENT_WARNING_COUNT; i++) {
        int64_t devices = outlook->count.warned[i];

        if (!devices)
            continue;
        warn(warnings, client_warning_code((enum client_warning)i), "%lld device%s: %s",
             (long long)devices, devices == 1 ? "" : "s",
             client_warning_sentence((enum client_warning)i));
        json_object_set_new(json_array_get(warnings, json_array_size(warnings) - 1), "devices",
                            json_integer(devices));
    }
}

static json_t *warnings_json(const struct outlook *outlook)
{
    json_t *warnings = json_array();

    warn_of_release(outlook, warnings);
    warn_of_target(outlook, warnings);
    warn_of_sample(outlook, warnings);
    warn_of_windows(outlook, warnings);
    warn_of_clients(outlook, warnings);
    return warnings;
}

/* -- the answer -- */

static json_t *excluded_json(const struct preview_count *count)
{
    json_t *excluded = json_object();

    for (int i = 0; i < REASONS; i++)
        if (count->excluded[i])
            json_object_set_new(excluded, reason_code((enum reason)i),
                                json_integer(count->excluded[i]));
    if (count->stale)
        json_object_set_new(excluded, "stale", json_integer(count->stale));
    return excluded;
}

static json_t *waves_json(const struct outlook *outlook)
{
    const struct rules *rules = &outlook->plan->rules;
    json_t *waves = json_array();

    for (size_t i = 0; i < rules->wave_count; i++) {
        const struct wave_rule *wave = &rules->waves[i];
        json_t *json = json_pack("{s:I, s:s, s:f, s:I, s:f}", "position", (json_int_t)i + 1, "kind",
                                 wave_kind_name(wave->kind), "amount", wave->amount, "devices",
                                 (json_int_t)outlook->count.waves[i], "upper_bound",
                                 gate_upper_bound(0, outlook->count.waves[i]));

        json_object_update_missing(json, json_array_get(json_object_get(rules->json, "waves"), i));
        json_array_append_new(waves, json);
    }
    return waves;
}

static json_t *sample_json(const struct preview_count *count)
{
    json_t *sample = json_array();

    for (size_t i = 0; i < count->sample_count; i++)
        json_array_append_new(sample, json_string(count->sample[i]));
    return sample;
}

static json_t *outlook_json(const struct outlook *outlook)
{
    const struct preview_count *count = &outlook->count;
    const struct rules *rules = &outlook->plan->rules;
    char hash[2 * PLAN_HASH_SIZE + 1];

    hex_from_bytes(outlook->campaign.plan_hash, PLAN_HASH_SIZE, hash);
    return json_pack("{s:s, s:s, s:O, s:s, s:I, s:I, s:o, s:o, s:I, s:o, s:o, s:o, s:s}", "release",
                     rules->release, "target", rules->target, "plan", rules->json, "plan_hash",
                     hash, "matching", (json_int_t)count->matching, "devices",
                     (json_int_t)count->devices, "excluded", excluded_json(count), "waves",
                     waves_json(outlook), "bytes", (json_int_t)count->bytes, "hours",
                     hours_json(outlook), "warnings", warnings_json(outlook), "sample",
                     sample_json(count), "risk", rules->risk);
}

int campaign_preview_json(struct tx *tx, struct campaigns *campaigns, int64_t tenant_row,
                          const json_t *json, int64_t now, json_t **ret, struct error *err)
{
    CLEANUP(outlook_clear) struct outlook outlook = {.config = campaigns->config, .now = now};
    CLEANUP(rules_clear) struct rules rules = {0};
    struct rules_extra extra;

    if (rules_read(json, campaigns->config, &rules, &extra, err) || rules_check(&rules, now, err) ||
        campaign_from_rules(tx, tenant_row, &rules, &outlook.campaign, err) ||
        look(tx, &outlook, err))
        return -1;
    *ret = outlook_json(&outlook);
    return *ret ? 0 : fail_internal(err, "memory for a preview");
}

/* -- before a start -- */

static int check_expected(const struct outlook *outlook, struct error *err)
{
    int64_t matching = preview_population(&outlook->count);

    if (outlook->plan->rules.expected_count >= 0)
        return 0;
    if (matching == 0)
        return fail_field(err, PROBLEM_UNPROCESSABLE, "expected",
                          "no active device fulfils the target; send \"expected\": {\"count\": 0} "
                          "when it is for devices to come");
    if (is_broad(outlook))
        return fail_field(err, PROBLEM_UNPROCESSABLE, "expected",
                          "the target has %lld devices; send \"expected\": {\"count\": %lld} when "
                          "that is meant",
                          (long long)matching, (long long)matching);
    return 0;
}

/* Devices that have the release already, or will come back, are no obstacle. */
static int check_reachable(const struct outlook *outlook, struct error *err)
{
    const struct preview_count *count = &outlook->count;
    CLEANUP(text_clear) struct text reasons = {0};
    int64_t unfit = 0;

    for (int i = 0; i < REASONS; i++) {
        if (!count->excluded[i] || i == REASON_ALREADY || i == REASON_CHANNEL)
            continue;
        unfit += count->excluded[i];
        text_format(&reasons, "%s%s %lld", reasons.length ? ", " : "", reason_code((enum reason)i),
                    (long long)count->excluded[i]);
    }
    if (!unfit || unfit < preview_population(count))
        return 0;
    return fail_field(err, PROBLEM_UNPROCESSABLE, "target",
                      "none of the %lld devices can take the release: %s", (long long)unfit,
                      reasons.at ? reasons.at : "");
}

/* With what the start itself asks for counted ahead of it. */
static int check_outlook(struct tx *tx, struct campaigns *campaigns, struct outlook *outlook,
                         struct error *err)
{
    if (look(tx, outlook, err) || check_expected(outlook, err) || check_reachable(outlook, err))
        return -1;
    const struct overview overview = {.campaign = outlook->campaign, /* borrowed */
                                      .rules = outlook->plan->rules};
    return campaign_reckon(tx, campaigns, &overview, outlook->now, err);
}

int campaign_check_reach(struct tx *tx, struct campaigns *campaigns, int64_t campaign_row,
                         int64_t now, struct error *err)
{
    CLEANUP(outlook_clear) struct outlook outlook = {.config = campaigns->config, .now = now};

    if (campaign_need(tx, campaign_row, &outlook.campaign, err))
        return -1;
    if (campaign_state_in(&outlook.campaign) > CAMPAIGN_SCHEDULED)
        return 0; /* the start itself refuses it */
    return check_outlook(tx, campaigns, &outlook, err);
}

int campaign_check_plan(struct tx *tx, struct campaigns *campaigns, int64_t tenant_row,
                        const json_t *json, int64_t now, struct error *err)
{
    CLEANUP(outlook_clear) struct outlook outlook = {.config = campaigns->config, .now = now};
    CLEANUP(rules_clear) struct rules rules = {0};
    struct rules_extra extra;

    if (rules_read(json, campaigns->config, &rules, &extra, err))
        return -1;
    if (!extra.starts)
        return 0;
    return campaign_from_rules(tx, tenant_row, &rules, &outlook.campaign, err) ||
                   check_outlook(tx, campaigns, &outlook, err)
               ? -1
               : 0;
}
