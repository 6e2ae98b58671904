/* SPDX-License-Identifier: Apache-2.0 */
/* What devices and operators send, and the time that passes. */
#include "engine_inside.h"

#include "core/digest.h"

#include <semaphore.h>
#include <string.h>

/* -- requests -- */

const struct actor engine_operator = {"operator", "alice", "::1", "r1"};

bool is_expected(enum problem problem)
{
    return problem == PROBLEM_OLD_SEQUENCE || problem == PROBLEM_CONFLICT ||
           problem == PROBLEM_NOT_FOUND || problem == PROBLEM_WRONG_STATE ||
           problem == PROBLEM_TOO_MANY || problem == PROBLEM_BAD_FIELD ||
           problem == PROBLEM_PRECONDITION_FAILED || problem == PROBLEM_FORBIDDEN ||
           problem == PROBLEM_GONE;
}

static int poll(struct tx *tx, struct engine *engine, struct op *op, int64_t now, struct error *err)
{
    struct device device;

    if (device_by_row(tx, op->row, &device, err) != STEP_ROW)
        die("device row %lld is not there", (long long)op->row);
    return campaign_poll(tx, engine->campaigns, &device, now + op->later_by, &op->decision, err);
}

/* Over DDI equal words are one message; a native report's number makes it one of its own. */
static void hash_report(const struct op *op, uint8_t ret[32])
{
    char body[128];

    snprintf(body, sizeof body, "%lld %lld %d %s %.40s", (long long)op->sequence,
             (long long)op->action, op->report, op->class ? op->class : "", op->detail);
    sha256(body, strlen(body), ret);
}

static int take_report(struct tx *tx, struct engine *engine, struct op *op, struct device *device,
                       int64_t now, struct error *err)
{
    struct report report = {.kind = op->report,
                            .class = op->class,
                            .detail = op->detail[0] ? op->detail : NULL,
                            .is_final = op->is_final};
    struct deployment deployment;
    enum step step = deployment_by_action(tx, device->row_id, op->action, &deployment, err);

    if (step != STEP_ROW)
        return step == STEP_DONE ? fail(err, PROBLEM_NOT_FOUND, "no such action") : -1;
    hash_report(op, report.hash);
    if (campaign_take_report(tx, engine->campaigns, device, &deployment, &report, now, &op->result,
                             err))
        return -1;
    return op->result == REPORT_CLOSED ? fail(err, PROBLEM_CONFLICT, "the deployment is over") : 0;
}

/* In the order in which api/device/native_status.c takes them. */
static int take_status(struct tx *tx, struct engine *engine, struct op *op, int64_t now,
                       struct error *err)
{
    const struct evidence evidence = {op->version, op->boot_id, op->uptime, op->floor};
    struct device device;
    uint8_t hash[32];
    bool is_repeat = false;

    hash_report(op, hash);
    if (device_by_row(tx, op->row, &device, err) != STEP_ROW)
        die("device row %lld is not there", (long long)op->row);
    if (op->sequence && op->sequence == device.report_seq &&
        device_report_is(tx, device.row_id, hash, &is_repeat, err))
        return -1;
    if (is_repeat) {
        op->result = REPORT_DUPLICATE;
        return 0;
    }
    if (op->sequence && op->sequence <= device.report_seq)
        return fail(err, PROBLEM_OLD_SEQUENCE, "a later report was taken already");
    if ((op->has_evidence && device_take_evidence(tx, &device, &evidence, now, err)) ||
        (op->has_report && take_report(tx, engine, op, &device, now, err)) ||
        (op->has_evidence && campaign_take_evidence(tx, engine->campaigns, &device, now, err)))
        return -1;
    return op->sequence ? device_set_report(tx, &device, op->sequence, hash, err) : 0;
}

static int agree(struct tx *tx, struct engine *engine, struct op *op, int64_t now,
                 struct error *err)
{
    const struct consent consent = {.is_given = true, .by = "keeper"};
    struct deployment deployment;
    struct device device;

