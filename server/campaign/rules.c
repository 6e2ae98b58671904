/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/rules.h"

#include "core/digest.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

const char *campaign_kind_name(enum campaign_kind kind)
{
    static const char *const names[KINDS] = {"update", "rollback", "baseline", "pin"};

    return names[kind];
}

const char *wave_kind_name(enum wave_kind kind)
{
    static const char *const names[WAVE_KINDS] = {"count", "percent", "tag", "filter", "list"};

    return names[kind];
}

static double trips_at(const struct budget *budget, double resolved)
{
    double share = budget->share * fmax(resolved, (double)budget->sample);

    return fmax((double)budget->failures, share);
}

/* Both grow in two straight pieces: where a piece ends, and far out, the one that lies above shows.
 */
bool budget_comes_first(const struct budget *first, const struct budget *second)
{
    const struct budget *const budgets[] = {first, second};

    if (first->share > second->share || trips_at(first, 0) > trips_at(second, 0))
        return false;
    for (size_t i = 0; i < COUNT_OF(budgets); i++) {
        const struct budget *budget = budgets[i];
        double turns[] = {(double)budget->sample,
                          budget->share > 0 ? (double)budget->failures / budget->share : 0};

        for (size_t t = 0; t < COUNT_OF(turns); t++)
            if (trips_at(first, turns[t]) > trips_at(second, turns[t]) + 1e-9)
                return false;
    }
    return true;
}

void rules_clear(struct rules *rules)
{
    json_decref(rules->json);
    *rules = (struct rules){0};
}

int rules_text(const struct rules *rules, char **ret, uint8_t ret_hash[PLAN_HASH_SIZE],
               struct error *err)
{
    *ret = json_dumps(rules->json, JSON_COMPACT | JSON_SORT_KEYS | JSON_REAL_PRECISION(12));
    if (!*ret)
        return fail_internal(err, "memory for a plan");
    sha256(*ret, strlen(*ret), ret_hash);
    return 0;
}

/* Each report and each round of the ticker loads its campaign's plan anew, mostly one of a few. */
#define MEMORY 64

static struct {
    pthread_mutex_t lock;
    struct {
        uint8_t hash[PLAN_HASH_SIZE];
        const struct config *config;
        struct rules rules;
    } entries[MEMORY];
    size_t next;
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* The texts belong to the JSON, whose references are counted. */
static void share(const struct rules *rules, struct rules *ret)
{
    *ret = *rules;
    json_incref(ret->json);
}

static bool recall(const uint8_t hash[PLAN_HASH_SIZE], const struct config *config,
                   struct rules *ret)
{
    bool is_known = false;

    pthread_mutex_lock(&memory.lock);
    for (size_t i = 0; i < MEMORY && !is_known; i++) {
        is_known = memory.entries[i].rules.json && memory.entries[i].config == config &&
                   memcmp(memory.entries[i].hash, hash, PLAN_HASH_SIZE) == 0;
        if (is_known)
            share(&memory.entries[i].rules, ret);
    }
    pthread_mutex_unlock(&memory.lock);
    return is_known;
}

static void remember(const uint8_t hash[PLAN_HASH_SIZE], const struct config *config,
                     const struct rules *rules)
{
    pthread_mutex_lock(&memory.lock);
    size_t at = memory.next++ % MEMORY;
    rules_clear(&memory.entries[at].rules);
    share(rules, &memory.entries[at].rules);
    memory.entries[at].config = config;
    memcpy(memory.entries[at].hash, hash, PLAN_HASH_SIZE);
    pthread_mutex_unlock(&memory.lock);
}

int rules_load(const char *text, const struct config *config, struct rules *ret, struct error *err)
{
    json_auto_t *json = NULL;
    uint8_t hash[PLAN_HASH_SIZE];

    sha256(text, strlen(text), hash);
    if (recall(hash, config, ret))
        return 0;
    if (json_read(text, strlen(text), &json, err) || rules_read(json, config, ret, NULL, err))
        return -1;
    remember(hash, config, ret);
    return 0;
}

const char *stratum_of(unsigned strata, const char *model, const char *version, const char *site,
                       char ret[STRATUM_SIZE])
{
    snprintf(ret, STRATUM_SIZE, "%.80s/%.64s/%.100s", strata & STRATUM_MODEL ? model : "",
             strata & STRATUM_VERSION ? version : "", strata & STRATUM_SITE ? site : "");
    return ret;
}
