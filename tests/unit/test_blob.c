/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "unit/temporary_store.h"

#include "core/mapped.h"
#include "store/blob.h"

#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>

#define PAGE 4096

struct fixture {
    struct temporary at;
    struct blob_options options;
    struct blob_store *store;
    sem_t told;
    int told_count;
    char reason[80];
    uint8_t told_sha256[SHA256_SIZE];
};

static void on_broken(void *arg, const uint8_t sha256[SHA256_SIZE], const char *reason)
{
    struct fixture *fixture = arg;

    memcpy(fixture->told_sha256, sha256, SHA256_SIZE);
    snprintf(fixture->reason, sizeof fixture->reason, "%s", reason);
    fixture->told_count++;
    sem_post(&fixture->told);
}

static void open_blobs(struct fixture *fixture)
{
    struct error err;

    if (blob_store_open(&fixture->options, &fixture->store, &err))
        fail_msg("%s", error_text(&err));
}

static int start(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    temporary_folder(&fixture->at);
    sem_init(&fixture->told, 0, 0);
    fixture->options = (struct blob_options){
        .state_folder = fixture->at.folder, .idle_max = 2, .on_broken = on_broken, .arg = fixture};
    open_blobs(fixture);
    *state = fixture;
    return 0;
}

static int stop(void **state)
{
    struct fixture *fixture = *state;

    blob_store_close(&fixture->store);
    temporary_remove(&fixture->at);
    sem_destroy(&fixture->told);
    free(fixture);
    return 0;
}

static void wait_until_told(struct fixture *fixture, const char *reason)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    if (sem_timedwait(&fixture->told, &until))
        fail_msg("nobody told that \"%s\"", reason);
    if (!strstr(fixture->reason, reason))
        fail_msg("told \"%s\" rather than \"%s\"", fixture->reason, reason);
}

static void path_of(const struct fixture *fixture, const uint8_t sha256[SHA256_SIZE], char ret[128])
{
    char hex[SHA256_HEX_SIZE];

    hex_from_bytes(sha256, SHA256_SIZE, hex);
    snprintf(ret, 128, "%s/blobs/%.2s/%s", fixture->at.folder, hex, hex);
}

/* `pages` pages of bytes that depend on `seed`. */
static void put(struct fixture *fixture, int seed, int pages, struct blob_digests *ret)
{
    CLEANUP(free_memory) uint8_t *bytes = malloc((size_t)pages * PAGE);
    struct error err;

    for (int i = 0; i < pages * PAGE; i++)
        bytes[i] = (uint8_t)(i * 7 + seed + i / PAGE);
    if (blob_put(fixture->store, bytes, (size_t)pages * PAGE, ret, &err))
        fail_msg("%s", error_text(&err));
}

static void upload(struct fixture *fixture, const char *id, const void *bytes, size_t length)
{
    int64_t before;
    struct error err;
    CLEANUP(close_fd) int fd = -1;

    if (upload_open(fixture->store, id, true, &fd, &before, &err))
        fail_msg("%s", error_text(&err));
    assert_int_equal(before, 0);
    assert_int_equal(write(fd, bytes, length), length);
}

static int open_blob(struct fixture *fixture, const struct blob_digests *digests,
                     const struct blob **ret, struct error *err)
{
    return blob_open(fixture->store, digests->sha256, digests->size, ret, err);
}

/* Opening fails, after a while if need be, with this problem. */
static void assert_refused(struct fixture *fixture, const struct blob_digests *digests)
{
    const struct blob *blob;
    struct error err;

    assert_int_equal(open_blob(fixture, digests, &blob, &err), -1);
    assert_int_equal(err.problem, PROBLEM_NO_SUCH_ARTIFACT);
}

static void assert_served(struct fixture *fixture, const struct blob_digests *digests)
{
    const struct blob *blob;
    uint8_t found[SHA256_SIZE];
    struct error err;

    if (open_blob(fixture, digests, &blob, &err))
        fail_msg("%s", error_text(&err));
    assert_int_equal(blob->size, digests->size);
    sha256(blob->at, (size_t)blob->size, found);
    assert_memory_equal(found, digests->sha256, SHA256_SIZE);
    blob_close(fixture->store, blob);
}

/* -- arriving -- */

