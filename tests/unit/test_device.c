/* SPDX-License-Identifier: Apache-2.0 */
#include "store/device.h"
#include "store/event.h"
#include "store/operator.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "temporary_store.h"

static struct temporary at;

static int start(void **state)
{
    (void)state;
    temporary_folder(&at);
    temporary_open(&at);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    temporary_remove(&at);
    return 0;
}

static void write_now(int (*work)(struct tx *tx, void *arg, struct error *err), void *arg)
{
    struct error err = {0};

    if (store_write(at.store, work, arg, &err))
        fail_msg("%s %s", err.detail, err.cause);
}

static int insert(struct tx *tx, void *arg, struct error *err)
{
    return device_insert(tx, arg, 1000, err);
}

static struct device new_device(const char *id, const char *model)
{
    struct device device = {.tenant_row = 1, .state = DEVICE_ACTIVE};

    strcpy(device.id, id);
    strcpy(device.model, model);
    write_now(insert, &device);
    return device;
}

static void a_device_reads_as_it_was_written(void **state)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct device written = new_device("d1", "gw"), read;
    struct error err;

    (void)state;
    assert_int_equal(tx_read(&tx, at.store, &err), 0);
    assert_int_equal(device_by_id(&tx, 1, "d1", &read, &err), STEP_ROW);
    assert_int_equal(read.row_id, written.row_id);
    assert_int_equal(read.state, DEVICE_ACTIVE);
    assert_string_equal(read.model, "gw");
    assert_int_equal(read.uptime, -1);
    assert_true(read.asks_attributes);
    assert_int_equal(device_by_id(&tx, 2, "d1", &read, &err), STEP_DONE);
    assert_int_equal(device_need(&tx, 1, "d2", &read, &err), -1);
    assert_int_equal(err.problem, PROBLEM_NO_SUCH_DEVICE);
}

static void states_have_names_both_ways(void **state)
{
    enum device_state back;

    (void)state;
    for (int i = 0; i < DEVICE_STATE_COUNT; i++) {
        assert_true(device_state_from_name(device_state_name((enum device_state)i), &back));
        assert_int_equal(back, i);
    }
    assert_false(device_state_from_name("", &back));
}

static void changes_of_who_may_move_the_generation(void **state)
{
    (void)state;
    uint64_t before = store_generation(at.store);
    new_device("d1", "gw");
    assert_true(store_generation(at.store) > before);
}

/* -- evidence -- */

static int take_evidence(struct tx *tx, void *arg, struct error *err)
{
    struct device device;

    return device_need(tx, 1, "d1", &device, err) ||
           device_take_evidence(tx, &device, arg, 2000, err);
}

static void evidence_is_kept_and_a_new_version_is_an_event(void **state)
{
    struct evidence first = {.version = "1.0", .boot_id = "b1", .uptime = 5, .floor = 2};
    struct evidence silent = {.uptime = -1, .floor = -1};
    struct evidence second = {.version = "1.1", .uptime = -1, .floor = -1};
    const char *events = "SELECT count(*) FROM event WHERE kind = 'device.version'";

    (void)state;
    new_device("d1", "gw");
    write_now(take_evidence, &first);
    assert_int_equal(ask(at.store, events), 1);
    write_now(take_evidence, &first);
    write_now(take_evidence, &silent);
    assert_int_equal(ask(at.store, events), 1);
    write_now(take_evidence, &second);
    assert_int_equal(ask(at.store, events), 2);
    assert_int_equal(ask(at.store,
                         "SELECT count(*) FROM device WHERE version = '1.1' AND boot_id = 'b1' "
                         "AND uptime = 5 AND floor = 2"),
                     1);
}

static int trim(struct tx *tx, void *arg, struct error *err)
{
    return event_trim(tx, ((struct device *)arg)->row_id, 3, err);
}

static void histories_are_trimmed_from_the_old_end(void **state)
{
    struct device other = new_device("other", "gw"), device = new_device("d1", "gw");
    char version[8];

    (void)state;
    for (int i = 0; i < 10; i++) {
        struct evidence evidence = {.version = version, .uptime = -1, .floor = -1};
        snprintf(version, sizeof version, "%d", i);
        write_now(take_evidence, &evidence);
    }
    write_now(trim, &other);
    assert_int_equal(ask(at.store, "SELECT count(*) FROM event"), 12);
    write_now(trim, &device);
    assert_int_equal(ask(at.store, "SELECT count(*) FROM event"), 4);
    assert_int_equal(ask(at.store, "SELECT count(*) FROM event WHERE to_state IN ('7', '8', '9')"),
                     3);
}

/* -- lists -- */

struct seen_ids {
    char text[64];
    int most;
};

static int note_id(const struct device *device, void *arg, struct error *err)
{
    struct seen_ids *seen = arg;

    (void)err;
    strcat(seen->text, device->id);
    return --seen->most == 0;
}

static const char *ids_of(const struct device_page *page, int most)
{
    static struct seen_ids seen;
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err;

    seen = (struct seen_ids){.most = most};
    assert_int_equal(tx_read(&tx, at.store, &err), 0);
    assert_int_equal(device_list(&tx, page, note_id, &seen, &err), 0);
    return seen.text;
}

