/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mapped.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#define PAGE 4096

static int make_file(size_t size)
{
    char path[] = "/tmp/otad-mapped-XXXXXX";
    CLEANUP(free_memory) uint8_t *bytes = malloc(size);
    int fd = mkstemp(path);

    assert_true(fd >= 0 && bytes);
    unlink(path);
    memset(bytes, 'x', size);
    assert_int_equal(write(fd, bytes, size), size);
    return fd;
}

/* cmocka puts its own handler in place for every case. */
static void take_bus_errors(void)
{
    struct error err;

    assert_int_equal(mapped_start(&err), 0);
}

static void a_file_is_read_through_memory(void **state)
{
    CLEANUP(mapped_release) struct mapped *mapped = NULL;
    CLEANUP(close_fd) int fd = make_file(PAGE + 10);
    struct error err;

    (void)state;
    assert_int_equal(mapped_open(fd, PAGE + 10, &mapped, &err), 0);
    assert_int_equal(mapped->at[PAGE + 9], 'x');
    assert_true(mapped_is_intact(mapped->at, mapped->size));
    assert_false(mapped->is_broken);
}

static void an_empty_file_is_a_mapping_too(void **state)
{
    CLEANUP(mapped_release) struct mapped *mapped = NULL;
    CLEANUP(close_fd) int fd = make_file(0);
    struct error err;

    (void)state;
    assert_int_equal(mapped_open(fd, 0, &mapped, &err), 0);
    assert_int_equal(mapped->size, 0);
    assert_true(mapped_is_intact(mapped->at, 0));
}

static void a_file_shorter_than_expected_is_refused(void **state)
{
    struct mapped *mapped = NULL;
    CLEANUP(close_fd) int fd = make_file(10);
    struct error err;

    (void)state;
    assert_int_equal(mapped_open(fd, 11, &mapped, &err), -1);
}

static void a_truncated_file_breaks_its_mapping_and_no_other(void **state)
{
    CLEANUP(mapped_release) struct mapped *mapped = NULL, *other = NULL;
    CLEANUP(close_fd) int fd = make_file(4 * PAGE), other_fd = make_file(PAGE);
    unsigned before = mapped_thread_faults();
    volatile uint8_t sum = 0;
    struct error err;

    (void)state;
    take_bus_errors();
    assert_int_equal(mapped_open(fd, 4 * PAGE, &mapped, &err), 0);
    assert_int_equal(mapped_open(other_fd, PAGE, &other, &err), 0);
    assert_int_equal(ftruncate(fd, PAGE), 0);
    sum += mapped->at[10];
    assert_false(mapped->is_broken);
    for (size_t i = 0; i < mapped->size; i++)
        sum += mapped->at[i];
    assert_true(mapped->is_broken);
    assert_int_equal(mapped_thread_faults(), before + 1); /* the rest was replaced in one go */
    assert_false(mapped_is_intact(mapped->at + 10, 1));
    assert_true(mapped_is_intact(other->at, PAGE));
    assert_int_equal(mapped->at[2 * PAGE], 0);
}

static void a_place_is_used_again_and_is_whole_again(void **state)
{
    CLEANUP(close_fd) int fd = make_file(2 * PAGE);
    struct mapped *first = NULL, *second = NULL;
    struct error err;

    (void)state;
    take_bus_errors();
    assert_int_equal(mapped_open(fd, 2 * PAGE, &first, &err), 0);
    mapped_keep(first);
    struct mapped *same = first;
    mapped_release(&first);
    assert_int_equal(same->at[0], 'x'); /* one reference is left */
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(same->at[0], 0);
    mapped_release(&same);

    CLEANUP(close_fd) int whole = make_file(PAGE);
    assert_int_equal(mapped_open(whole, PAGE, &second, &err), 0);
    assert_false(second->is_broken);
    assert_true(mapped_is_intact(second->at, PAGE));
    mapped_release(&second);
}

/* Run in a child: the handler must not make other errors survivable. */
static void any_other_bus_error_stays_deadly(void **state)
{
    int status;

    (void)state;
    pid_t child = fork();
    if (!child) {
        signal(SIGBUS, SIG_DFL);
        take_bus_errors();
        raise(SIGBUS);
        raise(SIGBUS); /* the first one only puts the old action back */
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGBUS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_through_memory),
        cmocka_unit_test(an_empty_file_is_a_mapping_too),
        cmocka_unit_test(a_file_shorter_than_expected_is_refused),
        cmocka_unit_test(a_truncated_file_breaks_its_mapping_and_no_other),
        cmocka_unit_test(a_place_is_used_again_and_is_whole_again),
        cmocka_unit_test(any_other_bus_error_stays_deadly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
