/* SPDX-License-Identifier: Apache-2.0 */
#include "http/internal.h"

#include "core/clock.h"
#include "core/log.h"

static const char *who(const struct request *req)
{
    return req->identity.kind == AUDIENCE_ANYONE ? "" : req->identity.id;
}

/* The query is left out: it may hold what nobody should read in a log. A status from 400 up without
 * a problem is an ordinary answer: there is nothing, or not now. */
void access_log(const struct request *req, bool is_complete)
{
    const struct http_server *server = request_server(req);
    const struct reply *reply = &req->reply;
    bool is_ours = req->step == STEP_SENDING; /* else libmicrohttpd or the peer ended it */
    int status = is_ours ? reply->status : 0;
    bool is_problem = status >= 400 && req->err.problem != PROBLEM_NONE;
    const char *problem = is_problem ? problem_slug(req->err.problem) : "";

    if (server->log_requests == LOG_REQUESTS_NONE && status != 500)
        return;
    if (server->log_requests == LOG_REQUESTS_ERRORS && status != 0 && !is_problem)
        return;
    log_event(status == 500 ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "http.request",
              LOG_FIELDS(TEXT("listener", server->name),
                         TEXT("peer", req->client->peer.address_text), TEXT("who", who(req)),
                         TEXT("method", method_text(req->method)), TEXT("path", req->raw_path),
                         NUMBER("status", status),
                         NUMBER("ms", clock_monotonic_ms() - req->began_ms),
                         NUMBER("first", req->content_first), NUMBER("sent", req->content_sent),
                         TEXT("end", is_complete ? "complete" : "cut"), TEXT("problem", problem),
                         CAUSE(&req->err)));
}
