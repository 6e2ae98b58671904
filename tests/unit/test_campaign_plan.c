/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/rules.h"
#include "core/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#define NOW INT64_C(1800000000) /* 15 January 2027, 08:00 UTC, a Friday */

static struct config *config;

static int load_config(void **state)
{
    struct error err;

    (void)state;
    return config_defaults("/nonexistent", &config, &err);
}

static int free_config(void **state)
{
    (void)state;
    config_free(&config);
    return 0;
}

#define PLAN(more) "{\"release\": \"gw:2\", \"target\": \"model = gw\"" more "}"

static int read_json(const json_t *json, struct rules *ret, struct rules_extra *extra,
                     struct error *err)
{
    *err = (struct error){0};
    if (rules_read(json, config, ret, extra, err))
        return -1;
    if (rules_check(ret, NOW, err) == 0)
        return 0;
    rules_clear(ret);
    return -1;
}

static struct rules rules_of(const char *text)
{
    json_auto_t *json = json_loads(text, 0, NULL);
    struct rules rules = {0};
    struct error err;

    assert_non_null(json);
    if (read_json(json, &rules, NULL, &err))
        fail_msg("%s: %s %s", text, err.field, err.detail);
    return rules;
}

/* -- what two members mean -- */

static void two_members_are_enough(void **state)
{
    CLEANUP(rules_clear) struct rules rules = rules_of(PLAN(""));

    (void)state;
    assert_int_equal(rules.wave_count, 5);
    assert_int_equal(rules.waves[0].kind, WAVE_COUNT);
    assert_int_equal(rules.waves[0].amount, 5);
    assert_int_equal(rules.waves[0].strata, STRATUM_MODEL | STRATUM_VERSION);
    assert_int_equal(rules.waves[0].gate.soak, 86400);
    assert_int_equal(rules.waves[1].gate.min_confirmed, 0);
    assert_int_equal(rules.waves[4].amount, 100);
    assert_true(rules.waves[3].gate.coverage == 0.8);
    assert_true(rules.waves[4].gate.coverage == 1);
    assert_int_equal(rules.attempts_max, 3);
    assert_int_equal(rules.confirm_after, 600);
    assert_int_equal(rules.pause.failures, 2);
    assert_int_equal(rules.abort.sample, 20);
    assert_int_equal(rules.rate.start, 10);
    assert_int_equal(rules.rate.step, 100);
    assert_int_equal(rules.watch, 7 * 86400);
    assert_int_equal(rules.approvals, 0);
    assert_int_equal(rules.expected_count, -1);
    assert_false(rules.promotes); /* there is no channel whose baseline it could be */
}

static void a_channels_campaign_promotes_unless_it_says_otherwise(void **state)
{
    CLEANUP(rules_clear) struct rules promoting = rules_of(PLAN(", \"channel\": \"stable\""));
    CLEANUP(rules_clear)
    struct rules silent = rules_of(PLAN(", \"channel\": \"stable\", \"promote\": false"));

    (void)state;
    assert_true(promoting.promotes);
    assert_false(silent.promotes);
}

static void presets_have_names(void **state)
{
    CLEANUP(rules_clear) struct rules fast = rules_of(PLAN(", \"preset\": \"fast\""));
    CLEANUP(rules_clear)
    struct rules all = rules_of(PLAN(", \"preset\": \"all-now\", \"reason\": \"a hole\""));

    (void)state;
    assert_int_equal(fast.wave_count, 2);
    assert_int_equal(fast.waves[0].gate.soak, 3600);
    assert_int_equal(all.wave_count, 1);
}

static void an_earlier_abort_brings_the_usual_pause_forward(void **state)
{
    CLEANUP(rules_clear)
    struct rules rules = rules_of(PLAN(", \"abort\": {\"share\": 0.01, \"failures\": 1}"));

    (void)state;
    assert_int_equal(rules.pause.failures, 1);
    assert_true(rules.pause.share == 0.01);
}

static void the_name_and_the_start_are_no_part_of_the_plan(void **state)
{
    json_auto_t *json = json_loads(PLAN(", \"name\": \"n\", \"start\": true"), 0, NULL);
    CLEANUP(rules_clear) struct rules rules = {0};
    struct rules_extra extra;
    struct error err;

    (void)state;
    assert_int_equal(read_json(json, &rules, &extra, &err), 0);
    assert_string_equal(extra.name, "n");
    assert_true(extra.starts);
    assert_null(json_object_get(rules.json, "name"));
    assert_null(json_object_get(rules.json, "start"));
}

