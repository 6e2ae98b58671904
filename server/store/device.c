/* SPDX-License-Identifier: Apache-2.0 */
#include "store/device.h"

#include "core/text.h"
#include "store/device.sql.h"
#include "store/event.h"

#include <assert.h>
#include <string.h>

static const char *const state_names[DEVICE_STATE_COUNT] = {
    [DEVICE_REGISTERED] = "registered",
    [DEVICE_PENDING] = "pending",
    [DEVICE_ACTIVE] = "active",
    [DEVICE_SUSPENDED] = "suspended",
    [DEVICE_REVOKED] = "revoked",
    [DEVICE_RETIRED] = "retired",
    [DEVICE_LOST] = "lost",
};

const char *device_state_name(enum device_state state)
{
    return state_names[state];
}

bool device_state_from_name(const char *name, enum device_state *ret)
{
    for (size_t i = 0; i < COUNT_OF(state_names); i++) {
        if (strcmp(name, state_names[i]) == 0) {
            *ret = (enum device_state)i;
            return true;
        }
    }
    return false;
}

static void read_row(struct query *q, struct device *ret)
{
    *ret = (struct device){
        .row_id = query_number(q, 0),
        .tenant_row = query_number(q, 1),
        .uptime = query_number(q, 9),
        .floor = query_number(q, 10),
        .report_seq = query_number(q, 11),
        .asks_attributes = query_number(q, 12) != 0,
        .created_at = query_number(q, 13),
        .updated_at = query_number(q, 14),
        .channel_row = query_number(q, 16),
        .channel_until_at = query_number(q, 17),
        .quarantine_until_at = query_number(q, 18),
        .announce = query_is_null(q, 19)  ? ANNOUNCE_AUTO
                    : query_number(q, 19) ? ANNOUNCE_YES
                                          : ANNOUNCE_NO,
        .auto_confirm_at = query_number(q, 20),
        .installed_action = query_number(q, 21),
        .state = DEVICE_LOST,
    };
    query_copy(q, 2, ret->id, sizeof ret->id);
    device_state_from_name(query_text(q, 3), &ret->state);
    query_copy(q, 4, ret->model, sizeof ret->model);
    query_copy(q, 5, ret->hardware, sizeof ret->hardware);
    query_copy(q, 6, ret->site, sizeof ret->site);
    query_copy(q, 7, ret->version, sizeof ret->version);
    query_copy(q, 8, ret->boot_id, sizeof ret->boot_id);
    query_copy(q, 15, ret->zone, sizeof ret->zone);
}

static enum step read_one(struct query *q, struct device *ret, struct error *err)
{
    enum step step = query_step(q, err);

    if (step == STEP_ROW)
        read_row(q, ret);
    return step;
}

enum step device_by_fingerprint(struct tx *tx, const uint8_t fingerprint[32], struct device *ret,
                                enum certificate_state *ret_state, int64_t *ret_not_after,
                                struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_by_fingerprint_sql);

    query_bind_blob(&q, ":fingerprint", fingerprint, 32);
    enum step step = read_one(&q, ret, err);
    if (step == STEP_ROW) {
        const char *state = query_text(&q, 22);
        *ret_state = strcmp(state, "active") == 0       ? CERTIFICATE_ACTIVE
                     : strcmp(state, "superseded") == 0 ? CERTIFICATE_SUPERSEDED
                                                        : CERTIFICATE_REVOKED;
        *ret_not_after = query_number(&q, 23);
    }
    return step;
}

enum step device_by_row(struct tx *tx, int64_t row_id, struct device *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_by_row_sql);

    query_bind_number(&q, ":device", row_id);
    return read_one(&q, ret, err);
}

enum step device_by_id(struct tx *tx, int64_t tenant_row, const char *id, struct device *ret,
                       struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_by_id_sql);

    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_text(&q, ":id", id);
    return read_one(&q, ret, err);
}

int device_need(struct tx *tx, int64_t tenant_row, const char *id, struct device *ret,
                struct error *err)
{
    enum step step = device_by_id(tx, tenant_row, id, ret, err);

    if (step == STEP_DONE)
        return fail(err, PROBLEM_NO_SUCH_DEVICE, "device %.64s", id);
    return step == STEP_ROW ? 0 : -1;
}