static void known_bytes_have_known_hashes(void **state)
{
    struct fixture *fixture = *state;
    struct blob_digests digests;
    struct blob_chunks chunks = {.offset = 1, .size = 1};
    struct error err;
    char hex[2 * DIGEST_MAX_SIZE + 1];
    uint8_t part[SHA256_SIZE];

    upload(fixture, "u-1", "abc", 3);
    assert_int_equal(upload_digest(fixture->store, "u-1", &digests, &chunks, &err), 0);
    assert_int_equal(digests.size, 3);
    hex_from_bytes(digests.md5, sizeof digests.md5, hex);
    assert_string_equal(hex, "900150983cd24fb0d6963f7d28e17f72");
    hex_from_bytes(digests.sha1, sizeof digests.sha1, hex);
    assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
    hex_from_bytes(digests.sha256, sizeof digests.sha256, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hex_from_bytes(digests.sha512, 8, hex);
    assert_string_equal(hex, "ddaf35a193617aba");
    assert_int_equal(chunks.count, 2);
    sha256("b", 1, part);
    assert_memory_equal(chunks.list, part, SHA256_SIZE);
    sha256("c", 1, part);
    assert_memory_equal(chunks.list + SHA256_SIZE, part, SHA256_SIZE);
    free(chunks.list);
}

/* Every mixture of offset and size against hashing each span by itself; the file is longer than the
 * buffer it is read with, so chunks cross its borders. */
static void chunk_lists_agree_with_hashing_each_span(void **state)
{
    static const struct {
        int64_t offset, size;
    } cuts[] = {
        {0,      4096  },
        {0,      700000},
        {0,      600000},
        {55,     65536 },
        {262144, 262144},
        {262143, 3     },
        {300001, 1000  },
        {599999, 10    },
        {0,      262144},
        {0,      599999}
    };
    const size_t length = 600000;
    struct fixture *fixture = *state;
    CLEANUP(free_memory) uint8_t *bytes = malloc(length);
    struct blob_digests digests;
    struct blob_chunks chunks;
    struct error err;
    uint8_t part[SHA256_SIZE];

    for (size_t i = 0; i < length; i++)
        bytes[i] = (uint8_t)(i * i >> 3);
    upload(fixture, "long", bytes, length);
    for (size_t i = 0; i < COUNT_OF(cuts); i++) {
        chunks = (struct blob_chunks){.offset = cuts[i].offset, .size = cuts[i].size};
        assert_int_equal(upload_digest(fixture->store, "long", &digests, &chunks, &err), 0);
        int64_t rest = (int64_t)length - cuts[i].offset, step = rest / 50 / cuts[i].size + 1;
        assert_int_equal(chunks.count, (rest + cuts[i].size - 1) / cuts[i].size);
        for (int64_t k = chunks.count - 1; k >= 0; k -= step) {
            int64_t start = cuts[i].offset + k * cuts[i].size;
            int64_t here = (int64_t)length - start;
            sha256(bytes + start, (size_t)(here < cuts[i].size ? here : cuts[i].size), part);
            assert_memory_equal(chunks.list + k * SHA256_SIZE, part, SHA256_SIZE);
        }
        free(chunks.list);
    }
    static const int64_t wrong[][2] = {
        {600000, 10},
        {0,      0 },
        {-1,     10}
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        chunks = (struct blob_chunks){.offset = wrong[i][0], .size = wrong[i][1]};
        assert_int_equal(upload_digest(fixture->store, "long", &digests, &chunks, &err), -1);
        assert_int_equal(err.problem, PROBLEM_UNPROCESSABLE);
    }
}

static void an_upload_grows_is_cut_and_dropped(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(close_fd) int fd = -1;
    struct error err;
    int64_t length;
    size_t count;
    char bytes[8];

    upload(fixture, "u-1", "hello", 5);
    assert_int_equal(upload_open(fixture->store, "u-1", true, &fd, &length, &err), -1);
    assert_int_equal(err.problem, PROBLEM_ALREADY_EXISTS);
    assert_int_equal(upload_open(fixture->store, "u-1", false, &fd, &length, &err), 0);
    assert_int_equal(length, 5);
    assert_int_equal(write(fd, " you", 4), 4);
    assert_int_equal(upload_length(fixture->store, "u-1", &length, &err), 0);
    assert_int_equal(length, 9);
    assert_int_equal(upload_cut(fixture->store, "u-1", 4, &err), 0);
    assert_int_equal(upload_peek(fixture->store, "u-1", bytes, sizeof bytes, &count, &err), 0);
    assert_int_equal(count, 4);
    assert_memory_equal(bytes, "hell", 4);
    upload_drop(fixture->store, "u-1");
    upload_drop(fixture->store, "u-1");
    assert_int_equal(upload_length(fixture->store, "u-1", &length, &err), -1);
    assert_int_equal(err.problem, PROBLEM_NO_SUCH_UPLOAD);
}

static void an_id_that_is_a_path_opens_nothing(void **state)
{
    static const char *const ids[] = {
        "",    ".",   "..",  "../otad.db",
        "a/b", "a.b", "a b", "0123456789012345678901234567890123456789012345678901234567890123x"};
    struct fixture *fixture = *state;
    CLEANUP(close_fd) int fd = -1;
    struct error err;
    int64_t length;

    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        assert_int_equal(upload_open(fixture->store, ids[i], true, &fd, &length, &err), -1);
        assert_int_equal(err.problem, PROBLEM_NO_SUCH_UPLOAD);
    }
}