    if (device_by_row(tx, op->row, &device, err) != STEP_ROW)
        die("device row %lld is not there", (long long)op->row);
    enum step step = deployment_by_action(tx, device.row_id, op->action, &deployment, err);
    if (step != STEP_ROW)
        return step == STEP_DONE ? fail(err, PROBLEM_NOT_FOUND, "no such action") : -1;
    return campaign_consent(tx, engine->campaigns, &device, &deployment, &consent, now, err);
}

static int act(struct tx *tx, struct engine *engine, struct op *op, int64_t now, struct error *err)
{
    json_auto_t *arguments = op->arguments ? json_loads(op->arguments, 0, NULL) : NULL;

    return campaign_act(tx, engine->campaigns, op->row, op->verb, arguments, &engine_operator, now,
                        err);
}

static int write_one(struct engine *engine, struct op *op, int64_t now, struct error *err)
{
    CLEANUP(tx_end) struct tx tx = {0};
    int failed;

    if (tx_write(&tx, engine->store, err))
        return -1;
    op->is_fresh = op->kind == OP_POLL && strcmp(op->decision.reason, "offer") == 0;
    if (op->kind == OP_POLL)
        failed = poll(&tx, engine, op, now, err);
    else if (op->kind == OP_STATUS)
        failed = take_status(&tx, engine, op, now + op->later_by, err);
    else if (op->kind == OP_CONSENT)
        failed = agree(&tx, engine, op, now, err);
    else if (op->kind == OP_ACT)
        failed = act(&tx, engine, op, now, err);
    else
        failed = steer(&tx, engine, op, now, err);
    return failed ? -1 : tx_commit(&tx, err);
}

struct batch {
    struct write_job job;
    struct engine *engine;
    struct op *ops;
    size_t count;
    int64_t now;
    bool is_durable;
    sem_t done;
};

static bool must_write(const struct op *op)
{
    return op->kind != OP_POLL || op->decision.verdict == VERDICT_WRITE;
}

/* One transaction after the other within one commit, as requests are that come together. */
static int run_batch(struct write_job *job, struct store *store)
{
    struct batch *batch = (struct batch *)job;

    (void)store;
    for (size_t i = 0; i < batch->count; i++) {
        struct op *op = &batch->ops[i];
        struct error err = {0};

        op->problem = PROBLEM_NONE;
        if (!must_write(op) || write_one(batch->engine, op, batch->now, &err) == 0)
            continue;
        op->problem = err.problem;
        if (!is_expected(err.problem))
            die("request %d of row %lld: %s %s", op->kind, (long long)op->row, err.detail,
                err.cause);
    }
    return 0;
}

static void end_batch(struct write_job *job, bool is_durable)
{
    struct batch *batch = (struct batch *)job;

    batch->is_durable = is_durable;
    sem_post(&batch->done);
}

static void ask_readers(struct engine *engine, struct op *ops, size_t count, int64_t now)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err = {0};

    demand(tx_read(&tx, engine->store, &err), &err, "tx_read");
    for (size_t i = 0; i < count; i++)
        if (ops[i].kind == OP_POLL)
            demand(poll(&tx, engine, &ops[i], now, &err), &err, "campaign_poll");
}

void engine_run(struct engine *engine, struct op *ops, size_t count, int64_t now)
{
    struct batch batch = {
        .job = {.run = run_batch, .done = end_batch},
        .engine = engine,
        .ops = ops,
        .count = count,
        .now = now
    };
    struct error err = {0};
    bool writes = false;

    ask_readers(engine, ops, count, now);
    for (size_t i = 0; i < count && !writes; i++)
        writes = must_write(&ops[i]);
    if (!writes)
        return;
    sem_init(&batch.done, 0, 0);
    demand(store_submit(engine->store, &batch.job, &err), &err, "store_submit");
    while (sem_wait(&batch.done))
        ;
    sem_destroy(&batch.done);
    if (!batch.is_durable)
        die("a batch was lost");
}

