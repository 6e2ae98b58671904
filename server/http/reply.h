/* SPDX-License-Identifier: Apache-2.0 */
/* The answer to one request. Functions that set the answer return 0 or HANDLE_FAILED, so a handler
 * ends with `return reply_…`. Reply memory is handed over here and nowhere else. */
#ifndef OTAD_HTTP_REPLY_H
#define OTAD_HTTP_REPLY_H

#include "core/error.h"
#include "core/text.h"

#include <jansson.h>
#include <stdint.h>

struct reply;

int reply_empty(struct reply *reply, int status); /* Content-Length: 0 */
/* Takes the text (it is empty after), which must be JSON. An ETag of the body is added to GET
 * answers and If-None-Match answered with 304 when `with_etag`. */
int reply_json_text(struct reply *reply, int status, struct text *json, bool with_etag);
/* A JSON answer that has been given is called `type` after all, a constant string. */
void reply_json_type(struct reply *reply, const char *type);
/* Takes the reference. */
int reply_json(struct reply *reply, int status, json_t *value);
/* Copies. */
int reply_bytes(struct reply *reply, int status, const char *type, const void *bytes,
                size_t length);
/* For constant data that lives as long as the program. */
int reply_static(struct reply *reply, int status, const char *type, const void *bytes,
                 size_t length);
/* What was answered so far; NULL bytes when that is not one block of memory. Borrowed. */
void reply_written(const struct reply *reply, int *ret_status, const void **ret_bytes,
                   size_t *ret_length);
/* Adds a header; the value is refused (assert) when it holds control characters. */
void reply_header(struct reply *reply, const char *name, const char *value);

/* Immutable content behind a mapping: whole, single range, or up to `ranges_max` ascending ranges;
 * HEAD, If-None-Match, If-Range as RFC 9110 sections 13 and 14. */
struct content {
    const uint8_t *at;
    int64_t size;
    int fd; /* the same bytes, for sendfile under kernel TLS; stays the owner's */
    const char *type;
    char etag[80];              /* strong, with its quotes */
    const char *file_name;      /* for Content-Disposition; NULL: none; borrowed for the call */
    int64_t modified_at;        /* Last-Modified; 0: none */
    const char *cache_control;  /* constant string */
    int64_t rate;               /* bytes per second; 0: unshaped */
    void (*release)(void *arg); /* called once, when the last byte left or the peer is gone */
    /* Called once before release, on the connection's thread: bytes of the reply body accepted by
     * the socket; `first` is the offset of the first of them, -1 when there were several ranges.
     * Not called for replies without content (HEAD, 304, 412, 416). Must not block. NULL: nobody
     * asks. */
    void (*finished)(void *arg, int64_t first, int64_t sent, bool is_complete);
    /* Asked once on the connection's thread after the labels below are set and before the first
     * byte leaves, so that an abort between the handler's look and the labels is not missed. NULL:
     * yes. */
    bool (*is_still_wanted)(void *arg);
    void *arg;
    int64_t campaign_row, release_row; /* labels: emergency stop and abort cut by them */
};
/* Takes the content, also when it fails. */
int reply_content(struct reply *reply, const struct content *content, struct error *err);

#endif
