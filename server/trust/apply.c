/* SPDX-License-Identifier: Apache-2.0 */
/* A draft is checked when it is made, so that nobody signs what cannot be published, and again in
 * the transaction that publishes it, because the world may have moved on. In between, images are
 * read from disk: outside any transaction, which they outlast well, being immutable. */
#include "trust/apply_parts.h"

#include "core/text.h"
#include "store/event.h"
#include "store/metadata.h"
#include "store/release.h"
#include "trust/canonical.h"

#include <string.h>

int write_trace(struct tx *tx, const struct trust_request *request, const char *action,
                const char *object, const char *detail, struct error *err)
{
    struct audit audit = request->who;

    audit.at = request->now;
    audit.action = action;
    audit.object = object;
    audit.detail = detail;
    return audit_write(tx, &audit, err);
}

/* The bytes that are served from now on, as event and audit record. */
static int write_metadata(struct tx *tx, const struct trust_request *request,
                          const struct role *role, const struct envelope *envelope,
                          struct error *err)
{
    CLEANUP(text_clear) struct text bytes = {0};
    char object[ROLE_NAME_SIZE + 24], hash[SHA256_HEX_SIZE];

    if (envelope_write(envelope, &bytes, err))
        return -1;
    if (bytes.length > role_size_max(role->kind))
        return fail(err, PROBLEM_BAD_METADATA, "V1: larger than %zu bytes",
                    role_size_max(role->kind));
    struct metadata metadata = {
        .version = role->version,
        .expires_at = role->expires_at,
        .published_at = request->now,
        .bytes = bytes.at,
        .length = bytes.length,
    };
    sha256(bytes.at, bytes.length, metadata.sha256);
    hex_from_bytes(metadata.sha256, SHA256_SIZE, hash);
    snprintf(object, sizeof object, "%lld.%s", (long long)role->version, role->name);
    struct event event = {
        .at = request->now,
        .tenant_row = request->tenant_row,
        .kind = "metadata.published",
        .cause = "operator",
        .detail = object,
    };
    if (metadata_insert(tx, request->tenant_row, role->name, &metadata, request->who.actor, err) ||
        event_append(tx, &event, err))
        return -1;
    return write_trace(tx, request, "tuf.publish", object, hash, err);
}

/* -- the first root -- */

struct root_job {
    const struct trust_request *request;
    const struct envelope *envelope;
    const struct role *role;
};

static int write_root(struct tx *tx, void *arg, struct error *err)
{
    const struct root_job *job = arg;
    int64_t version;

    if (metadata_version(tx, job->request->tenant_row, "root", &version, err))
        return -1;
    if (version)
        return fail(err, PROBLEM_ALREADY_EXISTS, "V5: there is a root already, version %lld",
                    (long long)version);
    return write_metadata(tx, job->request, job->role, job->envelope, err);
}

int trust_publish_root(const struct trust_request *request, const void *bytes, size_t length,
                       struct error *err)
{
    CLEANUP(envelope_clear) struct envelope envelope = {0};
    CLEANUP(role_free) struct role *role = NULL;
    struct role_policy policy = policy_of(request);

    if (envelope_read(bytes, length, role_size_max(ROLE_ROOT), &envelope, err) ||
        role_read("root", envelope.document, &role, err) ||
        role_check_root(NULL, role, &envelope, err) || role_check_policy(role, &policy, err))
        return -1;
    struct root_job job = {request, &envelope, role};
    return store_write(request->store, write_root, &job, err);
}

/* -- publication -- */

void publication_clear(struct publication *publication)
{
    json_decref(publication->releases);
    json_decref(publication->withdrawn);
    free(publication->withdrawn_rows);
    *publication = (struct publication){0};
}

/* A draft that may be published as things stand. Zeroed is empty. */
struct plan {
    struct draft draft;
    struct envelope envelope;
    struct role *role;
    struct history history;
};

static void plan_clear(struct plan *plan)
{
    draft_clear(&plan->draft);
    envelope_clear(&plan->envelope);
    role_free(&plan->role);
    history_clear(&plan->history);
}

static int read_payload(const struct draft *draft, struct envelope *ret_envelope, struct role **ret,
                        struct error *err)
{
    json_auto_t *document = NULL;

    if (canonical_read(draft->payload, draft->length, &document, err) ||
        envelope_around(document, ret_envelope, err))
        return -1;
    return role_read(draft->role, document, ret, err);
}

static int take_signature(const struct draft_signature *signature, void *arg, struct error *err)
{
    return envelope_add(arg, signature->keyid, signature->hex, err);
}

static int make_plan(struct tx *tx, const struct trust_request *request, const char *id,
                     struct plan *ret, struct error *err)
{
    CLEANUP(trusted_clear) struct trusted trusted = {.root = {.role = NULL}};
    const struct authority *authority;

    if (draft_get(tx, request->tenant_row, id, &ret->draft, err))
        return -1;
    if (!ret->draft.is_open)
        return fail(err, PROBLEM_WRONG_STATE, "the draft is published already");
    if (read_payload(&ret->draft, &ret->envelope, &ret->role, err) ||
        draft_signatures(tx, &ret->draft, take_signature, &ret->envelope, err) ||
        trusted_load(tx, request->tenant_row, &trusted, err) ||
        trusted_authority(&trusted, ret->role->name, &authority, err) ||
        envelope_check(&ret->envelope, &authority, 1, err) ||
        check_place(tx, request, &trusted, ret->role, err))
        return -1;
    return check_content(tx, request, ret->role, &ret->history, err);
}

static const char *json_text(const json_t *value, struct text *room, struct error *err)
{
    return canonical_wire_form(value, room, err) ? NULL : room->at;
}