static int each_row(struct query *q, device_fn each, void *arg, struct error *err)
{
    struct device device;
    enum step step;

    while ((step = read_one(q, &device, err)) == STEP_ROW) {
        int answer = each(&device, arg, err);
        if (answer)
            return answer < 0 ? -1 : 0;
    }
    return step == STEP_DONE ? 0 : -1;
}

/* -- statements with a condition of the caller's -- */

char *statement_with(const char *sql, const char *condition, struct error *err)
{
    static const char place[] = ":condition";
    CLEANUP(text_clear) struct text text = {0};
    const char *at = strstr(sql, place);

    assert(at);
    text_append_bytes(&text, sql, (size_t)(at - sql));
    text_append(&text, condition);
    text_append(&text, at + strlen(place));
    char *whole = text_take(&text);
    if (!whole)
        fail_internal(err, "memory for a statement");
    return whole;
}

/* What a page may be narrowed by beside a condition. */
struct choice {
    const char *value, *parameter, *condition;
};
#define CHOICES 4

static void choices_of(const struct device_page *page, struct choice ret[CHOICES])
{
    ret[0] = (struct choice){page->state, ":state", "d.state = :state"};
    ret[1] = (struct choice){page->model, ":model", "d.model = :model"};
    ret[2] = (struct choice){page->version, ":version", "d.version = :version"};
    ret[3] = (struct choice){page->tag, ":tag",
                             "EXISTS (SELECT 1 FROM device_tag AS t"
                             " WHERE t.device_row = d.row_id AND t.tag = :tag)"};
}

/* `ret` stays NULL when the page is of all devices. */
static int narrowed(const struct device_page *page, const struct choice choices[CHOICES],
                    char **ret, struct error *err)
{
    CLEANUP(text_clear) struct text text = {0};
    CLEANUP(free_string) char *condition = NULL;
    bool is_narrowed = page->where.sql;

    text_format(&text, "(%s)", is_narrowed ? page->where.sql : "1 = 1");
    for (size_t i = 0; i < CHOICES; i++)
        if (choices[i].value) {
            text_format(&text, " AND %s", choices[i].condition);
            is_narrowed = true;
        }
    condition = text_take(&text);
    if (!condition)
        return fail_internal(err, "memory for a condition");
    if (is_narrowed)
        *ret = statement_with(device_page_where_sql, condition, err);
    return is_narrowed && !*ret ? -1 : 0;
}

int device_list(struct tx *tx, const struct device_page *page, device_fn each, void *arg,
                struct error *err)
{
    struct choice choices[CHOICES];
    CLEANUP(free_string) char *sql = NULL;

    choices_of(page, choices);
    if (narrowed(page, choices, &sql, err))
        return -1;
    CLEANUP(query_finish)
    struct query q = sql ? query_start_once(tx, sql) : query_start(tx, device_page_sql);
    query_bind_number(&q, ":tenant", page->tenant_row);
    query_bind_text(&q, ":after", page->after);
    query_bind_number(&q, ":limit", page->limit);
    for (size_t i = 0; i < CHOICES; i++)
        if (choices[i].value)
            query_bind_text(&q, choices[i].parameter, choices[i].value);
    query_bind_texts_after(&q, ":after", page->where.values, page->where.count);
    return each_row(&q, each, arg, err);
}

int device_count_where(struct tx *tx, int64_t tenant_row, const struct device_condition *where,
                       device_count_fn each, void *arg, struct error *err)
{
    CLEANUP(free_string)
    char *sql = statement_with(device_count_where_sql, where->sql ? where->sql : "1 = 1", err);
    enum step step;

    if (!sql)
        return -1;
    CLEANUP(query_finish) struct query q = query_start_once(tx, sql);
    query_bind_number(&q, ":tenant", tenant_row);
    query_bind_texts_after(&q, ":tenant", where->values, where->count);
    while ((step = query_step(&q, err)) == STEP_ROW)
        if (each(query_text_or_null(&q, 0), query_text_or_null(&q, 1), query_number(&q, 2), arg,
                 err))
            return -1;
    return step == STEP_DONE ? 0 : -1;
}

