/* SPDX-License-Identifier: Apache-2.0 */
/* What filter_matches() says of one device, the condition made of the filter says of the fleet. */
#include "campaign/filter_sql.h"
#include "core/version.h"
#include "store/device.h"

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

/* -- chance, the same at every run -- */

static uint64_t seed;

static uint32_t below(uint32_t count)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % count);
}

static const char *const pool[] = {
    "",
    "gw",
    "GW",
    "gw2",
    "a b",
    "it's",
    "say \"hi\"",
    "back\\slash",
    "x' OR '1' = '1",
    ":f0",
    "?1",
    "--",
    "%",
    "_",
    "NULL",
    "not",
    "gr\xc3\xbc\xc3\x9f",
    "\xe6\x97\xa5\xe6\x9c\xac",
    "\xf0\x9f\x94\xa5",
    "0",
    "1.9",
    "01.9",
    "1.10",
    "v1.10",
    "1.10.0",
    "1.10-rc1",
    "1.10~rc.2",
    "1.10-",
    "1.10+build",
    "1..0",
    "1.",
    ".",
    "-",
    "+",
    "1a",
    "18446744073709551616",
    "18446744073709551617",
};

/* A few of the pool at a time, so that filters and devices meet. */
#define WORDS 8
static const char *words[WORDS];

static void choose_words(void)
{
    for (size_t i = 0; i < WORDS; i++)
        words[i] = pool[below(COUNT_OF(pool))];
}

static const char *word(void)
{
    return words[below(WORDS)];
}

/* -- random filters -- */

static void write_string(struct text *text, const char *string)
{
    text_append(text, "\"");
    for (; *string; string++) {
        text_append(text, *string == '"' || *string == '\\' ? "\\" : "");
        text_append_bytes(text, string, 1);
    }
    text_append(text, "\"");
}

static void write_list(struct text *text)
{
    text_append(text, below(2) ? " in (" : " not in (");
    for (uint32_t i = 0, count = 1 + below(4); i < count; i++) {
        text_append(text, i ? ", " : "");
        write_string(text, word());
    }
    text_append(text, ")");
}

static void write_comparison(struct text *text)
{
    static const char *const fields[] = {"id",      "model",  "hardware",  "site", "version",
                                         "version", "attr.a", "attribute", "tag",  "state"};
    static const char *const relations[] = {" = ", " != ", " < ", " <= ", " > ", " >= "};
    const char *field = fields[below(COUNT_OF(fields))];
    bool has_order = strcmp(field, "tag") != 0 && strcmp(field, "state") != 0;

    text_append(text, field);
    if (strcmp(field, "attribute") == 0) {
        text_append(text, "[");
        write_string(text, *words[0] ? words[0] : "a");
        text_append(text, "]");
    }
    if (below(4) == 0) {
        write_list(text);
        return;
    }
    text_append(text, relations[below(has_order ? COUNT_OF(relations) : 2)]);
    if (strcmp(field, "state") == 0 && below(8))
        text_append(text, device_state_name((enum device_state)below(DEVICE_STATE_COUNT)));
    else
        write_string(text, word());
}

static void write_filter(struct text *text, uint32_t depth)
{
    uint32_t kind = depth ? below(8) : 0;

    if (kind == 1) {
        text_append(text, "all");
    } else if (kind == 2) {
        text_append(text, "not ");
        write_filter(text, depth - 1);
    } else if (kind > 2) {
        bool is_enclosed = below(3) != 0;
        text_append(text, is_enclosed ? "(" : "");
        for (uint32_t i = 0, count = 2 + below(3); i < count; i++) {
            text_append(text, i == 0 ? "" : below(2) ? " and " : " or ");
            write_filter(text, depth - 1);
        }
        text_append(text, is_enclosed ? ")" : "");
    } else {
        write_comparison(text);
    }
}

/* -- random devices -- */

#define FLEET 20
static struct device fleet[FLEET];

static void random_id(char ret[DEVICE_ID_SIZE], int number)
{
    const char *base = number < WORDS && *words[number] ? words[number] : "d";

    /* Words may be there twice. */
    snprintf(ret, DEVICE_ID_SIZE, "%s", base);
    for (int i = 0; i < number; i++)
        if (strcmp(fleet[i].id, ret) == 0)
            snprintf(ret, DEVICE_ID_SIZE, "%s %d", base, number);
}