static void count_upload(void *arg, const char *id)
{
    assert_true(!strcmp(id, "a") || !strcmp(id, "b-2"));
    ++*(int *)arg;
}

static void uploads_can_be_listed(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    int count = 0;

    upload(fixture, "a", "1", 1);
    upload(fixture, "b-2", "2", 1);
    assert_int_equal(upload_list(fixture->store, count_upload, &count, &err), 0);
    assert_int_equal(count, 2);
}

static void a_reserve_of_space_is_kept(void **state)
{
    struct fixture *fixture = *state;
    struct error err;

    assert_int_equal(upload_has_room(fixture->store, 1, &err), 0);
    assert_int_equal(upload_has_room(fixture->store, INT64_MAX, &err), -1);
    assert_int_equal(err.problem, PROBLEM_OUT_OF_SPACE);
    blob_store_close(&fixture->store);
    fixture->options.space_reserve = INT64_MAX;
    open_blobs(fixture);
    assert_int_equal(upload_has_room(fixture->store, 1, &err), -1);
}

static void adopting_twice_is_well(void **state)
{
    struct fixture *fixture = *state;
    struct blob_digests digests;
    struct blob_chunks chunks = {.size = 2};
    struct error err;
    char path[128];
    struct stat status;

    upload(fixture, "u-1", "abc", 3);
    assert_int_equal(upload_digest(fixture->store, "u-1", &digests, &chunks, &err), 0);
    free(chunks.list);
    assert_int_equal(blob_adopt(fixture->store, "u-1", &digests, &err), 0);
    assert_int_equal(blob_adopt(fixture->store, "u-1", &digests, &err), 0);
    assert_served(fixture, &digests);
    path_of(fixture, digests.sha256, path);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0400);
}

static void an_upload_touched_after_hashing_is_not_adopted(void **state)
{
    struct fixture *fixture = *state;
    struct blob_digests digests;
    struct blob_chunks chunks = {.size = 2};
    struct error err;
    CLEANUP(close_fd) int fd = -1;
    int64_t length;

    upload(fixture, "u-1", "abc", 3);
    assert_int_equal(upload_digest(fixture->store, "u-1", &digests, &chunks, &err), 0);
    free(chunks.list);
    assert_int_equal(upload_open(fixture->store, "u-1", false, &fd, &length, &err), 0);
    assert_int_equal(write(fd, "d", 1), 1);
    assert_int_equal(blob_adopt(fixture->store, "u-1", &digests, &err), -1);
    assert_int_equal(err.problem, PROBLEM_WRONG_STATE);
    assert_refused(fixture, &digests);
}

static void an_upload_replaced_by_a_link_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char path[128];
    struct error err;
    int64_t length;

    snprintf(path, sizeof path, "%s/uploads/u-1", fixture->at.folder);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    assert_int_equal(upload_length(fixture->store, "u-1", &length, &err), -1);
}

/* -- serving -- */

static void a_blob_is_mapped_once_and_shared(void **state)
{
    struct fixture *fixture = *state;
    const struct blob *one, *two;
    struct blob_digests digests;
    struct error err;

    put(fixture, 1, 3, &digests);
    assert_int_equal(open_blob(fixture, &digests, &one, &err), 0);
    assert_int_equal(open_blob(fixture, &digests, &two, &err), 0);
    assert_ptr_equal(one, two);
    assert_int_equal(one->size, 3 * PAGE);
    blob_close(fixture->store, one);
    assert_int_equal(two->at[PAGE], (uint8_t)(PAGE * 7 + 1 + 1));
    blob_close(fixture->store, two);
    assert_int_equal(open_blob(fixture, &digests, &one, &err), 0);
    blob_close(fixture->store, one);
}

