/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign engine on a store of its own, with time as a variable. Include after cmocka.h. */
#ifndef OTAD_CAMPAIGN_FIXTURE_H
#define OTAD_CAMPAIGN_FIXTURE_H

#include "unit/temporary_store.h"

#include "campaign/apply.h"

#define START_TIME INT64_C(1800000000)

struct fixture {
    struct temporary at;
    struct config *config;
    struct campaigns *campaigns;
    int64_t now;
};

static const struct actor somebody = {"operator", "alice", "::1", "r1"};

#define CHECKED(call, err)                                                                         \
    do                                                                                             \
        if (call)                                                                                  \
            fail_msg("%s:%d: %s: %s %s", __FILE__, __LINE__, #call, (err).detail, (err).cause);    \
    while (0)

/* Releases gw:1.0 and gw:2.0 of one image each (1000 bytes, for hardware gw). */
static inline void fixture_add_releases(struct store *store)
{
    execute(store, "INSERT INTO product VALUES (1, 1, 'gw', 0)");
    execute(store, "INSERT INTO artifact (row_id, sha256, sha512, sha1, md5, size, encoding, "
                   "chunk_offset, chunk_size, chunk_count, state, created_at) VALUES (1, "
                   "zeroblob(32), zeroblob(64), zeroblob(20), zeroblob(16), 1000, 'identity', 0, "
                   "1000, 1, 'whole', 0)");
    execute(store, "INSERT INTO release (row_id, tenant_row, product_row, id, version, "
                   "security_version, security_floor, release_counter, state, metadata_version, "
                   "published_at) VALUES (1, 1, 1, 'gw:1.0', '1.0', 1, 0, 1, 'published', 1, 0), "
                   "(2, 1, 1, 'gw:2.0', '2.0', 2, 0, 2, 'published', 2, 0)");
    execute(store, "INSERT INTO target (row_id, release_row, path, file, component, kind, version, "
                   "security_version, security_floor, release_counter, hardware_ids, custom, "
                   "artifact_row) VALUES "
                   "(1, 1, 'gw/1.0/a', 'a', 'app', 'image', '1.0', 1, 0, 1, '[\"gw\"]', '{}', 1), "
                   "(2, 2, 'gw/2.0/a', 'a', 'app', 'image', '2.0', 2, 0, 2, '[\"gw\"]', '{}', 1)");
}

struct crowd {
    int count;
    const char *version;
};

static inline int do_add_devices(struct tx *tx, void *arg, struct error *err)
{
    static const char devices[] =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :count) "
        "INSERT INTO device (row_id, tenant_row, id, state, model, version, boot_id, created_at, "
        "updated_at) SELECT i, 1, 'dev-' || i, 'active', 'gw', :version, :boot, 0, 0 FROM n";
    static const char seen[] =
        "INSERT INTO device_seen SELECT row_id, :now, '', '' FROM device WHERE true";
    const struct crowd *crowd = arg;
    CLEANUP(query_finish) struct query q = query_start(tx, devices);
    CLEANUP(query_finish) struct query s = query_start(tx, seen);

    query_bind_number(&q, ":count", crowd->count);
    query_bind_text(&q, ":version", crowd->version);
    query_bind_text(&q, ":boot", crowd->version[0] ? "a" : "");
    query_bind_number(&s, ":now", START_TIME);
    return query_run(&q, err) || query_run(&s, err) ? -1 : 0;
}

/* Devices dev-1 … dev-n with rows 1 … n, model gw, seen just now, running `version` in boot "a". */
static inline void fixture_add_devices(struct store *store, int count, const char *version)
{
    struct crowd crowd = {count, version};
    struct error err = {0};

    CHECKED(store_write(store, do_add_devices, &crowd, &err), err);
}

