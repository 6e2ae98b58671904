/* SPDX-License-Identifier: Apache-2.0 */
/* Debian's libmicrohttpd behind the secure socket and a real listener, against many TLS clients. */
#include "tls/listener.h"
#include "tls/socket.h"
#include "unit/tls_rig.h"

#include <arpa/inet.h>
#include <assert.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <sys/uio.h>

#define DAEMON_FLAGS                                                                               \
    (MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_TURBO)
#define BIG_SIZE ((size_t)24 * MIB + 4321)

static struct rig rig;
static struct holder device;
static struct config *config;
static struct MHD_Daemon *http;
static struct tls_listener *listener;
static SSL_CTX *client_context;
static uint8_t *big;
static int big_file;

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 13 + (at >> 7) * 5 + (at >> 15));
}

/* -- the server -- */

static struct MHD_Response *part_response(size_t first, size_t size)
{
    return MHD_create_response_from_fd_at_offset64(size, dup(big_file), first);
}

static struct MHD_Response *pieces_response(void)
{
    struct MHD_IoVec pieces[64];

    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        pieces[i] = (struct MHD_IoVec){big + i * 70000, 70000};
    return MHD_create_response_from_iovec(pieces, COUNT_OF(pieces), NULL, NULL);
}

static struct MHD_Response *respond(const char *path)
{
    static char small[] = "small", self_test[] = SECURE_SELF_TEST_BODY;
    size_t first, size;

    if (sscanf(path, "/part/%zu/%zu", &first, &size) == 2)
        return part_response(first, size);
    if (!strcmp(path, "/big"))
        return MHD_create_response_from_buffer(BIG_SIZE, big, MHD_RESPMEM_PERSISTENT);
    if (!strcmp(path, "/pieces"))
        return pieces_response();
    if (!strcmp(path, "/"))
        return MHD_create_response_from_buffer(sizeof self_test - 1, self_test,
                                               MHD_RESPMEM_PERSISTENT);
    return MHD_create_response_from_buffer(sizeof small - 1, small, MHD_RESPMEM_PERSISTENT);
}

struct upload {
    size_t received;
    bool is_wrong;
};

static enum MHD_Result answer_upload(struct MHD_Connection *connection, struct upload *upload,
                                     const char *bytes, size_t *size)
{
    char text[64];

    if (*size) {
        for (size_t i = 0; i < *size; i++)
            upload->is_wrong |= (uint8_t)bytes[i] != pattern(upload->received + i);
        upload->received += *size;
        *size = 0;
        return MHD_YES;
    }
    int length = snprintf(text, sizeof text, "%zu %s", upload->received,
                          upload->is_wrong ? "wrong" : "right");
    struct MHD_Response *response =
        MHD_create_response_from_buffer((size_t)length, text, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *path,
                              const char *method, const char *version, const char *bytes,
                              size_t *size, void **state)
{
    (void)arg;
    (void)version;
    if (!*state) {
        *state = calloc(1, sizeof(struct upload));
        return MHD_YES;
    }
    if (!strcmp(method, "POST"))
        return answer_upload(connection, *state, bytes, size);
    struct MHD_Response *response = respond(path);
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static void completed(void *arg, struct MHD_Connection *connection, void **state,
                      enum MHD_RequestTerminationCode code)
{
    (void)arg;
    (void)connection;
    (void)code;
    free(*state);
}

static struct MHD_Daemon *start_http(void)
{
    return MHD_start_daemon(DAEMON_FLAGS, 0, NULL, NULL, answer, NULL, MHD_OPTION_NOTIFY_COMPLETED,
                            completed, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)8192,
                            MHD_OPTION_CONNECTION_LIMIT, 2000U, MHD_OPTION_END);
}

static void on_connection(void *arg, unsigned thread, int fd, const struct peer *peer)
{
    (void)arg;
    (void)thread;
    assert(peer->has_certificate && !strcmp(peer->common_name, "dev-1"));
    MHD_add_connection(http, fd, (const struct sockaddr *)&peer->address, sizeof peer->address);
}

static int start(void **state)
{
    const struct client wish = {.holder = &device, .version = TLS1_3_VERSION};
    struct tls_listener_options options = {
        .threads = 1, .inherited_fd = -1, .port = 0, .on_connection = on_connection};
    char path[] = "/tmp/otad-mhd-XXXXXX";
    struct error err = {0};

    (void)state;
    /* Nobody tells phases here, and an emulated machine is slow. */
    secure_socket_set_deadlines(
        &(struct socket_deadlines){.header_timeout_ms = 600000, .idle_timeout_ms = 600000});
    rig_open(&rig);
    device = rig_issue(rig.device_issuer, PKI_DEVICE, "dev-1");
    if (secure_socket_start(&err) || config_defaults(rig.folder, &config, &err))
        return -1;
    if (config_set(config, "device", "listen", "127.0.0.1:0", &err) ||
        config_set(config, "device", "certificate", rig_path(&rig, "server.crt"), &err) ||
        config_set(config, "device", "key", rig_path(&rig, "server.key"), &err) ||
        config_set(config, "device", "ca", rig_path(&rig, "device-ca.crt"), &err))
        return -1;
    config->tls_address_burst = config->tls_address_rate = 100000;
    options.config = config;
    http = start_http();
    if (!http || tls_listener_start(&options, &listener, &err)) {
        fprintf(stderr, "%s\n", error_text(&err));
        return -1;
    }
    client_context = SSL_CTX_new(TLS_client_method());
    SSL_free(client_ssl(client_context, &wish)); /* sets it up */
    big = malloc(BIG_SIZE);
    for (size_t i = 0; i < BIG_SIZE; i++)
        big[i] = pattern(i);
    big_file = mkstemp(path);
    unlink(path);
    return write(big_file, big, BIG_SIZE) == (ssize_t)BIG_SIZE ? 0 : -1;
}

static int stop(void **state)
{
    (void)state;
    tls_listener_stop(&listener);
    MHD_stop_daemon(http);
    SSL_CTX_free(client_context);
    close(big_file);
    free(big);
    config_free(&config);
    holder_clear(&device);
    rig_close(&rig);
    return 0;
}

/* -- a client -- */

struct visit {
    int fd;
    SSL *ssl;
    char head[1024];
    size_t received; /* of the body */
    bool is_wrong;
    size_t first; /* of the pattern */
};

static void visit_open(struct visit *visit)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons((uint16_t)tls_listener_port(listener))};
    const struct timeval patience = {.tv_sec = 10};

    *visit = (struct visit){.fd = socket(AF_INET, SOCK_STREAM, 0)};
    setsockopt(visit->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(visit->fd, (struct sockaddr *)&address, sizeof address), 0);
    visit->ssl = SSL_new(client_context);
    SSL_set_fd(visit->ssl, visit->fd);
    assert_int_equal(SSL_connect(visit->ssl), 1);
}

