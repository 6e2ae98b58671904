/* SPDX-License-Identifier: Apache-2.0 */
/* Sends immutable bytes: whole, one range, or several as multipart/byteranges (RFC 9110 sections 13
 * and 14).
 *
 * A whole or a single range is one buffer that libmicrohttpd hands to the socket as it is, or a
 * descriptor for sendfile where the kernel encrypts. Several ranges and shaped transfers go through
 * a content reader, which copies: libmicrohttpd keeps an array of buffers in the connection's
 * memory, which is too small for 256 ranges. */
#include "http/internal.h"

#include "core/clock.h"
#include "core/digest.h"
#include "core/mapped.h"
#include "tls/socket.h"

#include <assert.h>
#include <string.h>

#define READER_BLOCK (64 * KIB)
#define CATCH_UP_MS 250 /* what a stalled shaped transfer may make up for at once */

static bool may_use_ranges(const struct request *req, const struct content *content)
{
    const char *condition = req->head.known[FIELD_IF_RANGE];
    char modified[CLOCK_HTTP_SIZE];

    if (req->method != METHOD_GET || !req->head.known[FIELD_RANGE])
        return false;
    if (!condition)
        return true;
    if (*condition == '"')
        return strcmp(condition, content->etag) == 0;
    return content->modified_at &&
           strcmp(condition, clock_http(content->modified_at, modified)) == 0;
}

static int unsatisfiable(struct reply *reply, struct error *err)
{
    char size[48];

    snprintf(size, sizeof size, "bytes */%lld", (long long)reply->transfer.content.size);
    reply_header(reply, "Content-Range", size);
    return fail_field(err, PROBLEM_RANGE_NOT_SATISFIABLE, "Range", "there are %lld bytes",
                      (long long)reply->transfer.content.size);
}

static int take_ranges(struct reply *reply, struct error *err)
{
    struct transfer *transfer = &reply->transfer;
    const struct request *req = reply->request;
    unsigned most = (unsigned)request_server(req)->config->http_ranges_max;

    transfer->ranges = calloc(most, sizeof *transfer->ranges);
    if (!transfer->ranges)
        return fail(err, PROBLEM_UNAVAILABLE, "out of memory");
    switch (range_parse(req->head.known[FIELD_RANGE], transfer->content.size, most,
                        transfer->ranges, &transfer->range_count)) {
    case RANGE_IGNORED:
        transfer->range_count = 0;
        break;
    case RANGE_UNSATISFIABLE:
        transfer->range_count = 0;
        return unsatisfiable(reply, err);
    case RANGE_SATISFIABLE:
        break;
    }
    return 0;
}

static const char *range_text(const struct transfer *transfer, unsigned i, char text[80])
{
    snprintf(text, 80, "bytes %lld-%lld/%lld", (long long)transfer->ranges[i].first,
             (long long)transfer->ranges[i].last, (long long)transfer->content.size);
    return text;
}

static void add_piece(struct transfer *transfer, const void *at, int64_t length)
{
    transfer->pieces[transfer->piece_count++] = (struct piece){at, length};
    transfer->body_length += length;
}

/* SWUpdate's delta handler lowers the letters of Content-Type before it looks for the boundary, and
 * knows no quotes. */
static void write_boundary(char boundary[17])
{
    uint64_t number = random_number();

    hex_from_bytes(&number, sizeof number, boundary);
}

/* Heads first, pieces after: the text moves while it grows. */
static int lay_out_parts(struct reply *reply, struct error *err)
{
    struct transfer *transfer = &reply->transfer;
    CLEANUP(text_clear) struct text heads = {0};
    char boundary[17], range[80];

    write_boundary(boundary);
    for (unsigned i = 0; i < transfer->range_count; i++) {
        text_format(&heads, "\r\n--%s\r\nContent-Type: %s\r\nContent-Range: %s\r\n\r\n", boundary,
                    transfer->type, range_text(transfer, i, range));
        text_append_bytes(&heads, "", 1);
    }
    text_format(&heads, "\r\n--%s--\r\n", boundary);
    transfer->part_heads = text_take(&heads);
    transfer->pieces = calloc(2 * (size_t)transfer->range_count + 1, sizeof *transfer->pieces);
    if (!transfer->part_heads || !transfer->pieces)
        return fail(err, PROBLEM_UNAVAILABLE, "out of memory");

    const char *at = transfer->part_heads;
    for (unsigned i = 0; i < transfer->range_count; i++) {
        const struct range *span = &transfer->ranges[i];
        add_piece(transfer, at, (int64_t)strlen(at));
        add_piece(transfer, transfer->content.at + span->first, span->last - span->first + 1);
        at += strlen(at) + 1;
    }
    add_piece(transfer, at, (int64_t)strlen(at));
    snprintf(transfer->type, sizeof transfer->type, "multipart/byteranges; boundary=%s", boundary);
    return 0;
}