static int write_target(struct tx *tx, int64_t release_row, const struct entry *entry,
                        struct error *err)
{
    CLEANUP(text_clear) struct text hardware = {0}, custom = {0};
    struct artifact artifact;
    const char *hardware_ids =
        entry->hardware_ids ? json_text(entry->hardware_ids, &hardware, err) : "[]";
    const char *ota = json_text(entry->ota, &custom, err);

    if (!hardware_ids || !ota || artifact_of(tx, entry, &artifact, err))
        return -1;
    struct target_row row = {
        .release_row = release_row,
        .artifact_row = artifact.row_id,
        .path = entry->path,
        .file = entry->file,
        .component = entry->component,
        .kind = entry_kind_name(entry->kind),
        .version = entry->version,
        .security_version = entry->counters.security_version,
        .security_floor = entry->counters.security_floor,
        .release_counter = entry->counters.release_counter,
        .hardware_ids = hardware_ids,
        .custom = ota,
    };
    return target_keep(tx, &row, err);
}

static const char *worst_severity(const struct entry *entries, size_t count)
{
    static const char *const ranked[] = {"security", "bugfix"};

    for (size_t rank = 0; rank < COUNT_OF(ranked); rank++)
        for (size_t i = 0; i < count; i++)
            if (strcmp(entries[i].severity, ranked[rank]) == 0)
                return ranked[rank];
    return "feature";
}

/* A product's file on its way into rows. */
struct product_writing {
    const struct trust_request *request;
    const struct role *role;
    int64_t product_row;
    struct publication *ret;
};

/* One version of the product: its row, and those of its files. */
static int write_release(struct tx *tx, const struct product_writing *writing,
                         const struct entry *entries, size_t count, struct error *err)
{
    const char *product = role_product(writing->role->name);
    struct counters counters = release_counters(entries, count);
    struct release release = {
        .tenant_row = writing->request->tenant_row,
        .security_version = counters.security_version,
        .security_floor = counters.security_floor,
        .release_counter = counters.release_counter,
        .metadata_version = writing->role->version,
        .published_at = writing->request->now,
    };
    bool is_new;

    snprintf(release.version, sizeof release.version, "%s", entries->version);
    snprintf(release.id, sizeof release.id, "%s:%s", product, entries->version);
    snprintf(release.severity, sizeof release.severity, "%s", worst_severity(entries, count));
    if (release_publish(tx, writing->product_row, &release, &is_new, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (write_target(tx, release.row_id, &entries[i], err))
            return -1;
    if (is_new && json_array_append_new(writing->ret->releases, json_string(release.id)))
        return fail_internal(err, "out of memory for a publication");
    return 0;
}

static int note_withdrawn(const struct release *release, void *arg, struct error *err)
{
    struct publication *publication = arg;
    int64_t *grown =
        realloc(publication->withdrawn_rows, (publication->withdrawn_count + 1) * sizeof *grown);

    if (grown)
        publication->withdrawn_rows = grown;
    if (!grown || json_array_append_new(publication->withdrawn, json_string(release->id)))
        return fail_internal(err, "out of memory for a publication");
    grown[publication->withdrawn_count++] = release->row_id;
    return 0;
}

static int write_product(struct tx *tx, const struct trust_request *request,
                         const struct role *role, struct publication *ret, struct error *err)
{
    struct product_writing writing = {.request = request, .role = role, .ret = ret};

    if (product_keep(tx, request->tenant_row, role_product(role->name), request->now,
                     &writing.product_row, err))
        return -1;
    for (size_t i = 0, count; i < role->entry_count; i += count) {
        count = entries_of_version(&role->entries[i], role->entry_count - i);
        if (write_release(tx, &writing, &role->entries[i], count, err))
            return -1;
    }
    const struct withdrawal kept = {
        .product_row = writing.product_row, .metadata_version = role->version, .now = request->now};
    return release_withdraw_others(tx, &kept, note_withdrawn, ret, err);
}

static int write_products(struct tx *tx, const struct trust_request *request,
                          const struct role *role, struct error *err)
{
    int64_t row;

    for (size_t i = 0; i < role->authority_count; i++)
        if (product_keep(tx, request->tenant_row, role_product(role->authorities[i].role),
                         request->now, &row, err))
            return -1;
    return 0;
}

struct publish_job {
    const struct trust_request *request;
    const char *id;
    struct publication *ret;
};

static int write_publication(struct tx *tx, void *arg, struct error *err)
{
    const struct publish_job *job = arg;
    CLEANUP(plan_clear) struct plan plan = {.role = NULL};

    if (make_plan(tx, job->request, job->id, &plan, err) ||
        write_metadata(tx, job->request, plan.role, &plan.envelope, err) ||
        draft_publish(tx, &plan.draft, err))
        return -1;
    snprintf(job->ret->role, sizeof job->ret->role, "%s", plan.role->name);
    job->ret->version = plan.role->version;
    return plan.role->kind == ROLE_PRODUCT
               ? write_product(tx, job->request, plan.role, job->ret, err)
               : write_products(tx, job->request, plan.role, err);
}

int trust_publish_draft(const struct trust_request *request, struct blob_store *blobs,
                        const char *id, struct publication *ret, struct error *err)
{
    CLEANUP(publication_clear)
    struct publication publication = {.releases = json_array(), .withdrawn = json_array()};
    CLEANUP(plan_clear) struct plan plan = {.role = NULL};
    struct publish_job job = {request, id, &publication};
    CLEANUP(tx_end) struct tx tx = {0};

    if (tx_read(&tx, request->store, err) || make_plan(&tx, request, id, &plan, err))
        return -1;
    tx_end(&tx);
    if (check_images(blobs, plan.role, &plan.history, err) ||
        store_write(request->store, write_publication, &job, err))
        return -1;
    *ret = publication;
    publication = (struct publication){0};
    return 0;
}
