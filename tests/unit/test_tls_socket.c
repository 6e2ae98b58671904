/* SPDX-License-Identifier: Apache-2.0 */
/* The secure socket against a TLS client in a thread of its own. The server's side keeps to what
 * libmicrohttpd does with edge-triggered epoll: after a short result it waits for an edge and never
 * tries again on its own. An edge that does not come within PATIENCE_MS is a failure. */
#include "tls/socket.h"

#include "core/mapped.h"
#include "tls/interpose.h"
#include "unit/tls_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#define PATIENCE_MS 10000

static struct rig rig;
static struct holder device;

static int open_rig(void **state)
{
    struct error err;

    (void)state;
    rig_open(&rig);
    device = rig_issue(rig.device_issuer, PKI_DEVICE, "dev-1");
    return secure_socket_start(&err);
}

static int close_rig(void **state)
{
    (void)state;
    holder_clear(&device);
    rig_close(&rig);
    return 0;
}

/* -- two ends -- */

struct ends {
    SSL_CTX *server_context, *client_context;
    int server, client; /* descriptors; the server's is attached */
    SSL *client_ssl;
    int epoll;
};

/* Two ends of a TCP connection with small buffers, so that they fill soon. */
static void connect_ends(struct ends *ends, int buffer)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int listening = socket(AF_INET, SOCK_STREAM, 0);

    if (buffer)
        setsockopt(listening, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &size), 0);
    ends->client = socket(AF_INET, SOCK_STREAM, 0);
    if (buffer)
        setsockopt(ends->client, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    assert_int_equal(connect(ends->client, (struct sockaddr *)&address, sizeof address), 0);
    ends->server = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
    assert_true(ends->server >= 0);
    close(listening);
}

static void *connect_client(void *arg)
{
    SSL *ssl = arg;

    return (void *)(intptr_t)SSL_do_handshake(ssl);
}

static SSL *accept_client(struct ends *ends)
{
    SSL *server = SSL_new(ends->server_context);
    pthread_t thread;
    void *result;
    struct pollfd readable = {.fd = ends->server, .events = POLLIN};
    int done;

    SSL_set_fd(server, ends->server);
    SSL_set_accept_state(server);
    pthread_create(&thread, NULL, connect_client, ends->client_ssl);
    while ((done = SSL_do_handshake(server)) != 1) {
        assert_int_equal(SSL_get_error(server, done), SSL_ERROR_WANT_READ);
        assert_int_equal(poll(&readable, 1, PATIENCE_MS), 1);
    }
    pthread_join(thread, &result);
    assert_int_equal((intptr_t)result, 1);
    return server;
}

static void ends_open(struct ends *ends, int version, int buffer)
{
    const struct client wish = {.holder = &device, .version = version};
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET};
    struct peer peer = {.common_name = "dev-1", .has_certificate = true};
    struct error err;

    *ends = (struct ends){.server_context = rig_context(&rig),
                          .client_context = SSL_CTX_new(TLS_client_method())};
    connect_ends(ends, buffer);
    ends->client_ssl = client_ssl(ends->client_context, &wish);
    SSL_set_fd(ends->client_ssl, ends->client);
    SSL *server = accept_client(ends);
    assert_int_equal(secure_socket_attach(ends->server, server, &peer, &err), 0);
    ends->epoll = epoll_create1(0);
    event.data.fd = ends->server;
    assert_int_equal(epoll_ctl(ends->epoll, EPOLL_CTL_ADD, ends->server, &event), 0);
}

static void ends_close(struct ends *ends)
{
    if (ends->server >= 0)
        close(ends->server);
    close(ends->epoll);
    SSL_free(ends->client_ssl);
    close(ends->client);
    SSL_CTX_free(ends->client_context);
    SSL_CTX_free(ends->server_context);
}

