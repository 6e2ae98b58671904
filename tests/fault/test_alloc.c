/* SPDX-License-Identifier: Apache-2.0 */
/* The nth allocation fails, for n = 1, 2, 3 … until none is reached; then the nth and all after it.
 * Nothing may crash or leak, and whoever fails says so. The linker sends our malloc here (--wrap);
 * SQLite and jansson are given the same one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/write_batch.h"

#include "campaign/filter_sql.h"
#include "core/config.h"
#include "core/json.h"
#include "store/device.h"

#include <sqlite3.h>
#include <stdatomic.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *at, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *at, size_t size);
char *__wrap_strdup(const char *text);

static struct {
    _Atomic int until; /* 1: the next one fails; 0 and below: none by counting */
    _Atomic bool goes_on;
    _Atomic bool is_reached;
} shortage;

static bool fails_now(void)
{
    if (atomic_load(&shortage.goes_on) && atomic_load(&shortage.is_reached))
        return true;
    if (atomic_load(&shortage.until) <= 0 || atomic_fetch_sub(&shortage.until, 1) != 1)
        return false;
    atomic_store(&shortage.is_reached, true);
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *at, size_t size)
{
    return fails_now() ? NULL : __real_realloc(at, size);
}

char *__wrap_strdup(const char *text)
{
    return fails_now() ? NULL : __real_strdup(text);
}

static void begin_shortage(int nth, bool goes_on)
{
    atomic_store(&shortage.is_reached, false);
    atomic_store(&shortage.goes_on, goes_on);
    atomic_store(&shortage.until, nth);
}

/* Returns whether the nth allocation was reached at all. */
static bool end_shortage(void)
{
    atomic_store(&shortage.until, 0);
    atomic_store(&shortage.goes_on, false);
    return atomic_load(&shortage.is_reached);
}

/* -- SQLite's allocator, over ours -- */

static sqlite3_mem_methods sqlite_own;

static void *sqlite_malloc(int size)
{
    return fails_now() ? NULL : sqlite_own.xMalloc(size);
}

static void *sqlite_realloc(void *at, int size)
{
    return fails_now() ? NULL : sqlite_own.xRealloc(at, size);
}

static void wrap_libraries(void)
{
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_own);
    sqlite3_mem_methods wrapped = sqlite_own;
    wrapped.xMalloc = sqlite_malloc;
    wrapped.xRealloc = sqlite_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &wrapped), SQLITE_OK);
    json_set_alloc_funcs(__wrap_malloc, free);
}

/* -- running something until no allocation fails any more -- */

/* Returns 0 when all went well; on failure err must be filled. */
typedef int (*scenario_fn)(void *arg, struct error *err);

static void run_out_of_memory(scenario_fn scenario, void *arg)
{
    int longest = 0;

    for (int goes_on = 0; goes_on < 2; goes_on++) {
        bool is_reached = true;
        for (int nth = 1; is_reached; nth++) {
            struct error err = {0};
            assert_true(nth < 100000);
            begin_shortage(nth, goes_on);
            int failed = scenario(arg, &err);
            is_reached = end_shortage();
            if (failed)
                assert_true(is_reached && err.problem != PROBLEM_NONE && *error_text(&err));
            longest = nth;
        }
        struct error err = {0};
        if (scenario(arg, &err)) /* what failed before leaves nothing broken behind */
            fail_msg("afterwards: %s %s", err.detail, err.cause);
    }
    print_message("%d places\n", longest - 1);
}

static int build_text(void *arg, struct error *err)
{
    CLEANUP(text_clear) struct text text = {0};
    CLEANUP(free_string) char *whole = NULL;

    (void)arg;
    for (int i = 0; i < 100; i++) {
        text_append(&text, "some ");
        text_format(&text, "%d ", i);
        text_json_string(&text, "a \"quoted\" text");
        text_number(&text, i);
        text_url_segment(&text, "a/b");
        text_hex(&text, "abc", 3);
    }
    whole = text_take(&text);
    return whole ? 0 : fail_internal(err, "out of memory");
}

static void a_text_notices_that_memory_is_out(void **state)
{
    (void)state;
    run_out_of_memory(build_text, NULL);
}

static int read_json(void *arg, struct error *err)
{
    static const char document[] =
        "{\"name\":\"x\",\"list\":[1,2,{\"a\":[true,null]}],\"number\":5,"
        "\"long\":\"\\u00e4bcdefghijklmnopqrstuvwxyz0123456789\"}";
    json_auto_t *root = NULL;
    const json_t *list;
    const char *name;
    int64_t number;

    (void)arg;
    if (json_read(document, sizeof document - 1, &root, err) ||
        json_get_string(root, "name", &name, err) || json_get_array(root, "list", &list, err) ||
        json_get_integer(root, "number", 0, 9, &number, err))
        return -1;
    assert_string_equal(name, "x");
    assert_int_equal(number, 5);
    return 0;
}

static void json_is_refused_when_memory_is_out(void **state)
{
    (void)state;
    run_out_of_memory(read_json, NULL);
}

static int load_config(void *path, struct error *err)
{
    CLEANUP(config_free) struct config *config = NULL;

    if (config_load(path, &config, err) ||
        config_set(config, "server", "hostname", "other.example", err))
        return -1;
    assert_string_equal(config->device_listen, "[::1]:8443");
    assert_string_equal(config->server_hostname, "other.example");
    return 0;
}

