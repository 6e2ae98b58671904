/* SPDX-License-Identifier: Apache-2.0 */
/* When a release may go on from a channel to the next one. */
#ifndef OTAD_CAMPAIGN_PROMOTION_H
#define OTAD_CAMPAIGN_PROMOTION_H

#include "campaign/gate.h"
#include "core/json.h"

/* A channel's terms. */
struct promotion {
    bool is_auto;
    int64_t confirmed;      /* devices, at least */
    double share;           /* of the active ones, at least */
    int64_t soak;           /* seconds since the last wave passed; -1: until it has finished */
    const json_t *campaign; /* members of the next channel's plan; borrowed, NULL: none */
};
/* {"auto", "confirmed", "share", "soak", "campaign"}; BAD_FIELD names the member. Nothing told:
 * one confirmed device and a finished campaign. */
int promotion_read(const json_t *json, struct promotion *ret, struct error *err) MUST_CHECK;

/* How far the release has come in its channel. */
struct promotion_facts {
    struct tally tally;
    int64_t covered_at; /* its last wave passed; 0: not yet */
    bool is_finished;
};
/* Whether all terms are met; if not, `text` says what is missing. */
#define PROMOTION_TEXT_SIZE 160
bool promotion_is_due(const struct promotion *promotion, const struct promotion_facts *facts,
                      int64_t now, char text[PROMOTION_TEXT_SIZE]);

/* The next channel's plan: the terms' members, release and channel; target "all" unless they say
 * otherwise. A new reference; NULL when memory is out. */
json_t *promotion_plan(const struct promotion *promotion, const char *release, const char *channel);

#endif
