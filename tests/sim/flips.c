/* SPDX-License-Identifier: Apache-2.0 */
#include "flips.h"

#include "outcome.h"

#include <string.h>

#define PATH_SIZE 96

/* What the engine has no say in: each member an operator may write, with two values of which one is
 * not the plan's. "*" stands for every wave. */
static const struct flip {
    const char *path, *values[2];
} flips[] = {
    {"release",               {"\"gw:2.0\"", "\"gw:3.0\""}                             },
    {"target",                {"\"all\"", "\"site = s2\""}                             },
    {"channel",               {"\"beta\"", "\"stable\""}                               },
    {"kind",                  {"\"update\"", "\"rollback\""}                           },
    {"reason",                {"\"a\"", "\"b\""}                                       },
    {"salt_from",             {"\"c-1\"", "\"c-2\""}                                   },
    {"priority",              {"7", "\"urgent\""}                                      },
    {"supersede",             {"\"queue\"", "\"coexist\""}                             },
    {"members",               {"\"open\"", "\"snapshot\""}                             },
    {"sticky",                {"true", "false"}                                        },
    {"approvals",             {"0", "1"}                                               },
    {"install",               {"\"forced\"", "{\"mode\": \"optional\"}"}               },
    {"consent",               {"true", "false"}                                        },
    {"install.mode",          {"\"prestage\"", "\"optional\""}                         },
    {"install.force_at",      {"null", "\"2028-01-01T00:00:00Z\""}                     },
    {"install.risk",          {"\"\"", "\"it restarts\""}                              },
    {"start_at",              {"null", "\"2028-01-01T00:00:00Z\""}                     },
    {"end_at",                {"\"2029-01-01T00:00:00Z\"", "\"2030-01-01T00:00:00Z\""} },
    {"on_end",                {"\"stop_offers\"", "\"cancel\""}                        },
    {"expected",              {"{\"count\": 10}", "null"}                              },
    {"expected.count",        {"3", "4"}                                               },
    {"expected.tolerance",    {"0.25", "0.5"}                                          },
    {"windows.download",      {"[]", "[{\"start\": \"01:00\", \"length\": \"1h\"}]"}   },
    {"windows.install",
     {"[{\"start\": \"01:00\", \"length\": \"1h\"}]",
      "[{\"start\": \"01:00\", \"length\": \"1h\", \"days\": [\"mon\"]}]"}             },
    {"windows.zone",          {"\"Europe/Rome\"", "\"Europe/Paris\""}                  },
    {"windows.expedite",      {"true", "false"}                                        },
    {"rate.start",            {"10", "11"}                                             },
    {"rate.factor",           {"2.5", "3"}                                             },
    {"rate.step",             {"100", "101"}                                           },
    {"rate.step_on",          {"\"confirmed\"", "\"offered\""}                         },
    {"rate.max",              {"1000", "1001"}                                         },
    {"caps.leases",           {"10", "11"}                                             },
    {"caps.bytes",            {"1000", "1001"}                                         },
    {"caps.transfer_rate",    {"1000", "1001"}                                         },
    {"waves.*.percent",       {"100", "99.5"}                                          },
    {"waves.*.count",         {"11", "12"}                                             },
    {"waves.*.tag",           {"\"lab\"", "\"den\""}                                   },
    {"waves.*.filter",        {"\"site = s1\"", "\"site = s2\""}                       },
    {"waves.*.list",
     {"{\"id\": \"l-1\", \"sha256\": \"aa\"}", "{\"id\": \"l-1\", \"sha256\": \"ab\"}"}},
    {"waves.*.coverage",      {"0.25", "0.26"}                                         },
    {"waves.*.min_confirmed", {"7", "8"}                                               },
    {"waves.*.soak",          {"3601", "3602"}                                         },
    {"waves.*.gate",          {"\"auto\"", "\"manual\""}                               },
    {"waves.*.not_before",    {"null", "\"2028-01-01T00:00:00Z\""}                     },
    {"waves.*.ramp",          {"17", "18"}                                             },
    {"waves.*.strata",        {"[\"version\"]", "[\"version\", \"site\"]"}             },
    {"pause.share",           {"0.101", "0.102"}                                       },
    {"pause.failures",        {"31", "32"}                                             },
    {"pause.sample",          {"31", "32"}                                             },
    {"abort.share",           {"0.101", "0.102"}                                       },
    {"abort.failures",        {"31", "32"}                                             },
    {"abort.sample",          {"31", "32"}                                             },
    {"strata.by",             {"[\"version\"]", "[\"version\", \"site\"]"}             },
    {"strata.pause.share",    {"0.101", "0.102"}                                       },
    {"strata.pause.failures", {"31", "32"}                                             },
    {"strata.pause.sample",   {"31", "32"}                                             },
    {"strata.abort.share",    {"0.101", "0.102"}                                       },
    {"strata.abort.failures", {"31", "32"}                                             },
    {"strata.abort.sample",   {"31", "32"}                                             },
    {"dead_man",              {"3601", "3602"}                                         },
    {"on_abort",              {"\"none\"", "\"rollback\""}                             },
    {"watch",                 {"3601", "3602"}                                         },
    {"promote",               {"true", "false"}                                        },
    {"attempts",              {"11", "12"}                                             },
    {"confirm_after",         {"3601", "3602"}                                         },
    {"stale_after",           {"3601", "3602"}                                         },
    {"verify_timeout",        {"3601", "3602"}                                         },
    {"offer_ttl",             {"3601", "3602"}                                         },
    {"download_deadline",     {"3601", "3602"}                                         },
    {"stall",                 {"3601", "3602"}                                         },
};