/* Waits until one of the wanted edges has come; the others are forgotten, as edges are. */
static uint32_t await_edge(struct ends *ends, uint32_t wanted)
{
    int64_t give_up_at = clock_monotonic_ms() + PATIENCE_MS;
    struct epoll_event event;

    while (clock_monotonic_ms() < give_up_at) {
        int count = epoll_wait(ends->epoll, &event, 1, 100);

        if (count == 1 && event.events & (wanted | EPOLLHUP | EPOLLERR))
            return event.events;
    }
    fail_msg("no edge came");
    return 0;
}

static uint8_t pattern(size_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static uint8_t *make_bytes(size_t size)
{
    uint8_t *bytes = malloc(size);

    for (size_t i = 0; i < size; i++)
        bytes[i] = pattern(i);
    return bytes;
}

/* -- a reader -- */

struct reader {
    SSL *ssl;
    size_t size;     /* expected */
    size_t step;     /* per SSL_read */
    unsigned nap_us; /* after every 16 of them */
    size_t received;
    bool is_wrong;
    int end; /* of SSL_get_error */
};

static void *read_all(void *arg)
{
    struct reader *reader = arg;
    uint8_t bytes[16 * KIB];
    int got;

    for (unsigned round = 0; reader->received < reader->size; round++) {
        got = SSL_read(reader->ssl, bytes, (int)reader->step);
        if (got <= 0) {
            reader->end = SSL_get_error(reader->ssl, got);
            break;
        }
        for (int i = 0; i < got; i++)
            reader->is_wrong |= bytes[i] != pattern(reader->received + (size_t)i);
        reader->received += (size_t)got;
        if (reader->nap_us && round % 16 == 15)
            usleep(reader->nap_us);
    }
    return NULL;
}

enum way { BY_SEND, BY_SENDMSG, BY_SENDFILE };

static ssize_t send_by(enum way way, struct ends *ends, const uint8_t *bytes, size_t done,
                       size_t size, int file)
{
    size_t head = done < 300 ? 300 - done : 0;
    struct iovec parts[3] = {
        {(void *)(uintptr_t)(bytes + done),        head              },
        {NULL,                                     0                 },
        {(void *)(uintptr_t)(bytes + done + head), size - done - head},
    };
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    off64_t offset = (off64_t)done;
    ssize_t sent;

    if (head > size - done) {
        parts[0].iov_len = size - done;
        parts[2].iov_len = 0;
    }
    switch (way) {
    case BY_SENDMSG:
        return sendmsg(ends->server, &message, MSG_NOSIGNAL);
    case BY_SENDFILE:
        sent = sendfile64(ends->server, file, &offset,
                          size - done < 128 * KIB ? size - done : 128 * KIB);
        if (sent > 0)
            assert_int_equal(offset, done + (size_t)sent);
        return sent;
    case BY_SEND:
        break;
    }
    return send(ends->server, bytes + done, size - done, MSG_NOSIGNAL);
}

/* Keeps to libmicrohttpd's way: full chunks go on at once, anything short waits for an edge. */
static void send_all(struct ends *ends, enum way way, const uint8_t *bytes, size_t size, int file)
{
    size_t done = 0;

    while (done < size) {
        size_t chunk = way == BY_SENDFILE && size - done > 128 * KIB ? 128 * KIB : size - done;
        ssize_t sent = send_by(way, ends, bytes, done, size, file);

        if (sent < 0)
            assert_int_equal(errno, EAGAIN);
        else
            done += (size_t)sent;
        if (sent < (ssize_t)chunk)
            await_edge(ends, EPOLLOUT);
    }
    assert_int_equal(done, size);
}

static int file_of(const uint8_t *bytes, size_t size)
{
    char path[] = "/tmp/otad-socket-XXXXXX";
    int fd = mkstemp(path);

    unlink(path);
    assert_int_equal(write(fd, bytes, size), size);
    return fd;
}

static void check_transfer(int version, enum way way, size_t size, int buffer, size_t step,
                           unsigned nap_us)
{
    uint8_t *bytes = make_bytes(size);
    int file = file_of(bytes, size);
    struct ends ends;
    pthread_t thread;

    ends_open(&ends, version, buffer);
    struct reader reader = {.ssl = ends.client_ssl, .size = size, .step = step, .nap_us = nap_us};
    pthread_create(&thread, NULL, read_all, &reader);
    send_all(&ends, way, bytes, size, file);
    pthread_join(thread, NULL);
    assert_int_equal(reader.received, size);
    assert_false(reader.is_wrong);
    assert_int_equal(secure_socket_sent(ends.server), size);
    ends_close(&ends);
    close(file);
    free(bytes);
}

static void what_is_sent_arrives_whatever_the_reader_does(void **state)
{
    static const enum way ways[] = {BY_SEND, BY_SENDMSG, BY_SENDFILE};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ways); i++) {
        check_transfer(TLS1_3_VERSION, ways[i], 16 * MIB + 12345, 0, 16 * KIB, 0);
        check_transfer(TLS1_3_VERSION, ways[i], 3 * MIB + 1, 8 * KIB, 1000, 200);
        check_transfer(TLS1_2_VERSION, ways[i], 2 * MIB + 77, 4 * KIB, 777, 100);
        check_transfer(TLS1_3_VERSION, ways[i], 1 * MIB, 4 * KIB, 1000,
                       100); /* ends in a full record */
        check_transfer(TLS1_3_VERSION, ways[i], 301, 0, 100, 0);
        check_transfer(TLS1_2_VERSION, ways[i], 1, 0, 100, 0);
    }
}