static inline struct fixture *fixture_new(int devices, const char *version)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct error err = {0};

    assert_non_null(f);
    f->now = START_TIME;
    temporary_folder(&f->at);
    temporary_open(&f->at);
    CHECKED(config_defaults("/nonexistent", &f->config, &err), err);
    fixture_add_releases(f->at.store);
    fixture_add_devices(f->at.store, devices, version);
    CHECKED(campaigns_open(f->at.store, f->config, &f->campaigns, &err), err);
    return f;
}

static inline void fixture_free(struct fixture *f)
{
    campaigns_close(&f->campaigns);
    config_free(&f->config);
    temporary_remove(&f->at);
    free(f);
}

static inline void tick(struct fixture *f)
{
    struct error err = {0};

    CHECKED(campaigns_tick(f->campaigns, f->now, &err), err);
}

static inline void pass(struct fixture *f, int64_t seconds)
{
    f->now += seconds;
    tick(f);
}

/* -- jobs on the writer -- */

struct task {
    struct fixture *f;
    int64_t device_row, row;
    const char *wish;
    enum campaign_verb verb;
    const struct report *report;
    enum report_result result;
    const struct evidence *evidence;
    struct decision decision;
};

static inline struct device device_in(struct tx *tx, int64_t row)
{
    struct device device;
    struct error err = {0};

    assert_int_equal(device_by_row(tx, row, &device, &err), STEP_ROW);
    return device;
}

static inline int do_create(struct tx *tx, void *arg, struct error *err)
{
    struct task *task = arg;
    json_auto_t *wish = json_loads(task->wish, 0, NULL);

    assert_non_null(wish);
    return campaign_create(tx, task->f->campaigns, 1, wish, &somebody, task->f->now, &task->row,
                           err);
}

/* A started campaign; returns its row. */
static inline int64_t create(struct fixture *f, const char *wish)
{
    struct task task = {.f = f, .wish = wish};
    struct error err = {0};

    CHECKED(store_write(f->at.store, do_create, &task, &err), err);
    return task.row;
}

static inline int do_act(struct tx *tx, void *arg, struct error *err)
{
    struct task *task = arg;
    json_auto_t *arguments = task->wish ? json_loads(task->wish, 0, NULL) : NULL;

    return campaign_act(tx, task->f->campaigns, task->row, task->verb, arguments, &somebody,
                        task->f->now, err);
}

/* The problem it gave; PROBLEM_NONE when it was done. */
static inline enum problem act(struct fixture *f, int64_t campaign, enum campaign_verb verb,
                               const char *arguments)
{
    struct task task = {.f = f, .row = campaign, .verb = verb, .wish = arguments};
    struct error err = {0};

    return store_write(f->at.store, do_act, &task, &err) ? err.problem : PROBLEM_NONE;
}

static inline int do_poll(struct tx *tx, void *arg, struct error *err)
{
    struct task *task = arg;
    struct device device = device_in(tx, task->device_row);

    return campaign_poll(tx, task->f->campaigns, &device, task->f->now, &task->decision, err);
}

static inline struct decision poll_on_reader(struct fixture *f, int64_t device_row)
{
    CLEANUP(tx_end) struct tx tx = {0};
    struct task task = {.f = f, .device_row = device_row};
    struct error err = {0};

    CHECKED(tx_read(&tx, f->at.store, &err), err);
    CHECKED(do_poll(&tx, &task, &err), err);
    return task.decision;
}

static inline struct decision poll_on_writer(struct fixture *f, int64_t device_row)
{
    struct task task = {.f = f, .device_row = device_row};
    struct error err = {0};

    CHECKED(store_write(f->at.store, do_poll, &task, &err), err);
    return task.decision;
}

/* As the API does it: reader first, writer when asked for. */
static inline struct decision poll_as(struct fixture *f, int64_t device_row)
{
    struct decision decision = poll_on_reader(f, device_row);

    return decision.verdict == VERDICT_WRITE ? poll_on_writer(f, device_row) : decision;
}