/* A plan in which every member has its place; waves of all kinds. */
static const char stage[] =
    "{\"channel\": \"beta\", \"reason\": \"r\", \"windows\": {}, \"rate\": {}, \"caps\": {}, "
    "\"expected\": {\"count\": 1}, \"end_at\": \"2028-06-01T00:00:00Z\", "
    "\"install\": {\"mode\": \"optional\"}, \"strata\": {\"by\": [\"model\"], \"pause\": {}, "
    "\"abort\": {}}, \"waves\": [{\"tag\": \"x\"}, {\"filter\": \"site = s9\"}, "
    "{\"list\": {\"id\": \"l-9\", \"sha256\": \"00\"}}, {\"count\": 5, \"strata\": [\"model\"]}, "
    "{\"percent\": 50, \"ramp\": 5}]}";

static json_t *parse(const char *text)
{
    return need(json_loads(text, JSON_DECODE_ANY, NULL));
}

static json_t *member(json_t *json, const char *name, size_t length)
{
    char key[PATH_SIZE];

    snprintf(key, sizeof key, "%.*s", (int)length, name);
    return json_object_get(json, key);
}

/* Where the last name of the path belongs; NULL: the plan has no place for it. */
static json_t *place_of(json_t *plan, const char *path, size_t wave, const char **ret_name)
{
    json_t *at = plan;

    for (const char *dot; at && (dot = strchr(path, '.')); path = dot + 1)
        at = path[0] == '*' ? json_array_get(at, wave) : member(at, path, (size_t)(dot - path));
    *ret_name = path;
    return json_is_object(at) ? at : NULL;
}

static void hash_of(struct engine *engine, json_t *plan, const char *path, uint8_t ret[])
{
    enum problem problem = engine_plan_hash(engine, plan, ret, NULL);

    if (problem) {
        CLEANUP(free_memory) char *text = json_dumps(plan, JSON_COMPACT);

        die("flipping %s gives %s: %s", path, problem_slug(problem), text);
    }
}

/* What one kind of wave has, others have not. */
static bool fits(json_t *wave, const char *name)
{
    static const char *const bound[] = {"percent", "count", "tag",   "filter",
                                        "list",    "ramp",  "strata"};

    for (size_t i = 0; i < COUNT_OF(bound); i++)
        if (strcmp(bound[i], name) == 0)
            return json_object_get(wave, name) != NULL;
    return true;
}

static bool try_flip(struct engine *engine, json_t *plan, const struct flip *flip, size_t wave)
{
    uint8_t hashes[2][PLAN_HASH_SIZE];

    for (int i = 0; i < 2; i++) {
        json_auto_t *changed = json_deep_copy(plan);
        const char *name;
        json_t *place = place_of(changed, flip->path, wave, &name);

        if (!place || !fits(place, name) ||
            json_object_set_new(place, name, parse(flip->values[i])))
            return false;
        hash_of(engine, changed, flip->path, hashes[i]);
    }
    checked(HASH_COVERS_THE_PLAN);
    if (memcmp(hashes[0], hashes[1], PLAN_HASH_SIZE) == 0)
        broken(HASH_COVERS_THE_PLAN, "%s is %s or %s, and the hash is the same", flip->path,
               flip->values[0], flip->values[1]);
    return true;
}

static bool is_flipped(const char *path)
{
    size_t length = strlen(path);

    for (size_t i = 0; i < COUNT_OF(flips); i++)
        if (strncmp(flips[i].path, path, length) == 0 &&
            (flips[i].path[length] == '\0' || flips[i].path[length] == '.'))
            return true;
    return false;
}

/* Every member of the expanded plan is flipped above: one that is new is missed here. */
static void check_known(json_t *json, const char *path)
{
    const char *name;
    json_t *value;

    json_object_foreach(json, name, value)
    {
        char inner[PATH_SIZE];
        size_t index;
        json_t *wave;

        snprintf(inner, sizeof inner, "%.60s%s%.30s", path, path[0] ? "." : "", name);
        if (!is_flipped(inner))
            broken(HASH_COVERS_THE_PLAN, "nobody has looked at the member %s", inner);
        if (json_is_object(value) && strcmp(name, "list") != 0)
            check_known(value, inner);
        json_array_foreach(value, index,
                           wave) if (json_is_object(wave) && strcmp(name, "waves") == 0)
            check_known(wave, "waves.*");
    }
}

void flips_check(struct engine *engine, const struct plan_model *model)
{
    char text[PLAN_JSON_SIZE];
    uint8_t hash[PLAN_HASH_SIZE];
    json_auto_t *expanded = NULL;

    plan_json(model, text);
    json_auto_t *plan = parse(text);
    json_auto_t *staged = parse(stage);
    json_object_update(plan, staged);
    if (engine_plan_hash(engine, plan, hash, &expanded))
        die("the plan to be flipped is none: %s", text);
    check_known(expanded, "");
    for (size_t i = 0; i < COUNT_OF(flips); i++) {
        bool is_tried = false;

        size_t waves =
            strchr(flips[i].path, '*') ? json_array_size(json_object_get(plan, "waves")) : 1;

        for (size_t wave = 0; wave < waves; wave++)
            is_tried |= try_flip(engine, plan, &flips[i], wave);
        if (!is_tried)
            die("the plan has no place for %s", flips[i].path);
    }
}