static int lay_out_span(struct reply *reply, struct error *err)
{
    struct transfer *transfer = &reply->transfer;
    const struct range *span = transfer->range_count ? &transfer->ranges[0] : NULL;
    const uint8_t *at = transfer->content.at + (span ? span->first : 0);
    int64_t length = span ? span->last - span->first + 1 : transfer->content.size;
    char range[80];

    if (span)
        reply_header(reply, "Content-Range", range_text(transfer, 0, range));
    if (transfer->content.rate <= 0) {
        transfer->body_length = length;
        return 0;
    }
    transfer->pieces = calloc(1, sizeof *transfer->pieces);
    if (!transfer->pieces)
        return fail(err, PROBLEM_UNAVAILABLE, "out of memory");
    add_piece(transfer, at, length);
    return 0;
}

/* RFC 6266; names of ours are plain, others are encoded. */
static void add_file_name(struct reply *reply, const char *name)
{
    CLEANUP(text_clear) struct text value = {0};
    bool is_plain = true;

    for (const char *at = name; *at; at++)
        is_plain = is_plain && *at > 0x20 && *at < 0x7f && *at != '"' && *at != '\\';
    text_append(&value, is_plain ? "attachment; filename=\"" : "attachment; filename*=UTF-8''");
    if (is_plain) {
        text_append(&value, name);
        text_append(&value, "\"");
    } else {
        text_url_segment(&value, name);
    }
    if (value.is_broken)
        reply->headers.is_broken = true;
    else
        reply_header(reply, "Content-Disposition", value.at);
}

static void add_validators(struct reply *reply)
{
    const struct content *content = &reply->transfer.content;
    char modified[CLOCK_HTTP_SIZE];

    reply_header(reply, "ETag", content->etag);
    if (content->modified_at)
        reply_header(reply, "Last-Modified", clock_http(content->modified_at, modified));
    if (content->cache_control)
        reply_header(reply, "Cache-Control", content->cache_control);
}

int reply_content(struct reply *reply, const struct content *content, struct error *err)
{
    struct transfer *transfer = &reply->transfer;
    const struct request *req = reply->request;
    const char *match = req->head.known[FIELD_IF_MATCH];
    const char *none_match = req->head.known[FIELD_IF_NONE_MATCH];

    assert(!transfer->is_there && strlen(content->type) < sizeof transfer->type);
    reply_drop_body(reply);
    transfer->is_there = true;
    transfer->content = *content;
    strcpy(transfer->type, content->type);

    if (match && !etag_is_listed(match, content->etag, true))
        return fail_field(err, PROBLEM_PRECONDITION_FAILED, "If-Match", "it is %s", content->etag);
    if (none_match && etag_is_listed(none_match, content->etag, false)) {
        add_validators(reply);
        return reply_empty(reply, 304);
    }
    if (may_use_ranges(req, content) && take_ranges(reply, err))
        return -1;
    if (transfer->range_count > 1 ? lay_out_parts(reply, err) : lay_out_span(reply, err))
        return -1;
    add_validators(reply);
    reply_header(reply, "Accept-Ranges", "bytes");
    if (content->file_name)
        add_file_name(reply, content->file_name);
    reply->status = transfer->range_count ? 206 : 200;
    reply->type = transfer->type;
    reply->body = REPLY_CONTENT;
    transfer->has_body = req->method == METHOD_GET;
    return 0;
}

int transfer_confirm(struct reply *reply, struct error *err)
{
    const struct content *content = &reply->transfer.content;

    if (reply->body != REPLY_CONTENT || !reply->transfer.has_body)
        return 0;
    secure_socket_label_transfer(reply->request->client->fd, content->campaign_row,
                                 content->release_row);
    if (request_still_allowed(reply->request, err))
        return -1;
    if (content->is_still_wanted && !content->is_still_wanted(content->arg))
        return fail(err, PROBLEM_NOT_FOUND, "%s", "");
    return 0;
}

/* Milliseconds until the next byte may leave. */
static int64_t shaping_wait(struct transfer *transfer)
{
    int64_t now = clock_monotonic_ms();
    int64_t due =
        transfer->shaped_since_ms + transfer->shaped_bytes * 1000 / transfer->content.rate;

    if (due + CATCH_UP_MS < now) {
        transfer->shaped_since_ms += now - due - CATCH_UP_MS;
        due = now - CATCH_UP_MS;
    }
    return due - now;
}

static void on_alarm(struct alarm *alarm)
{
    struct transfer *transfer =
        (struct transfer *)((char *)alarm - offsetof(struct transfer, alarm));
    struct reply *reply = (struct reply *)((char *)transfer - offsetof(struct reply, transfer));

    request_come_back(reply->request);
}

static ssize_t wait_for_turn(struct reply *reply, int64_t wait_ms)
{
    struct request *req = reply->request;

    if (!request_go_away(req))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    reply->transfer.alarm.ring = on_alarm;
    if (!alarms_set(request_server(req)->alarms, &reply->transfer.alarm, wait_ms))
        request_come_back(req);
    return 0;
}

