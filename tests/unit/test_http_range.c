/* SPDX-License-Identifier: Apache-2.0 */
#include "http/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SIZE 1000
#define MOST 4

static char written[256];

/* "0-9,20-29", "none" or "bad": what the header means for a file of `size` bytes. */
static const char *meaning(const char *header, int64_t size)
{
    struct range ranges[MOST];
    unsigned count = 0;
    char *to = written;

    switch (range_parse(header, size, MOST, ranges, &count)) {
    case RANGE_IGNORED:
        return "none";
    case RANGE_UNSATISFIABLE:
        return "bad";
    case RANGE_SATISFIABLE:
        break;
    }
    for (unsigned i = 0; i < count; i++)
        to += sprintf(to, "%s%lld-%lld", i ? "," : "", (long long)ranges[i].first,
                      (long long)ranges[i].last);
    return written;
}

struct example {
    const char *header, *meaning;
};

static void compare(const struct example *examples, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        print_message("%s\n", examples[i].header);
        assert_string_equal(meaning(examples[i].header, SIZE), examples[i].meaning);
    }
}
#define COMPARE(examples) compare(examples, sizeof(examples) / sizeof(examples)[0])

static void one_range_is_read_in_all_its_forms(void **state)
{
    static const struct example examples[] = {
        {"bytes=0-0",       "0-0"    },
        {"bytes=0-499",     "0-499"  },
        {"bytes=500-",      "500-999"},
        {"bytes=999-",      "999-999"},
        {"bytes=-1",        "999-999"},
        {"bytes=-500",      "500-999"},
        {"bytes=-1000",     "0-999"  },
        {"bytes=-5000",     "0-999"  },
        {"bytes=10-5000",   "10-999" },
        {"Bytes=1-2",       "1-2"    },
        {"bytes= 1-2",      "1-2"    },
        {"bytes=1-2 ",      "1-2"    },
        {"bytes=0001-0002", "1-2"    },
        {"bytes=0-999",     "0-999"  },
    };

    (void)state;
    COMPARE(examples);
}

static void several_ranges_must_ascend_without_overlap(void **state)
{
    static const struct example examples[] = {
        {"bytes=0-9,20-29",           "0-9,20-29"      },
        {"bytes=0-9, 20-29",          "0-9,20-29"      },
        {"bytes=0-9 ,\t20-29",        "0-9,20-29"      },
        {"bytes=0-9,10-19",           "0-9,10-19"      },
        {"bytes=0-9,990-5000",        "0-9,990-999"    },
        {"bytes=0-9,-10",             "0-9,990-999"    },
        {"bytes=0-9,,20-29,",         "0-9,20-29"      },
        {"bytes=0-0,2-2,4-4,6-6",     "0-0,2-2,4-4,6-6"},
        {"bytes=20-29,0-9",           "bad"            },
        {"bytes=0-9,9-19",            "bad"            },
        {"bytes=0-,0-",               "bad"            },
        {"bytes=0-9,5-",              "bad"            },
        {"bytes=-10,0-9",             "bad"            },
        {"bytes=0-0,2-2,4-4,6-6,8-8", "bad"            }, /* one more than allowed */
        {"bytes=0-9,1000-",           "bad"            },
        {"bytes=0-9,x",               "bad"            },
    };

    (void)state;
    COMPARE(examples);
}

static void what_is_malformed_or_past_the_end_is_never_the_whole(void **state)
{
    static const struct example examples[] = {
        {"bytes=1000-",     "bad"},
        {"bytes=1000-1001", "bad"},
        {"bytes=5-2",       "bad"},
        {"bytes=-0",        "bad"},
        {"bytes=",          "bad"},
        {"bytes=,",         "bad"},
        {"bytes=-",         "bad"},
        {"bytes=a-b",       "bad"},
        {"bytes=1",         "bad"},
        {"bytes=1-2-3",     "bad"},
        {"bytes=+1-2",      "bad"},
        {"bytes=--1",       "bad"},
        {"bytes=1- 2",      "bad"},
        {"bytes=1 -2",      "bad"},
        {"bytes=0x1-2",     "bad"},
        {"bytes=1-2;3-4",   "bad"},
        {"bytes=1.0-2",     "bad"},
        {"bytes",           "bad"},
        {"",                "bad"},
        {"=0-1",            "bad"},
        {"bytes =0-1",      "bad"},
        {"bytes=0-1 2",     "bad"},
    };

    (void)state;
    COMPARE(examples);
}

static void numbers_past_every_type_do_not_wrap_round(void **state)
{
    static const struct example examples[] = {
        {"bytes=9223372036854775807-",                      "bad"  },
        {"bytes=9223372036854775808-",                      "bad"  },
        {"bytes=18446744073709551615-",                     "bad"  },
        {"bytes=18446744073709551616-18446744073709551617", "bad"  },
        {"bytes=0-9223372036854775807",                     "0-999"},
        {"bytes=0-18446744073709551615",                    "0-999"},
        {"bytes=0-18446744073709551616",                    "0-999"},
        {"bytes=-9223372036854775808",                      "0-999"},
        {"bytes=-18446744073709551616",                     "0-999"},
        {"bytes=0-99999999999999999999999999999999999999",  "0-999"},
        {"bytes=99999999999999999999999999999999999999-",   "bad"  },
    };

    (void)state;
    COMPARE(examples);
    assert_string_equal(meaning("bytes=9223372036854775806-", INT64_MAX),
                        "9223372036854775806-9223372036854775806");
    assert_string_equal(meaning("bytes=9223372036854775807-", INT64_MAX), "bad");
    assert_string_equal(meaning("bytes=-9223372036854775807", INT64_MAX), "0-9223372036854775806");
}

static void another_unit_means_the_whole(void **state)
{
    static const struct example examples[] = {
        {"items=0-5",  "none"},
        {"byte=0-5",   "none"},
        {"bytess=0-5", "none"},
        {"x=",         "none"}
    };

    (void)state;
    COMPARE(examples);
}

static void an_empty_file_has_no_ranges(void **state)
{
    (void)state;
    assert_string_equal(meaning("bytes=0-", 0), "bad");
    assert_string_equal(meaning("bytes=0-0", 0), "bad");
    assert_string_equal(meaning("bytes=-1", 0), "bad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_range_is_read_in_all_its_forms),
        cmocka_unit_test(several_ranges_must_ascend_without_overlap),
        cmocka_unit_test(what_is_malformed_or_past_the_end_is_never_the_whole),
        cmocka_unit_test(numbers_past_every_type_do_not_wrap_round),
        cmocka_unit_test(another_unit_means_the_whole),
        cmocka_unit_test(an_empty_file_has_no_ranges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