static inline int do_report(struct tx *tx, void *arg, struct error *err)
{
    struct task *task = arg;
    struct device device = device_in(tx, task->device_row);
    struct deployment deployment;
    enum step step = deployment_by_action(tx, device.row_id, task->row, &deployment, err);

    if (step != STEP_ROW)
        return step == STEP_DONE ? fail(err, PROBLEM_NOT_FOUND, "action") : -1;
    return campaign_take_report(tx, task->f->campaigns, &device, &deployment, task->report,
                                task->f->now, &task->result, err);
}

static inline enum report_result send_report(struct fixture *f, int64_t device_row, int64_t action,
                                             const struct report *report)
{
    struct task task = {.f = f, .device_row = device_row, .row = action, .report = report};
    struct error err = {0};

    CHECKED(store_write(f->at.store, do_report, &task, &err), err);
    return task.result;
}

/* Equal kinds and words are one message, as equal bodies are. */
static inline enum report_result report_as(struct fixture *f, int64_t device_row, int64_t action,
                                           enum report_kind kind, const char *detail)
{
    struct report report = {.kind = kind,
                            .detail = detail,
                            .is_final = kind == REPORT_SUCCESS || kind == REPORT_FAILURE ||
                                        kind == REPORT_REVERTED || kind == REPORT_CANCELLED};

    snprintf((char *)report.hash, sizeof report.hash, "%d %.20s", kind, detail ? detail : "");
    return send_report(f, device_row, action, &report);
}

static inline int do_evidence(struct tx *tx, void *arg, struct error *err)
{
    struct task *task = arg;
    struct device device = device_in(tx, task->device_row);

    if (device_take_evidence(tx, &device, task->evidence, task->f->now, err))
        return -1;
    return campaign_take_evidence(tx, task->f->campaigns, &device, task->f->now, err);
}

static inline void prove(struct fixture *f, int64_t device_row, const char *version,
                         const char *boot_id, int64_t uptime)
{
    const struct evidence evidence = {version, boot_id, uptime, -1};
    struct task task = {.f = f, .device_row = device_row, .evidence = &evidence};
    struct error err = {0};

    CHECKED(store_write(f->at.store, do_evidence, &task, &err), err);
}

/* -- questions -- */

/* The first column of the first row; `word` and `number` are bound when the statement has them. */
static inline const char *text_with(struct fixture *f, const char *sql, const char *word,
                                    int64_t number)
{
    static char answer[256];
    CLEANUP(tx_end) struct tx tx = {0};
    struct error err = {0};

    CHECKED(tx_read(&tx, f->at.store, &err), err);
    CLEANUP(query_finish) struct query q = query_start(&tx, sql);
    if (word)
        query_bind_text(&q, ":word", word);
    if (number)
        query_bind_number(&q, ":number", number);
    assert_int_equal(query_step(&q, &err), STEP_ROW);
    snprintf(answer, sizeof answer, "%s", query_text(&q, 0));
    return answer;
}

static inline const char *text_of(struct fixture *f, const char *sql)
{
    return text_with(f, sql, NULL, 0);
}

static inline const char *campaign_state(struct fixture *f)
{
    return text_of(f, "SELECT state FROM campaign WHERE row_id = 1");
}

/* "passed open pending": all waves of campaign 1. */
static inline const char *wave_states(struct fixture *f)
{
    return text_of(f, "SELECT group_concat(state, ' ') FROM "
                      "(SELECT state FROM wave WHERE campaign_row = 1 ORDER BY position)");
}

static inline const char *deployment_state(struct fixture *f, int64_t device_row)
{
    return text_with(f, "SELECT state FROM deployment WHERE device_row = :number", NULL,
                     device_row);
}

static inline int64_t counted(struct fixture *f, const char *state)
{
    return atoll(text_with(
        f, "SELECT COALESCE(SUM(count), 0) FROM deployment_count WHERE state = :word", state, 0));
}

#endif