/* -- the expanded text -- */

/* Every member there is, none with its default. */
static const char everything[] =
    "{\"release\": \"gw:2\", \"target\": \"model = gw\", \"channel\": \"stable\", \"kind\": "
    "\"update\", \"reason\": \"because\", \"salt_from\": \"c-1\", \"priority\": 5, \"supersede\": "
    "\"coexist\", \"members\": \"open\", \"sticky\": false, \"approvals\": 1, \"install\": "
    "{\"mode\": \"optional\", \"force_at\": null, \"risk\": \"none\"}, \"start_at\": null, "
    "\"end_at\": \"2027-03-01T00:00:00Z\", \"on_end\": \"cancel\", \"expected\": {\"count\": 9, "
    "\"tolerance\": 0.5}, \"windows\": {\"download\": [{\"days\": [\"mon\", \"tue\"], \"start\": "
    "\"22:00\", \"length\": \"2h\"}], \"install\": [{\"days\": [\"sun\", \"sat\"], \"start\": "
    "\"01:00\", \"length\": 3600}], \"zone\": \"Europe/Berlin\", \"expedite\": false}, \"rate\": "
    "{\"start\": 3, \"factor\": 1.5, \"step\": 10, \"step_on\": \"offered\", \"max\": 60}, "
    "\"caps\": {\"leases\": 4, \"bytes\": 5, \"transfer_rate\": 6}, \"waves\": [{\"list\": "
    "{\"id\": \"l-1\", \"sha256\": \"ab\"}, \"soak\": 9}, {\"tag\": \"lab\", \"gate\": "
    "\"manual\"}, {\"filter\": \"site = hq\", \"coverage\": 0.5}, {\"count\": 5, \"strata\": "
    "[\"model\", \"site\"], \"min_confirmed\": 2}, {\"percent\": 30, \"ramp\": \"6h\", "
    "\"not_before\": null}], \"pause\": {\"share\": 0.03, \"failures\": 3, \"sample\": 30}, "
    "\"abort\": {\"share\": 0.06, \"failures\": 6, \"sample\": 60}, \"strata\": {\"by\": "
    "[\"model\", \"version\"], \"pause\": {\"share\": 0.1, \"failures\": 1, \"sample\": 2}, "
    "\"abort\": {\"share\": 0.2, \"failures\": 3, \"sample\": 4}}, \"dead_man\": 60, "
    "\"on_abort\": \"rollback\", \"watch\": 61, \"promote\": true, \"attempts\": 7, "
    "\"confirm_after\": 62, \"stale_after\": 63, \"verify_timeout\": 64, \"offer_ttl\": 65, "
    "\"download_deadline\": 66, \"stall\": 67, \"consent\": true}";

static void the_expanded_plan_reads_as_itself(void **state)
{
    static const char *const texts[] = {PLAN(""), everything};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        CLEANUP(rules_clear) struct rules rules = rules_of(texts[i]);
        CLEANUP(rules_clear) struct rules again = {0};
        CLEANUP(free_string) char *text = NULL;
        CLEANUP(free_string) char *text_again = NULL;
        uint8_t hash[PLAN_HASH_SIZE], hash_again[PLAN_HASH_SIZE];
        struct error err = {0};

        assert_int_equal(rules_text(&rules, &text, hash, &err), 0);
        assert_int_equal(rules_load(text, config, &again, &err), 0);
        assert_int_equal(rules_text(&again, &text_again, hash_again, &err), 0);
        assert_string_equal(text, text_again);
        assert_memory_equal(hash, hash_again, sizeof hash);
    }
}

static void what_is_said_is_what_is_kept(void **state)
{
    CLEANUP(rules_clear) struct rules rules = rules_of(everything);
    json_auto_t *asked = json_loads(everything, 0, NULL);
    const char *name;
    json_t *member;

    (void)state;
    json_object_foreach(rules.json, name, member)
    {
        if (!json_object_get(asked, name))
            fail_msg("the example of everything lacks %s", name);
    }
    assert_int_equal(json_object_size(rules.json), json_object_size(asked));
    assert_int_equal(rules.end_at, INT64_C(1803859200));
    assert_int_equal(rules.waves[4].ramp, 6 * 3600);
    assert_int_equal(rules.install_windows.items[0].length, 3600);
    assert_string_equal(rules.waves[0].list_sha256, "ab");
}

