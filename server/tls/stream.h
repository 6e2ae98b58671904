/* SPDX-License-Identifier: Apache-2.0 */
/* What recv and send mean for a secure socket; results and errno are those of the plain calls. For
 * the thread that owns the connection. */
#ifndef OTAD_TLS_STREAM_H
#define OTAD_TLS_STREAM_H

#include <openssl/types.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

struct secure_socket;

ssize_t stream_receive(struct secure_socket *socket, void *bytes, size_t size);
ssize_t stream_send(struct secure_socket *socket, const struct iovec *parts, size_t count);
ssize_t stream_send_file(struct secure_socket *socket, int file, off64_t *offset, size_t size);

/* For SSL_set_msg_callback(), with the socket as its argument. */
void stream_note_message(int is_written, int version, int type, const void *bytes, size_t size,
                         SSL *ssl, void *arg);

/* Sends close_notify, once, unless the connection is cut or still owes bytes. */
void stream_say_goodbye(struct secure_socket *socket);

/* Says goodbye and frees; the descriptor stays open. */
void stream_free(struct secure_socket *socket);

#endif
