/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_inside.h"

#include "campaign/engine.h"

#include <string.h>

void engine_each(struct engine *engine, const char *sql, int64_t number, row_fn each, void *arg)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err = {0};
    enum step step;

    demand(tx_read(&tx, engine->store, &err), &err, "tx_read");
    CLEANUP(query_finish) struct query q = query_start(&tx, sql);
    if (strstr(sql, ":number"))
        query_bind_number(&q, ":number", number);
    while ((step = query_step(&q, &err)) == STEP_ROW)
        each(&q, arg);
    demand(step == STEP_FAILED, &err, sql);
}

static void take_number(struct query *row, void *arg)
{
    *(int64_t *)arg = query_number(row, 0);
}

int64_t engine_number(struct engine *engine, const char *sql, int64_t number)
{
    int64_t answer = -1;

    engine_each(engine, sql, number, take_number, &answer);
    return answer;
}

struct words {
    char *to;
    size_t room;
};

static void take_words(struct query *row, void *arg)
{
    const struct words *words = arg;

    snprintf(words->to, words->room, "%s", query_text(row, 0));
}

void engine_text(struct engine *engine, const char *sql, int64_t number, char *ret, size_t room)
{
    struct words words = {ret, room};

    ret[0] = '\0';
    engine_each(engine, sql, number, take_words, &words);
}

static void mix_row(struct query *row, void *arg)
{
    uint64_t *mixed = arg;

    for (const char *c = query_text(row, 0); *c; c++)
        *mixed = (*mixed ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
}

uint64_t engine_fingerprint(struct engine *engine)
{
    static const char *const decided[] = {
        "SELECT json_array(id, state, state_reason, hex(salt), accepted_failures, stops_transfers, "
        "bytes_served, change, started_at, state_at) FROM campaign ORDER BY row_id",
        "SELECT json_array(campaign_row, position, rank_limit, state, state_reason, members, "
        "active, counted_at, counted_resolved, opened_at, covered_at, state_at) FROM wave "
        "ORDER BY row_id",
        "SELECT json_array(action, device_row, campaign_row, wave, state, is_open, is_cancelling, "
        "is_unproven, attempt, failures, counted_as, class, retry_at, version_before, "
        "boot_id_before, bytes_served, polls_since, boots_since, hex(final_hash), offered_at, "
        "state_at) FROM deployment ORDER BY row_id",
        "SELECT json_array(campaign_row, wave, state, count) FROM deployment_count "
        "ORDER BY campaign_row, wave, state",
        "SELECT json_array(row_id, version, boot_id, uptime, floor, report_seq, channel_row, "
        "quarantine_until_at) FROM device ORDER BY row_id",
        "SELECT json_array(device_row, release_row, campaign_row, expires_at) FROM pin "
        "ORDER BY device_row",
        "SELECT json_array(campaign_row, stratum, confirmed, failed) FROM stratum_count "
        "ORDER BY campaign_row, stratum",
        "SELECT json_array(tenant_row, halted_at) FROM halt",
        "SELECT json_array(id, target, from_at, until_at) FROM freeze ORDER BY row_id",
        "SELECT json_array(row_id, at, kind, from_state, to_state, detail) FROM event "
        "ORDER BY row_id",
    };
    uint64_t mixed = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < COUNT_OF(decided); i++)
        engine_each(engine, decided[i], 0, mix_row, &mixed);
    return mixed;
}

static struct leases leases_of(const struct capacity_held *held)
{
    return (struct leases){held->leases, held->overdrawn};
}

struct leases engine_leases(struct engine *engine)
{
    struct capacity_numbers numbers;

    capacity_numbers(engine->campaigns->capacity, &numbers);
    return leases_of(&numbers.server);
}

struct leases engine_leases_of_campaign(struct engine *engine, int64_t campaign)
{
    struct capacity_held held;

    capacity_of_campaign(engine->campaigns->capacity, campaign, &held);
    return leases_of(&held);
}

struct leases engine_leases_of_site(struct engine *engine, const char *site)
{
    struct capacity_held held;

    capacity_of_site(engine->campaigns->capacity, 1, site, &held);
    return leases_of(&held);
}

enum problem engine_plan_hash(struct engine *engine, json_t *plan, uint8_t ret[PLAN_HASH_SIZE],
                              json_t **ret_expanded)
{
    CLEANUP(rules_clear) struct rules rules = {0};
    CLEANUP(rules_clear) struct rules again = {0};
    CLEANUP(free_memory) char *text = NULL;
    CLEANUP(free_memory) char *text_again = NULL;
    struct rules_extra extra;
    uint8_t hash_again[PLAN_HASH_SIZE];
    struct error err = {0};

    if (rules_read(plan, engine->config, &rules, &extra, &err))
        return err.problem;
    demand(rules_text(&rules, &text, ret, &err), &err, "rules_text");
    demand(rules_load(text, engine->config, &again, &err), &err, "rules_load");
    demand(rules_text(&again, &text_again, hash_again, &err), &err, "rules_text");
    if (strcmp(text, text_again) != 0)
        die("a plan reads back as another: %s and %s", text, text_again);
    if (ret_expanded)
        *ret_expanded = json_incref(rules.json);
    return PROBLEM_NONE;
}

struct engine_effort engine_effort(struct engine *engine)
{
    struct store_counts counts;

    store_count(engine->store, &counts);
    return (struct engine_effort){counts.jobs, counts.reads};
}