/* Single bytes into a full socket: each is taken once or not at all. */
static void bytes_are_counted_exactly_when_the_socket_is_full(void **state)
{
    const size_t size = 64 * KIB;
    uint8_t *bytes = make_bytes(size);
    struct ends ends;
    pthread_t thread;
    size_t done = 0;

    (void)state;
    ends_open(&ends, TLS1_3_VERSION, 4 * KIB);
    struct reader reader = {.ssl = ends.client_ssl, .size = size, .step = 50, .nap_us = 0};
    while (done < size) { /* until nothing goes any more */
        ssize_t sent = send(ends.server, bytes + done, 1, MSG_NOSIGNAL);

        if (sent < 0)
            break;
        done += (size_t)sent;
    }
    assert_in_range(done, 1, size - 1);
    pthread_create(&thread, NULL, read_all, &reader);
    for (; done < size; done++) {
        while (send(ends.server, bytes + done, 1, MSG_NOSIGNAL) != 1)
            await_edge(&ends, EPOLLOUT);
    }
    pthread_join(thread, NULL);
    assert_int_equal(reader.received, size);
    assert_false(reader.is_wrong);
    ends_close(&ends);
    free(bytes);
}

/* -- receiving -- */

struct writer {
    SSL *ssl;
    const uint8_t *bytes;
    size_t size;
    size_t step;
    unsigned nap_us;
};

static void *write_all(void *arg)
{
    struct writer *writer = arg;
    size_t done = 0;

    for (unsigned round = 0; done < writer->size; round++) {
        size_t step = writer->size - done < writer->step ? writer->size - done : writer->step;

        if (SSL_write(writer->ssl, writer->bytes + done, (int)step) != (int)step)
            break;
        done += step;
        if (writer->nap_us && round % 8 == 7)
            usleep(writer->nap_us);
    }
    return NULL;
}

static void receive_all(struct ends *ends, size_t size, size_t room)
{
    uint8_t bytes[20000];
    size_t done = 0;

    while (done < size) {
        ssize_t got = recv(ends->server, bytes, room, 0);

        assert_int_not_equal(got, 0);
        if (got < 0)
            assert_int_equal(errno, EAGAIN);
        for (ssize_t i = 0; i < got; i++)
            if (bytes[i] != pattern(done + (size_t)i))
                fail_msg("byte %zu is wrong", done + (size_t)i);
        done += got > 0 ? (size_t)got : 0;
        if (got < (ssize_t)room && done < size)
            await_edge(ends, EPOLLIN);
    }
    assert_int_equal(done, size);
}

