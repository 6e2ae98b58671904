/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/filter.h"
#include "core/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

/* gw-1 of model gw2: attributes battery=9 and otad.ring=beta, tags lab and "green roof". */

static int attribute(void *arg, const char *name, char *ret, size_t room, bool *ret_found,
                     struct error *err)
{
    int *lookups = arg;

    (void)err;
    ++*lookups;
    *ret_found = true;
    if (strcmp(name, "battery") == 0)
        snprintf(ret, room, "9");
    else if (strcmp(name, "otad.ring") == 0)
        snprintf(ret, room, "beta");
    else
        *ret_found = false;
    return 0;
}

static int has_tag(void *arg, const char *tag, bool *ret, struct error *err)
{
    int *lookups = arg;

    (void)err;
    ++*lookups;
    *ret = strcmp(tag, "lab") == 0 || strcmp(tag, "green roof") == 0;
    return 0;
}

static int lookups;
static const struct filter_subject device = {
    .id = "gw-1",
    .model = "gw2",
    .hardware = "gw2-a",
    .site = "say \"hi\"",
    .version = "1.10",
    .state = "active",
    .attribute = attribute,
    .has_tag = has_tag,
    .arg = &lookups,
};

static bool matches(const char *text)
{
    CLEANUP(filter_free) struct filter *filter = NULL;
    struct error err = {0};
    bool answer = false;

    lookups = 0;
    if (filter_parse(text, &filter, &err))
        fail_msg("%s: %s", text, err.detail);
    assert_int_equal(filter_matches(filter, &device, &answer, &err), 0);
    return answer;
}

static void filters_match(void **state)
{
    static const char *const yes[] = {
        "all",
        "model = \"gw2\"",
        "model=gw2",
        "  model\t=\n\"gw2\"  ",
        "model != gw1",
        "id = gw-1",
        "id in (gw-0, gw-1, \"gw-2\")",
        "id not in (gw-0)",
        "id in (z, gw-1, a, gw-1, \"\", b)",
        "hardware = gw2-a and state = active",
        "site = \"say \\\"hi\\\"\"",
        "version > 1.9",
        "version >= 1.10.0 and version <= 1.10",
        "version < 1.10.1",
        "tag = lab",
        "tag = \"green roof\"",
        "tag in (nothing, lab)",
        "tag != nothing",
        "not tag = nothing",
        "attribute[\"battery\"] < 20",
        "attr.battery <= 9",
        "attr.otad.ring = beta",
        "attr.missing != x",
        "not attr.missing = x",
        "model = gw1 or model = gw2",
        "model = gw2 or model = gw1 and id = nobody",
        "(model = gw1 or model = gw2) and not (id = gw-2)",
        "not not model = gw2",
        "model = gw1 OR NOT model = gw1",
        "model = \"and\" or all",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(yes); i++)
        if (!matches(yes[i]))
            fail_msg("does not match: %s", yes[i]);
}

static void filters_do_not_match(void **state)
{
    static const char *const no[] = {
        "not all",
        "model = GW2",
        "model = gw",
        "version = 1.10.0", /* the same version, but not the same text */
        "version < 1.9",
        "version > 1.10",
        "tag != lab",
        "tag not in (lab)",
        "attr.missing = \"\"",
        "attr.missing < 1",
        "attr.missing >= 1",
        "attr.missing in (a, b)",
        "(model = gw2 or model = gw1) and id = nobody",
        "id in (gw)",
        "id in (z, gw-2, a, gw, gw-10)",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(no); i++)
        if (matches(no[i]))
            fail_msg("matches: %s", no[i]);
}

static void nothing_is_looked_up_that_does_not_decide(void **state)
{
    (void)state;
    assert_true(matches("model = gw2 or tag = lab"));
    assert_int_equal(lookups, 0);
    assert_false(matches("model = gw1 and attr.battery < 20"));
    assert_int_equal(lookups, 0);
    assert_true(matches("model = gw2 and tag = lab"));
    assert_int_equal(lookups, 1);
}