static int open_descriptors(void)
{
    int count = 0;

    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void idle_mappings_are_limited(void **state)
{
    struct fixture *fixture = *state;
    struct blob_digests digests[6];
    int before;

    for (int i = 0; i < 6; i++)
        put(fixture, i, 1, &digests[i]);
    before = open_descriptors();
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 6; i++)
            assert_served(fixture, &digests[i]);
    assert_int_equal(open_descriptors(), before + 2);
}

static void an_unknown_blob_is_no_news(void **state)
{
    struct fixture *fixture = *state;
    struct blob_digests digests = {.size = -1};

    assert_refused(fixture, &digests);
    assert_int_equal(fixture->told_count, 0);
}

/* -- breaking -- */

static void a_known_blob_that_is_missing_is_told_once(void **state)
{
    struct fixture *fixture = *state;
    struct blob_digests digests;
    char path[128];

    put(fixture, 1, 1, &digests);
    path_of(fixture, digests.sha256, path);
    assert_int_equal(unlink(path), 0);
    assert_refused(fixture, &digests);
    wait_until_told(fixture, "missing");
    assert_refused(fixture, &digests);
    assert_true(blob_is_broken(fixture->store, digests.sha256));
    assert_int_equal(fixture->told_count, 1);
    assert_memory_equal(fixture->told_sha256, digests.sha256, SHA256_SIZE);
}

static void links_and_pipes_are_not_served(void **state)
{
    struct fixture *fixture = *state;
    struct blob_digests digests;
    char path[128], aside[160];

    put(fixture, 1, 1, &digests);
    path_of(fixture, digests.sha256, path);
    snprintf(aside, sizeof aside, "%s.aside", path);
    assert_int_equal(rename(path, aside), 0);
    assert_int_equal(symlink(aside, path), 0);
    assert_refused(fixture, &digests);
    wait_until_told(fixture, "not a regular file");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(fixture, &digests);
}

static void write_byte(const char *path, off_t offset)
{
    CLEANUP(close_fd) int fd = -1;

    assert_int_equal(chmod(path, 0600), 0);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "!", 1, offset), 1);
}

static void a_flipped_bit_is_found_when_first_opened_in_a_run(void **state)
{
    struct fixture *fixture = *state;
    const struct blob *blob;
    struct blob_digests digests;
    struct error err;
    char path[128];

    put(fixture, 1, 2, &digests);
    blob_store_close(&fixture->store);
    path_of(fixture, digests.sha256, path);
    write_byte(path, 5000);
    open_blobs(fixture);
    assert_int_equal(open_blob(fixture, &digests, &blob, &err), 0);
    blob_close(fixture->store, blob);
    wait_until_told(fixture, "does not have its hash");
    assert_refused(fixture, &digests);
}

static void another_file_is_not_served_before_it_was_read(void **state)
{
    struct fixture *fixture = *state;
    const struct blob *blob;
    struct blob_digests digests;
    struct error err = {0};
    char path[128];

    put(fixture, 1, 2, &digests);
    assert_served(fixture, &digests);
    path_of(fixture, digests.sha256, path);
    write_byte(path, 5000);
    assert_int_equal(open_blob(fixture, &digests, &blob, &err), -1);
    assert_int_equal(err.problem, PROBLEM_UNAVAILABLE);
    wait_until_told(fixture, "does not have its hash");
    assert_refused(fixture, &digests);
}

static void a_restored_file_is_served_after_it_was_read(void **state)
{
    struct fixture *fixture = *state;
    const struct blob *blob;
    struct blob_digests digests;
    struct error err = {0};
    char path[128], aside[160];

    put(fixture, 1, 2, &digests);
    assert_served(fixture, &digests);
    path_of(fixture, digests.sha256, path);
    snprintf(aside, sizeof aside, "%s.aside", path);
    assert_int_equal(rename(path, aside), 0);
    assert_refused(fixture, &digests);
    wait_until_told(fixture, "missing");
    assert_int_equal(rename(aside, path), 0);
    for (int tenths = 0; open_blob(fixture, &digests, &blob, &err); tenths++) {
        assert_int_equal(err.problem, PROBLEM_UNAVAILABLE);
        assert_true(tenths < 100);
        usleep(100 * 1000);
    }
    blob_close(fixture->store, blob);
    assert_served(fixture, &digests);
}

static void uploading_again_heals(void **state)
{
    struct fixture *fixture = *state;
    struct blob_digests digests;
    char path[128];

    put(fixture, 1, 2, &digests);
    path_of(fixture, digests.sha256, path);
    assert_int_equal(truncate(path, 100), 0);
    assert_refused(fixture, &digests);
    wait_until_told(fixture, "another size");
    put(fixture, 1, 2, &digests);
    assert_served(fixture, &digests);
    assert_false(blob_is_broken(fixture->store, digests.sha256));
}