static void check_upload(int version, size_t size, size_t step, unsigned nap_us, size_t room)
{
    uint8_t *bytes = make_bytes(size);
    struct ends ends;
    pthread_t thread;

    ends_open(&ends, version, 0);
    struct writer writer = {ends.client_ssl, bytes, size, step, nap_us};
    pthread_create(&thread, NULL, write_all, &writer);
    receive_all(&ends, size, room);
    pthread_join(thread, NULL);
    ends_close(&ends);
    free(bytes);
}

static void what_is_received_is_whole_and_no_edge_is_lost(void **state)
{
    (void)state;
    for (int round = 0; round < 5; round++) {
        check_upload(TLS1_3_VERSION, 4 * MIB + 99, 16 * KIB, 0, 4096);
        check_upload(TLS1_3_VERSION, 1 * MIB + 1, 5000, 50, 20000);
        check_upload(TLS1_2_VERSION, 1 * MIB + 7, 1000, 0, 100);
        check_upload(TLS1_3_VERSION, 20000, 1, 0, 64);
    }
}

static void the_end_right_behind_the_data_is_noticed(void **state)
{
    struct ends ends;
    char bytes[100];

    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        ends_open(&ends, version, 0);
        int on = 1;
        setsockopt(ends.client, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
        assert_int_equal(SSL_write(ends.client_ssl, "hello", 5), 5);
        SSL_shutdown(ends.client_ssl);
        on = 0;
        setsockopt(ends.client, IPPROTO_TCP, TCP_CORK, &on, sizeof on);
        await_edge(&ends, EPOLLIN);
        assert_int_equal(recv(ends.server, bytes, sizeof bytes, 0), 5);
        await_edge(&ends, EPOLLIN);
        assert_int_equal(recv(ends.server, bytes, sizeof bytes, 0), 0);
        ends_close(&ends);
    }
}

static void a_close_says_goodbye(void **state)
{
    struct ends ends;
    char byte;

    (void)state;
    ends_open(&ends, TLS1_3_VERSION, 0);
    close(ends.server);
    ends.server = -1;
    int got = SSL_read(ends.client_ssl, &byte, 1);
    assert_int_equal(SSL_get_error(ends.client_ssl, got), SSL_ERROR_ZERO_RETURN);
    ends_close(&ends);
}

static void receive_one(struct ends *ends)
{
    ssize_t got;
    char byte;

    while ((got = recv(ends->server, &byte, 1, 0)) < 0) {
        assert_int_equal(errno, EAGAIN);
        await_edge(ends, EPOLLIN);
    }
    assert_int_equal(got, 1);
}

/* Where the kernel encrypts, nobody can change the key: the end is clean and no byte is garbled. */
static void check_key_update_ends(struct ends *ends)
{
    char byte;

    assert_true(SSL_key_update(ends->client_ssl, SSL_KEY_UPDATE_REQUESTED));
    assert_int_equal(SSL_write(ends->client_ssl, "x", 1), 1);
    do
        await_edge(ends, EPOLLIN);
    while (recv(ends->server, &byte, 1, 0) < 0 && errno == EAGAIN);
    assert_int_equal(errno, ECONNRESET);
    assert_int_equal(send(ends->server, "y", 1, 0), -1);
    ends_close(ends);
}

