/* SPDX-License-Identifier: Apache-2.0 */
/* A TLS client that reads what really went over the wire, against libmicrohttpd behind a secure
 * socket, over loopback, with a certificate that lives for the length of the test. */
#include "core/clock.h"
#include "core/text.h"
#include "tls/bio.h"
#include "tls/certificate.h"
#include "tls/interpose.h"
#include "tls/pki.h"
#include "tls/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define PATIENCE_MS 5000

/* Two ends of one TCP connection over loopback. */
static int loopback_pair(int ends[2], struct error *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    CLEANUP(close_fd) int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CLEANUP(close_fd) int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (listening < 0 || client < 0 ||
        bind(listening, (struct sockaddr *)&address, sizeof address) || listen(listening, 1) ||
        getsockname(listening, (struct sockaddr *)&address, &size) ||
        connect(client, (struct sockaddr *)&address, sizeof address))
        return fail_internal(err, "connect over loopback: %m");
    int server = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (server < 0)
        return fail_internal(err, "accept over loopback: %m");
    fcntl(client, F_SETFL, O_NONBLOCK);
    ends[0] = server;
    ends[1] = client;
    client = -1;
    return 0;
}

bool secure_socket_kernel_can_tls(void)
{
    struct error err;
    int ends[2];

    if (loopback_pair(ends, &err))
        return false;
    bool can = setsockopt(ends[0], IPPROTO_TCP, TCP_ULP, "tls", sizeof "tls" - 1) == 0;
    close(ends[0]);
    close(ends[1]);
    return can;
}

struct self_test {
    SSL_CTX *server_context, *client_context;
    SSL *server, *client;
    int server_fd, client_fd;
    BIO *in, *out;    /* the client's, owned by `client` */
    struct text wire; /* everything the server sent */
    bool is_at_end;
    int64_t give_up_at_ms;
};

static void clear(struct self_test *test)
{
    SSL_free(test->server);
    SSL_free(test->client);
    SSL_CTX_free(test->server_context);
    SSL_CTX_free(test->client_context);
    close_fd(&test->server_fd);
    close_fd(&test->client_fd);
    text_clear(&test->wire);
}

static int open_server(struct self_test *test, struct error *err)
{
    const struct pki_request request = {PKI_CA, "self-test", NULL, 1};
    CLEANUP(certificate_free) X509 *certificate = NULL;
    CLEANUP(private_key_free) EVP_PKEY *key = NULL;

    if (pki_issue(NULL, &request, &certificate, &key, err))
        return -1;
    test->server_context = SSL_CTX_new(TLS_server_method());
    if (!test->server_context || !SSL_CTX_use_certificate(test->server_context, certificate) ||
        !SSL_CTX_use_PrivateKey(test->server_context, key) ||
        !(test->server = SSL_new(test->server_context)) ||
        !secure_bio_install(test->server, test->server_fd))
        return fail_openssl(err, "self-test: set up the server");
    SSL_set_accept_state(test->server);
    return 0;
}

static int open_client(struct self_test *test, struct error *err)
{
    test->in = BIO_new(BIO_s_mem());
    test->out = BIO_new(BIO_s_mem());
    test->client_context = SSL_CTX_new(TLS_client_method());
    test->client = test->client_context ? SSL_new(test->client_context) : NULL;
    if (!test->in || !test->out || !test->client) {
        BIO_free(test->in);
        BIO_free(test->out);
        return fail_openssl(err, "self-test: set up the client");
    }
    SSL_set_bio(test->client, test->in, test->out);
    SSL_set_connect_state(test->client);
    return 0;
}

/* Moves bytes between the wire and the client's memory; waits a little when there are none. */
static int pump(struct self_test *test, struct error *err)
{
    struct pollfd readable = {.fd = test->client_fd, .events = POLLIN};
    uint8_t bytes[4096];
    int count;

    while ((count = BIO_read(test->out, bytes, sizeof bytes)) > 0)
        if (libc_calls()->send(test->client_fd, bytes, (size_t)count, MSG_NOSIGNAL) != count)
            return fail_internal(err, "self-test: send: %m");
    if (poll(&readable, 1, 10) < 0 && errno != EINTR)
        return fail_internal(err, "self-test: poll: %m");
    ssize_t got;
    while ((got = libc_calls()->recv(test->client_fd, bytes, sizeof bytes, 0)) > 0) {
        text_append_bytes(&test->wire, bytes, (size_t)got);
        BIO_write(test->in, bytes, (int)got);
    }
    test->is_at_end = got == 0;
    if (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)
        return fail_internal(err, "self-test: recv: %m");
    if (clock_monotonic_ms() > test->give_up_at_ms)
        return fail_internal(err, "self-test: no answer within %d ms", PATIENCE_MS);
    return 0;
}

