/* SPDX-License-Identifier: Apache-2.0 */
/* The three state machines: campaign, wave, deployment. States are stored by name; which may follow
 * which is a table, and what the table lacks cannot happen. */
#ifndef OTAD_CAMPAIGN_STATE_H
#define OTAD_CAMPAIGN_STATE_H

#include "core/error.h"

#include <stdbool.h>

enum campaign_state {
    CAMPAIGN_DRAFT,
    CAMPAIGN_REVIEW,
    CAMPAIGN_SCHEDULED,
    CAMPAIGN_RUNNING,
    CAMPAIGN_PAUSED,
    CAMPAIGN_FINISHING,
    CAMPAIGN_FINISHED,
    CAMPAIGN_ABORTED,
    CAMPAIGN_CANCELLED,
    CAMPAIGN_SUPERSEDED,
    CAMPAIGN_EXPIRED,
    CAMPAIGN_STATES
};

enum wave_state {
    WAVE_PENDING,
    WAVE_OPEN,
    WAVE_SOAKING,
    WAVE_HELD,
    WAVE_PASSED,
    WAVE_SKIPPED,
    WAVE_STATES
};

enum deployment_state {
    DEPLOYMENT_OFFERED,
    DEPLOYMENT_WITHDRAWN,
    DEPLOYMENT_DOWNLOADING,
    DEPLOYMENT_DOWNLOADED,
    DEPLOYMENT_WAITING,
    DEPLOYMENT_INSTALLING,
    DEPLOYMENT_VERIFYING,
    DEPLOYMENT_CONFIRMED,
    DEPLOYMENT_FAILED,
    DEPLOYMENT_REVERTED,
    DEPLOYMENT_LOST,
    DEPLOYMENT_TIMED_OUT,
    DEPLOYMENT_REJECTED,
    DEPLOYMENT_SUPERSEDED,
    DEPLOYMENT_CANCELLED,
    DEPLOYMENT_NOT_APPLICABLE,
    DEPLOYMENT_ALREADY,
    DEPLOYMENT_REMOVED,
    DEPLOYMENT_STATES
};

const char *campaign_state_name(enum campaign_state state);
const char *wave_state_name(enum wave_state state);
const char *deployment_state_name(enum deployment_state state);
/* False for a word that is no state. */
bool campaign_state_of(const char *name, enum campaign_state *ret);
bool wave_state_of(const char *name, enum wave_state *ret);
bool deployment_state_of(const char *name, enum deployment_state *ret);

bool campaign_may_move(enum campaign_state from, enum campaign_state to);
bool wave_may_move(enum wave_state from, enum wave_state to);
bool deployment_may_move(enum deployment_state from, enum deployment_state to);

/* Late devices of passed waves get the release while it is watched, too. */
bool campaign_makes_offers(enum campaign_state state);
/* Nothing follows it. */
bool campaign_is_over(enum campaign_state state);

/* What a deployment's state is to the gates. */
enum outcome {
    OUTCOME_PENDING,   /* on its way, or to be offered again */
    OUTCOME_CONFIRMED, /* C */
    OUTCOME_FAILED,    /* F */
    OUTCOME_UNCOUNTED, /* left out of the active members */
};
enum outcome deployment_outcome(enum deployment_state state);
/* Before the device began to install: it can still be stopped. */
bool deployment_is_stoppable(enum deployment_state state);

#endif