static void key_updates_work_and_a_flood_of_them_does_not(void **state)
{
    struct ends ends;
    char bytes[10];

    (void)state;
    ends_open(&ends, TLS1_3_VERSION, 0);
    if (secure_socket_has_kernel_tls(ends.server)) {
        check_key_update_ends(&ends);
        return;
    }
    for (int i = 0; i < 100; i++) {
        assert_true(SSL_key_update(ends.client_ssl, SSL_KEY_UPDATE_REQUESTED));
        assert_int_equal(SSL_write(ends.client_ssl, "x", 1), 1);
        receive_one(&ends);
        assert_int_equal(send(ends.server, "y", 1, 0), 1);
        assert_int_equal(SSL_read(ends.client_ssl, bytes, sizeof bytes), 1);
    }
    for (int i = 0; i < 100; i++) {
        assert_true(SSL_key_update(ends.client_ssl, SSL_KEY_UPDATE_NOT_REQUESTED));
        assert_int_equal(SSL_do_handshake(ends.client_ssl), 1);
    }
    ssize_t got;
    do
        await_edge(&ends, EPOLLIN);
    while ((got = recv(ends.server, bytes, sizeof bytes, 0)) < 0 && errno == EAGAIN);
    assert_int_equal(got, -1);
    assert_int_equal(errno, ECONNRESET);
    ends_close(&ends);
}