static void pages_go_on_where_the_last_one_ended(void **state)
{
    struct device_page page = {.tenant_row = 1, .limit = 10, .after = ""};
    struct device_page models = {.tenant_row = 1, .limit = 10, .after = "a", .model = "gw"};
    struct device_page states = {.tenant_row = 1, .limit = 10, .after = "", .state = "pending"};

    (void)state;
    new_device("b", "gw");
    new_device("a", "gw");
    new_device("c", "sw");
    new_device("d", "gw");
    assert_string_equal(ids_of(&page, 100), "abcd");
    assert_string_equal(ids_of(&page, 2), "ab");
    page.after = "b";
    assert_string_equal(ids_of(&page, 100), "cd");
    page.limit = 1;
    assert_string_equal(ids_of(&page, 100), "c");
    assert_string_equal(ids_of(&models, 100), "bd");
    assert_string_equal(ids_of(&states, 100), "");
}

/* -- certificates -- */

struct binding {
    const char *device;
    struct certificate certificate;
};

static int bind(struct tx *tx, void *arg, struct error *err)
{
    const struct binding *binding = arg;
    struct device device;

    return device_need(tx, 1, binding->device, &device, err) ||
                   device_add_certificate(tx, &device, &binding->certificate, 3000, err)
               ? -1
               : 0;
}

static void a_certificate_belongs_to_one_device(void **state)
{
    struct binding binding = {
        .device = "d1", .certificate = {.fingerprint = {1}, .not_after = 9}
    };
    struct error err = {0};

    (void)state;
    new_device("d1", "gw");
    new_device("d2", "gw");
    write_now(bind, &binding);
    write_now(bind, &binding);
    assert_int_equal(ask(at.store, "SELECT count(*) FROM certificate"), 1);
    binding.device = "d2";
    assert_int_equal(store_write(at.store, bind, &binding, &err), -1);
    assert_int_equal(err.problem, PROBLEM_ALREADY_EXISTS);
    execute(at.store, "UPDATE certificate SET state = 'revoked'");
    binding.device = "d1";
    assert_int_equal(store_write(at.store, bind, &binding, &err), -1);
    assert_int_equal(err.problem, PROBLEM_WRONG_STATE);
}

/* -- attributes and tags -- */

static int write_attributes(struct tx *tx, void *arg, struct error *err)
{
    int64_t row = ((struct device *)arg)->row_id, count;
    bool has_tag, is_found;
    char value[8];

    assert_int_equal(device_attribute_put(tx, row, "a", "1", err), 0);
    assert_int_equal(device_attribute_put(tx, row, "a", "2", err), 0);
    assert_int_equal(device_attribute_put(tx, row, "b", "3", err), 0);
    assert_int_equal(device_attribute_drop(tx, row, "b", err), 0);
    assert_int_equal(device_attribute_count(tx, row, &count, err), 0);
    assert_int_equal(count, 1);
    assert_int_equal(device_attribute(tx, row, "a", value, sizeof value, &is_found, err), 0);
    assert_true(is_found);
    assert_string_equal(value, "2");
    assert_int_equal(device_attribute(tx, row, "b", value, sizeof value, &is_found, err), 0);
    assert_false(is_found);
    assert_int_equal(device_tag_put(tx, row, "lab", err), 0);
    assert_int_equal(device_tag_put(tx, row, "lab", err), 0);
    assert_int_equal(device_has_tag(tx, row, "lab", &has_tag, err), 0);
    assert_true(has_tag);
    assert_int_equal(device_has_tag(tx, row, "la", &has_tag, err), 0);
    assert_false(has_tag);
    return 0;
}

static void attributes_and_tags_are_put_found_and_dropped(void **state)
{
    struct device device = new_device("d1", "gw");

    (void)state;
    write_now(write_attributes, &device);
}

/* -- operators -- */

static int revoke_admin(struct tx *tx, void *arg, struct error *err)
{
    struct operator operator= {.tenant_row = 1, .id = "ann", .role = "admin"};
    const uint8_t fingerprint[32] = {7};
    bool has_other, is_active;
    int64_t not_after;

    (void)arg;
    assert_int_equal(operator_insert(tx, &operator, 1, err), 0);
    assert_int_equal(operator_add_certificate(tx, operator.row_id, fingerprint, 9, 1, err), 0);
    assert_int_equal(operator_has_other_admin(tx, &operator, & has_other, err), 0);
    assert_false(has_other);
    assert_int_equal(operator_revoke(tx, operator.row_id, 2, err), 0);
    assert_int_equal(
        operator_by_fingerprint(tx, fingerprint, &operator, & is_active, &not_after, err),
        STEP_ROW);
    assert_false(is_active);
    assert_false(operator.is_active);
    return 0;
}

static void a_revoked_operator_loses_every_certificate(void **state)
{
    (void)state;
    write_now(revoke_admin, NULL);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_device_reads_as_it_was_written),
        CASE(states_have_names_both_ways),
        CASE(changes_of_who_may_move_the_generation),
        CASE(evidence_is_kept_and_a_new_version_is_an_event),
        CASE(histories_are_trimmed_from_the_old_end),
        CASE(pages_go_on_where_the_last_one_ended),
        CASE(a_certificate_belongs_to_one_device),
        CASE(attributes_and_tags_are_put_found_and_dropped),
        CASE(a_revoked_operator_loses_every_certificate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
