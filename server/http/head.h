/* SPDX-License-Identifier: Apache-2.0 */
/* The request's head beyond what libmicrohttpd checks: it is lenient, and a request that two
 * parsers could read in two ways must not be read at all. Pure: fed with fields, knows no
 * connection. */
#ifndef OTAD_HTTP_HEAD_H
#define OTAD_HTTP_HEAD_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAD_FIELDS_MAX 64
#define HOST_NAME_LENGTH_MAX 253 /* RFC 1035 */
#define PORT_MAX 65535
#define BASE_URL_SIZE (sizeof "https://[]:65535" + HOST_NAME_LENGTH_MAX)

enum method {
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_PATCH,
    METHOD_DELETE,
    METHOD_UNKNOWN
};
enum method method_from_text(const char *text);
const char *method_text(enum method method);

/* Fields that are looked at on every request and may stand there only once. */
enum field {
    FIELD_HOST,
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_CONTENT_TYPE,
    FIELD_CONTENT_ENCODING,
    FIELD_CONTENT_RANGE,
    FIELD_AUTHORIZATION,
    FIELD_EXPECT,
    FIELD_RANGE,
    FIELD_IF_RANGE,
    FIELD_IF_MATCH,
    FIELD_IF_NONE_MATCH,
    FIELD_USER_AGENT,
    FIELD_COUNT
};

struct head {
    const char *known[FIELD_COUNT]; /* borrowed; NULL when absent */
    unsigned count;
    int64_t content_length; /* -1: none */
    bool is_chunked;
};

void head_start(struct head *head);
int head_add(struct head *head, const char *name, size_t name_length, const char *value,
             size_t value_length, struct error *err) MUST_CHECK;

/* The names this server answers to, from a list separated by blanks. */
struct host_names;
int host_names_new(const char *list, struct host_names **ret, struct error *err) MUST_CHECK;
void host_names_free(struct host_names **names);

/* The parts of "host", "host:port" and "[v6]:port"; false when it is none of them. The host may
 * come without its brackets; `ret_port` is 0 without one. */
bool host_split(const char *field, const char **ret_host, size_t *ret_length, int64_t *ret_port);

/* After all fields: framing, Host, Expect. */
int head_check(struct head *head, enum method method, const char *version,
               const struct host_names *names, struct error *err) MUST_CHECK;

#endif