static void other_descriptors_are_left_alone(void **state)
{
    char bytes[10];
    int ends[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_int_equal(send(ends[0], "plain", 5, 0), 5);
    assert_int_equal(recv(ends[1], bytes, sizeof bytes, 0), 5);
    assert_memory_equal(bytes, "plain", 5);
    assert_null(secure_socket_peer(ends[0]));
    close(ends[0]);
    assert_int_equal(recv(ends[1], bytes, sizeof bytes, 0), 0);
    close(ends[1]);
}

/* -- cutting -- */

static bool is_device_7(const struct socket_labels *labels, const void *arg)
{
    (void)arg;
    return labels->device_row == 7 && !strcmp(labels->peer->common_name, "dev-1");
}

static void a_severed_transfer_ends_at_once_and_never_completely(void **state)
{
    const size_t size = 8 * MIB;
    uint8_t *bytes = make_bytes(size);
    struct socket_counts before, after;
    struct ends ends, other;
    pthread_t thread;
    size_t done = 0;
    ssize_t sent;

    (void)state;
    ends_open(&ends, TLS1_3_VERSION, 64 * KIB);
    ends_open(&other, TLS1_3_VERSION, 0);
    secure_socket_label_device(ends.server, 7);
    secure_socket_label_device(other.server, 8);
    secure_socket_count(&before);
    while ((sent = send(ends.server, bytes + done, size - done, 0)) > 0)
        done += (size_t)sent;
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(secure_socket_sever(is_device_7, NULL), 1);
    assert_int_equal(secure_socket_sever(is_device_7, NULL), 0);
    assert_true(await_edge(&ends, EPOLLIN) & (EPOLLIN | EPOLLHUP));
    assert_int_equal(send(ends.server, bytes + done, size - done, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    assert_int_equal(recv(ends.server, bytes, 10, 0), -1);
    close(ends.server);
    ends.server = -1;
    struct reader reader = {.ssl = ends.client_ssl, .size = size, .step = 16 * KIB};
    pthread_create(&thread, NULL, read_all, &reader);
    pthread_join(thread, NULL);
    assert_true(reader.received < size);
    assert_int_not_equal(reader.end, SSL_ERROR_ZERO_RETURN);
    secure_socket_count(&after);
    assert_int_equal(after.severed, before.severed + 1);
    assert_int_equal(after.open, before.open - 1);
    assert_int_equal(send(other.server, "still here", 10, 0), 10);
    ends_close(&ends);
    ends_close(&other);
    free(bytes);
}

/* A fault in the middle: what was sound arrives, nothing of what was not. */
static void check_broken_mapping(enum way way, size_t size, size_t cut)
{
    uint8_t *bytes = make_bytes(size);
    struct mapped *mapped = NULL;
    struct error err;
    struct ends ends;
    pthread_t thread;
    ssize_t sent;
    size_t done = 0;

    assert_int_equal(mapped_start(&err), 0); /* cmocka replaces the handler for every case */
    int file = file_of(bytes, size);
    assert_int_equal(mapped_open(file, size, &mapped, &err), 0);
    assert_int_equal(ftruncate(file, (off_t)cut), 0);
    ends_open(&ends, TLS1_3_VERSION, 0);
    struct reader reader = {.ssl = ends.client_ssl, .size = size, .step = 16 * KIB};
    pthread_create(&thread, NULL, read_all, &reader);
    while (done < size) {
        sent = send_by(way, &ends, mapped->at, done, size, file);
        if (sent < 0 && errno != EAGAIN)
            break;
        done += sent > 0 ? (size_t)sent : 0;
        if (done < size && (sent < 0 || way != BY_SENDFILE))
            await_edge(&ends, EPOLLOUT);
    }
    assert_true(done <= cut);
    assert_int_equal(mapped->is_broken, way != BY_SENDFILE);
    close(ends.server);
    ends.server = -1;
    pthread_join(thread, NULL);
    assert_false(reader.is_wrong);
    assert_true(reader.received <= cut);
    ends_close(&ends);
    mapped_release(&mapped);
    close(file);
    free(bytes);
}

static void a_file_that_breaks_under_a_transfer_cuts_it(void **state)
{
    (void)state;
    check_broken_mapping(BY_SEND, 6 * MIB, 4 * MIB);
    check_broken_mapping(BY_SENDMSG, 6 * MIB, 4 * MIB + 4096);
    check_broken_mapping(BY_SEND, 8192, 4096);
    check_broken_mapping(BY_SENDMSG, 8192, 4096);
    check_broken_mapping(BY_SENDFILE, 1 * MIB, 512 * KIB);
}

/* The page another thread's fault has replaced by zeros must not be taken for content either. */
static void zeros_left_by_an_earlier_fault_are_not_sent(void **state)
{
    const size_t size = 64 * KIB;
    uint8_t *bytes = make_bytes(size);
    struct mapped *mapped = NULL;
    volatile uint8_t touched;
    struct error err;
    struct ends ends;

    (void)state;
    assert_int_equal(mapped_start(&err), 0);
    int file = file_of(bytes, size);
    assert_int_equal(mapped_open(file, size, &mapped, &err), 0);
    assert_int_equal(ftruncate(file, 0), 0);
    touched = mapped->at[0];
    assert_int_equal(touched, 0);
    ends_open(&ends, TLS1_3_VERSION, 0);
    assert_int_equal(send(ends.server, mapped->at, size, 0), -1);
    assert_int_equal(errno, ECONNRESET);
    ends_close(&ends);
    mapped_release(&mapped);
    close(file);
    free(bytes);
}

/* -- deadlines -- */

static bool is_cut(struct ends *ends)
{
    struct pollfd gone = {.fd = ends->server, .events = 0};

    return poll(&gone, 1, 0) == 1 && gone.revents & POLLHUP;
}

static void set_deadlines(void)
{
    secure_socket_set_deadlines(&(struct socket_deadlines){.header_timeout_ms = 10000,
                                                           .idle_timeout_ms = 60000,
                                                           .body_rate_min = 256,
                                                           .reply_rate_min = 64});
}

static void idle_and_headers_have_absolute_deadlines(void **state)
{
    int64_t now = clock_monotonic_ms();
    struct ends ends;
    char byte;

    (void)state;
    set_deadlines();
    ends_open(&ends, TLS1_3_VERSION, 0);
    secure_socket_sweep(now + 59000);
    assert_false(is_cut(&ends));
    assert_int_equal(SSL_write(ends.client_ssl, "G", 1), 1);
    await_edge(&ends, EPOLLIN);
    assert_int_equal(recv(ends.server, &byte, 1, 0),
                     1); /* the first byte starts the headers' time */
    now = clock_monotonic_ms();
    secure_socket_sweep(now + 9000);
    assert_false(is_cut(&ends));
    secure_socket_phase(ends.server, SOCKET_WORKING);
    secure_socket_sweep(now + 3600000);
    assert_false(is_cut(&ends));
    secure_socket_phase(ends.server, SOCKET_HEADERS);
    secure_socket_sweep(clock_monotonic_ms() + 10100);
    assert_true(is_cut(&ends));
    ends_close(&ends);

    ends_open(&ends, TLS1_3_VERSION, 0);
    secure_socket_sweep(clock_monotonic_ms() + 60100);
    assert_true(is_cut(&ends));
    ends_close(&ends);
}

static void a_body_must_come_at_its_least_rate(void **state)
{
    uint8_t bytes[8192] = {0};
    struct ends ends;

    (void)state;
    set_deadlines();
    ends_open(&ends, TLS1_3_VERSION, 0);
    secure_socket_phase(ends.server, SOCKET_BODY);
    int64_t now = clock_monotonic_ms();
    assert_int_equal(SSL_write(ends.client_ssl, bytes, 7800), 7800); /* more than 30 s * 256 */
    for (size_t done = 0; done < 7800;) {
        ssize_t got = recv(ends.server, bytes, sizeof bytes, 0);

        if (got > 0)
            done += (size_t)got;
        else
            await_edge(&ends, EPOLLIN);
    }
    secure_socket_sweep(now + 29000);
    secure_socket_sweep(now + 31000);
    assert_false(is_cut(&ends));
    secure_socket_sweep(now + 59000);
    assert_false(is_cut(&ends));
    secure_socket_sweep(now + 62000);
    assert_true(is_cut(&ends));
    ends_close(&ends);
}

static void only_a_reader_who_does_not_read_is_too_slow(void **state)
{
    const size_t size = 8 * MIB;
    uint8_t *bytes = make_bytes(size);
    struct ends ends;
    size_t done = 0;
    ssize_t sent;

    (void)state;
    set_deadlines();
    ends_open(&ends, TLS1_3_VERSION, 32 * KIB);
    secure_socket_phase(ends.server, SOCKET_REPLY);
    int64_t now = clock_monotonic_ms();
    secure_socket_sweep(now + 1000);
    secure_socket_sweep(now + 500000); /* nothing to send: the server is slow, not the reader */
    assert_false(is_cut(&ends));

    secure_socket_phase(ends.server, SOCKET_REPLY);
    while ((sent = send(ends.server, bytes + done, size - done, 0)) > 0)
        done += (size_t)sent;
    now = clock_monotonic_ms() + 500000;
    secure_socket_sweep(now);
    secure_socket_sweep(now + 119000);
    assert_false(is_cut(&ends));
    uint8_t some[16 * KIB];
    for (int i = 0; i < 4; i++)
        assert_true(SSL_read(ends.client_ssl, some, sizeof some) > 0);
    usleep(50000); /* until the kernels have told each other */
    secure_socket_sweep(now + 121000);
    assert_false(is_cut(&ends));
    secure_socket_sweep(now + 242000);
    assert_true(is_cut(&ends));
    ends_close(&ends);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_arrives_whatever_the_reader_does),
        cmocka_unit_test(bytes_are_counted_exactly_when_the_socket_is_full),
        cmocka_unit_test(what_is_received_is_whole_and_no_edge_is_lost),
        cmocka_unit_test(the_end_right_behind_the_data_is_noticed),
        cmocka_unit_test(a_close_says_goodbye),
        cmocka_unit_test(key_updates_work_and_a_flood_of_them_does_not),
        cmocka_unit_test(other_descriptors_are_left_alone),
        cmocka_unit_test(a_severed_transfer_ends_at_once_and_never_completely),
        cmocka_unit_test(a_file_that_breaks_under_a_transfer_cuts_it),
        cmocka_unit_test(zeros_left_by_an_earlier_fault_are_not_sent),
        cmocka_unit_test(idle_and_headers_have_absolute_deadlines),
        cmocka_unit_test(a_body_must_come_at_its_least_rate),
        cmocka_unit_test(only_a_reader_who_does_not_read_is_too_slow),
    };

    return cmocka_run_group_tests(tests, open_rig, close_rig);
}