static int belongings(struct tx *tx, int64_t device_row, struct error *err)
{
    for (uint32_t i = below(4); i; i--)
        if (device_tag_put(tx, device_row, word(), err))
            return -1;
    if (below(3) && device_attribute_put(tx, device_row, "a", word(), err))
        return -1;
    return below(3) ? device_attribute_put(tx, device_row, words[0], word(), err) : 0;
}

static int make_fleet(struct tx *tx, void *arg, struct error *err)
{
    (void)arg;
    for (int i = 0; i < FLEET; i++) {
        struct device *device = &fleet[i];
        const struct evidence evidence = {.version = word(), .uptime = -1, .floor = -1};

        *device =
            (struct device){.tenant_row = 1, .state = (enum device_state)below(DEVICE_STATE_COUNT)};
        random_id(device->id, i);
        strcpy(device->model, word());
        strcpy(device->hardware, word());
        strcpy(device->site, word());
        if (device_insert(tx, device, 1000, err) ||
            device_take_evidence(tx, device, &evidence, 1000, err) ||
            belongings(tx, device->row_id, err))
            return -1;
    }
    return 0;
}

static void new_fleet(void)
{
    struct error err = {0};

    execute(at.store, "DELETE FROM event");
    execute(at.store, "DELETE FROM device");
    choose_words();
    if (store_write(at.store, make_fleet, NULL, &err))
        fail_msg("%s %s", err.detail, err.cause);
}

/* -- both ways -- */

struct lookup {
    struct tx *tx;
    int64_t device_row;
};

static int look_up_attribute(void *arg, const char *name, char *ret, size_t room, bool *ret_found,
                             struct error *err)
{
    const struct lookup *lookup = arg;

    return device_attribute(lookup->tx, lookup->device_row, name, ret, room, ret_found, err);
}

static int look_up_tag(void *arg, const char *tag, bool *ret, struct error *err)
{
    const struct lookup *lookup = arg;

    return device_has_tag(lookup->tx, lookup->device_row, tag, ret, err);
}

static bool matches(struct tx *tx, const struct filter *filter, const struct device *device)
{
    struct lookup lookup = {tx, device->row_id};
    const struct filter_subject subject = {
        .id = device->id,
        .model = device->model,
        .hardware = device->hardware,
        .site = device->site,
        .version = device->version,
        .state = device_state_name(device->state),
        .attribute = look_up_attribute,
        .has_tag = look_up_tag,
        .arg = &lookup,
    };
    struct error err;
    bool answer;

    assert_int_equal(filter_matches(filter, &subject, &answer, &err), 0);
    return answer;
}

struct selection {
    int64_t rows[FLEET];
    size_t count;
    char last[DEVICE_ID_SIZE];
};

static int note(const struct device *device, void *arg, struct error *err)
{
    struct selection *selection = arg;

    (void)err;
    assert_true(selection->count < FLEET);
    assert_true(strcmp(device->id, selection->last) > 0);
    selection->rows[selection->count++] = device->row_id;
    strcpy(selection->last, device->id);
    return 0;
}

/* Page by page. */
static void select_all(struct tx *tx, const struct device_condition *where, struct selection *ret)
{
    struct device_page page = {.tenant_row = 1, .limit = 7, .where = *where};
    struct error err = {0};
    size_t before;

    *ret = (struct selection){0};
    do {
        char after[DEVICE_ID_SIZE];

        before = ret->count;
        strcpy(after, ret->last);
        page.after = after;
        if (device_list(tx, &page, note, ret, &err))
            fail_msg("%s: %s", where->sql, err.cause);
    } while (ret->count == before + 7);
}

static bool is_selected(const struct selection *selection, int64_t row_id)
{
    for (size_t i = 0; i < selection->count; i++)
        if (selection->rows[i] == row_id)
            return true;
    return false;
}

struct sums {
    int64_t by_version, by_model;
};

static int add_up(const char *version, const char *model, int64_t count, void *arg,
                  struct error *err)
{
    struct sums *sums = arg;

    (void)err;
    assert_true(!version != !model);
    *(version ? &sums->by_version : &sums->by_model) += count;
    return 0;
}