int device_insert(struct tx *tx, struct device *device, int64_t now, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_insert_sql);

    query_bind_number(&q, ":tenant", device->tenant_row);
    query_bind_text(&q, ":id", device->id);
    query_bind_text(&q, ":state", state_names[device->state]);
    query_bind_text(&q, ":model", device->model);
    query_bind_text(&q, ":hardware", device->hardware);
    query_bind_text(&q, ":site", device->site);
    query_bind_number(&q, ":now", now);
    if (query_run(&q, err))
        return -1;
    device->row_id = query_last_row(&q);
    device->uptime = -1;
    device->asks_attributes = true;
    device->created_at = device->updated_at = now;
    tx_changes_identities(tx);
    return event_append(tx,
                        &(struct event){.at = now,
                                        .tenant_row = device->tenant_row,
                                        .kind = "device.state",
                                        .device_row = device->row_id,
                                        .to_state = state_names[device->state],
                                        .cause = "server"},
                        err);
}

int device_set_labels(struct tx *tx, const struct device *device, int64_t now, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_labels_sql);

    query_bind_number(&q, ":device", device->row_id);
    query_bind_text(&q, ":model", device->model);
    query_bind_text(&q, ":hardware", device->hardware);
    query_bind_text(&q, ":site", device->site);
    query_bind_number(&q, ":now", now);
    return query_run(&q, err);
}

int device_set_state(struct tx *tx, struct device *device, enum device_state state,
                     const char *cause, const char *detail, int64_t now, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_state_sql);
    struct event event = {
        .at = now,
        .tenant_row = device->tenant_row,
        .kind = "device.state",
        .device_row = device->row_id,
        .from_state = state_names[device->state],
        .to_state = state_names[state],
        .cause = cause,
        .detail = detail,
    };

    query_bind_number(&q, ":device", device->row_id);
    query_bind_text(&q, ":state", state_names[state]);
    query_bind_number(&q, ":now", now);
    if (query_run(&q, err) || event_append(tx, &event, err))
        return -1;
    device->state = state;
    tx_changes_identities(tx);
    return 0;
}

int device_set_announce(struct tx *tx, struct device *device, enum announce announce, int64_t now,
                        struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_announce_sql);

    query_bind_number(&q, ":device", device->row_id);
    if (announce == ANNOUNCE_AUTO)
        query_bind_null(&q, ":announce");
    else
        query_bind_number(&q, ":announce", announce == ANNOUNCE_YES);
    query_bind_number(&q, ":now", now);
    device->announce = announce;
    return query_run(&q, err);
}

int device_set_auto_confirm(struct tx *tx, struct device *device, int64_t at, const char *by,
                            const char *remark, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_auto_confirm_sql);

    query_bind_number(&q, ":device", device->row_id);
    query_bind_number_or_null(&q, ":at", at);
    query_bind_text(&q, ":by", by ? by : "");
    query_bind_text(&q, ":remark", remark ? remark : "");
    device->auto_confirm_at = at;
    return query_run(&q, err);
}

int device_auto_confirm_words(struct tx *tx, int64_t device_row, char ret_by[LABEL_SIZE],
                              char ret_remark[REMARK_SIZE], struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_auto_confirm_words_sql);

    query_bind_number(&q, ":device", device_row);
    ret_by[0] = ret_remark[0] = '\0';
    enum step step = query_step(&q, err);
    if (step == STEP_ROW) {
        query_copy(&q, 0, ret_by, LABEL_SIZE);
        query_copy(&q, 1, ret_remark, REMARK_SIZE);
    }
    return step == STEP_FAILED ? -1 : 0;
}

int device_set_installed(struct tx *tx, int64_t device_row, int64_t action, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_installed_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_number(&q, ":action", action);
    return query_run(&q, err);
}

int device_drop_installed(struct tx *tx, int64_t device_row, int64_t action, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_not_installed_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_number(&q, ":action", action);
    return query_run(&q, err);
}

int device_set_token(struct tx *tx, int64_t device_row, const uint8_t hash[32], int64_t now,
                     struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_set_token_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_blob_or_null(&q, ":hash", hash, 32);
    query_bind_number_or_null(&q, ":at", hash ? now : 0);
    tx_changes_identities(tx);
    return query_run(&q, err);
}