static void visit_close(struct visit *visit)
{
    SSL_shutdown(visit->ssl);
    SSL_free(visit->ssl);
    close(visit->fd);
}

static void visit_ask(struct visit *visit, const char *path)
{
    char request[256];
    int length = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);

    assert_int_equal(SSL_write(visit->ssl, request, length), length);
}

/* Reads head and body; the body must go on with the pattern. False when the server stops before. */
static bool visit_read(struct visit *visit, size_t body, unsigned nap_us)
{
    static _Thread_local uint8_t bytes[16 * KIB];
    size_t head = 0;

    visit->received = 0;
    while (head < sizeof visit->head - 1) {
        if (SSL_read(visit->ssl, visit->head + head, 1) != 1)
            return false;
        visit->head[++head] = '\0';
        if (head >= 4 && !memcmp(visit->head + head - 4, "\r\n\r\n", 4))
            break;
    }
    while (visit->received < body) {
        size_t wanted =
            body - visit->received < sizeof bytes ? body - visit->received : sizeof bytes;
        int got = SSL_read(visit->ssl, bytes, (int)wanted);
        if (got <= 0)
            return false;
        for (int i = 0; i < got; i++)
            visit->is_wrong |= bytes[i] != pattern(visit->first + visit->received + (size_t)i);
        visit->received += (size_t)got;
        if (nap_us)
            usleep(nap_us);
    }
    return true;
}

/* -- the cases -- */

static int serve_self_test(int fd, void *arg, struct error *err)
{
    struct sockaddr_in nowhere = {.sin_family = AF_INET};

    if (MHD_add_connection(arg, fd, (struct sockaddr *)&nowhere, sizeof nowhere) == MHD_YES)
        return 0;
    return fail_internal(err, "MHD_add_connection");
}

static void the_self_test_passes(void **state)
{
    struct error err = {0};

    (void)state;
    if (secure_socket_self_test(serve_self_test, http, &err))
        fail_msg("%s", error_text(&err));
}

static int serve_nothing(int fd, void *arg, struct error *err)
{
    (void)err;
    *(int *)arg = fd;
    return 0;
}

static void the_self_test_fails_when_nobody_answers(void **state)
{
    struct error err = {0};
    int fd = -1;

    (void)state;
    assert_int_equal(secure_socket_self_test(serve_nothing, &fd, &err), -1);
    assert_non_null(strstr(err.cause, "no answer"));
    close(fd);
}

static void requests_follow_each_other_on_one_connection(void **state)
{
    struct visit visit;

    (void)state;
    visit_open(&visit);
    for (int i = 0; i < 200; i++) {
        visit_ask(&visit, "/small");
        assert_true(visit_read(&visit, 0, 0));
        char body[5];
        assert_int_equal(SSL_read(visit.ssl, body, sizeof body), 5);
        assert_memory_equal(body, "small", 5);
    }
    visit_close(&visit);
}

static void whole_and_partial_files_arrive_whole(void **state)
{
    static const size_t parts[][2] = {
        {0,      1          },
        {12345,  54321      },
        {100001, 300007     },
        {1,      128 * KIB  },
        {7,      1 * MIB + 1}
    };
    struct visit visit;
    char path[64];

    (void)state;
    visit_open(&visit);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        snprintf(path, sizeof path, "/part/%zu/%zu", parts[i][0], parts[i][1]);
        visit_ask(&visit, path);
        visit.first = parts[i][0];
        assert_true(visit_read(&visit, parts[i][1], 0));
        assert_false(visit.is_wrong);
    }
    visit.first = 0;
    visit_ask(&visit, "/big");
    assert_true(visit_read(&visit, BIG_SIZE, 0));
    assert_false(visit.is_wrong);
    visit_close(&visit);
}

