/* SPDX-License-Identifier: Apache-2.0 */
/* The calls that libmicrohttpd makes and this executable answers, and libc's own behind them. */
#ifndef OTAD_TLS_INTERPOSE_H
#define OTAD_TLS_INTERPOSE_H

#include "core/error.h"

#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>

/* What the same names mean in libc (or in a sanitizer's library before it). */
struct libc_calls {
    ssize_t (*recv)(int fd, void *bytes, size_t count, int flags);
    ssize_t (*send)(int fd, const void *bytes, size_t count, int flags);
    ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);
    ssize_t (*sendfile64)(int fd, int file, off64_t *offset, size_t count);
    int (*shutdown)(int fd, int how);
    int (*close)(int fd);
    int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t size);
    int (*epoll_wait)(int fd, struct epoll_event *events, int most, int timeout);
    int (*epoll_ctl)(int fd, int operation, int about, struct epoll_event *event);
};
const struct libc_calls *libc_calls(void);

/* While true, this thread's calls go to libc even for our descriptors: OpenSSL itself is speaking.
 */
extern _Thread_local bool interpose_is_inside;

/* How often each function was entered while counting was on: for the self-test. */
struct interpose_counts {
    unsigned recv, send, sendmsg, close, epoll_wait;
};
void interpose_count(bool is_on);
void interpose_counted(struct interpose_counts *ret);

#endif