/* Another valid value for each word in `everything`; the rest is changed by its type. */
static const struct {
    const char *path, *value;
} others[] = {
    {"release",                "\"gw:3\""                },
    {"target",                 "\"model = other\""       },
    {"channel",                "\"beta\""                },
    {"kind",                   "\"rollback\""            },
    {"reason",                 "\"another\""             },
    {"salt_from",              "\"c-2\""                 },
    {"supersede",              "\"queue\""               },
    {"members",                "\"snapshot\""            },
    {"install.mode",           "\"forced\""              },
    {"install.force_at",       "\"2027-02-01T00:00:00Z\""},
    {"install.risk",           "\"some\""                },
    {"start_at",               "\"2027-02-01T00:00:00Z\""},
    {"end_at",                 "\"2027-04-01T00:00:00Z\""},
    {"on_end",                 "\"stop_offers\""         },
    {"windows.download.days",  "[\"mon\"]"               },
    {"windows.download.start", "\"21:30\""               },
    {"windows.install.days",   "[\"sun\"]"               },
    {"windows.install.start",  "\"01:30\""               },
    {"windows.zone",           "\"Europe/Paris\""        },
    {"rate.step_on",           "\"confirmed\""           },
    {"waves.list.id",          "\"l-2\""                 },
    {"waves.list.sha256",      "\"cd\""                  },
    {"waves.tag",              "\"field\""               },
    {"waves.filter",           "\"site = lab\""          },
    {"waves.strata",           "[\"version\"]"           },
    {"strata.by",              "[\"site\"]"              },
    {"on_abort",               "\"none\""                },
};

static json_t *other_value(const char *path, const json_t *value)
{
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (strcmp(others[i].path, path) == 0)
            return json_loads(others[i].value, JSON_DECODE_ANY, NULL);
    if (strcmp(path, "waves.not_before") == 0)
        return json_string("2027-02-01T00:00:00Z");
    if (strcmp(path, "waves.gate") == 0)
        return json_string(strcmp(json_string_value(value), "manual") == 0 ? "auto" : "manual");
    if (json_is_boolean(value))
        return json_boolean(!json_is_true(value));
    if (json_is_integer(value))
        return json_integer(json_integer_value(value) + 1);
    if (json_is_real(value))
        return json_real(json_real_value(value) * 0.9);
    fail_msg("no other value is known for %s", path);
    return NULL;
}

struct walk {
    json_t *whole;
    uint8_t hash[PLAN_HASH_SIZE]; /* of the plan as it was */
    size_t changed;
};

static void the_hash_has_moved(struct walk *walk, const char *path)
{
    CLEANUP(rules_clear) struct rules rules = {0};
    CLEANUP(free_string) char *text = NULL;
    uint8_t hash[PLAN_HASH_SIZE];
    struct error err = {0};

    if (rules_read(walk->whole, config, &rules, NULL, &err))
        fail_msg("%s: %s %s", path, err.field, err.detail);
    assert_int_equal(rules_text(&rules, &text, hash, &err), 0);
    if (memcmp(hash, walk->hash, sizeof hash) == 0)
        fail_msg("the hash does not cover %s", path);
    walk->changed++;
}

/* A list of words is one value; objects, and lists of them, are gone into. */
static bool is_leaf(const json_t *value)
{
    return !json_is_object(value) &&
           (!json_is_array(value) || json_is_string(json_array_get(value, 0)));
}

static void change_each(struct walk *walk, json_t *object, const char *prefix)
{
    const char *name;
    void *next;
    json_t *value;

    json_object_foreach_safe(object, next, name, value)
    {
        char path[64];
        size_t index;
        json_t *item;

        snprintf(path, sizeof path, "%s%s%s", prefix, prefix[0] ? "." : "", name);
        if (json_is_object(value)) {
            change_each(walk, value, path);
        } else if (!is_leaf(value)) {
            json_array_foreach(value, index, item) change_each(walk, item, path);
        } else {
            json_t *before = json_incref(value);
            json_object_set_new(object, name, other_value(path, value));
            the_hash_has_moved(walk, path);
            json_object_set_new(object, name, before);
        }
    }
}

/* Invariant: nothing that changes who gets what and when can change under an approval. Each member
 * is changed in the text and read back, so one that is read and not written, or written and not
 * read, shows. */
