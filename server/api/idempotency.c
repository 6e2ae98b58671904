/* SPDX-License-Identifier: Apache-2.0 */
/* Around the handlers of writes: what runs on the writer is one after the other anyway, and its
 * answer is kept in the same commit. What a worker writes by itself is made to come one after the
 * other per key; a crash between its commit and the keeping of its answer lets it be tried again.
 *
 * Only answers that say it was done are kept: what was refused has changed nothing. */
#include "api/idempotency.h"

#include "api/app.h"
#include "core/digest.h"
#include "core/log.h"
#include "store/idempotency.h"

#include <pthread.h>
#include <string.h>

#define KEY_MAX 128
#define BODY_MAX (1 << 20) /* larger answers are not kept */

/* -- one at a time, for workers -- */

struct turn {
    struct turn *next;
    const char *operator, * key;
};

static pthread_mutex_t turns_lock = PTHREAD_MUTEX_INITIALIZER; /* guards turns */
static pthread_cond_t turn_ended = PTHREAD_COND_INITIALIZER;
static struct turn *turns; /* keys whose request is with a worker */

static bool is_taken(const struct turn *turn)
{
    for (const struct turn *other = turns; other; other = other->next)
        if (strcmp(other->key, turn->key) == 0 && strcmp(other->operator, turn->operator) == 0)
            return true;
    return false;
}

static void turn_take(struct turn *turn)
{
    pthread_mutex_lock(&turns_lock);
    while (is_taken(turn))
        pthread_cond_wait(&turn_ended, &turns_lock);
    turn->next = turns;
    turns = turn;
    pthread_mutex_unlock(&turns_lock);
}

static void turn_end(struct turn *turn)
{
    struct turn **at = &turns;

    pthread_mutex_lock(&turns_lock);
    while (*at != turn)
        at = &(*at)->next;
    *at = turn->next;
    pthread_cond_broadcast(&turn_ended);
    pthread_mutex_unlock(&turns_lock);
}

/* -- kept answers -- */

/* Reads, files that say themselves where they go on, and answers with a secret in them are left
 * out. */
static bool may_bear_key(const struct route *route)
{
    static const char *const writes[] = {"POST", "PUT", "PATCH", "DELETE"};
    bool is_write = false;

    for (size_t i = 0; i < COUNT_OF(writes); i++)
        is_write |= strcmp(route->method, writes[i]) == 0;
    return is_write && route->audience == AUDIENCE_OPERATOR && route->body != FILE_BODY &&
           strcmp(route->scope, "inventory:read") != 0 && strcmp(route->scope, "token:admin") != 0;
}

static int check_key(const char *key, struct error *err)
{
    size_t length = strlen(key);
    bool is_plain = true;

    for (size_t i = 0; i < length; i++)
        is_plain &= key[i] > 0x20 && key[i] < 0x7f;
    return length && length <= KEY_MAX && is_plain
               ? 0
               : fail_field(err, PROBLEM_BAD_FIELD, "Idempotency-Key",
                            "a key has 1 to %d visible ASCII characters", KEY_MAX);
}

static void hash_text(struct digest *digest, const char *text)
{
    digest_add(digest, text, strlen(text) + 1);
}

/* What was asked: the same key under another request is a mistake of the client's. */
static int hash_request(const struct request *req, uint8_t ret[SHA256_SIZE], struct error *err)
{
    struct digest *digest = digest_new(DIGEST_SHA256);
    const char *match = request_header(req, "If-Match");
    const char *name, *value;
    const void *body;
    size_t length;

    if (!digest)
        return fail_internal(err, "memory for a hash");
    request_body(req, &body, &length);
    hash_text(digest, request_method(req));
    hash_text(digest, request_path(req));
    for (unsigned i = 0; (name = request_query_at(req, i, &value)); i++) {
        hash_text(digest, name);
        hash_text(digest, value);
    }
    hash_text(digest, match ? match : "");
    digest_add(digest, body, length);
    digest_end(digest, ret);
    digest_free(&digest);
    return 0;
}

/* HANDLE_OK: answered as before. HANDLE_AS_WRITE: nothing is kept, go on. */
static int answer_again(struct app *app, struct request *req, struct reply *reply,
                        const struct kept_answer *asked, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    CLEANUP(kept_answer_clear) struct kept_answer kept = *asked;

    if (tx_read(&tx, app->store, err))
        return HANDLE_FAILED;
    enum step step = idempotency_find(&tx, &kept, request_now(req), err);
    if (step != STEP_ROW)
        return step == STEP_DONE ? HANDLE_AS_WRITE : HANDLE_FAILED;
    if (memcmp(kept.request_hash, asked->request_hash, sizeof kept.request_hash) != 0)
        return fail_field(err, PROBLEM_UNPROCESSABLE, "Idempotency-Key",
                          "the key was used for another request");
    reply_header(reply, "Idempotency-Replayed", "true");
    if (!kept.body[0])
        return reply_empty(reply, kept.status);
    return reply_bytes(reply, kept.status, "application/json", kept.body, strlen(kept.body));
}

struct keeping {
    const struct app *app;
    struct kept_answer answer;
    int64_t now;
};

static int keep(struct tx *tx, void *arg, struct error *err)
{
    const struct keeping *keeping = arg;

    return idempotency_keep(tx, &keeping->answer, keeping->app->config->operator_idempotency_max,
                            keeping->now, err);
}

static int keep_on_writer(struct keeping *keeping, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};

    return tx_write(&tx, keeping->app->store, err) || keep(&tx, keeping, err) || tx_commit(&tx, err)
               ? -1
               : 0;
}

/* It is done: that its answer cannot be kept does not undo it. */
static void keep_answer(struct app *app, struct request *req, const struct reply *reply,
                        const struct kept_answer *asked)
{
    struct keeping keeping = {.app = app, .answer = *asked, .now = request_now(req)};
    struct error err = {0};
    const void *body;
    size_t length;

    reply_written(reply, &keeping.answer.status, &body, &length);
    if (!body || length > BODY_MAX || keeping.answer.status >= 300)
        return;
    keeping.answer.body = strndup(body, length);
    if (!keeping.answer.body ||
        (request_on_writer(req) ? keep_on_writer(&keeping, &err)
                                : store_write(app->store, keep, &keeping, &err)))
        log_warning("idempotency.not_kept", CAUSE(&err));
    kept_answer_clear(&keeping.answer);
}

static int perform(struct app *app, const struct route *route, struct request *req,
                   struct reply *reply, const struct kept_answer *asked, struct error *err)
{
    int result = answer_again(app, req, reply, asked, err);

    if (result != HANDLE_AS_WRITE)
        return result;
    result = route->handle(req, reply, err);
    if (result == HANDLE_OK)
        keep_answer(app, req, reply, asked);
    return result;
}

int perform_once(void *arg, const struct route *route, struct request *req, struct reply *reply,
                 struct error *err)
{
    const struct identity *identity = request_identity(req);
    const char *key = request_header(req, "Idempotency-Key");
    struct kept_answer asked = {
        .tenant_row = identity->tenant_row, .operator= identity->id, .key = key};
    struct turn turn = {NULL, identity->id, key};

    if (!key || !may_bear_key(route))
        return route->handle(req, reply, err);
    if (check_key(key, err) || hash_request(req, asked.request_hash, err))
        return HANDLE_FAILED;
    if (route->access != WORK || request_on_writer(req))
        return perform(arg, route, req, reply, &asked, err);
    turn_take(&turn);
    int result = perform(arg, route, req, reply, &asked, err);
    turn_end(&turn);
    return result;
}