static void a_configuration_is_whole_or_refused(void **state)
{
    struct temporary at;
    char path[64];

    (void)state;
    temporary_folder(&at);
    snprintf(path, sizeof path, "%s/otad.conf", at.folder);
    FILE *out = fopen(path, "we");
    fputs("[device]\nlisten = [::1]:8443\nca = ca.pem\n[store]\ncache = 4M\n", out);
    fclose(out);
    run_out_of_memory(load_config, path);
    temporary_remove(&at);
}

static void no_effect(struct store *store, void *arg)
{
    (void)store;
    assert_int_equal(*(char *)arg, 'x');
}

static int write_something(struct tx *tx, void *arg, struct error *err)
{
    static const char insert_sql[] = "INSERT INTO note (id, text) VALUES (:id, :text) "
                                     "ON CONFLICT (id) DO UPDATE SET text = excluded.text";
    int64_t number;
    char *effect = __real_strdup("x");

    (void)arg;
    tx_after_commit(tx, no_effect, effect);
    if (store_next_number(tx, "action", &number, err))
        return -1;
    CLEANUP(query_finish) struct query q = query_start(tx, insert_sql);
    query_bind_number(&q, ":id", 1);
    query_bind_text(&q, ":text", "text");
    return query_run(&q, err);
}

static int read_something(struct store *store, struct error *err)
{
    static const char sql[] = "SELECT text FROM note WHERE id = 1";
    CLEANUP(tx_end) struct tx tx = {0};

    if (tx_read(&tx, store, err))
        return -1;
    CLEANUP(query_finish) struct query q = query_start(&tx, sql);
    enum step step = query_step(&q, err);
    if (step == STEP_ROW)
        assert_true(!strcmp(query_text(&q, 0), "text") || q.failure == SQLITE_NOMEM);
    return step == STEP_FAILED || q.failure ? fail_internal(err, "out of memory") : 0;
}

static int use_store(void *arg, struct error *err)
{
    const struct temporary *at = arg;
    CLEANUP(store_close) struct store *store = NULL;

    if (store_open(&at->options, &store, err))
        return -1;
    if (store_write(store, write_something, NULL, err) || read_something(store, err))
        return -1;
    return 0;
}

static void the_store_opens_writes_and_reads_or_says_why_not(void **state)
{
    struct temporary at;

    (void)state;
    temporary_folder(&at);
    temporary_open(&at);
    make_notes(at.store);
    execute(at.store, "INSERT INTO note VALUES (1, 'text')");
    store_close(&at.store);
    run_out_of_memory(use_store, &at);
    temporary_remove(&at);
}

/* -- filters -- */

static int parse_and_translate(void *arg, struct error *err)
{
    CLEANUP(filter_free) struct filter *filter = NULL;
    CLEANUP(filter_sql_clear) struct filter_sql sql = {0};

    (void)arg;
    if (filter_parse("model in (c, b, a) and (tag = x or not attr.a < 1)", &filter, err) ||
        filter_to_sql(filter, &sql, err))
        return -1;
    assert_int_equal(sql.count, 6);
    assert_string_equal(sql.values[5], "c");
    return 0;
}

static void a_filter_is_whole_in_both_forms_or_none(void **state)
{
    (void)state;
    run_out_of_memory(parse_and_translate, NULL);
}

static int insert_device(struct tx *tx, void *arg, struct error *err)
{
    struct device device = {.tenant_row = 1, .id = "d", .model = "gw", .state = DEVICE_ACTIVE};

    (void)arg;
    return device_insert(tx, &device, 1000, err);
}

static int count_it(const struct device *device, void *arg, struct error *err)
{
    (void)device;
    (void)err;
    ++*(int *)arg;
    return 0;
}

static int add_it(const char *version, const char *model, int64_t count, void *arg,
                  struct error *err)
{
    if (!version && !model)
        return fail_internal(err, "out of memory");
    *(int64_t *)arg += count;
    return 0;
}

static int list_and_count(void *arg, struct error *err)
{
    static const char *const values[] = {"1", "gw"};
    const struct device_page page = {
        .tenant_row = 1,
        .limit = 10,
        .after = "",
        .state = "active",
        .where = {"version_order(d.version, ?) < 0 AND d.model = ?", values, 2},
    };
    CLEANUP(tx_end) struct tx tx = {0};
    int listed = 0;
    int64_t counted = 0;

    if (tx_read(&tx, arg, err) || device_list(&tx, &page, count_it, &listed, err) ||
        device_count_where(&tx, 1, &page.where, add_it, &counted, err))
        return -1;
    assert_int_equal(listed, 1);
    assert_int_equal(counted, 2); /* once by version, once by model */
    return 0;
}

static void devices_are_all_listed_and_counted_or_none(void **state)
{
    struct temporary at;
    struct error err;

    (void)state;
    temporary_folder(&at);
    temporary_open(&at);
    assert_int_equal(store_write(at.store, insert_device, NULL, &err), 0);
    run_out_of_memory(list_and_count, at.store);
    temporary_remove(&at);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_notices_that_memory_is_out),
        cmocka_unit_test(json_is_refused_when_memory_is_out),
        cmocka_unit_test(a_configuration_is_whole_or_refused),
        cmocka_unit_test(the_store_opens_writes_and_reads_or_says_why_not),
        cmocka_unit_test(a_filter_is_whole_in_both_forms_or_none),
        cmocka_unit_test(devices_are_all_listed_and_counted_or_none),
    };

    wrap_libraries();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
