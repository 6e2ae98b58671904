/* SPDX-License-Identifier: Apache-2.0 */
/* The audit chain, and the events next to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "temporary_store.h"

#include "core/digest.h"
#include "store/audit.h"
#include "store/event.h"

static struct temporary place;

static int open_place(void **state)
{
    (void)state;
    temporary_folder(&place);
    temporary_open(&place);
    return 0;
}

static int remove_place(void **state)
{
    (void)state;
    temporary_remove(&place);
    return 0;
}

static int write_record(struct tx *tx, void *record, struct error *err)
{
    return audit_write(tx, record, err);
}

static void write_one(const char *action, const char *detail)
{
    struct audit record = {
        .at = 1795000000,
        .actor_kind = "operator",
        .actor = "ann",
        .source = "::1",
        .request = "r-1",
        .action = action,
        .object = "lock:1.0",
        .detail = detail,
    };
    struct error err = {0};

    if (store_write(place.store, write_record, &record, &err))
        fail_msg("%s %s", err.detail, err.cause);
}

/* The first sequence that does not fit. */
static int64_t verify(int64_t *ret_last)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err;
    int64_t bad = -1;

    assert_int_equal(tx_read(&tx, place.store, &err), 0);
    assert_int_equal(audit_verify(&tx, ret_last, &bad, &err), 0);
    return bad;
}

static void an_empty_log_is_whole(void **state)
{
    int64_t last;

    (void)state;
    assert_int_equal(verify(&last), 0);
    assert_int_equal(last, 0);
}

/* As anybody with SHA-256 would compute it. */
static void the_first_record_has_the_hash_the_format_says(void **state)
{
    static const char record[] =
        "ota-audit-v1\n"
        "{\"action\":\"release.publish\",\"actor\":{\"id\":\"ann\",\"type\":\"operator\"},"
        "\"detail\":\"a \\\"b\\\" \\\\ c\nd\",\"object\":\"lock:1.0\",\"outcome\":\"done\","
        "\"prev\":\"0000000000000000000000000000000000000000000000000000000000000000\","
        "\"req_id\":\"r-1\",\"seq\":1,\"src\":\"::1\",\"ts\":\"2026-11-18T11:06:40Z\"}";
    char hash[SHA256_HEX_SIZE], sql[160];

    (void)state;
    write_one("release.publish", "a \"b\" \\ c\nd");
    sha256_hex(record, sizeof record - 1, hash);
    snprintf(sql, sizeof sql, "SELECT hex(hash) = upper('%s') FROM audit", hash);
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err;
    assert_int_equal(tx_read(&tx, place.store, &err), 0);
    assert_int_equal(ask_in(&tx, sql), 1);
}

static void records_are_never_changed_or_deleted(void **state)
{
    static const char *const statements[] = {"UPDATE audit SET detail = ''", "DELETE FROM audit"};

    (void)state;
    write_one("a", "");
    for (size_t i = 0; i < COUNT_OF(statements); i++) {
        struct error err = {0};
        assert_int_equal(
            store_write(place.store, execute_job, (void *)(uintptr_t)statements[i], &err), -1);
        assert_int_equal(err.problem, PROBLEM_CONFLICT);
    }
}

static void what_was_tampered_with_shows(void **state)
{
    static const char *const damages[] = {
        "UPDATE audit SET detail = 'nothing happened' WHERE sequence = 3",
        "UPDATE audit SET actor = 'bob' WHERE sequence = 3",
        "UPDATE audit SET at = at + 1 WHERE sequence = 3",
        "DELETE FROM audit WHERE sequence = 3",
        "UPDATE audit SET hash = (SELECT hash FROM audit WHERE sequence = 2) WHERE sequence = 3",
    };

    for (size_t i = 0; i < COUNT_OF(damages); i++) {
        int64_t last;
        assert_int_equal(open_place(state), 0);
        for (int n = 0; n < 5; n++)
            write_one("a", "b");
        assert_int_equal(verify(&last), 0);
        assert_int_equal(last, 5);
        execute(place.store, "DROP TRIGGER audit_is_append_only_update");
        execute(place.store, "DROP TRIGGER audit_is_append_only_delete");
        execute(place.store, damages[i]);
        assert_int_equal(verify(&last), 3);
        assert_int_equal(last, 2);
        remove_place(state);
    }
}

