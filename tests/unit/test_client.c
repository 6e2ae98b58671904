/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "campaign/client.h"

static void every_client_is_known_by_what_it_really_sends(void **state)
{
    static const struct {
        const char *agent;
        enum client client;
        const char *name, *version;
    } cases[] = {
        {"libcurl-agent/1.0",         CLIENT_SWUPDATE,     "SWUpdate",             ""              },
        {"SWUpdate/2026.05",          CLIENT_SWUPDATE,     "SWUpdate",             "2026.05"       },
        {"rauc-hawkbit-c-agent/1.0",  CLIENT_RAUC_HAWKBIT, "rauc-hawkbit-updater", ""              },
        {"rauc-hawkbit-updater/1.4",  CLIENT_RAUC_HAWKBIT, "rauc-hawkbit-updater", "1.4"           },
        {"rauc/1.15.2",               CLIENT_RAUC,         "RAUC",                 "1.15.2"        },
        {"rauc/1.16-rc1+dirty (arm)", CLIENT_RAUC,         "RAUC",                 "1.16-rc1+dirty"},
        {"Zephyr/4.1",                CLIENT_ZEPHYR,       "Zephyr",               "4.1"           },
        {"okhttp/4.12.0",             CLIENT_HARA,         "hara-ddiclient",       ""              },
        {"hawkbit-rs/0.6.0",          CLIENT_HAWKBIT_RS,   "hawkbit-rs",           "0.6.0"         },
        {"curl/7.88.1",               CLIENT_CURL,         "curl",                 "7.88.1"        },
        {"Mozilla/5.0",               CLIENT_UNKNOWN,      "",                     ""              },
        {"libcurl-agent/2.0",         CLIENT_UNKNOWN,      "",                     ""              },
        {"",                          CLIENT_UNKNOWN,      "",                     ""              },
        {NULL,                        CLIENT_UNKNOWN,      "",                     ""              },
    };
    char version[CLIENT_VERSION_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(client_from_agent(cases[i].agent), cases[i].client);
        assert_string_equal(client_name(client_from_agent(cases[i].agent)), cases[i].name);
        client_version(cases[i].agent, version);
        assert_string_equal(version, cases[i].version);
    }
}

static void a_version_that_never_ends_is_cut(void **state)
{
    char agent[100] = "rauc/", version[CLIENT_VERSION_SIZE];

    (void)state;
    memset(agent + 5, '1', sizeof agent - 6);
    client_version(agent, version);
    assert_int_equal(strlen(version), CLIENT_VERSION_SIZE - 1);
}

static void zephyr_is_known_by_its_silence_and_its_attribute(void **state)
{
    (void)state;
    assert_int_equal(client_from_facts("", true), CLIENT_ZEPHYR);
    assert_int_equal(client_from_facts(NULL, true), CLIENT_ZEPHYR);
    assert_int_equal(client_from_facts("", false), CLIENT_UNKNOWN);
    assert_int_equal(client_from_facts("rauc/1.16", true), CLIENT_RAUC);
}

static void only_two_clients_may_be_told_to_wait(void **state)
{
    (void)state;
    for (int i = 0; i < CLIENT_COUNT; i++)
        assert_int_equal(client_announces((enum client)i),
                         i == CLIENT_RAUC_HAWKBIT || i == CLIENT_HARA);
}

/* The clients that are warned of, as bits. */
static unsigned warned(enum client_warning warning, const struct client_release *release)
{
    unsigned clients = 0;

    for (int i = 0; i < CLIENT_COUNT; i++)
        clients |= (unsigned)client_warns((enum client)i, warning, release) << i;
    return clients;
}

#define BIT(client) (1u << (client))

static void a_release_that_suits_everybody_warns_of_nobody(void **state)
{
    const struct client_release release = {.artifacts = 1, .has_swu = true, .has_raucb = true};

    (void)state;
    for (int i = 0; i < CLIENT_WARNING_COUNT; i++)
        assert_int_equal(warned((enum client_warning)i, &release), 0);
}

static void each_warning_is_of_the_clients_it_concerns(void **state)
{
    const struct client_release release = {
        .artifacts = 2, .is_encoded = true, .is_prestaged = true};
    unsigned nobody = BIT(CLIENT_UNKNOWN) | BIT(CLIENT_CURL) | BIT(CLIENT_OTAD);
    unsigned all = BIT(CLIENT_COUNT) - 1;

    (void)state;
    assert_int_equal(warned(CLIENT_TAKES_ONE_ARTIFACT, &release),
                     BIT(CLIENT_RAUC_HAWKBIT) | BIT(CLIENT_ZEPHYR));
    assert_int_equal(warned(CLIENT_NEEDS_SWU, &release), BIT(CLIENT_SWUPDATE));
    assert_int_equal(warned(CLIENT_NEEDS_RAUCB, &release),
                     BIT(CLIENT_RAUC_HAWKBIT) | BIT(CLIENT_RAUC));
    assert_int_equal(warned(CLIENT_DECODES_NOTHING, &release), all & ~nobody);
    assert_int_equal(warned(CLIENT_DOES_NOT_WAIT, &release),
                     all & ~nobody & ~(BIT(CLIENT_RAUC_HAWKBIT) | BIT(CLIENT_HARA)));
}

static void every_warning_can_be_told(void **state)
{
    (void)state;
    for (int i = 0; i < CLIENT_WARNING_COUNT; i++) {
        assert_non_null(client_warning_code((enum client_warning)i));
        assert_true(strlen(client_warning_sentence((enum client_warning)i)) < 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_client_is_known_by_what_it_really_sends),
        cmocka_unit_test(a_version_that_never_ends_is_cut),
        cmocka_unit_test(zephyr_is_known_by_its_silence_and_its_attribute),
        cmocka_unit_test(only_two_clients_may_be_told_to_wait),
        cmocka_unit_test(a_release_that_suits_everybody_warns_of_nobody),
        cmocka_unit_test(each_warning_is_of_the_clients_it_concerns),
        cmocka_unit_test(every_warning_can_be_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