static void a_file_cut_while_it_is_served_is_noticed(void **state)
{
    struct fixture *fixture = *state;
    const struct blob *blob;
    struct blob_digests digests;
    struct error err;
    char path[128];

    put(fixture, 1, 4, &digests);
    assert_int_equal(open_blob(fixture, &digests, &blob, &err), 0);
    path_of(fixture, digests.sha256, path);
    assert_int_equal(truncate(path, PAGE), 0);
    assert_int_equal(mapped_start(&err), 0); /* here: cmocka catches SIGBUS around every case */
    volatile uint8_t byte = blob->at[3 * PAGE];
    (void)byte;
    assert_false(mapped_is_intact(blob->at, (size_t)blob->size));
    wait_until_told(fixture, "while it was served");
    blob_close(fixture->store, blob);
    assert_refused(fixture, &digests);
}

static void transfers_go_on_while_a_file_is_replaced(void **state)
{
    struct fixture *fixture = *state;
    const struct blob *old, *new;
    struct blob_digests digests;
    struct error err;

    put(fixture, 1, 2, &digests);
    assert_int_equal(open_blob(fixture, &digests, &old, &err), 0);
    put(fixture, 1, 2, &digests);
    assert_int_equal(open_blob(fixture, &digests, &new, &err), 0);
    assert_ptr_not_equal(old, new);
    assert_memory_equal(old->at, new->at, (size_t)old->size);
    blob_close(fixture->store, old);
    blob_close(fixture->store, new);
}

static void verifying_answers_for_good_and_bad(void **state)
{
    struct fixture *fixture = *state;
    struct blob_digests digests;
    struct error err;
    char path[128];

    put(fixture, 1, 2, &digests);
    assert_int_equal(blob_verify(fixture->store, digests.sha256, &err), 0);
    path_of(fixture, digests.sha256, path);
    write_byte(path, 0);
    assert_int_equal(blob_verify(fixture->store, digests.sha256, &err), -1);
    assert_int_equal(err.problem, PROBLEM_UNPROCESSABLE);
    assert_true(blob_is_broken(fixture->store, digests.sha256));
}

static void the_scrub_finds_what_nobody_opens(void **state)
{
    struct fixture *fixture = *state;
    struct blob_digests good, bad;
    char path[128];

    put(fixture, 1, 2, &good);
    put(fixture, 2, 2, &bad);
    path_of(fixture, bad.sha256, path);
    blob_store_close(&fixture->store);
    write_byte(path, 0);
    fixture->options.scrub_interval = 3600;
    open_blobs(fixture);
    wait_until_told(fixture, "does not have its hash");
    assert_memory_equal(fixture->told_sha256, bad.sha256, SHA256_SIZE);
    assert_served(fixture, &good);
}

static void *serve_often(void *arg)
{
    struct fixture *fixture = arg;
    struct blob_digests digests;

    for (int i = 0; i < 200; i++) {
        put(fixture, i % 5, 2, &digests);
        assert_served(fixture, &digests);
    }
    return NULL;
}

static void threads_adopt_and_serve_together(void **state)
{
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, serve_often, *state), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, start, stop)
    const struct CMUnitTest tests[] = {
        CASE(known_bytes_have_known_hashes),
        CASE(chunk_lists_agree_with_hashing_each_span),
        CASE(an_upload_grows_is_cut_and_dropped),
        CASE(an_id_that_is_a_path_opens_nothing),
        CASE(uploads_can_be_listed),
        CASE(a_reserve_of_space_is_kept),
        CASE(adopting_twice_is_well),
        CASE(an_upload_touched_after_hashing_is_not_adopted),
        CASE(an_upload_replaced_by_a_link_is_refused),
        CASE(a_blob_is_mapped_once_and_shared),
        CASE(idle_mappings_are_limited),
        CASE(an_unknown_blob_is_no_news),
        CASE(a_known_blob_that_is_missing_is_told_once),
        CASE(links_and_pipes_are_not_served),
        CASE(a_flipped_bit_is_found_when_first_opened_in_a_run),
        CASE(another_file_is_not_served_before_it_was_read),
        CASE(a_restored_file_is_served_after_it_was_read),
        CASE(uploading_again_heals),
        CASE(a_file_cut_while_it_is_served_is_noticed),
        CASE(transfers_go_on_while_a_file_is_replaced),
        CASE(verifying_answers_for_good_and_bad),
        CASE(the_scrub_finds_what_nobody_opens),
        CASE(threads_adopt_and_serve_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
