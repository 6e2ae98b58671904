/* SPDX-License-Identifier: Apache-2.0 */
#include "store/approval.h"

#include "store/approval.sql.h"

#include <string.h>

#define REFUSED "refused"

int approval_set(struct tx *tx, const struct approval *approval, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, approval_set_sql);

    query_bind_number(&q, ":campaign", approval->campaign_row);
    query_bind_blob(&q, ":plan_hash", approval->plan_hash, sizeof approval->plan_hash);
    query_bind_text(&q, ":operator", approval->operator);
    query_bind_text(&q, ":decision", approval->is_refusal ? REFUSED : "approved");
    query_bind_text(&q, ":note", approval->note);
    query_bind_number(&q, ":now", approval->at);
    return query_run(&q, err);
}

static void bind_plan(struct query *q, const struct campaign *campaign)
{
    query_bind_number(q, ":campaign", campaign->row_id);
    query_bind_blob(q, ":plan_hash", campaign->plan_hash, sizeof campaign->plan_hash);
    query_bind_text(q, ":maker", campaign->created_by);
    query_bind_text(q, ":author", campaign->planned_by);
}

int approval_count(struct tx *tx, const struct campaign *campaign, int64_t *ret, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, approval_count_sql);

    bind_plan(&q, campaign);
    if (query_step(&q, err) != STEP_ROW)
        return -1;
    *ret = query_number(&q, 0);
    return 0;
}

int approval_hand_on(struct tx *tx, const struct campaign *parent, const struct campaign *child,
                     const char *note, int64_t now, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, approval_hand_on_sql);

    bind_plan(&q, parent);
    query_bind_number(&q, ":child", child->row_id);
    query_bind_blob(&q, ":child_hash", child->plan_hash, sizeof child->plan_hash);
    query_bind_text(&q, ":note", note);
    query_bind_number(&q, ":now", now);
    return query_run(&q, err);
}

int approval_drop(struct tx *tx, int64_t campaign_row, struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, approval_drop_sql);

    query_bind_number(&q, ":campaign", campaign_row);
    return query_run(&q, err);
}

static int read_approval(struct query *q, struct approval *ret, struct error *err)
{
    size_t length;
    const void *hash = query_blob(q, 0, &length);

    if (length != sizeof ret->plan_hash)
        return fail_internal(err, "the plan hash of an approval");
    *ret = (struct approval){
        .is_refusal = strcmp(query_text(q, 2), REFUSED) == 0,
        .at = query_number(q, 4),
    };
    memcpy(ret->plan_hash, hash, length);
    query_copy(q, 1, ret->operator, sizeof ret->operator);
    query_copy(q, 3, ret->note, sizeof ret->note);
    return 0;
}

int approval_each(struct tx *tx, int64_t campaign_row, approval_fn each, void *arg,
                  struct error *err)
{
    CLEANUP(query_finish) struct query q = query_start(tx, approval_page_sql);
    struct approval approval;
    enum step step;

    query_bind_number(&q, ":campaign", campaign_row);
    while ((step = query_step(&q, err)) == STEP_ROW) {
        if (read_approval(&q, &approval, err))
            return -1;
        approval.campaign_row = campaign_row;
        int answer = each(&approval, arg, err);
        if (answer)
            return answer < 0 ? -1 : 0;
    }
    return step == STEP_DONE ? 0 : -1;
}
