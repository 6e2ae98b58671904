/* SPDX-License-Identifier: Apache-2.0 */
#include "core/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

static char folder[] = "/tmp/otad-config-XXXXXX";
static char path[64];

static void write_file(const char *text, size_t length)
{
    FILE *out = fopen(path, "we");

    assert_non_null(out);
    assert_int_equal(fwrite(text, 1, length, out), length);
    assert_int_equal(fclose(out), 0);
}

static int load(const char *text, struct config **ret, struct error *err)
{
    write_file(text, strlen(text));
    return config_load(path, ret, err);
}

/* Loading `text` fails, and the complaint ends in `reason` after the file's path. */
static void assert_refused(const char *text, const char *reason)
{
    struct config *config = NULL;
    struct error err = {0};

    assert_int_equal(load(text, &config, &err), -1);
    assert_null(config);
    assert_memory_equal(err.detail, path, strlen(path));
    assert_string_equal(err.detail + strlen(path), reason);
}

static void a_later_complaint_names_the_line_too(void **state)
{
    CLEANUP(config_free) struct config *config = NULL;
    struct error err;

    (void)state;
    assert_int_equal(load("[device]\npoll = 5\nbase_url = x\n", &config, &err), 0);
    assert_int_equal(config_refuse(config, "device", "base_url", "no URL", &err), -1);
    assert_memory_equal(err.detail, path, strlen(path));
    assert_string_equal(err.detail + strlen(path), ":3: base_url: no URL");
    assert_int_equal(config_set(config, "device", "base_url", "y", &err), 0);
    assert_int_equal(config_refuse(config, "device", "base_url", "no URL", &err), -1);
    assert_string_equal(err.detail, "device.base_url: no URL");
}

static void an_empty_file_gives_the_defaults(void **state)
{
    CLEANUP(config_free) struct config *config = NULL;
    struct error err;
    char expected[128];

    (void)state;
    assert_int_equal(load("", &config, &err), 0);
    assert_int_equal(config->device_poll, 300);
    assert_int_equal(config->device_body_max, 128 * KIB);
    assert_int_equal(config->upload_size_max, 4LL * 1024 * MIB);
    assert_true(config->tls_kernel);
    assert_false(config->trust_lab);
    assert_string_equal(config->device_enrolment, "manual");
    assert_string_equal(config->device_crl, "");
    snprintf(expected, sizeof expected, "%s/pki/server.crt", folder);
    assert_string_equal(config->device_certificate, expected);
}

static void settings_of_every_type_are_read(void **state)
{
    CLEANUP(config_free) struct config *config = NULL;
    struct error err;
    char expected[128];

    (void)state;
    assert_int_equal(load("# a comment\r\n"
                          "[server]\r\n"
                          "state = /var/lib/otad\r\n"
                          "hostname = a.example b.example ; said twice\r\n"
                          "\r\n"
                          "[device]\n"
                          "ca = ca.pem\n"
                          "enrolment = auto\n"
                          "poll = 10m\n"
                          "body_max = 64K\n"
                          "[tls]\n"
                          "kernel = off\n"
                          "handshakes_max = 12\n"
                          "   \n"
                          "[http]",
                          &config, &err),
                     0);
    assert_string_equal(config->server_state, "/var/lib/otad");
    assert_string_equal(config->server_hostname, "a.example b.example");
    snprintf(expected, sizeof expected, "%s/ca.pem", folder);
    assert_string_equal(config->device_ca, expected);
    assert_string_equal(config->device_enrolment, "auto");
    assert_int_equal(config->device_poll, 600);
    assert_int_equal(config->device_body_max, 64 * KIB);
    assert_false(config->tls_kernel);
    assert_int_equal(config->tls_handshakes_max, 12);
}

static void a_wrong_setting_is_refused_with_its_line(void **state)
{
    (void)state;
    assert_refused("[device]\npol = 5\n", ":2: pol: there is no such setting in [device]");
    assert_refused("poll = 5\n", ":1: poll: there is no such setting in []");
    assert_refused("[device]\npoll = 5\n\npoll = 5\n", ":4: poll: it is set twice");
    assert_refused("[device]\npoll = 5\n[tls]\n[device]\npoll = 5\n", ":5: poll: it is set twice");
    assert_refused("[device]\nnonsense\n", ":2: neither [section] nor key = value");
    assert_refused("[device\n", ":1: neither [section] nor key = value");
    assert_refused("[tls]\nkernel = maybe\n", ":2: kernel: \"maybe\" is neither yes nor no");
    assert_refused("[device]\nenrolment = man\n",
                   ":2: enrolment: \"man\" is none of manual|auto|deny");
}

