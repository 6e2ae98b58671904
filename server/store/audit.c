/* SPDX-License-Identifier: Apache-2.0 */
/* hash = SHA-256("ota-audit-v1\n" and the record as canonical JSON); the record holds the hash
 * before it, so that no record can be changed, left out or put in without all later hashes
 * changing. */
#include "store/audit.h"

#include "core/clock.h"
#include "core/digest.h"
#include "core/text.h"
#include "store/audit.sql.h"

#include <string.h>

static const char hash_prefix[] = "ota-audit-v1\n";

/* One link of the chain. */
struct link {
    int64_t sequence;
    uint8_t hash[SHA256_SIZE];
};

static const char *text_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

/* A canonical JSON string: only `"` and `\` are escaped. */
static void append_string(struct text *out, const char *string)
{
    text_append_bytes(out, "\"", 1);
    for (; *string; string++) {
        if (*string == '"' || *string == '\\')
            text_append_bytes(out, "\\", 1);
        text_append_bytes(out, string, 1);
    }
    text_append_bytes(out, "\"", 1);
}

static void append_member(struct text *out, const char *name, const char *value)
{
    text_format(out, "\"%s\":", name);
    append_string(out, text_or(value, ""));
    text_append_bytes(out, ",", 1);
}

/* Members in order of their names, as canonical JSON has them. */
static int hash_record(const struct audit *audit, const struct link *previous,
                       uint8_t ret[SHA256_SIZE], struct error *err)
{
    CLEANUP(text_clear) struct text record = {0};
    char at[CLOCK_TEXT_SIZE], previous_hex[SHA256_HEX_SIZE];

    hex_from_bytes(previous->hash, SHA256_SIZE, previous_hex);
    text_append(&record, hash_prefix);
    text_append_bytes(&record, "{", 1);
    append_member(&record, "action", audit->action);
    text_append(&record, "\"actor\":{");
    append_member(&record, "id", audit->actor);
    text_append(&record, "\"type\":");
    append_string(&record, text_or(audit->actor_kind, ""));
    text_append(&record, "},");
    append_member(&record, "detail", audit->detail);
    append_member(&record, "object", audit->object);
    append_member(&record, "outcome", audit->outcome);
    append_member(&record, "prev", previous_hex);
    append_member(&record, "req_id", audit->request);
    text_append(&record, "\"seq\":");
    text_number(&record, previous->sequence + 1);
    text_append_bytes(&record, ",", 1);
    append_member(&record, "src", audit->source);
    text_append(&record, "\"ts\":");
    append_string(&record, clock_text(audit->at, at));
    text_append_bytes(&record, "}", 1);
    if (record.is_broken)
        return fail_internal(err, "out of memory for an audit record");
    sha256(record.at, record.length, ret);
    return 0;
}

/* Zeros before the first. */
static int last_link(struct tx *tx, struct link *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, audit_last_sql);
    size_t length;

    *ret = (struct link){0};
    switch (query_step(&q, err)) {
    case STEP_FAILED:
        return -1;
    case STEP_DONE:
        return 0;
    case STEP_ROW:
        break;
    }
    ret->sequence = query_number(&q, 0);
    const void *hash = query_blob(&q, 1, &length);
    if (length != sizeof ret->hash)
        return fail_internal(err, "the last audit record has no hash");
    memcpy(ret->hash, hash, sizeof ret->hash);
    return 0;
}

int audit_write(struct tx *tx, const struct audit *audit, struct error *err)
{
    struct audit record = *audit;
    struct link previous;
    uint8_t hash[SHA256_SIZE];

    record.outcome = text_or(audit->outcome, "done");
    if (last_link(tx, &previous, err) || hash_record(&record, &previous, hash, err))
        return -1;
    struct query q = query_start(tx, audit_insert_sql);
    query_bind_number(&q, ":sequence", previous.sequence + 1);
    query_bind_number(&q, ":at", record.at);
    query_bind_text(&q, ":actor_kind", text_or(record.actor_kind, ""));
    query_bind_text(&q, ":actor", text_or(record.actor, ""));
    query_bind_text(&q, ":source", text_or(record.source, ""));
    query_bind_text(&q, ":request", text_or(record.request, ""));
    query_bind_text(&q, ":action", text_or(record.action, ""));
    query_bind_text(&q, ":object", text_or(record.object, ""));
    query_bind_text(&q, ":outcome", record.outcome);
    query_bind_text(&q, ":detail", text_or(record.detail, ""));
    query_bind_blob(&q, ":previous", previous.hash, sizeof previous.hash);
    query_bind_blob(&q, ":hash", hash, sizeof hash);
    return query_run(&q, err);
}

static struct audit read_record(struct query *q)
{
    return (struct audit){
        .at = query_number(q, 1),
        .actor_kind = query_text(q, 2),
        .actor = query_text(q, 3),
        .source = query_text(q, 4),
        .request = query_text(q, 5),
        .action = query_text(q, 6),
        .object = query_text(q, 7),
        .outcome = query_text(q, 8),
        .detail = query_text(q, 9),
    };
}

static bool has_hash(struct query *q, int column, const uint8_t hash[SHA256_SIZE])
{
    size_t length;
    const void *bytes = query_blob(q, column, &length);

    return length == SHA256_SIZE && memcmp(bytes, hash, SHA256_SIZE) == 0;
}

int audit_verify(struct tx *tx, int64_t *ret_last, int64_t *ret_bad, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, audit_page_sql);
    struct link last = {0};
    enum step step;

    query_bind_number(&q, ":after", INT64_MIN);
    query_bind_number(&q, ":limit", INT64_MAX);
    *ret_bad = 0;
    while ((step = query_step(&q, err)) == STEP_ROW) {
        struct audit record = read_record(&q);
        struct link next = {.sequence = query_number(&q, 0)};
        if (hash_record(&record, &last, next.hash, err))
            return -1;
        if (next.sequence != last.sequence + 1 || !has_hash(&q, 10, last.hash) ||
            !has_hash(&q, 11, next.hash)) {
            *ret_bad = last.sequence + 1;
            break;
        }
        last = next;
    }
    *ret_last = last.sequence;
    return step == STEP_FAILED ? -1 : 0;
}

int audit_list(struct tx *tx, int64_t after, int64_t limit, audit_fn each, void *arg,
               struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, audit_page_sql);
    enum step step;

    query_bind_number(&q, ":after", after);
    query_bind_number(&q, ":limit", limit);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        struct audit record = read_record(&q);
        size_t length;
        const uint8_t *hash = query_blob(&q, 11, &length);
        if (length != SHA256_SIZE)
            return fail_internal(err, "an audit record has no hash");
        if (each(query_number(&q, 0), &record, hash, arg, err))
            return -1;
    }
    return step == STEP_FAILED ? -1 : 0;
}
