/* SPDX-License-Identifier: Apache-2.0 */
/* What an operator decided about a campaign: JSON in, every default spelt out, one canonical text
 * whose hash approvals are bound to. The same reader takes an operator's two members and the stored
 * text with all of them. */
#ifndef OTAD_CAMPAIGN_RULES_H
#define OTAD_CAMPAIGN_RULES_H

#include "campaign/capacity.h"
#include "campaign/gate.h"
#include "campaign/window.h"
#include "core/config.h"
#include "core/json.h"

#define RULES_WAVES_MAX 64
#define RULES_URGENT 100 /* the priority "urgent" */
#define RULES_NAME_SIZE 129
#define PLAN_HASH_SIZE 32

enum campaign_kind {
    KIND_UPDATE,
    KIND_ROLLBACK, /* may lead to a lower release counter, never below a floor */
    KIND_BASELINE, /* standing: what a channel's devices have without other campaigns */
    KIND_PIN,      /* standing: delivers a release to the devices pinned to it */
    KINDS
};
const char *campaign_kind_name(enum campaign_kind kind);

enum supersede {
    SUPERSEDE_REPLACE, /* the channel's older campaign ends when this one starts */
    SUPERSEDE_QUEUE,   /* this one waits until the older one is over */
    SUPERSEDE_COEXIST, /* both run; their targets must not share a device */
};

enum install {
    INSTALL_FORCED,
    INSTALL_OPTIONAL, /* the person at the device decides, until force_at if that is set */
    INSTALL_PRESTAGE, /* downloaded only */
};

/* What a stratum is made of, as bits. */
enum { STRATUM_MODEL = 1, STRATUM_VERSION = 2, STRATUM_SITE = 4 };

enum wave_kind {
    WAVE_COUNT,   /* the N smallest ranks among the active, drawn in turn from each stratum */
    WAVE_PERCENT, /* a cumulative band of ranks */
    WAVE_TAG,     /* explicit: these stand before the bands, first match counts */
    WAVE_FILTER,
    WAVE_LIST,
    WAVE_KINDS
};
const char *wave_kind_name(enum wave_kind kind);
static inline bool wave_kind_is_explicit(enum wave_kind kind)
{
    return kind == WAVE_TAG || kind == WAVE_FILTER || kind == WAVE_LIST;
}

struct wave_rule {
    enum wave_kind kind;
    double amount;           /* devices or percent */
    const char *text;        /* the tag, the filter, or the list's id; "" for the others */
    const char *list_sha256; /* hex; the list's content is part of the plan */
    unsigned strata;         /* of a count wave */
    int64_t not_before;      /* 0: as soon as its turn comes */
    int64_t ramp;            /* seconds over which its members get their turn by rank; 0: at once */
    struct gate gate;
};

/* All texts are borrowed from `json`; an absent one is "". Times are seconds, 0: none. */
struct rules {
    json_t *json;
    enum campaign_kind kind;
    const char *release, *target, *channel, *reason;
    const char *salt_from; /* a campaign whose line is used again */
    int64_t priority;
    enum supersede supersede;
    bool is_snapshot; /* devices registered after the start stay out */
    bool is_sticky;   /* who was offered it stays a member when it matches the target no more */
    int approvals;    /* persons beside the author */

    enum install install;
    int64_t force_at;
    const char *risk;  /* told to the person at the device and in the preview */
    bool asks_consent; /* the device must agree before it may fetch */

    int64_t start_at, end_at;
    bool end_cancels;       /* what is under way too; otherwise only offers stop */
    int64_t expected_count; /* -1: not said */
    double expected_tolerance;

    struct windows download_windows, install_windows;
    const char *zone;  /* for devices and sites without one; "" is UTC */
    bool is_expedited; /* passes windows and freezes, not budgets */

    struct rate_rule rate;
    int64_t leases, bytes, transfer_rate; /* 0: only the server's bounds */

    struct wave_rule waves[RULES_WAVES_MAX];
    size_t wave_count;
    struct budget pause, abort;
    unsigned strata; /* budgets of their own for each stratum; 0: none */
    struct budget strata_pause, strata_abort;
    int64_t dead_man; /* pause when as many as the pause sample were offered it and nothing was
                         heard for this long */
    bool rolls_back;  /* an abort opens a rollback to the last good release */
    int64_t watch;    /* late failures count for this long after the last wave */
    bool promotes; /* finished well: becomes the channel's baseline, and goes on to the next channel
                    */

    int64_t attempts_max, confirm_after, stale_after, verify_timeout, offer_ttl;
    int64_t download_deadline, stall;
};

/* What the request says beside the plan; borrowed from its JSON. */
struct rules_extra {
    const char *name;
    bool starts;
};

/* Without `waves` the preset's stand: "careful" (the default), "fast" or "all-now". A wave written
 * by hand soaks for as long as it says, 0 when it does not; the last one covers all its members
 * unless it says otherwise, as nothing comes after it. Without `config` nothing is asked that is
 * the server's policy (approvals, length of filters, number of waves): what was stored under
 * another policy stands. `extra` may be NULL. Free with rules_clear(). BAD_FIELD and BAD_FILTER
 * name the member. */
int rules_read(const json_t *json, const struct config *config, struct rules *ret,
               struct rules_extra *extra, struct error *err) MUST_CHECK;
void rules_clear(struct rules *rules);

/* What a plan that is made now must not say: times in the past, windows that never open before its
 * end, a pause budget that comes after the abort budget. Stored plans are not asked. BAD_FIELD. */
int rules_check(const struct rules *rules, int64_t now, struct error *err) MUST_CHECK;

/* The expanded plan as text, members sorted, no blanks: what is stored, hashed and approved. */
int rules_text(const struct rules *rules, char **ret, uint8_t ret_hash[PLAN_HASH_SIZE],
               struct error *err) MUST_CHECK;
/* Reads what rules_text() wrote; `config` is NULL for what is stored. */
int rules_load(const char *text, const struct config *config, struct rules *ret,
               struct error *err) MUST_CHECK;

/* Whether the first trips no later than the second, whatever the number of resolved devices. */
bool budget_comes_first(const struct budget *first, const struct budget *second);

/* rules_json.c: the expanded document, a new reference. */
json_t *rules_to_json(const struct rules *rules);

/* "model/version/site" of the device, for those bits that are set; ret has room for
 * STRATUM_SIZE. */
#define STRATUM_SIZE 260
const char *stratum_of(unsigned strata, const char *model, const char *version, const char *site,
                       char ret[STRATUM_SIZE]);

#endif