/* Returns how many match. */
static size_t compare(struct tx *tx, const char *text)
{
    CLEANUP(filter_free) struct filter *filter = NULL;
    CLEANUP(filter_sql_clear) struct filter_sql sql = {0};
    struct selection selection;
    struct sums sums = {0};
    struct error err = {0};

    if (filter_parse(text, &filter, &err) || filter_to_sql(filter, &sql, &err))
        fail_msg("%s: %s %s", text, err.detail, err.cause);
    const struct device_condition where = {sql.condition, sql.values, sql.count};
    select_all(tx, &where, &selection);
    for (int i = 0; i < FLEET; i++)
        if (matches(tx, filter, &fleet[i]) != is_selected(&selection, fleet[i].row_id))
            fail_msg("device %s (version %s): SQL says %s to\n%s\n%s", fleet[i].id,
                     fleet[i].version, is_selected(&selection, fleet[i].row_id) ? "yes" : "no",
                     text, sql.condition);
    if (device_count_where(tx, 1, &where, add_up, &sums, &err))
        fail_msg("%s: %s", text, err.cause);
    if (sums.by_version != (int64_t)selection.count || sums.by_model != sums.by_version)
        fail_msg("%zu devices, counted %lld by version and %lld by model: %s", selection.count,
                 (long long)sums.by_version, (long long)sums.by_model, text);
    return selection.count;
}

static void memory_and_sql_agree_on_every_device(void **state)
{
    size_t pairs = 0, matching = 0;

    (void)state;
    seed = 1;
    for (int i = 0; i < 20; i++) {
        CLEANUP(tx_end) struct tx tx = {0};
        struct error err;

        new_fleet();
        assert_int_equal(tx_read(&tx, at.store, &err), 0);
        for (int j = 0; j < 100; j++) {
            CLEANUP(text_clear) struct text text = {0};

            write_filter(&text, below(5));
            matching += compare(&tx, text.at);
            pairs += FLEET;
        }
    }
    print_message("%zu of %zu pairs match\n", matching, pairs);
    assert_in_range(matching, pairs / 5, pairs - pairs / 5); /* or they prove little */
}

static void sql_is_made_of_constants(void **state)
{
    static const struct {
        const char *text, *condition;
    } cases[] = {
        {"all",                                      "1 = 1"                                                               },
        {"model = \"x' OR '1' = '1\"",               "d.model = ?"                                                         },
        {"version < 2 and id in (b, a)",             "version_order(d.version, ?) < 0 AND d.id IN (?, ?)"                  },
        {"not (site = x or tag = y)",                "NOT (d.site = ? OR EXISTS (SELECT 1 FROM device_tag AS t"
                                      " WHERE t.device_row = d.row_id AND t.tag = ?))"},
        {"attr.a != b",                              "NOT EXISTS (SELECT 1 FROM device_attribute AS a"
                        " WHERE a.device_row = d.row_id AND a.name = ? AND a.value = ?)"            },
        {"id = a and (id = b or id = c and id = d)",
         "(d.id = ? AND d.id = ? OR d.id = ?) AND d.id = ?"                                                                },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        CLEANUP(filter_free) struct filter *filter = NULL;
        CLEANUP(filter_sql_clear) struct filter_sql sql = {0};
        struct error err;

        assert_int_equal(filter_parse(cases[i].text, &filter, &err), 0);
        assert_int_equal(filter_to_sql(filter, &sql, &err), 0);
        assert_string_equal(sql.condition, cases[i].condition);
    }
}

/* -- the limits -- */

/* The worst for SQLite's parser: as deep as allowed, and two operands of equal depth as often as
 * the number of comparisons allows. */
static void write_worst(struct text *text, uint32_t depth, uint32_t terms)
{
    if (depth == 0 || terms < 4) {
        text_append(text, depth ? "not tag not in (x, y)" : "attr.a > 1.9");
        return;
    }
    text_append(text, "tag = x or attr.b != z and (");
    write_worst(text, depth - 1, (terms - 2) / 2);
    text_append(text, ") or id > 2 and (");
    write_worst(text, depth - 1, (terms - 2) / 2);
    text_append(text, ")");
}

static void what_can_be_parsed_can_be_asked_in_sql(void **state)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err;

    (void)state;
    seed = 2;
    new_fleet();
    assert_int_equal(tx_read(&tx, at.store, &err), 0);
    for (uint32_t depth = 1; depth < FILTER_DEPTH_MAX; depth += 3) {
        CLEANUP(text_clear) struct text balanced = {0}, right = {0}, chain = {0};

        write_worst(&balanced, depth, FILTER_TERMS_MAX * 2 / 3);
        compare(&tx, balanced.at);
        for (uint32_t i = 0; i < depth; i++)
            text_append(&right, "id = a or model != b and not tag = c and (");
        text_append(&right, "not attr.a not in (x)");
        for (uint32_t i = 0; i < depth; i++)
            text_append(&right, ")");
        compare(&tx, right.at);
        for (int i = 0; i < FILTER_TERMS_MAX - 2; i++)
            text_append(&chain, i % 3 ? "id = a or " : "attr.a >= 1 and ");
        for (uint32_t i = 0; i < depth; i++)
            text_append(&chain, "not ");
        text_append(&chain, "tag = x");
        compare(&tx, chain.at);
    }
}

