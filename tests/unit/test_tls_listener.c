/* SPDX-License-Identifier: Apache-2.0 */
/* The listener on loopback with real clients; what it hands over is closed at once and counted. */
#include "tls/listener.h"

#include "core/log.h"
#include "tls/socket.h"
#include "unit/tls_rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

static struct rig rig;
static struct holder device;
static struct config *config;
static struct tls_listener *listener;
static struct peer last_peer;
static atomic_int handed_over;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards last_peer */

static int open_rig(void **state)
{
    struct error err;

    (void)state;
    rig_open(&rig);
    device = rig_issue(rig.device_issuer, PKI_DEVICE, "dev-1");
    return secure_socket_start(&err) || config_defaults(rig.folder, &config, &err) ||
           config_set(config, "device", "listen", "127.0.0.1:0", &err) ||
           config_set(config, "device", "certificate", rig_path(&rig, "server.crt"), &err) ||
           config_set(config, "device", "key", rig_path(&rig, "server.key"), &err) ||
           config_set(config, "device", "ca", rig_path(&rig, "device-ca.crt"), &err);
}

static int close_rig(void **state)
{
    (void)state;
    config_free(&config);
    holder_clear(&device);
    rig_close(&rig);
    return 0;
}

static void on_connection(void *arg, unsigned thread, int fd, const struct peer *peer)
{
    (void)arg;
    (void)thread;
    pthread_mutex_lock(&lock);
    last_peer = *peer;
    pthread_mutex_unlock(&lock);
    handed_over++;
    close(fd);
}

static int start_with(const char *key, int64_t number)
{
    struct tls_listener_options options = {
        .threads = 2, .inherited_fd = -1, .port = -1, .on_connection = on_connection};
    struct error err = {0};

    config->tls_address_rate = config->tls_address_burst = 100000;
    config->tls_handshakes_max = 256;
    config->tls_handshake_timeout = 10;
    if (key && !strcmp(key, "burst"))
        config->tls_address_burst = number, config->tls_address_rate = 1;
    if (key && !strcmp(key, "max"))
        config->tls_handshakes_max = number;
    if (key && !strcmp(key, "timeout"))
        config->tls_handshake_timeout = number;
    options.config = config;
    if (tls_listener_start(&options, &listener, &err))
        fail_msg("%s", error_text(&err));
    return 0;
}

static int start(void **state)
{
    (void)state;
    return start_with(NULL, 0);
}

static int stop(void **state)
{
    (void)state;
    tls_listener_stop(&listener);
    return 0;
}

static int connect_plain(const char *from)
{
    struct sockaddr_in local = {.sin_family = AF_INET};
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons((uint16_t)tls_listener_port(listener))};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    inet_pton(AF_INET, from, &local.sin_addr);
    assert_int_equal(bind(fd, (struct sockaddr *)&local, sizeof local), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* A whole visit until the server closes. True when the server took the handshake. */
static bool visit(const char *from, const struct client *wish)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = client_ssl(context, wish);
    int fd = connect_plain(from);
    char nothing;

    SSL_set_fd(ssl, fd);
    /* In TLS 1.3 a refusal of our certificate arrives after our side is done. */
    bool ok = SSL_do_handshake(ssl) == 1;
    if (ok)
        ok = SSL_get_error(ssl, SSL_read(ssl, &nothing, 1)) == SSL_ERROR_ZERO_RETURN;
    if (ok && wish->ret_session)
        *wish->ret_session = SSL_get1_session(ssl);
    if (ok)
        SSL_shutdown(ssl);
    ERR_clear_error();
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
    return ok;
}

static bool visit_with(const struct holder *holder, int version)
{
    return visit("127.0.0.1", &(struct client){.holder = holder, .version = version});
}

static struct peer peer_seen(void)
{
    pthread_mutex_lock(&lock);
    struct peer peer = last_peer;
    pthread_mutex_unlock(&lock);
    return peer;
}

static void a_device_is_handed_over_with_its_name(void **state)
{
    struct peer expected = {0}, peer;
    struct tls_counts counts;

    (void)state;
    assert_true(certificate_describe(device.certificate, &expected));
    assert_true(visit_with(&device, TLS1_2_VERSION));
    assert_true(visit_with(&device, TLS1_3_VERSION));
    peer = peer_seen();
    assert_string_equal(peer.common_name, "dev-1");
    assert_string_equal(peer.address_text, "127.0.0.1");
    assert_memory_equal(peer.fingerprint, expected.fingerprint, 32);
    assert_true(peer.has_certificate && !peer.was_resumed);
    tls_listener_count(listener, &counts);
    assert_int_equal(counts.full, 2);
    assert_int_equal(counts.accepted, 2);
    assert_int_equal(counts.verified, 1);
}