static int shake_hands(struct self_test *test, struct error *err)
{
    bool is_done = false;

    while (!is_done) {
        bool client_is_done = SSL_do_handshake(test->client) == 1;

        if (pump(test, err))
            return -1;
        secure_bio_begin_read(secure_bio_of(test->server), true);
        is_done = SSL_do_handshake(test->server) == 1 && client_is_done;
        secure_bio_flush(secure_bio_of(test->server));
    }
    ERR_clear_error();
    return 0;
}

/* Sends the request and reads until the server closes. */
static int ask(struct self_test *test, struct text *answer, struct error *err)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: self-test\r\nConnection: close\r\n\r\n";
    char bytes[4096];
    int count;

    if (SSL_write(test->client, request, sizeof request - 1) != sizeof request - 1)
        return fail_openssl(err, "self-test: write a request");
    while (!test->is_at_end)
        if (pump(test, err))
            return -1;
    while ((count = SSL_read(test->client, bytes, sizeof bytes)) > 0)
        text_append_bytes(answer, bytes, (size_t)count);
    if (SSL_get_error(test->client, count) != SSL_ERROR_ZERO_RETURN)
        return fail_openssl(err, "self-test: the connection ended without close_notify");
    return 0;
}

static bool contains(const struct text *text, const char *wanted)
{
    return text->at && memmem(text->at, text->length, wanted, strlen(wanted));
}

static bool calls_arrived(const struct interpose_counts *before)
{
    struct interpose_counts after;

    interpose_counted(&after);
    return after.recv != before->recv && after.sendmsg != before->sendmsg &&
           after.close != before->close && after.epoll_wait != before->epoll_wait;
}

static int judge(const struct self_test *test, const struct text *answer,
                 const struct interpose_counts *before, struct error *err)
{
    const struct timespec moment = {.tv_nsec = 1000000};

    /* We may have read the end before libmicrohttpd went back to its epoll_wait. */
    while (!calls_arrived(before) && clock_monotonic_ms() < test->give_up_at_ms)
        nanosleep(&moment, NULL);
    if (!calls_arrived(before))
        return fail_internal(err, "self-test: libmicrohttpd's calls do not arrive here");
    if (!contains(answer, SECURE_SELF_TEST_BODY))
        return fail_internal(err, "self-test: the answer did not come through");
    if (contains(&test->wire, SECURE_SELF_TEST_BODY))
        return fail_internal(err, "self-test: plain text was seen on the wire");
    return 0;
}

static int hand_over(struct self_test *test, self_test_serve_fn serve, void *arg, struct error *err)
{
    const struct peer nobody = {.address_text = "self-test"};
    int fd = test->server_fd;

    if (secure_socket_attach(fd, test->server, &nobody, err))
        return -1;
    test->server = NULL;
    test->server_fd = -1;
    return serve(fd, arg, err);
}

int secure_socket_self_test(self_test_serve_fn serve, void *arg, struct error *err)
{
    CLEANUP(clear)
    struct self_test test = {
        .server_fd = -1, .client_fd = -1, .give_up_at_ms = clock_monotonic_ms() + PATIENCE_MS};
    CLEANUP(text_clear) struct text answer = {0};
    struct interpose_counts before;
    int ends[2];

    if (loopback_pair(ends, err))
        return -1;
    test.server_fd = ends[0];
    test.client_fd = ends[1];
    if (open_server(&test, err) || open_client(&test, err) || shake_hands(&test, err))
        return -1;
    interpose_counted(&before);
    interpose_count(true);
    int result = hand_over(&test, serve, arg, err) || ask(&test, &answer, err) ||
                 judge(&test, &answer, &before, err);
    interpose_count(false);
    return result ? -1 : 0;
}
