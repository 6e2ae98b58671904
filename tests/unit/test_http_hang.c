/* SPDX-License-Identifier: Apache-2.0 */
/* libmicrohttpd 0.9.75 waits for ever when epoll_wait gives it exactly as many events as it asked
 * for and nothing else happens. The redirected epoll_wait in tls/interpose.c cures that; this is
 * its test: without the cure 256 connections in lock step hang in the first rounds. */
#include "unit/http_fixture.h"

#include <poll.h>
#include <sys/resource.h>

#define CONNECTIONS 256
#define ROUNDS 200
#define GUARD_S 60

static int get_small(struct request *req, struct reply *reply, struct error *err)
{
    (void)req, (void)err;
    return reply_static(reply, 200, "text/plain", "ok", 2);
}

static const struct route rows[] = {
    {.method = "GET", .path = "/small", .audience = AUDIENCE_ANYONE, .handle = get_small}
};
static const struct routes table = {rows, COUNT_OF(rows)};
static const struct routes *const tables[] = {&table, NULL};

/* Reads whatever has come; true when a whole answer is there (they all are of one length). */
static bool take_answer(int fd, size_t *have, size_t whole)
{
    char bytes[1024];
    ssize_t count = recv(fd, bytes, whole - *have, MSG_DONTWAIT);

    assert_true(count > 0);
    *have += (size_t)count;
    return *have == whole;
}

static void play_round(const int *fds, size_t whole)
{
    static const char request[] = GET_("/small", "");
    struct pollfd polled[CONNECTIONS];
    size_t have[CONNECTIONS] = {0};

    for (int i = 0; i < CONNECTIONS; i++)
        send_bytes(fds[i], request, sizeof request - 1);
    for (int i = 0; i < CONNECTIONS; i++)
        polled[i] = (struct pollfd){.fd = fds[i], .events = POLLIN};
    for (int missing = CONNECTIONS; missing > 0;) {
        assert_true(poll(polled, CONNECTIONS, PATIENCE_S * 1000) > 0); /* else it hangs */
        for (int i = 0; i < CONNECTIONS; i++) {
            if (!(polled[i].revents & POLLIN) || !take_answer(fds[i], &have[i], whole))
                continue;
            polled[i].fd = -1;
            polled[i].revents = 0;
            missing--;
        }
    }
}

static void connections_in_lock_step_are_all_served(void **state)
{
    int fds[CONNECTIONS];

    (void)state;
    for (int i = 0; i < CONNECTIONS; i++)
        fds[i] = connect_client(1);
    CLEANUP(answer_free) struct answer answer = ask_on(fds[0], GET_("/small", ""));
    size_t whole = strlen(answer.head) + answer.length;
    for (int round = 0; round < ROUNDS; round++)
        play_round(fds, whole);
    for (int i = 0; i < CONNECTIONS; i++)
        close(fds[i]);
}

static int set_up(void **state)
{
    struct rlimit files;
    struct error err;

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    assert_int_equal(config_defaults("/nonexistent", &config, &err), 0);
    config->http_connections_per_address = 2 * CONNECTIONS;
    start_server(tables, (struct http_hooks){0}, 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    stop_server();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(connections_in_lock_step_are_all_served, set_up, tear_down),
    };

    alarm(GUARD_S); /* a hang in the server is a failure here, not in the whole run */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
