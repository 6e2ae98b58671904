/* SPDX-License-Identifier: Apache-2.0 */
/* Answers kept under their requests' keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "unit/temporary_store.h"

#include "store/idempotency.h"

#define NOW 1000000

static struct temporary at;

static int set_up(void **state)
{
    (void)state;
    temporary_folder(&at);
    temporary_open(&at);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    temporary_remove(&at);
    return 0;
}

struct keeping {
    const char *operator, * key, *body;
    int64_t most, now;
};

static int do_keep(struct tx *tx, void *arg, struct error *err)
{
    const struct keeping *keeping = arg;
    struct kept_answer answer = {.tenant_row = 1,
                                 .operator= keeping->operator,
                                 .key = keeping->key,
                                 .request_hash = {7},
                                 .status = 201};

    answer.body = strdup(keeping->body);
    int failed = idempotency_keep(tx, &answer, keeping->most, keeping->now, err);
    kept_answer_clear(&answer);
    return failed;
}

static void keep(const char *operator, const char * key, const char *body, int64_t most,
                 int64_t now)
{
    struct keeping keeping = {operator, key, body, most, now};
    struct error err = {0};

    assert_int_equal(store_write(at.store, do_keep, &keeping, &err), 0);
}

/* What is kept, or "" for nothing. */
static const char *kept(const char *operator, const char * key, int64_t now)
{
    static char body[32];
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(kept_answer_clear)
    struct kept_answer answer = {.tenant_row = 1, .operator= operator, .key = key };
    struct error err = {0};

    assert_int_equal(tx_read(&tx, at.store, &err), 0);
    enum step step = idempotency_find(&tx, &answer, now, &err);
    assert_int_not_equal(step, STEP_FAILED);
    if (step == STEP_ROW) {
        assert_int_equal(answer.status, 201);
        assert_int_equal(answer.request_hash[0], 7);
    }
    snprintf(body, sizeof body, "%s", step == STEP_ROW ? answer.body : "");
    return body;
}

static void each_operator_has_keys_of_their_own(void **state)
{
    (void)state;
    keep("ann", "k", "ann's", 10, NOW);
    keep("bob", "k", "bob's", 10, NOW);
    assert_string_equal(kept("ann", "k", NOW), "ann's");
    assert_string_equal(kept("bob", "k", NOW), "bob's");
    assert_string_equal(kept("ann", "other", NOW), "");
}

static void an_answer_is_kept_for_a_day(void **state)
{
    (void)state;
    keep("ann", "k", "old", 10, NOW);
    assert_string_equal(kept("ann", "k", NOW + IDEMPOTENCY_KEPT - 1), "old");
    assert_string_equal(kept("ann", "k", NOW + IDEMPOTENCY_KEPT), "");
    keep("ann", "k", "new", 10, NOW + IDEMPOTENCY_KEPT);
    assert_string_equal(kept("ann", "k", NOW + IDEMPOTENCY_KEPT), "new");
}

static void only_so_many_are_kept_and_the_oldest_go_first(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) {
        char key[8];

        snprintf(key, sizeof key, "k-%d", i);
        keep("ann", key, "kept", 3, NOW + i);
    }
    assert_string_equal(kept("ann", "k-1", NOW + 5), "");
    assert_string_equal(kept("ann", "k-2", NOW + 5), "kept");
    assert_string_equal(kept("ann", "k-4", NOW + 5), "kept");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(each_operator_has_keys_of_their_own),
        CASE(an_answer_is_kept_for_a_day),
        CASE(only_so_many_are_kept_and_the_oldest_go_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
