/* SPDX-License-Identifier: Apache-2.0 */
#include "api/identity.h"
#include "api/operator/csv.h"
#include "api/operator/device_json.h"
#include "api/scope.h"
#include "http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* -- routes and roles -- */

static void every_row_of_the_tables_finds_itself(void **state)
{
    struct error err = {0};

    (void)state;
    if (routes_check(device_routes, &err) || routes_check(operator_routes, &err))
        fail_msg("%s", err.cause);
}

static void every_scope_that_a_row_asks_for_is_one(void **state)
{
    (void)state;
    for (const struct routes *const *table = operator_routes; *table; table++)
        for (size_t i = 0; i < (*table)->count; i++) {
            const struct route *row = &(*table)->at[i];
            if (row->scope && !scope_bit(row->scope))
                fail_msg("%s %s: %s", row->method, row->path, row->scope);
        }
}

static void rows_belong_to_the_listener_they_are_served_on(void **state)
{
    (void)state;
    for (const struct routes *const *table = device_routes; *table; table++)
        for (size_t i = 0; i < (*table)->count; i++)
            assert_int_equal((*table)->at[i].audience, AUDIENCE_DEVICE);
    for (const struct routes *const *table = operator_routes; *table; table++)
        for (size_t i = 0; i < (*table)->count; i++)
            assert_int_not_equal((*table)->at[i].audience, AUDIENCE_DEVICE);
}

static void roles_are_sets_of_scopes(void **state)
{
    (void)state;
    assert_true(role_scopes("viewer") & scope_bit("inventory:read"));
    assert_false(role_scopes("viewer") & scope_bit("device:write"));
    assert_true(role_scopes("support") & scope_bit("deploy:halt"));
    assert_false(role_scopes("signer") & scope_bit("tuf:publish"));
    assert_int_equal(role_scopes("viewer") & ~role_scopes("admin"), 0);
    assert_int_equal(role_scopes("root"), 0);
    assert_int_equal(scope_bit("inventory:write"), 0);
}

/* -- tokens -- */

static void a_new_token_reads_as_itself(void **state)
{
    char text[TOKEN_TEXT_SIZE], id[TOKEN_ID_SIZE], read_id[TOKEN_ID_SIZE];
    uint8_t hash[32], read_hash[32];

    (void)state;
    token_make(text, id, hash);
    assert_int_equal(strlen(text), TOKEN_TEXT_SIZE - 1);
    assert_true(token_read(text, read_id, read_hash));
    assert_string_equal(read_id, id);
    assert_memory_equal(read_hash, hash, sizeof hash);
    text[strlen(text) - 1] ^= 1;
    assert_true(token_read(text, read_id, read_hash));
    assert_memory_not_equal(read_hash, hash, sizeof hash);
}

static void what_is_no_token_is_not_read(void **state)
{
    static const char *const texts[] = {
        "",
        "otat_",
        "otat_abcdefghij_short",
        "otat_ABCDEFGHIJ_0123456789012345678901234567890123456789012",
        "otat_abcdefghij-0123456789012345678901234567890123456789012",
        "otat_abcdefghij_01234567890123456789012345678901234567890123",
        "xtat_abcdefghij_0123456789012345678901234567890123456789012",
    };
    char id[TOKEN_ID_SIZE];
    uint8_t hash[32];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_false(token_read(texts[i], id, hash));
}

/* -- CSV -- */

