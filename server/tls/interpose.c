/* SPDX-License-Identifier: Apache-2.0 */
/* The redirected calls. The dynamic linker looks for `recv` and its like in the executable first,
 * so that libmicrohttpd's calls arrive here; descriptors that are not ours go on to libc.
 *
 * All of them must stay visible: with -fvisibility=hidden the linker would quietly pass them over,
 * and plain text would leave. secure_socket_self_test() proves at every start that it does not. */
#include "tls/interpose.h"

#include "tls/stream.h"
#include "tls/table.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <unistd.h>

#define VISIBLE __attribute__((visibility("default")))
#define MICROHTTPD_EVENTS 128 /* of one epoll_wait of libmicrohttpd (MAX_EVENTS) */

_Thread_local bool interpose_is_inside;

static struct libc_calls libc;
static struct {
    atomic_bool is_on;
    atomic_uint recv, send, sendmsg, close, epoll_wait;
} counts;

static void *next_definition(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);

    if (!found)
        abort(); /* a libc without recv: nothing can run */
    return found;
}

/* Before main, and before any thread; but libraries may call close() in constructors before ours.
 */
__attribute__((constructor)) static void find_libc_calls(void)
{
    /* POSIX lets a function's address travel through void *; ISO C needs the detour by memory. */
#define FIND(name)                                                                                 \
    do {                                                                                           \
        void *found_ = next_definition(#name);                                                     \
        memcpy(&libc.name, &found_, sizeof found_);                                                \
    } while (0)
    FIND(recv);
    FIND(send);
    FIND(sendmsg);
    FIND(sendfile64);
    FIND(shutdown);
    FIND(setsockopt);
    FIND(epoll_wait);
    FIND(epoll_ctl);
    FIND(close);
#undef FIND
}

const struct libc_calls *libc_calls(void)
{
    if (!libc.close)
        find_libc_calls();
    return &libc;
}

void interpose_count(bool is_on)
{
    atomic_store(&counts.is_on, is_on);
}

void interpose_counted(struct interpose_counts *ret)
{
    *ret = (struct interpose_counts){counts.recv, counts.send, counts.sendmsg, counts.close,
                                     counts.epoll_wait};
}

static void count(atomic_uint *which)
{
    if (atomic_load_explicit(&counts.is_on, memory_order_relaxed))
        atomic_fetch_add(which, 1);
}

static struct secure_socket *ours(int fd)
{
    return interpose_is_inside ? NULL : table_at(fd);
}

VISIBLE ssize_t recv(int fd, void *bytes, size_t size, int flags)
{
    struct secure_socket *socket = ours(fd);

    count(&counts.recv);
    return socket ? stream_receive(socket, bytes, size)
                  : libc_calls()->recv(fd, bytes, size, flags);
}

VISIBLE ssize_t send(int fd, const void *bytes, size_t size, int flags)
{
    struct secure_socket *socket = ours(fd);
    struct iovec whole = {.iov_len = size};

    count(&counts.send);
    if (!socket)
        return libc_calls()->send(fd, bytes, size, flags);
    memcpy(&whole.iov_base, &bytes, sizeof bytes); /* iovec has no const form */
    return stream_send(socket, &whole, 1);
}

VISIBLE ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct secure_socket *socket = ours(fd);

    count(&counts.sendmsg);
    return socket ? stream_send(socket, message->msg_iov, message->msg_iovlen)
                  : libc_calls()->sendmsg(fd, message, flags);
}

VISIBLE ssize_t sendfile64(int fd, int file, off64_t *offset, size_t size)
{
    struct secure_socket *socket = ours(fd);

    return socket ? stream_send_file(socket, file, offset, size)
                  : libc_calls()->sendfile64(fd, file, offset, size);
}

/* The same function where off_t has 64 bits. */
VISIBLE ssize_t sendfile(int fd, int file, off_t *offset, size_t size)
{
    _Static_assert(sizeof(off_t) == sizeof(off64_t), "large files");
    return sendfile64(fd, file, (off64_t *)offset, size);
}

VISIBLE int shutdown(int fd, int how)
{
    struct secure_socket *socket = ours(fd);

    if (socket && how != SHUT_RD)
        stream_say_goodbye(socket);
    return libc_calls()->shutdown(fd, how);
}

VISIBLE int close(int fd)
{
    struct secure_socket *socket = ours(fd) ? table_remove(fd) : NULL;

    count(&counts.close);
    if (socket)
        stream_free(socket);
    return libc_calls()->close(fd);
}

/* TCP_NODELAY is on and stays on; corking is what our records do already. */
VISIBLE int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
    return ours(fd) ? 0 : libc_calls()->setsockopt(fd, level, name, value, size);
}

/* Remembers who watches our descriptors, so that stream.c can ask for another edge. */
VISIBLE int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    struct secure_socket *socket = ours(fd);

    if (socket) {
        socket->epoll_fd = operation == EPOLL_CTL_DEL ? -1 : epoll_fd;
        if (event)
            socket->watched = *event;
    }
    return libc_calls()->epoll_ctl(epoll_fd, operation, fd, event);
}

/* libmicrohttpd 0.9.75 repeats epoll_wait after exactly 128 events, with the original timeout,
 * before it serves any of them: if nothing else happens, 128 ready connections wait for ever. After
 * a full batch the same thread therefore never waits. */
VISIBLE int epoll_wait(int fd, struct epoll_event *events, int most, int timeout)
{
    static _Thread_local int full_batch_of = -1;

    count(&counts.epoll_wait);
    if (full_batch_of == fd && most == MICROHTTPD_EVENTS)
        timeout = 0;
    int found = libc_calls()->epoll_wait(fd, events, most, timeout);
    full_batch_of = found == MICROHTTPD_EVENTS ? fd : -1;
    return found;
}