/* -1 when the file underneath failed: zeros must not leave in its place. */
static ssize_t copy_pieces(struct transfer *transfer, char *to, size_t most)
{
    size_t copied = 0;

    while (copied < most && transfer->piece < transfer->piece_count) {
        const struct piece *piece = &transfer->pieces[transfer->piece];
        int64_t left = piece->length - transfer->piece_offset;
        size_t count = (int64_t)(most - copied) < left ? most - copied : (size_t)left;
        memcpy(to + copied, piece->at + transfer->piece_offset, count);
        if (!mapped_is_intact(piece->at + transfer->piece_offset, count))
            return -1;
        copied += count;
        transfer->piece_offset += (int64_t)count;
        if (transfer->piece_offset == piece->length) {
            transfer->piece++;
            transfer->piece_offset = 0;
        }
    }
    return (ssize_t)copied;
}

static ssize_t read_pieces(void *arg, uint64_t position, char *to, size_t most)
{
    struct reply *reply = arg;
    struct transfer *transfer = &reply->transfer;
    int64_t rate = transfer->content.rate;

    (void)position; /* it only grows: libmicrohttpd reads one reply for one connection */
    if (rate > 0) {
        int64_t wait_ms = shaping_wait(transfer);
        if (wait_ms > 0)
            return wait_for_turn(reply, wait_ms);
        size_t share = rate < 4 ? 1 : (size_t)(rate / 4);
        most = most < share ? most : share;
    }
    ssize_t copied = copy_pieces(transfer, to, most);
    if (copied < 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    transfer->shaped_bytes += copied;
    return copied;
}

static struct MHD_Response *file_response(const struct transfer *transfer, int64_t first)
{
    int fd = dup(transfer->content.fd);
    struct MHD_Response *response;

    if (fd < 0)
        return NULL;
    response = MHD_create_response_from_fd_at_offset64((uint64_t)transfer->body_length, fd,
                                                       (uint64_t)first);
    if (!response)
        close(fd);
    return response;
}

struct MHD_Response *transfer_response(struct reply *reply)
{
    struct transfer *transfer = &reply->transfer;
    int fd = reply->request->client->fd;
    int64_t first = transfer->range_count ? transfer->ranges[0].first : 0;
    struct MHD_Response *response = NULL;

    transfer->sent_before = secure_socket_sent(fd);
    transfer->shaped_since_ms = clock_monotonic_ms();
    if (transfer->pieces && transfer->has_body)
        return MHD_create_response_from_callback((uint64_t)transfer->body_length, READER_BLOCK,
                                                 read_pieces, reply, NULL);
    if (transfer->has_body && transfer->content.fd >= 0 && transfer->body_length > 0 &&
        secure_socket_has_kernel_tls(fd))
        response = file_response(transfer, first);
    if (!response)
        response = MHD_create_response_from_buffer(
            (size_t)transfer->body_length, (void *)(uintptr_t)(transfer->content.at + first),
            MHD_RESPMEM_PERSISTENT);
    return response;
}

/* What the socket took of the body. The head is ours plus the lines libmicrohttpd adds. */
static int64_t sent_of(const struct reply *reply)
{
    static const char whole[] = "HTTP/1.1 200 OK\r\n", part[] = "HTTP/1.1 206 Partial Content\r\n",
                      added[] = "Date: Fri, 20 Nov 2026 00:00:00 GMT\r\nContent-Length: \r\n\r\n";
    const struct transfer *transfer = &reply->transfer;
    int64_t sent =
        (int64_t)(secure_socket_sent(reply->request->client->fd) - transfer->sent_before);

    sent -= transfer->head_length + (int64_t)sizeof added - 1;
    sent -= (int64_t)(transfer->range_count ? sizeof part : sizeof whole) - 1;
    for (int64_t digits = transfer->body_length; digits > 0; digits /= 10)
        sent--;
    return sent < 0 ? 0 : sent > transfer->body_length ? transfer->body_length : sent;
}

void transfer_end(struct reply *reply, bool is_complete)
{
    struct transfer *transfer = &reply->transfer;
    const struct content *content = &transfer->content;

    if (!transfer->is_there)
        return;
    if (transfer->has_body) {
        struct lane *lane = reply->request->client->lane;
        int64_t first = transfer->range_count ? transfer->ranges[0].first : 0;
        int64_t sent = is_complete ? transfer->body_length : sent_of(reply);
        atomic_fetch_add_explicit(&lane->bytes_content, (uint64_t)sent, memory_order_relaxed);
        reply->request->content_first = first;
        reply->request->content_sent = sent;
        if (content->finished)
            content->finished(content->arg, transfer->range_count > 1 ? -1 : first, sent,
                              is_complete);
        secure_socket_label_transfer(reply->request->client->fd, 0, 0);
    }
    if (content->release)
        content->release(content->arg);
    free(transfer->ranges);
    free(transfer->part_heads);
    free(transfer->pieces);
    *transfer = (struct transfer){0};
}