static void pieces_and_slow_readers_get_everything(void **state)
{
    struct visit visit;

    (void)state;
    visit_open(&visit);
    visit_ask(&visit, "/pieces");
    assert_true(visit_read(&visit, 64 * 70000, 100));
    assert_false(visit.is_wrong);
    visit_ask(&visit, "/big");
    assert_true(visit_read(&visit, BIG_SIZE, 20));
    assert_false(visit.is_wrong);
    visit_close(&visit);
}

static void uploads_arrive_whole(void **state)
{
    const size_t size = 3 * MIB + 17;
    char head[256], body[64] = "";
    struct visit visit;

    (void)state;
    for (int i = 0; i < 10; i++) {
        visit_open(&visit);
        int length = snprintf(head, sizeof head,
                              "POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", size);
        assert_int_equal(SSL_write(visit.ssl, head, length), length);
        for (size_t done = 0; done < size;) {
            size_t step = 1 + (done * 7919) % 20000;

            if (step > size - done)
                step = size - done;
            assert_int_equal(SSL_write(visit.ssl, big + done, (int)step), (int)step);
            done += step;
        }
        assert_true(visit_read(&visit, 0, 0));
        assert_true(SSL_read(visit.ssl, body, sizeof body - 1) > 0);
        assert_non_null(strstr(body, "3145745 right"));
        visit_close(&visit);
    }
}

/* Exactly 128 ready connections at once make libmicrohttpd 0.9.75 wait for ever without our
 * epoll_wait: every client writes, then every client reads. */
static void many_clients_in_lock_step_never_hang(void **state)
{
    enum { CLIENTS = 256, ROUNDS = 20 };
    static struct visit visits[CLIENTS];
    char body[5];

    (void)state;
    for (int i = 0; i < CLIENTS; i++)
        visit_open(&visits[i]);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < CLIENTS; i++)
            visit_ask(&visits[i], "/small");
        for (int i = 0; i < CLIENTS; i++) {
            assert_true(visit_read(&visits[i], 0, 0));
            assert_int_equal(SSL_read(visits[i].ssl, body, sizeof body), 5);
        }
    }
    for (int i = 0; i < CLIENTS; i++)
        visit_close(&visits[i]);
}

static bool is_everyone(const struct socket_labels *labels, const void *arg)
{
    (void)labels;
    (void)arg;
    return true;
}

static void a_severed_download_ends_within_a_second(void **state)
{
    struct socket_counts counts;
    struct visit visit;

    (void)state;
    visit_open(&visit);
    visit_ask(&visit, "/big");
    assert_true(visit_read(&visit, 100000, 0));
    int64_t began = clock_monotonic_ms();
    assert_true(secure_socket_sever(is_everyone, NULL) >= 1);
    while (secure_socket_count(&counts), counts.open > 0 && clock_monotonic_ms() < began + 5000)
        usleep(1000);
    assert_int_equal(counts.open, 0);
    assert_in_range(clock_monotonic_ms() - began, 0, 1000);
    assert_false(visit_read(&visit, BIG_SIZE, 0));
    visit_close(&visit);
}

/* A big download of a fast reader shares the thread: small requests are answered meanwhile. */
static void *download_big(void *arg)
{
    struct visit visit;

    (void)arg;
    visit_open(&visit);
    for (int i = 0; i < 5; i++) {
        visit_ask(&visit, "/big");
        if (!visit_read(&visit, BIG_SIZE, 0) || visit.is_wrong)
            return NULL;
    }
    visit_close(&visit);
    return &big_file;
}

static void downloads_and_polls_share_a_thread(void **state)
{
    pthread_t threads[3];
    struct visit visit;
    char body[5];

    (void)state;
    visit_open(&visit);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        pthread_create(&threads[i], NULL, download_big, NULL);
    for (int i = 0; i < 100; i++) {
        visit_ask(&visit, "/small");
        assert_true(visit_read(&visit, 0, 0));
        assert_int_equal(SSL_read(visit.ssl, body, sizeof body), 5);
    }
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        void *result;

        pthread_join(threads[i], &result);
        assert_non_null(result);
    }
    visit_close(&visit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_self_test_passes),
        cmocka_unit_test(the_self_test_fails_when_nobody_answers),
        cmocka_unit_test(requests_follow_each_other_on_one_connection),
        cmocka_unit_test(whole_and_partial_files_arrive_whole),
        cmocka_unit_test(pieces_and_slow_readers_get_everything),
        cmocka_unit_test(uploads_arrive_whole),
        cmocka_unit_test(many_clients_in_lock_step_never_hang),
        cmocka_unit_test(a_severed_download_ends_within_a_second),
        cmocka_unit_test(downloads_and_polls_share_a_thread),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, start, stop);
}