static void strangers_and_nonsense_are_not(void **state)
{
    struct holder stranger = rig_issue(NULL, PKI_CA, "dev-1");
    int before = handed_over, fd = connect_plain("127.0.0.1");
    struct tls_counts counts;
    char byte;

    (void)state;
    assert_false(visit_with(NULL, TLS1_3_VERSION));
    assert_false(visit_with(NULL, TLS1_2_VERSION));
    assert_false(visit_with(&stranger, TLS1_3_VERSION));
    assert_true(write(fd, "GET / HTTP/1.1\r\n\r\n", 18) == 18);
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    while (poll(&readable, 1, 5000) == 1 && read(fd, &byte, 1) == 1)
        ; /* an alert, then the end */
    assert_int_equal(poll(&readable, 1, 0), 1);
    close(fd);
    tls_listener_count(listener, &counts);
    assert_int_equal(counts.failed, 4);
    assert_int_equal(counts.full, 0);
    assert_int_equal(handed_over, before);
    holder_clear(&stranger);
}

static bool resumes(SSL_SESSION *session, const struct holder *holder)
{
    const struct client wish = {.holder = holder, .version = TLS1_3_VERSION, .session = session};

    return visit("127.0.0.1", &wish) && peer_seen().was_resumed;
}

static SSL_SESSION *get_session(void)
{
    SSL_SESSION *session = NULL;
    const struct client wish = {
        .holder = &device, .version = TLS1_3_VERSION, .ret_session = &session};

    assert_true(visit("127.0.0.1", &wish));
    return session;
}

static void a_session_is_resumed_until_it_is_forgotten(void **state)
{
    SSL_SESSION *session = get_session();
    struct tls_counts counts;

    (void)state;
    assert_true(resumes(session, NULL));
    assert_string_equal(peer_seen().common_name, "dev-1");
    assert_string_equal(peer_seen().address_text, "127.0.0.1");
    tls_listener_forget(listener, peer_seen().fingerprint);
    tls_listener_count(listener, &counts);
    assert_int_equal(counts.resumed, 1);
    assert_int_equal(counts.sessions + counts.verified, 0);
    assert_false(resumes(session, &device));
    SSL_SESSION_free(session);
}

static void a_reload_without_change_keeps_sessions_and_one_with_other_trust_ends_them(void **state)
{
    struct error err;
    SSL_SESSION *session = get_session();
    struct holder server = rig_issue(rig.server_issuer, PKI_SERVER, "localhost");

    (void)state;
    rig_write(&rig, &server, "server.crt", "server.key"); /* a new certificate, the same trust */
    assert_int_equal(tls_listener_reload(listener, &err), 0);
    assert_true(resumes(session, NULL));

    rig_write(&rig, &rig.foreign_ca, "device-ca.crt", "device-ca.key");
    assert_int_equal(tls_listener_reload(listener, &err), 0);
    assert_false(resumes(session, NULL));
    assert_false(visit_with(&device, TLS1_3_VERSION));

    rig_write(&rig, &rig.device_ca, "device-ca.crt", "device-ca.key");
    assert_int_equal(tls_listener_reload(listener, &err), 0);
    assert_true(visit_with(&device, TLS1_3_VERSION));
    SSL_SESSION_free(session);
    holder_clear(&server);
}

static void a_failed_reload_changes_nothing(void **state)
{
    SSL_SESSION *session = get_session();
    struct error err;

    (void)state;
    rename(rig_path(&rig, "device-ca.crt"), rig_path(&rig, "other.crt"));
    assert_int_equal(tls_listener_reload(listener, &err), -1);
    assert_non_null(strstr(err.cause, "device-ca.crt"));
    rename(rig_path(&rig, "other.crt"), rig_path(&rig, "device-ca.crt"));
    assert_true(resumes(session, NULL));
    assert_true(visit_with(&device, TLS1_3_VERSION));
    SSL_SESSION_free(session);
}

static bool ends_within(int fd, int patience_ms)
{
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    char byte;

    return poll(&readable, 1, patience_ms) == 1 && read(fd, &byte, 1) <= 0;
}

static int start_impatient(void **state)
{
    (void)state;
    return start_with("timeout", 1);
}

