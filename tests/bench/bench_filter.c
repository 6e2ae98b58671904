/* SPDX-License-Identifier: Apache-2.0 */
/* What a filter costs at a poll: nanoseconds of processor time per decision of one that was parsed
 * before. Tags and attributes are in memory here; a poll reads them from the database when the
 * filter asks. */
#include "campaign/filter.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define ROUNDS 2000000

static int attribute(void *arg, const char *name, char *ret, size_t room, bool *ret_found,
                     struct error *err)
{
    (void)arg;
    (void)err;
    *ret_found = strcmp(name, "ring") == 0;
    if (*ret_found)
        snprintf(ret, room, "canary");
    return 0;
}

static int has_tag(void *arg, const char *tag, bool *ret, struct error *err)
{
    (void)arg;
    (void)err;
    *ret = strcmp(tag, "lab") == 0;
    return 0;
}

static int64_t now_ns(void)
{
    struct timespec at;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &at);
    return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

static void measure(const char *text)
{
    static const char *const versions[] = {"2.3.9", "2.10.1-rc2", "1.4"};
    struct filter_subject device = {
        .id = "gw2-004711",
        .model = "gw2",
        .hardware = "gw2-b",
        .site = "hamburg",
        .state = "active",
        .attribute = attribute,
        .has_tag = has_tag,
    };
    struct filter *filter;
    struct error err;
    int64_t matching = 0;

    assert(filter_parse(text, &filter, &err) == 0);
    int64_t began = now_ns();
    for (int i = 0; i < ROUNDS; i++) {
        bool matches;

        device.version = versions[i % 3];
        assert(filter_matches(filter, &device, &matches, &err) == 0);
        matching += matches;
    }
    int64_t took = now_ns() - began;
    printf("%7.1f ns  %3.0f %% match  %s\n", (double)took / ROUNDS,
           100.0 * (double)matching / ROUNDS, text);
    filter_free(&filter);
}

int main(void)
{
    measure("model = \"gw2\"");
    measure("model = \"gw2\" and state = active and version < 2.4");
    measure("site in (berlin, bremen, dresden, essen, hamburg, kiel, koeln, rostock) and "
            "(tag = beta or attribute[\"ring\"] = \"canary\") and not version >= 2.10");
    return 0;
}
