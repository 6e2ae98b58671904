/* SPDX-License-Identifier: Apache-2.0 */
/* Where handlers run. A connection that is away is suspended: libmicrohttpd neither reads nor
 * closes it, so its request stays whole however the peer behaves, and the resume that ends its
 * absence hands the memory over from thread to thread. */
#include "http/internal.h"

#include "core/log.h"
#include "tls/socket.h"

#include <assert.h>
#include <stddef.h>

bool request_go_away(struct request *req)
{
    struct http_server *server = request_server(req);

    /* Counted first: whoever stops the server sees either the count or that we saw its flag. */
    atomic_fetch_add(&server->away, 1);
    if (atomic_load(&server->is_stopping)) {
        atomic_fetch_sub(&server->away, 1);
        return false;
    }
    MHD_suspend_connection(req->connection);
    return true;
}

void request_come_back(struct request *req)
{
    struct http_server *server = request_server(req);

    MHD_resume_connection(req->connection);
    atomic_fetch_sub(&server->away, 1);
}

/* The peer's deadlines stand still while it waits for us. */
static bool go_to_work(struct request *req)
{
    secure_socket_phase(req->client->fd, SOCKET_WORKING);
    return request_go_away(req);
}

void request_fail(struct request *req, const struct error *err)
{
    req->err = *err;
    if (req->err.problem == PROBLEM_NONE) {
        fail(&req->err, PROBLEM_UNAVAILABLE, "%s", "");
        snprintf(req->err.cause, sizeof req->err.cause, "no memory for the reply");
    }
    req->step = STEP_ANSWERED;
    reply_problem(&req->reply, &req->err);
}

static int run_handler(struct request *req, struct error *err)
{
    const struct http_hooks *hooks = &request_server(req)->hooks;
    int result = hooks->perform ? hooks->perform(hooks->app, req->route, req, &req->reply, err)
                                : req->route->handle(req, &req->reply, err);

    assert(result != HANDLE_OK || req->reply.body != REPLY_UNSET);
    assert(result != HANDLE_AS_WRITE || req->reply.body == REPLY_UNSET);
    return result;
}

static void settle(struct request *req, int result, struct error *err)
{
    if (result == HANDLE_AS_WRITE)
        result = fail_internal(err, "%s %s asks for the writer where it cannot have it",
                               req->route->method, req->route->path);
    if (result == HANDLE_OK)
        req->step = STEP_ANSWERED;
    else
        request_fail(req, err);
}

/* It is away already, and comes back when the writer is done with it. */
static void submit(struct request *req, bool is_identify)
{
    const struct http_hooks *hooks = &request_server(req)->hooks;
    struct error err = {0};

    req->job.is_identify = is_identify;
    if (hooks->submit(hooks->app, &req->job, &err)) {
        request_fail(req, &err);
        request_come_back(req);
    }
}

/* True when it stayed here, answered with a failure. */
static bool go_to_writer(struct request *req, bool is_identify)
{
    struct error err = {0};

    if (!request_server(req)->hooks.submit || !go_to_work(req)) {
        fail(&err, PROBLEM_UNAVAILABLE, "%s", "");
        request_fail(req, &err);
        return true;
    }
    submit(req, is_identify);
    return false;
}

bool request_identify_on_writer(struct request *req)
{
    return go_to_writer(req, true);
}

static struct request *request_of(struct work *work)
{
    return (struct request *)((char *)work - offsetof(struct request, work));
}

static void work_run(struct work *work)
{
    struct request *req = request_of(work);
    struct error err = {0};

    log_set_request(req->id);
    int result = run_handler(req, &err);
    log_set_request(NULL);
    if (result == HANDLE_AS_WRITE && request_server(req)->hooks.submit) {
        submit(req, false);
        return;
    }
    settle(req, result, &err);
    request_come_back(req);
}

static bool go_to_worker(struct request *req)
{
    struct error err = {0};

    req->work.run = work_run;
    fail(&err, PROBLEM_UNAVAILABLE, "%s", "");
    if (!go_to_work(req)) {
        request_fail(req, &err);
        return true;
    }
    if (!workers_take(request_server(req)->workers, &req->work)) {
        request_fail(req, &err);
        request_come_back(req);
    }
    return false;
}

bool request_perform(struct request *req)
{
    struct error err = {0};

    if (req->route->access == WRITE)
        return go_to_writer(req, false);
    if (req->route->access == WORK)
        return go_to_worker(req);
    int result = run_handler(req, &err);
    if (result == HANDLE_AS_WRITE)
        return go_to_writer(req, false);
    settle(req, result, &err);
    return true;
}

void *http_job_link(struct http_job *job)
{
    return job->link;
}

int http_job_run(struct http_job *job)
{
    struct request *req = job->request;

    log_set_request(req->id);
    req->is_on_writer = true;
    job->err = (struct error){0};
    job->result =
        job->is_identify ? request_identify(req, true, &job->err) : run_handler(req, &job->err);
    req->is_on_writer = false;
    log_set_request(NULL);
    /* A certificate that was written down as pending is refused and written down all the same. */
    return job->result == HANDLE_OK || job->is_identify ? 0 : -1;
}

void http_job_done(struct http_job *job, bool is_durable)
{
    struct request *req = job->request;

    if (!is_durable && job->result == HANDLE_OK) {
        reply_drop(&req->reply);
        job->result = fail(&job->err, PROBLEM_UNAVAILABLE, "%s", "");
    }
    settle(req, job->result, &job->err);
    if (job->is_identify && job->result == HANDLE_OK)
        req->step = STEP_KNOWN;
    request_come_back(req);
}