static void rows_come_with_their_cells_and_lines(void **state)
{
    static const char text[] = "\xef\xbb\xbf"
                               "id,model\r\n\r\nd1,\"a,\"\"b\"\"\"\nd2,\n,";
    struct csv csv;
    struct error err;

    (void)state;
    csv_start(&csv, text, strlen(text));
    assert_int_equal(csv_next(&csv, &err), 1);
    assert_int_equal(csv.cell_count, 2);
    assert_string_equal(csv.cells[0], "id");
    assert_string_equal(csv.cells[1], "model");
    assert_int_equal(csv_next(&csv, &err), 1);
    assert_int_equal(csv.line, 3);
    assert_string_equal(csv.cells[1], "a,\"b\"");
    assert_int_equal(csv_next(&csv, &err), 1);
    assert_int_equal(csv.cell_count, 2);
    assert_string_equal(csv.cells[1], "");
    assert_int_equal(csv_next(&csv, &err), 1);
    assert_int_equal(csv.cell_count, 2);
    assert_int_equal(csv_next(&csv, &err), 0);
}

static void what_is_no_csv_is_refused(void **state)
{
    static const char *const texts[] = {
        "\"open",
        "\"a\"b,c",
        "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17",
        "\xff\xfe",
    };
    struct csv csv;
    struct error err;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        csv_start(&csv, texts[i], strlen(texts[i]));
        assert_int_equal(csv_next(&csv, &err), -1);
    }
}

static void a_row_is_taken_up_to_its_limit_and_not_beyond(void **state)
{
    char text[CSV_ROW_MAX + 1];
    struct csv csv;
    struct error err;

    (void)state;
    memset(text, 'x', sizeof text);
    csv_start(&csv, text, CSV_ROW_MAX - 1);
    assert_int_equal(csv_next(&csv, &err), 1);
    assert_int_equal(strlen(csv.cells[0]), CSV_ROW_MAX - 1);
    csv_start(&csv, text, CSV_ROW_MAX);
    assert_int_equal(csv_next(&csv, &err), -1);
}

/* -- wishes -- */

static void wishes_obey_the_rules_of_identifiers(void **state)
{
    struct device_wish good = {.id = "gw:0.1-a", .model = "gw", .hardware = "gw-r2", .site = ""};
    struct device_wish bad_id = {.id = "../../x"}, bad_model = {.model = "<script>"};
    struct device_wish bad_tag = {.has_tags = true, .tags = {"a b"}, .tag_count = 1};
    struct error err;

    (void)state;
    assert_int_equal(device_wish_check(&good, &err), 0);
    assert_int_equal(device_wish_check(&bad_id, &err), -1);
    assert_string_equal(err.field, "id");
    assert_int_equal(device_wish_check(&bad_model, &err), -1);
    assert_string_equal(err.field, "model");
    assert_int_equal(device_wish_check(&bad_tag, &err), -1);
    assert_string_equal(err.field, "tags");
}

static void fingerprints_are_64_lower_case_hex_digits(void **state)
{
    static const char good[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    struct device_wish wish = {0};
    struct error err;

    (void)state;
    assert_int_equal(device_wish_add_fingerprint(&wish, good, "2030-01-31T00:00:00Z", &err), 0);
    assert_int_equal(wish.certificate_count, 1);
    assert_true(wish.certificates[0].not_after > 0);
    assert_int_equal(device_wish_add_fingerprint(&wish, good + 1, NULL, &err), -1);
    assert_int_equal(device_wish_add_fingerprint(&wish, good, "tomorrow", &err), -1);
    assert_string_equal(err.field, "not_after");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_of_the_tables_finds_itself),
        cmocka_unit_test(every_scope_that_a_row_asks_for_is_one),
        cmocka_unit_test(rows_belong_to_the_listener_they_are_served_on),
        cmocka_unit_test(roles_are_sets_of_scopes),
        cmocka_unit_test(a_new_token_reads_as_itself),
        cmocka_unit_test(what_is_no_token_is_not_read),
        cmocka_unit_test(rows_come_with_their_cells_and_lines),
        cmocka_unit_test(what_is_no_csv_is_refused),
        cmocka_unit_test(a_row_is_taken_up_to_its_limit_and_not_beyond),
        cmocka_unit_test(wishes_obey_the_rules_of_identifiers),
        cmocka_unit_test(fingerprints_are_64_lower_case_hex_digits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