bool engine_allows(struct engine *engine, int64_t device_row, int64_t release_row)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct decision decision;
    struct error err = {0};

    demand(tx_read(&tx, engine->store, &err), &err, "tx_read");
    enum step step = campaign_allows_artifact(&tx, device_row, release_row, &decision, &err);
    demand(step == STEP_FAILED, &err, "campaign_allows_artifact");
    return step == STEP_ROW;
}

void engine_serve(struct engine *engine, int64_t deployment_row, int64_t first, int64_t sent,
                  int64_t size)
{
    campaign_note_transfer(engine->campaigns, deployment_row, first, sent, size);
}

/* -- time -- */

void engine_touch(struct engine *engine, int64_t device_row, int64_t now)
{
    size_t row = (size_t)device_row;

    if (row >= engine->seen_room) {
        size_t room = 2 * row;

        engine->seen = need(realloc(engine->seen, room * sizeof *engine->seen));
        memset(engine->seen + engine->seen_room, 0,
               (room - engine->seen_room) * sizeof *engine->seen);
        engine->seen_room = room;
    }
    if (!engine->seen[row] && engine->heard_count == engine->heard_room) {
        engine->heard_room = engine->heard_room ? 2 * engine->heard_room : 64;
        engine->heard = need(realloc(engine->heard, engine->heard_room * sizeof *engine->heard));
    }
    if (!engine->seen[row])
        engine->heard[engine->heard_count++] = device_row;
    engine->seen[row] = now;
}

static int write_seen(struct tx *tx, void *arg, struct error *err)
{
    struct engine *engine = arg;

    for (size_t i = 0; i < engine->heard_count; i++)
        if (add_seen(tx, engine->heard[i], engine->seen[engine->heard[i]], err))
            return -1;
    return 0;
}

void engine_tick(struct engine *engine, int64_t now)
{
    struct error err = {0};

    if (engine->heard_count) {
        demand(store_write(engine->store, write_seen, engine, &err), &err, "write last seen");
        for (size_t i = 0; i < engine->heard_count; i++)
            engine->seen[engine->heard[i]] = 0;
        engine->heard_count = 0;
    }
    demand(campaigns_tick(engine->campaigns, now, &err), &err, "campaigns_tick");
}

/* -- campaigns -- */

struct creation {
    struct engine *engine;
    const struct campaign_order *order;
    int64_t now, row;
};

static int set_salt(struct tx *tx, const struct creation *creation, struct error *err)
{
    static const char salt[] = "UPDATE campaign SET salt = :salt WHERE row_id = :row";
    uint8_t hash[32];
    CLEANUP(query_finish) struct query q = query_start(tx, salt);

    sha256(&creation->order->salt_seed, sizeof creation->order->salt_seed, hash);
    query_bind_blob(&q, ":salt", hash, 16);
    query_bind_number(&q, ":row", creation->row);
    return query_run(&q, err);
}

static int create(struct tx *tx, void *arg, struct error *err)
{
    struct creation *creation = arg;
    json_error_t where;
    json_auto_t *wish = json_loads(creation->order->wish, 0, &where);

    if (!wish)
        die("%s: %s", creation->order->wish, where.text);
    if (campaign_create(tx, creation->engine->campaigns, 1, wish, &engine_operator, creation->now,
                        &creation->row, err) ||
        set_salt(tx, creation, err))
        return -1;
    if (!creation->order->starts)
        return 0;
    return campaign_act(tx, creation->engine->campaigns, creation->row, CAMPAIGN_START, NULL,
                        &engine_operator, creation->now, err);
}

int64_t engine_create(struct engine *engine, const struct campaign_order *order, int64_t now,
                      enum problem *ret_problem)
{
    struct creation creation = {engine, order, now, 0};
    struct error err = {0};

    if (store_write(engine->store, create, &creation, &err) == 0)
        return creation.row;
    if (!ret_problem || !is_expected(err.problem))
        die("campaign %s: %s %s %s", order->wish, err.field, err.detail, err.cause);
    *ret_problem = err.problem;
    return 0;
}