static void the_hash_covers_every_member(void **state)
{
    CLEANUP(rules_clear) struct rules rules = rules_of(everything);
    CLEANUP(free_string) char *text = NULL;
    struct walk walk = {.whole = rules.json};
    struct error err = {0};

    (void)state;
    assert_int_equal(rules_text(&rules, &text, walk.hash, &err), 0);
    change_each(&walk, rules.json, "");
    assert_true(walk.changed > 80);
}

static void the_hash_covers_the_order_of_waves(void **state)
{
    CLEANUP(rules_clear)
    struct rules a = rules_of(PLAN(", \"waves\": [{\"tag\": \"a\"}, {\"tag\": \"b\"}]"));
    CLEANUP(rules_clear)
    struct rules b = rules_of(PLAN(", \"waves\": [{\"tag\": \"b\"}, {\"tag\": \"a\"}]"));
    CLEANUP(free_string) char *text_a = NULL;
    CLEANUP(free_string) char *text_b = NULL;
    uint8_t hash_a[PLAN_HASH_SIZE], hash_b[PLAN_HASH_SIZE];
    struct error err = {0};

    (void)state;
    assert_int_equal(rules_text(&a, &text_a, hash_a, &err), 0);
    assert_int_equal(rules_text(&b, &text_b, hash_b, &err), 0);
    assert_memory_not_equal(hash_a, hash_b, PLAN_HASH_SIZE);
}

static void the_order_of_members_and_ways_to_say_it_do_not_matter(void **state)
{
    CLEANUP(rules_clear) struct rules a = rules_of(PLAN(", \"watch\": \"2h\", \"attempts\": 3"));
    CLEANUP(rules_clear)
    struct rules b =
        rules_of("{\"watch\": 7200, \"target\": \"model = gw\", \"release\": \"gw:2\"}");
    CLEANUP(free_string) char *text_a = NULL;
    CLEANUP(free_string) char *text_b = NULL;
    uint8_t hash[PLAN_HASH_SIZE];
    struct error err = {0};

    (void)state;
    assert_int_equal(rules_text(&a, &text_a, hash, &err), 0);
    assert_int_equal(rules_text(&b, &text_b, hash, &err), 0);
    assert_string_equal(text_a, text_b);
}

/* -- mistakes -- */

#define WAVES(text) PLAN(", \"waves\": [" text "]")
#define WINDOW(kind)                                                                               \
    ", \"windows\": {\"" kind "\": [{\"days\": [\"wed\"], \"start\": \"10:00\", \"length\": "      \
    "\"1h\"}]}"

