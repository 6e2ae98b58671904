/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs that are sure to share one commit: a first job holds the writer until all are queued. */
#ifndef OTAD_WRITE_BATCH_H
#define OTAD_WRITE_BATCH_H

#include "unit/temporary_store.h"

#include <semaphore.h>

struct plan {
    struct write_job job;
    int (*work)(struct tx *tx, int64_t id, struct error *err);
    int64_t id;
    bool commits;
    bool has_run;
    bool is_durable;
    struct error err;
    sem_t *told;
};

static inline int run_plan(struct write_job *job, struct store *store)
{
    struct plan *plan = (struct plan *)job;
    CLEANUP(tx_end) struct tx tx = {0};

    plan->has_run = true;
    if (tx_write(&tx, store, &plan->err) || plan->work(&tx, plan->id, &plan->err))
        return -1;
    return plan->commits ? tx_commit(&tx, &plan->err) : -1;
}

static inline void plan_done(struct write_job *job, bool is_durable)
{
    struct plan *plan = (struct plan *)job;

    plan->is_durable = is_durable;
    sem_post(plan->told);
}

struct gate {
    struct write_job job;
    sem_t entered, open;
};

static inline int wait_at_gate(struct write_job *job, struct store *store)
{
    struct gate *gate = (struct gate *)job;

    (void)store;
    sem_post(&gate->entered);
    sem_wait(&gate->open);
    return 0;
}

static inline void gate_done(struct write_job *job, bool is_durable)
{
    (void)job;
    (void)is_durable;
}

/* Returns when the writer stands in it. */
static inline void close_gate(struct gate *gate, struct store *store)
{
    struct error err;

    *gate = (struct gate){
        .job = {.run = wait_at_gate, .done = gate_done}
    };
    sem_init(&gate->entered, 0, 0);
    sem_init(&gate->open, 0, 0);
    assert_int_equal(store_submit(store, &gate->job, &err), 0);
    sem_wait(&gate->entered);
}

static inline void run_as_one_batch(struct store *store, struct plan *plans, size_t count)
{
    struct gate gate;
    sem_t told;

    sem_init(&told, 0, 0);
    close_gate(&gate, store);
    for (size_t i = 0; i < count; i++) {
        plans[i].job = (struct write_job){.run = run_plan, .done = plan_done};
        plans[i].told = &told;
        assert_int_equal(store_submit(store, &plans[i].job, &plans[i].err), 0);
    }
    sem_post(&gate.open);
    for (size_t i = 0; i < count; i++)
        sem_wait(&told);
}

/* A table of notes to write into. */
static inline void make_notes(struct store *store)
{
    execute(store, "CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT) STRICT");
}

static inline int insert(struct tx *tx, int64_t id, struct error *err)
{
    static const char sql[] = "INSERT INTO note (id, text) VALUES (:id, :text)";
    CLEANUP(query_finish) struct query q = query_start(tx, sql);

    query_bind_number(&q, ":id", id);
    query_bind_text(&q, ":text", "some text");
    return query_run(&q, err);
}

static inline int insert_job(struct tx *tx, void *id, struct error *err)
{
    return insert(tx, *(int64_t *)id, err);
}

static inline int insert_durably(struct store *store, int64_t id, struct error *err)
{
    return store_write(store, insert_job, &id, err);
}

#endif
