/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator asks for when making a campaign: JSON in, every default spelt out. */
#ifndef OTAD_CAMPAIGN_WISH_H
#define OTAD_CAMPAIGN_WISH_H

#include "campaign/gate.h"
#include "core/config.h"
#include "core/json.h"

#define WISH_WAVES_MAX 64
#define WISH_NAME_SIZE 129

struct wish_wave {
    bool is_count;
    double amount; /* devices or cumulative percent */
    struct gate gate;
};

/* The texts are borrowed from the JSON. */
struct wish {
    const char *release, *target, *name;
    struct wish_wave waves[WISH_WAVES_MAX];
    size_t wave_count;
    struct budget pause, abort;
    int64_t priority, attempts_max, rate;
    int64_t confirm_after, stale_after, verify_timeout, offer_ttl;
    bool starts;
};

/* Without `waves` the preset's stand: "careful" (the default), "fast" or "all-now". A wave written
 * by hand soaks for as long as it says, 0 when it does not; the last one covers all its members
 * unless it says otherwise, as nothing comes after it. */
int wish_read(const json_t *json, const struct config *config, struct wish *ret,
              struct error *err) MUST_CHECK;

#endif