static void mistakes_name_their_field(void **state)
{
    static const struct {
        const char *text, *field;
    } cases[] = {
        {"{\"target\": \"all\"}",                                                    "release"                },
        {"{\"release\": \"gw:2\"}",                                                  "target"                 },
        {"{\"release\": \"gw:2\", \"target\": \"model =\"}",                         "target"                 },
        {PLAN(", \"wawes\": []"),                                                    "wawes"                  },
        {PLAN(", \"kind\": \"sidegrade\""),                                          "kind"                   },
        {PLAN(", \"kind\": \"rollback\""),                                           "reason"                 },
        {PLAN(", \"preset\": \"reckless\""),                                         "preset"                 },
        {PLAN(", \"preset\": \"all-now\""),                                          "reason"                 },
        {PLAN(", \"approvals\": 3"),                                                 "approvals"              },
        {PLAN(", \"priority\": 1001"),                                               "priority"               },
        {PLAN(", \"promote\": true"),                                                "promote"                },
        {PLAN(", \"waves\": []"),                                                    "waves"                  },
        {WAVES("{}"),                                                                "waves[0]"               },
        {WAVES("{\"count\": 1, \"percent\": 1}"),                                    "waves[0]"               },
        {WAVES("{\"percent\": 101}"),                                                "waves[0].percent"       },
        {WAVES("{\"percent\": 0}"),                                                  "waves[0].percent"       },
        {WAVES("{\"percent\": 50}, {\"percent\": 50}"),                              "waves[1].percent"       },
        {WAVES("{\"percent\": 50}, {\"tag\": \"a\"}"),                               "waves[1]"               },
        {WAVES("{\"percent\": 50, \"soak\": \"soon\"}"),                             "waves[0].soak"          },
        {WAVES("{\"percent\": 50, \"soak\": \"999999d\"}"),                          "waves[0].soak"          },
        {WAVES("{\"percent\": 50, \"gate\": \"maybe\"}"),                            "waves[0].gate"          },
        {WAVES("{\"percent\": 50, \"speed\": 1}"),                                   "waves[0].speed"         },
        {WAVES("{\"percent\": 50, \"coverage\": 1.1}"),                              "waves[0].coverage"      },
        {WAVES("{\"tag\": \"\"}"),                                                   "waves[0].tag"           },
        {WAVES("{\"filter\": \"model =\"}"),                                         "waves[0].filter"        },
        {WAVES("{\"list\": 7}"),                                                     "waves[0].list"          },
        {WAVES("{\"count\": 5, \"strata\": [\"colour\"]}"),                          "waves[0].strata"        },
        {WAVES("{\"count\": 5, \"ramp\": \"6h\"}"),                                  "waves[0]"               },
        {PLAN(", \"pause\": {\"failures\": 0}"),                                     "pause.failures"         },
        {PLAN(", \"pause\": {\"share\": 1.5}"),                                      "pause.share"            },
        {PLAN(", \"abort\": {\"sample\": 0}"),                                       "abort.sample"           },
        {PLAN(", \"pause\": {\"share\": 0.5}"),                                      "pause"                  },
        {PLAN(", \"pause\": {\"failures\": 9}, \"abort\": {\"failures\": 8}"),       "pause"                  },
        {PLAN(", \"pause\": {\"share\": 0.05, \"failures\": 2, \"sample\": 100}"),   "pause"                  },
        {PLAN(", \"strata\": {\"by\": []}"),                                         "strata.by"              },
        {PLAN(", \"strata\": {\"by\": [\"model\"], \"pause\": {\"failures\": 99}}"),
         "strata.pause"                                                                                       },
        {PLAN(", \"rate\": {\"factor\": 0.5}"),                                      "rate.factor"            },
        {PLAN(", \"rate\": {\"start\": 50, \"max\": 10}"),                           "rate.max"               },
        {PLAN(", \"rate\": {\"step_on\": \"luck\"}"),                                "rate.step_on"           },
        {PLAN(", \"caps\": {\"leases\": -1}"),                                       "caps.leases"            },
        {PLAN(", \"expected\": {\"count\": -1}"),                                    "expected.count"         },
        {PLAN(", \"expected\": {\"count\": 1, \"tolerance\": 2}"),                   "expected.tolerance"     },
        {PLAN(", \"install\": {\"mode\": \"never\"}"),                               "install.mode"           },
        {PLAN(", \"install\": {\"force_at\": \"2028-01-01T00:00:00Z\"}"),            "install.force_at"       },
        {PLAN(", \"install\": {\"mode\": \"optional\", \"force_at\": "
              "\"2020-01-01T00:00:00Z\"}"),
         "install.force_at"                                                                                   },
        {PLAN(", \"start_at\": \"2020-01-01T00:00:00Z\""),                           "start_at"               },
        {PLAN(", \"start_at\": \"tomorrow\""),                                       "start_at"               },
        {PLAN(", \"end_at\": \"2020-01-01T00:00:00Z\""),                             "end_at"                 },
        {PLAN(", \"start_at\": \"2028-01-02T00:00:00Z\", \"end_at\": "
              "\"2028-01-01T00:00:00Z\""),
         "end_at"                                                                                             },
        {PLAN(", \"on_end\": \"cancel\""),                                           "on_end"                 },
        {PLAN(", \"end_at\": \"2027-01-17T00:00:00Z\", \"waves\": [{\"percent\": 100, "
              "\"not_before\": \"2027-01-18T00:00:00Z\"}]"),
         "waves[0].not_before"                                                                                },
        {PLAN(", \"end_at\": \"2027-01-17T00:00:00Z\"" WINDOW("download")),          "windows.download"       },
        {PLAN(", \"end_at\": \"2027-01-17T00:00:00Z\"" WINDOW("install")),           "windows.install"        },
        {PLAN(", \"windows\": {\"install\": [{\"days\": []}]}"),                     "windows.install[0].days"},
        {PLAN(", \"windows\": {\"zone\": \"Mars/Olympus\"}"),                        "windows.zone"           },
        {PLAN(", \"windows\": {\"expedite\": true}"),                                "reason"                 },
        {PLAN(", \"windows\": {\"upload\": []}"),                                    "windows.upload"         },
        {PLAN(", \"verify_timeout\": 0"),                                            "verify_timeout"         },
        {PLAN(", \"attempts\": 0"),                                                  "attempts"               },
        {PLAN(", \"on_abort\": \"panic\""),                                          "on_abort"               },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_auto_t *json = json_loads(cases[i].text, 0, NULL);
        struct rules rules;
        struct error err;

        assert_non_null(json);
        if (read_json(json, &rules, NULL, &err) == 0)
            fail_msg("was taken: %s", cases[i].text);
        if (strcmp(err.field, cases[i].field) != 0)
            fail_msg("%s: blames %s (%s)", cases[i].text, err.field, err.detail);
        assert_true(err.detail[0]);
    }
}