int device_token(struct tx *tx, int64_t device_row, uint8_t ret_hash[32], int64_t *ret_at,
                 struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_token_sql);
    size_t length = 0;

    query_bind_number(&q, ":device", device_row);
    *ret_at = 0;
    enum step step = query_step(&q, err);
    const void *hash = step == STEP_ROW ? query_blob(&q, 0, &length) : NULL;
    if (hash && length == 32) {
        memcpy(ret_hash, hash, 32);
        *ret_at = query_number(&q, 1);
    }
    return step == STEP_FAILED ? -1 : 0;
}

/* Takes the new text when there is one and it differs. */
static bool take_text(char *at, size_t room, const char *told)
{
    if (!told || strcmp(at, told) == 0)
        return false;
    assert(strlen(told) < room);
    strcpy(at, told);
    return true;
}

static bool take_number(int64_t *at, int64_t told)
{
    if (told < 0 || *at == told)
        return false;
    *at = told;
    return true;
}

static int write_evidence(struct tx *tx, const struct device *device, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_evidence_sql);

    query_bind_number(&q, ":device", device->row_id);
    query_bind_text(&q, ":version", device->version);
    query_bind_text(&q, ":boot_id", device->boot_id);
    query_bind_number(&q, ":uptime", device->uptime);
    query_bind_number(&q, ":floor", device->floor);
    query_bind_number(&q, ":now", device->updated_at);
    return query_run(&q, err);
}

int device_take_evidence(struct tx *tx, struct device *device, const struct evidence *evidence,
                         int64_t now, struct error *err)
{
    char version_before[VERSION_SIZE];

    memcpy(version_before, device->version, sizeof version_before);
    bool is_new_version = take_text(device->version, sizeof device->version, evidence->version);
    bool is_new_boot = take_text(device->boot_id, sizeof device->boot_id, evidence->boot_id);
    bool is_new_uptime = take_number(&device->uptime, evidence->uptime);
    /* A floor only rises; a lower one comes from a late message. */
    bool is_new_floor =
        evidence->floor > device->floor && take_number(&device->floor, evidence->floor);

    if (!is_new_version && !is_new_boot && !is_new_uptime && !is_new_floor)
        return 0;
    device->updated_at = now;
    if (write_evidence(tx, device, err))
        return -1;
    if (!is_new_version)
        return 0;
    return event_append(tx,
                        &(struct event){.at = now,
                                        .tenant_row = device->tenant_row,
                                        .kind = "device.version",
                                        .device_row = device->row_id,
                                        .from_state = version_before,
                                        .to_state = device->version,
                                        .cause = "report"},
                        err);
}

int device_quarantine(struct tx *tx, int64_t device_row, int64_t until_at, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_quarantine_sql);

    query_bind_number(&q, ":device", device_row);
    query_bind_number_or_null(&q, ":until", until_at);
    return query_run(&q, err);
}

int device_ask_attributes(struct tx *tx, struct device *device, bool asks, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_asks_attributes_sql);

    query_bind_number(&q, ":device", device->row_id);
    query_bind_number(&q, ":asks", asks);
    device->asks_attributes = asks;
    return query_run(&q, err);
}

int device_set_report(struct tx *tx, struct device *device, int64_t seq, const uint8_t hash[32],
                      struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_report_sql);

    query_bind_number(&q, ":device", device->row_id);
    query_bind_number(&q, ":seq", seq);
    query_bind_blob(&q, ":hash", hash, 32);
    device->report_seq = seq;
    return query_run(&q, err);
}

int device_report_is(struct tx *tx, int64_t device_row, const uint8_t hash[32], bool *ret,
                     struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, device_report_hash_sql);
    size_t length = 0;

    query_bind_number(&q, ":device", device_row);
    enum step step = query_step(&q, err);
    if (step == STEP_FAILED)
        return -1;
    const void *known = step == STEP_ROW ? query_blob(&q, 0, &length) : NULL;
    *ret = length == 32 && memcmp(known, hash, 32) == 0;
    return 0;
}