static int write_and_fail(struct tx *tx, void *record, struct error *err)
{
    if (audit_write(tx, record, err))
        return -1;
    return (fail)(err, PROBLEM_CONFLICT, "no");
}

static void a_change_that_fails_leaves_no_record_and_no_gap(void **state)
{
    struct audit record = {.at = 1, .action = "x"};
    struct error err = {0};
    int64_t last;

    (void)state;
    write_one("a", "");
    assert_int_equal(store_write(place.store, write_and_fail, &record, &err), -1);
    write_one("b", "");
    assert_int_equal(verify(&last), 0);
    assert_int_equal(last, 2);
}

struct read {
    char text[256];
    size_t length;
};

static int note_record(int64_t sequence, const struct audit *audit, const uint8_t hash[32],
                       void *arg, struct error *err)
{
    struct read *read = arg;

    (void)err;
    assert_non_null(hash);
    read->length +=
        (size_t)snprintf(read->text + read->length, sizeof read->text - read->length, "%lld:%s:%s ",
                         (long long)sequence, audit->action, audit->outcome);
    return 0;
}

static void a_page_begins_behind_the_one_before(void **state)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct read read = {.length = 0};
    struct error err;

    (void)state;
    write_one("a", "");
    write_one("b", "");
    write_one("c", "");
    assert_int_equal(tx_read(&tx, place.store, &err), 0);
    assert_int_equal(audit_list(&tx, 1, 1, note_record, &read, &err), 0);
    assert_string_equal(read.text, "2:b:done ");
}

/* -- events -- */

static const char device[] =
    "INSERT INTO device (row_id, tenant_row, id, state, created_at, updated_at) "
    "VALUES (7, 1, 'd', 'active', 0, 0)";

static int write_event(struct tx *tx, void *event, struct error *err)
{
    return event_append(tx, event, err);
}

static void write_state(const char *from, const char *to)
{
    struct event event = {.at = 5,
                          .tenant_row = 1,
                          .kind = "device.state",
                          .device_row = 7,
                          .from_state = from,
                          .to_state = to};
    struct error err = {0};

    if (store_write(place.store, write_event, &event, &err))
        fail_msg("%s %s", err.detail, err.cause);
}

static int note_event(const struct event *event, void *arg, struct error *err)
{
    struct read *read = arg;

    (void)err;
    assert_int_equal(event->device_row, 7);
    assert_int_equal(event->campaign_row, 0);
    assert_null(event->message_hash);
    read->length +=
        (size_t)snprintf(read->text + read->length, sizeof read->text - read->length, "%lld:%s>%s ",
                         (long long)event->row_id, event->from_state, event->to_state);
    return 0;
}

static void a_timeline_is_read_from_its_end(void **state)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct read newest = {.length = 0}, older = {.length = 0};
    struct event_query query = {.device_row = 7, .limit = 2};
    struct error err;

    (void)state;
    execute(place.store, device);
    write_state(NULL, "pending");
    write_state("pending", "active");
    write_state("active", "revoked");
    assert_int_equal(tx_read(&tx, place.store, &err), 0);
    assert_int_equal(event_list(&tx, &query, note_event, &newest, &err), 0);
    assert_string_equal(newest.text, "3:active>revoked 2:pending>active ");
    query.before = 2;
    assert_int_equal(event_list(&tx, &query, note_event, &older, &err), 0);
    assert_string_equal(older.text, "1:>pending ");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_empty_log_is_whole),
        CASE(the_first_record_has_the_hash_the_format_says),
        CASE(records_are_never_changed_or_deleted),
        cmocka_unit_test(what_was_tampered_with_shows),
        CASE(a_change_that_fails_leaves_no_record_and_no_gap),
        CASE(a_page_begins_behind_the_one_before),
        CASE(a_timeline_is_read_from_its_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
