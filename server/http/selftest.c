/* SPDX-License-Identifier: Apache-2.0 */
/* The libmicrohttpd half of the start-up proof that what it writes leaves encrypted: a daemon as
 * server.c makes them, one page, one connection. */
#include "http/server.h"

#include "tls/socket.h"

#include <microhttpd.h>
#include <string.h>

static enum MHD_Result answer(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *bytes,
                              size_t *count, void **context)
{
    static const char body[] = SECURE_SELF_TEST_BODY;
    static int seen;

    (void)arg, (void)url, (void)method, (void)version, (void)bytes;
    *count = 0;
    if (*context != &seen) { /* a reply to the first call would end the connection in haste */
        *context = &seen;
        return MHD_YES;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(
        strlen(body), (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT);
    if (!response)
        return MHD_NO;
    enum MHD_Result result = MHD_queue_response(connection, MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}

/* The daemon begins here, not before: its thread must find the connection by an epoll_wait that is
 * counted. */
static int serve(int fd, void *arg, struct error *err)
{
    struct MHD_Daemon **daemon = arg;
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;

    *daemon = MHD_start_daemon(MHD_USE_NO_LISTEN_SOCKET | MHD_USE_EPOLL_INTERNAL_THREAD |
                                   MHD_USE_ITC | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME,
                               0, NULL, NULL, answer, NULL, MHD_OPTION_END);
    if (!*daemon) {
        close(fd);
        return fail_internal(err, "self-test: start libmicrohttpd: %m");
    }
    if (getpeername(fd, (struct sockaddr *)&address, &length)) {
        close(fd);
        return fail_internal(err, "self-test: getpeername: %m");
    }
    if (MHD_add_connection(*daemon, fd, (struct sockaddr *)&address, length) != MHD_YES)
        return fail_internal(err, "self-test: libmicrohttpd does not take the connection");
    return 0;
}

int http_self_test(struct error *err)
{
    struct MHD_Daemon *daemon = NULL;
    int failed = secure_socket_self_test(serve, &daemon, err);

    if (daemon)
        MHD_stop_daemon(daemon);
    return failed;
}