static void an_amount_out_of_form_or_range_is_refused(void **state)
{
    (void)state;
    assert_refused("[device]\npoll = 0\n", ":2: poll: 0 is not within 1s to 86399s");
    assert_refused("[device]\npoll = 7d\n", ":2: poll: 7d is not within 1s to 86399s");
    assert_refused("[device]\npoll = 5K\n",
                   ":2: poll: \"5K\" is not a time such as 90, 90s, 10m, 4h or 7d");
    assert_refused("[device]\npoll = -5\n",
                   ":2: poll: \"-5\" is not a time such as 90, 90s, 10m, 4h or 7d");
    assert_refused("[device]\npoll =\n",
                   ":2: poll: \"\" is not a time such as 90, 90s, 10m, 4h or 7d");
    assert_refused("[device]\nbody_max = 32m\n",
                   ":2: body_max: \"32m\" is not a size such as 65536, 64K, 16M or 4G");
    assert_refused(
        "[device]\nbody_max = 9223372036854775807G\n",
        ":2: body_max: \"9223372036854775807G\" is not a size such as 65536, 64K, 16M or 4G");
    assert_refused("[device]\nbody_max = 17M\n", ":2: body_max: 17M is not within 1K to 16M");
    assert_refused("[server]\nworkers = 4s\n", ":2: workers: \"4s\" is not a number");
}

static void what_libinih_would_misread_is_refused(void **state)
{
    char line[512] = "[server]\nhostname = ";
    struct config *config = NULL;
    struct error err;

    (void)state;
    memset(line + strlen(line), 'x', 300);
    assert_refused(line, ":2: the line is too long");
    assert_refused("[server]\nhostname = a\n  b\n",
                   ":3: the line is indented; a setting starts in the first column");
    assert_refused("[server]\n\tstate = x\n",
                   ":2: the line is indented; a setting starts in the first column");
    write_file("[server]\0[device]", 17);
    assert_int_equal(config_load(path, &config, &err), -1);
    assert_non_null(strstr(err.detail, "not a text file"));
}

static void the_longest_line_is_read_whole(void **state)
{
    CLEANUP(config_free) struct config *config = NULL;
    struct error err;
    char line[256] = "[server]\nhostname = ";
    size_t start = strlen("[server]\n"), length = strlen(line);

    (void)state;
    while (length - start < 198)
        line[length++] = 'x';
    assert_int_equal(load(line, &config, &err), 0);
    assert_int_equal(strlen(config->server_hostname), 198 - strlen("hostname = "));
    line[length] = 'x';
    assert_refused(line, ":2: the line is too long");
}

static void a_missing_file_is_named(void **state)
{
    struct config *config = NULL;
    struct error err;

    (void)state;
    assert_int_equal(config_load("/nowhere/otad.conf", &config, &err), -1);
    assert_string_equal(err.detail, "/nowhere/otad.conf: No such file or directory");
}

static void one_setting_is_replaced_with_the_same_checks(void **state)
{
    CLEANUP(config_free) struct config *config = NULL;
    struct error err;

    (void)state;
    assert_int_equal(config_defaults("/etc/otad", &config, &err), 0);
    assert_int_equal(config_set(config, "server", "state", "lib", &err), 0);
    assert_string_equal(config->server_state, "/etc/otad/lib");
    assert_int_equal(config_set(config, "device", "poll", "1h", &err), 0);
    assert_int_equal(config->device_poll, 3600);
    assert_int_equal(config_set(config, "device", "poll", "x", &err), -1);
    assert_int_equal(config->device_poll, 3600);
    assert_string_equal(err.field, "poll");
    assert_int_equal(config_set(config, "device", "pool", "1h", &err), -1);
    assert_string_equal(err.detail, "device.pool: there is no such setting");
}

/* Removing the # of every setting must change nothing: sample and defaults are the same thing. */
static void the_printed_sample_is_itself_a_valid_file(void **state)
{
    CLEANUP(config_free) struct config *defaults = NULL, *config = NULL;
    CLEANUP(free_string) char *sample = NULL;
    struct error err = {0};
    size_t length;
    FILE *out = open_memstream(&sample, &length);

    (void)state;
    config_print(out);
    assert_int_equal(fclose(out), 0);
    for (char *line = sample; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        assert_true(strcspn(line, "\n") < 199);
        if (line[0] == '#' && line[1] != ' ')
            line[0] = ' ', memmove(line, line + 1, strlen(line));
        else if (line[0] == '#')
            assert_true(strcspn(line, "\n") <= 80);
    }
    if (load(sample, &config, &err))
        fail_msg("%s", err.detail);
    assert_int_equal(config_defaults(folder, &defaults, &err), 0);
    assert_string_equal(config->device_certificate, defaults->device_certificate);
    assert_int_equal(config->delivery_scrub_interval, defaults->delivery_scrub_interval);
    assert_string_equal(config->log_requests, defaults->log_requests);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/otad.conf", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_complaint_names_the_line_too),
        cmocka_unit_test(an_empty_file_gives_the_defaults),
        cmocka_unit_test(settings_of_every_type_are_read),
        cmocka_unit_test(a_wrong_setting_is_refused_with_its_line),
        cmocka_unit_test(an_amount_out_of_form_or_range_is_refused),
        cmocka_unit_test(what_libinih_would_misread_is_refused),
        cmocka_unit_test(the_longest_line_is_read_whole),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(one_setting_is_replaced_with_the_same_checks),
        cmocka_unit_test(the_printed_sample_is_itself_a_valid_file),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