static void a_long_list_is_one_comparison(void **state)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(text_clear) struct text text = {0};
    struct error err;

    (void)state;
    seed = 3;
    new_fleet();
    assert_int_equal(tx_read(&tx, at.store, &err), 0);
    text_append(&text, "id in (");
    for (int i = 1; i < FILTER_VALUES_MAX; i++)
        text_format(&text, "d%d, ", i);
    write_string(&text, fleet[3].id);
    text_append(&text, ")");
    assert_int_equal(compare(&tx, text.at), 1);
}

/* -- versions -- */

static int order_in_sql(struct tx *tx, const char *a, const char *b)
{
    CLEANUP(query_finish) struct query q = query_start(tx, "SELECT version_order(:a, :b)");
    struct error err;

    query_bind_text(&q, ":a", a);
    query_bind_text(&q, ":b", b);
    assert_int_equal(query_step(&q, &err), STEP_ROW);
    return (int)query_number(&q, 0);
}

static void random_version(char ret[16])
{
    size_t length = below(12);

    for (size_t i = 0; i < length; i++)
        ret[i] = "0012.9.-~+av"[below(12)];
    ret[length] = '\0';
}

static void versions_have_one_order_in_memory_and_in_sql(void **state)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err;

    (void)state;
    seed = 4;
    assert_int_equal(tx_read(&tx, at.store, &err), 0);
    for (int i = 0; i < 20000; i++) {
        char a[16], b[16], c[16];

        random_version(a);
        random_version(b);
        random_version(c);
        int order = version_compare(a, b), sign = (order > 0) - (order < 0);
        int back = version_compare(b, a);
        if ((back > 0) - (back < 0) != -sign)
            fail_msg("'%s' and '%s' are each before the other", a, b);
        if (order <= 0 && version_compare(b, c) <= 0 && version_compare(a, c) > 0)
            fail_msg("'%s' <= '%s' <= '%s' < the first", a, b, c);
        if (i < 2000)
            assert_int_equal(order_in_sql(&tx, a, b), sign);
    }
    assert_int_equal(ask_in(&tx, "SELECT version_order(NULL, '1') IS NULL"), 1);
}

/* -- pages -- */

static void a_condition_joins_what_else_narrows_a_page(void **state)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err = {0};
    size_t found = 0;

    (void)state;
    seed = 5;
    new_fleet();
    assert_int_equal(tx_read(&tx, at.store, &err), 0);
    for (int i = 0; i < FLEET; i++) {
        static const char *const values[] = {"x", "x"};
        struct device_page page = {
            .tenant_row = 1,
            .limit = FLEET,
            .after = "",
            .state = device_state_name(fleet[i].state),
            .model = fleet[i].model,
            .version = fleet[i].version,
            .where = {"d.id <> ? OR d.id = ?", values, 2},
        };
        struct selection selection = {0}, tagged = {0};

        assert_int_equal(device_list(&tx, &page, note, &selection, &err), 0);
        assert_true(is_selected(&selection, fleet[i].row_id));
        for (int j = 0; j < FLEET; j++)
            if (is_selected(&selection, fleet[j].row_id)) {
                assert_int_equal(fleet[j].state, fleet[i].state);
                assert_string_equal(fleet[j].model, fleet[i].model);
                assert_string_equal(fleet[j].version, fleet[i].version);
            }
        page = (struct device_page){.tenant_row = 1, .limit = FLEET, .after = "", .tag = words[1]};
        assert_int_equal(device_list(&tx, &page, note, &tagged, &err), 0);
        bool has_tag;
        assert_int_equal(device_has_tag(&tx, fleet[i].row_id, words[1], &has_tag, &err), 0);
        assert_int_equal(is_selected(&tagged, fleet[i].row_id), has_tag);
        found += has_tag;
    }
    assert_in_range(found, 1, FLEET - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory_and_sql_agree_on_every_device, start, stop),
        cmocka_unit_test(sql_is_made_of_constants),
        cmocka_unit_test_setup_teardown(what_can_be_parsed_can_be_asked_in_sql, start, stop),
        cmocka_unit_test_setup_teardown(a_long_list_is_one_comparison, start, stop),
        cmocka_unit_test_setup_teardown(versions_have_one_order_in_memory_and_in_sql, start, stop),
        cmocka_unit_test_setup_teardown(a_condition_joins_what_else_narrows_a_page, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
