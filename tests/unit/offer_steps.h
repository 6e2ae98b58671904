/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of polls: an offer of this release, or nothing for that reason. Include after
 * cmocka.h. */
#ifndef OTAD_OFFER_STEPS_H
#define OTAD_OFFER_STEPS_H

#include "unit/campaign_steps.h"

#define EVERYBODY ", \"waves\": [{\"percent\": 100}]"
#define TO_RELEASE(release, more)                                                                  \
    "{\"release\": \"" release "\", \"target\": \"all\", \"start\": true, \"confirm_after\": 0, "  \
    "\"rate\": {\"start\": 0}, \"watch\": 0, \"supersede\": \"coexist\"" EVERYBODY more "}"

/* Release gw:3.0, row 3, beside those of the fixture. */
static inline void add_release_3(struct fixture *f)
{
    execute(f->at.store, "INSERT INTO release (row_id, tenant_row, product_row, id, version, "
                         "security_version, security_floor, release_counter, state, "
                         "metadata_version, published_at) VALUES (3, 1, 1, 'gw:3.0', '3.0', 3, 0, "
                         "3, 'published', 3, 0)");
    execute(f->at.store, "INSERT INTO target (row_id, release_row, path, file, component, kind, "
                         "version, security_version, security_floor, release_counter, "
                         "hardware_ids, custom, artifact_row) VALUES (3, 3, 'gw/3.0/a', 'a', "
                         "'app', 'image', '3.0', 3, 0, 3, '[\"gw\"]', '{}', 1)");
}

static inline int do_touch(struct tx *tx, void *arg, struct error *err)
{
    const struct fixture *f = arg;

    return campaigns_halt_changed(tx, f->campaigns, err);
}

/* A change that operators' handlers would make, and what they ask for after it. */
static inline void change(struct fixture *f, const char *sql)
{
    struct error err = {0};

    execute(f->at.store, sql);
    CHECKED(store_write(f->at.store, do_touch, f, &err), err);
}

static inline void expect_reason(struct fixture *f, int64_t device, const char *reason)
{
    const struct decision decision = poll_as(f, device);

    assert_int_equal(decision.verdict, VERDICT_NOTHING);
    assert_string_equal(decision.reason, reason);
}

static inline struct decision expect_offer(struct fixture *f, int64_t device, int64_t release_row)
{
    const struct decision decision = poll_as(f, device);

    if (decision.verdict != VERDICT_OFFER)
        fail_msg("%s instead of an offer", decision.reason);
    assert_int_equal(decision.release_row, release_row);
    return decision;
}

static inline void fetch(struct fixture *f, const struct decision *decision, int64_t bytes)
{
    campaign_note_transfer(f->campaigns, decision->deployment_row, 0, bytes, 1000);
    tick(f);
}

#endif