static void a_handshake_has_a_deadline(void **state)
{
    struct tls_counts counts;
    int silent = connect_plain("127.0.0.1"), slow = connect_plain("127.0.0.1");

    (void)state;
    for (int i = 0; i < 8; i++) { /* one byte after the other does not help */
        if (send(slow, "\x16\x03\x01\x02\x00\x01\x00\x01" + i, 1, MSG_NOSIGNAL) != 1)
            break;
        usleep(100000);
    }
    assert_true(ends_within(silent, 2000));
    assert_true(ends_within(slow, 2000));
    tls_listener_count(listener, &counts);
    assert_int_equal(counts.timed_out, 2);
    close(silent);
    close(slow);
}

static int start_with_burst(void **state)
{
    (void)state;
    return start_with("burst", 3);
}

static void unfinished_handshakes_cost_tokens_and_completed_ones_do_not(void **state)
{
    struct tls_counts counts;
    int fds[3];

    (void)state;
    for (int i = 0; i < 20; i++)
        assert_true(visit_with(&device, TLS1_3_VERSION));
    for (int i = 0; i < 3; i++)
        fds[i] = connect_plain("127.0.0.1");
    int refused = connect_plain("127.0.0.1");
    assert_true(ends_within(refused, 2000));
    assert_true(visit("127.0.0.2", &(struct client){.holder = &device, .version = TLS1_3_VERSION}));
    tls_listener_count(listener, &counts);
    assert_int_equal(counts.limited, 1);
    close(refused);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static int start_with_few(void **state)
{
    (void)state;
    return start_with("max", 8);
}

/* At the limit those that got nowhere for a second make room: an honest device gets in. */
static void half_open_handshakes_do_not_lock_others_out(void **state)
{
    int fds[40];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = connect_plain("127.0.0.1");
    int64_t began = clock_monotonic_ms();
    assert_true(visit_with(&device, TLS1_3_VERSION));
    assert_in_range(clock_monotonic_ms() - began, 0, 8000);
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
}

/* Without descriptors nothing is accepted and nothing spins; afterwards all goes on. */
static void no_descriptors_left_is_survived_without_spinning(void **state)
{
    struct rlimit limit, few;
    struct timespec before, after;

    (void)state;
    int waiting = connect_plain("127.0.0.1"); /* the client's end needs a descriptor as well */
    usleep(50000);
    close(waiting);
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    const struct client wish = {.holder = &device, .version = TLS1_3_VERSION};
    SSL *ssl = client_ssl(context, &wish);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {htonl(INADDR_LOOPBACK)},
                                  .sin_port = htons((uint16_t)tls_listener_port(listener))};
    getrlimit(RLIMIT_NOFILE, &limit);
    few = limit;
    few.rlim_cur = (rlim_t)fd; /* no number below it is free: each accept fails */
    int filler[64], fillers = 0;
    while (fillers < 64 && (filler[fillers] = open("/dev/null", O_RDONLY)) >= 0 &&
           filler[fillers] < fd)
        fillers++;
    setrlimit(RLIMIT_NOFILE, &few);
    connect(fd, (struct sockaddr *)&address, sizeof address);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    usleep(500000);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    setrlimit(RLIMIT_NOFILE, &limit);
    assert_in_range(
        (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000, 0, 100);
    fcntl(fd, F_SETFL, 0);
    SSL_set_fd(ssl, fd);
    assert_int_equal(SSL_do_handshake(ssl), 1);
    for (int i = 0; i <= fillers && i < 64; i++)
        close(filler[i]);
    SSL_free(ssl);
    SSL_CTX_free(context);
    close(fd);
}

static void an_inherited_socket_must_listen(void **state)
{
    struct tls_listener_options options = {
        .config = config, .threads = 1, .port = -1, .on_connection = on_connection};
    struct tls_listener *none = NULL;
    struct error err;

    (void)state;
    options.inherited_fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(tls_listener_start(&options, &none, &err), -1);
    assert_non_null(strstr(err.cause, "listening"));
    assert_null(none);
    close(options.inherited_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define CASE(name, setup) cmocka_unit_test_setup_teardown(name, setup, stop)
        CASE(a_device_is_handed_over_with_its_name, start),
        CASE(strangers_and_nonsense_are_not, start),
        CASE(a_session_is_resumed_until_it_is_forgotten, start),
        CASE(a_reload_without_change_keeps_sessions_and_one_with_other_trust_ends_them, start),
        CASE(a_failed_reload_changes_nothing, start),
        CASE(a_handshake_has_a_deadline, start_impatient),
        CASE(unfinished_handshakes_cost_tokens_and_completed_ones_do_not, start_with_burst),
        CASE(half_open_handshakes_do_not_lock_others_out, start_with_few),
        CASE(no_descriptors_left_is_survived_without_spinning, start),
        cmocka_unit_test(an_inherited_socket_must_listen),
#undef CASE
    };

    signal(SIGPIPE, SIG_IGN);
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, open_rig, close_rig);
}
