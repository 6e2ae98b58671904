/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/wish.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

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

static json_t *json; /* the wish borrows from it */

static int forget(void **state)
{
    (void)state;
    json_decref(json);
    json = NULL;
    return 0;
}

#define WISH(more) "{\"release\": \"gw:2\", \"target\": \"all\"" more "}"

static int read_wish(const char *text, struct wish *ret, struct error *err)
{
    json_decref(json);
    json = json_loads(text, 0, NULL);
    assert_non_null(json);
    *err = (struct error){0};
    return wish_read(json, config, ret, err);
}

static void two_fields_are_enough(void **state)
{
    struct error err;
    struct wish wish;

    (void)state;
    assert_int_equal(read_wish(WISH(""), &wish, &err), 0);
    assert_string_equal(wish.name, "gw:2");
    assert_int_equal(wish.wave_count, 5);
    assert_true(wish.waves[0].is_count);
    assert_int_equal(wish.waves[0].amount, 5);
    assert_int_equal(wish.waves[0].gate.soak, 86400);
    assert_int_equal(wish.waves[4].amount, 100);
    assert_true(wish.waves[3].gate.coverage == 0.8);
    assert_true(wish.waves[4].gate.coverage == 1);
    assert_int_equal(wish.attempts_max, 3);
    assert_int_equal(wish.confirm_after, 600);
    assert_int_equal(wish.pause.failures, 2);
    assert_int_equal(wish.abort.sample, 20);
    assert_false(wish.starts);
}

static void everything_can_be_said(void **state)
{
    struct error err;
    struct wish wish;

    (void)state;
    assert_int_equal(
        read_wish(WISH(", \"name\": \"n\", \"waves\": [{\"count\": 3, \"soak\": \"10s\", \"gate\": "
                       "\"manual\", \"min_confirmed\": 2, \"coverage\": 0.5}, {\"percent\": 12.5, "
                       "\"soak\": 7}, {\"percent\": 100, \"coverage\": 0.9}], \"pause\": "
                       "{\"share\": 0.1}, \"abort\": {\"failures\": 9, \"sample\": 1}, "
                       "\"confirm_after\": 0, \"stale_after\": \"2d\", \"verify_timeout\": \"3h\", "
                       "\"offer_ttl\": \"5m\", \"attempts\": 7, \"rate\": 1000, \"start\": true, "
                       "\"priority\": -1"),
                  &wish, &err),
        0);
    assert_int_equal(wish.wave_count, 3);
    assert_true(wish.waves[0].gate.is_manual);
    assert_int_equal(wish.waves[0].gate.soak, 10);
    assert_int_equal(wish.waves[0].gate.min_confirmed, 2);
    assert_true(wish.waves[1].amount == 12.5);
    assert_true(wish.waves[2].gate.coverage == 0.9);
    assert_true(wish.pause.share == 0.1 && wish.pause.failures == 2);
    assert_true(wish.abort.failures == 9 && wish.abort.sample == 1);
    assert_int_equal(wish.confirm_after, 0);
    assert_int_equal(wish.stale_after, 172800);
    assert_int_equal(wish.verify_timeout, 10800);
    assert_int_equal(wish.offer_ttl, 300);
    assert_true(wish.attempts_max == 7 && wish.rate == 1000 && wish.priority == -1);
    assert_true(wish.starts);
}

static void presets_have_names(void **state)
{
    struct error err;
    struct wish wish;

    (void)state;
    assert_int_equal(read_wish(WISH(", \"preset\": \"fast\""), &wish, &err), 0);
    assert_int_equal(wish.wave_count, 2);
    assert_int_equal(read_wish(WISH(", \"preset\": \"all-now\""), &wish, &err), 0);
    assert_int_equal(wish.wave_count, 1);
}

static void mistakes_name_their_field(void **state)
{
    static const struct {
        const char *text, *field;
    } cases[] = {
        {"{\"target\": \"all\"}",                                         "release"       },
        {"{\"release\": \"gw:2\"}",                                       "target"        },
        {WISH(", \"wawes\": []"),                                         "wawes"         },
        {WISH(", \"waves\": []"),                                         "waves"         },
        {WISH(", \"waves\": [{}]"),                                       "waves"         },
        {WISH(", \"waves\": [{\"count\": 1, \"percent\": 1}]"),           "waves"         },
        {WISH(", \"waves\": [{\"percent\": 101}]"),                       "percent"       },
        {WISH(", \"waves\": [{\"percent\": 50}, {\"percent\": 50}]"),     "waves"         },
        {WISH(", \"waves\": [{\"percent\": 50, \"soak\": \"soon\"}]"),    "soak"          },
        {WISH(", \"waves\": [{\"percent\": 50, \"soak\": \"999999d\"}]"), "soak"          },
        {WISH(", \"waves\": [{\"percent\": 50, \"gate\": \"maybe\"}]"),   "gate"          },
        {WISH(", \"pause\": {\"failures\": 0}"),                          "failures"      },
        {WISH(", \"preset\": \"reckless\""),                              "preset"        },
        {WISH(", \"name\": \"\""),                                        "name"          },
        {WISH(", \"verify_timeout\": 0"),                                 "verify_timeout"},
        {WISH(", \"attempts\": 0"),                                       "attempts"      },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err;
        struct wish wish;

        if (read_wish(cases[i].text, &wish, &err) == 0)
            fail_msg("was taken: %s", cases[i].text);
        if (strcmp(err.field, cases[i].field) != 0)
            fail_msg("%s: blames %s (%s)", cases[i].text, err.field, err.detail);
    }
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, NULL, forget)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(two_fields_are_enough),
        CASE(everything_can_be_said),
        CASE(presets_have_names),
        CASE(mistakes_name_their_field),
    };

    return cmocka_run_group_tests(tests, load_config, free_config);
}