static void a_bad_name_is_blamed_on_the_name(void **state)
{
    json_auto_t *json = json_loads(PLAN(", \"name\": \"\""), 0, NULL);
    struct rules rules;
    struct rules_extra extra;
    struct error err;

    (void)state;
    assert_int_equal(read_json(json, &rules, &extra, &err), -1);
    assert_string_equal(err.field, "name");
}

static void a_server_can_ask_for_approvals(void **state)
{
    json_auto_t *none = json_loads(PLAN(", \"approvals\": 0"), 0, NULL);
    json_auto_t *standing = json_loads(PLAN(", \"approvals\": 0, \"kind\": \"pin\""), 0, NULL);
    json_auto_t *silent = json_loads(PLAN(""), 0, NULL);
    struct rules rules;
    struct error err = {0};

    (void)state;
    config->campaign_approvals = 1;
    assert_int_equal(rules_read(none, config, &rules, NULL, &err), -1);
    assert_string_equal(err.field, "approvals");
    assert_int_equal(rules_read(standing, config, &rules, NULL, &err), 0);
    rules_clear(&rules);
    assert_int_equal(rules_read(silent, config, &rules, NULL, &err), 0);
    assert_int_equal(rules.approvals, 1);
    rules_clear(&rules);
    config->campaign_approvals = 0;
}

static void a_window_that_opens_before_the_end_is_fine(void **state)
{
    CLEANUP(rules_clear)
    struct rules rules = rules_of(PLAN(", \"end_at\": \"2027-01-21T00:00:00Z\"" WINDOW("install")));

    (void)state;
    assert_int_equal(rules.install_windows.count, 1);
}

static void budgets_are_compared_over_all_counts(void **state)
{
    static const struct {
        struct budget first, second;
        bool comes_first;
    } cases[] = {
        {{0.02, 2, 50},  {0.05, 3, 20}, true },
        {{0.05, 3, 20},  {0.05, 3, 20}, true },
        {{0.05, 3, 20},  {0.02, 2, 50}, false},
        {{0.05, 1, 100}, {0.05, 3, 20}, false}, /* 5 beside 3 when few are resolved */
        {{0.04, 5, 1},   {0.05, 3, 20}, false},
        {{0.05, 1, 1},   {0.05, 3, 20}, true },
        {{0, 100, 1},    {1, 100, 1},   true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(budget_comes_first(&cases[i].first, &cases[i].second),
                         cases[i].comes_first);
        for (int64_t resolved = 0; resolved < 3000 && cases[i].comes_first; resolved++)
            assert_true(budget_trips_at(&cases[i].first, resolved) <=
                        budget_trips_at(&cases[i].second, resolved));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_members_are_enough),
        cmocka_unit_test(a_channels_campaign_promotes_unless_it_says_otherwise),
        cmocka_unit_test(presets_have_names),
        cmocka_unit_test(an_earlier_abort_brings_the_usual_pause_forward),
        cmocka_unit_test(the_name_and_the_start_are_no_part_of_the_plan),
        cmocka_unit_test(the_expanded_plan_reads_as_itself),
        cmocka_unit_test(what_is_said_is_what_is_kept),
        cmocka_unit_test(the_hash_covers_every_member),
        cmocka_unit_test(the_hash_covers_the_order_of_waves),
        cmocka_unit_test(the_order_of_members_and_ways_to_say_it_do_not_matter),
        cmocka_unit_test(mistakes_name_their_field),
        cmocka_unit_test(a_bad_name_is_blamed_on_the_name),
        cmocka_unit_test(a_server_can_ask_for_approvals),
        cmocka_unit_test(a_window_that_opens_before_the_end_is_fine),
        cmocka_unit_test(budgets_are_compared_over_all_counts),
    };

    return cmocka_run_group_tests(tests, load_config, free_config);
}