static void mistakes_are_told_with_their_place(void **state)
{
    static const struct {
        const char *text, *detail;
    } cases[] = {
        {"",                        "position 1: the filter is empty; write \"all\" to mean every device"},
        {"   ",                     "position 4: the filter is empty; write \"all\" to mean every device"},
        {"model",                   "position 6: one of = != < <= > >= in is expected"                   },
        {"model =",                 "position 8: a value is expected"                                    },
        {"model = and",             "position 9: a value is expected"                                    },
        {"model == gw2",            "position 8: a value is expected"                                    },
        {"colour = red",
         "position 1: fields are id, model, hardware, site, version, state, tag and "
         "attribute[\"name\"]"                                                                           },
        {"model = \"gw2",           "position 9: the string has no end"                                  },
        {"model = \"a\\n\"",        "position 9: only \\\" and \\\\ are known in a string"               },
        {"model = gw2 model = gw1", "position 13: 'and', 'or' or the end is expected"                    },
        {"(model = gw2",            "position 13: 'and', 'or' or ')' is expected"                        },
        {"model = gw2)",            "position 12: 'and', 'or' or the end is expected"                    },
        {"id in gw-1",              "position 7: '(' is expected after in"                               },
        {"id in ()",                "position 8: a value is expected"                                    },
        {"id in (a b)",             "position 10: ',' or ')' is expected"                                },
        {"id not (a)",              "position 8: 'in' is expected after 'not'"                           },
        {"tag > lab",               "position 5: tags and states have no order"                          },
        {"state <= active",         "position 7: tags and states have no order"                          },
        {"attribute = x",           "position 11: '[' is expected after attribute"                       },
        {"attribute[x] = 1",        "position 11: the attribute's name in quotes is expected"            },
        {"attribute[\"x\" = 1",     "position 15: ']' is expected"                                       },
        {"model = gw2; all",        "position 12: this character has no meaning here"                    },
        {"model = gw2 and",         "position 16: a field, 'not', 'all' or '(' is expected"              },
        {"attr. = 1",               "position 1: fields are id, model, hardware, site, version, state, tag and "
                      "attribute[\"name\"]"                                         },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct filter *filter = NULL;
        struct error err = {0};

        if (filter_parse(cases[i].text, &filter, &err) == 0)
            fail_msg("was taken: %s", cases[i].text);
        assert_int_equal(err.problem, PROBLEM_BAD_FILTER);
        assert_string_equal(err.detail, cases[i].detail);
        assert_null(filter);
    }
}

static void repeat(struct text *ret, const char *string, int count)
{
    for (int i = 0; i < count; i++)
        text_append(ret, string);
}

static int parse(struct text *text, struct error *ret_err)
{
    CLEANUP(filter_free) struct filter *filter = NULL;
    CLEANUP(free_string) char *taken = text_take(text);

    *ret_err = (struct error){0};
    return filter_parse(taken, &filter, ret_err);
}

static void assert_refused(struct text *text, const char *detail)
{
    struct error err;

    assert_int_equal(parse(text, &err), -1);
    assert_int_equal(err.problem, PROBLEM_BAD_FILTER);
    assert_string_equal(err.detail, detail);
}

static void a_filter_nests_only_so_deep(void **state)
{
    struct text text = {0};
    struct error err;

    (void)state;
    repeat(&text, "(not ", FILTER_DEPTH_MAX / 2);
    text_append(&text, "all");
    repeat(&text, ")", FILTER_DEPTH_MAX / 2);
    assert_int_equal(parse(&text, &err), 0);
    repeat(&text, "(all) and not all and ", 100); /* beside each other is not deep */
    text_append(&text, "all");
    assert_int_equal(parse(&text, &err), 0);
    repeat(&text, "(", 1000);
    assert_refused(&text, "position 33: too deeply nested");
    repeat(&text, "not ", 1000);
    assert_refused(&text, "position 129: too deeply nested");
}

static void a_filter_has_so_many_comparisons_values_and_bytes(void **state)
{
    struct text text = {0};
    struct error err;

    (void)state;
    repeat(&text, "all or ", FILTER_TERMS_MAX - 1);
    text_append(&text, "id = x");
    assert_int_equal(parse(&text, &err), 0);
    repeat(&text, "all or ", FILTER_TERMS_MAX);
    text_append(&text, "id = x");
    assert_refused(&text,
                   "position 3501: more than 500 comparisons; \"in\" takes many values as one");
    text_append(&text, "id in (a");
    repeat(&text, ",a", FILTER_VALUES_MAX - 1);
    text_append(&text, ")");
    assert_int_equal(parse(&text, &err), 0);
    text_append(&text, "id in (a");
    repeat(&text, ",a", FILTER_VALUES_MAX);
    text_append(&text, ")");
    assert_refused(&text, "position 8200: more than 4096 values");
    text_append(&text, "all");
    repeat(&text, " ", FILTER_TEXT_MAX - 3);
    assert_int_equal(parse(&text, &err), 0);
    text_append(&text, "all");
    repeat(&text, " ", FILTER_TEXT_MAX - 2);
    assert_refused(&text, "longer than 65536 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_match),
        cmocka_unit_test(filters_do_not_match),
        cmocka_unit_test(nothing_is_looked_up_that_does_not_decide),
        cmocka_unit_test(mistakes_are_told_with_their_place),
        cmocka_unit_test(a_filter_nests_only_so_deep),
        cmocka_unit_test(a_filter_has_so_many_comparisons_values_and_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
