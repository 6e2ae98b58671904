/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/state.h"

#include <stdint.h>
#include <string.h>

#define BIT(state) (UINT32_C(1) << (state))

struct row {
    const char *name;
    uint32_t followers;
};

/* clang-format off */
static const struct row campaigns[CAMPAIGN_STATES] = {
    [CAMPAIGN_DRAFT] = {"draft", BIT(CAMPAIGN_REVIEW) | BIT(CAMPAIGN_CANCELLED)},
    [CAMPAIGN_REVIEW] = {"review",
        BIT(CAMPAIGN_DRAFT) | BIT(CAMPAIGN_SCHEDULED) | BIT(CAMPAIGN_CANCELLED)},
    [CAMPAIGN_SCHEDULED] = {"scheduled",
        BIT(CAMPAIGN_RUNNING) | BIT(CAMPAIGN_PAUSED) | BIT(CAMPAIGN_CANCELLED)},
    [CAMPAIGN_RUNNING] = {"running",
        BIT(CAMPAIGN_PAUSED) | BIT(CAMPAIGN_FINISHING) | BIT(CAMPAIGN_ABORTED) |
        BIT(CAMPAIGN_CANCELLED) | BIT(CAMPAIGN_SUPERSEDED) | BIT(CAMPAIGN_EXPIRED)},
    /* Aborted too: devices that were at work when it paused may spend the larger budget. */
    [CAMPAIGN_PAUSED] = {"paused",
        BIT(CAMPAIGN_RUNNING) | BIT(CAMPAIGN_ABORTED) | BIT(CAMPAIGN_CANCELLED) |
        BIT(CAMPAIGN_SUPERSEDED) | BIT(CAMPAIGN_EXPIRED)},
    /* Late failures stop it as they would have before; what replaces it need not wait for the end
     * of its watch, nor be followed by the older release's promotion. */
    [CAMPAIGN_FINISHING] = {"finishing",
        BIT(CAMPAIGN_FINISHED) | BIT(CAMPAIGN_PAUSED) | BIT(CAMPAIGN_ABORTED) |
        BIT(CAMPAIGN_SUPERSEDED)},
    [CAMPAIGN_FINISHED]   = {"finished", 0},
    [CAMPAIGN_ABORTED]    = {"aborted", 0},
    [CAMPAIGN_CANCELLED]  = {"cancelled", 0},
    [CAMPAIGN_SUPERSEDED] = {"superseded", 0},
    [CAMPAIGN_EXPIRED]    = {"expired", 0},
};

/* A soaking wave opens again when what it had reached is lost: confirmed devices fell back. */
static const struct row waves[WAVE_STATES] = {
    [WAVE_PENDING] = {"pending", BIT(WAVE_OPEN) | BIT(WAVE_SKIPPED)},
    [WAVE_OPEN]    = {"open", BIT(WAVE_SOAKING) | BIT(WAVE_HELD) | BIT(WAVE_SKIPPED)},
    [WAVE_SOAKING] = {"soaking", BIT(WAVE_PASSED) | BIT(WAVE_HELD) | BIT(WAVE_OPEN)},
    [WAVE_HELD]    = {"held", BIT(WAVE_OPEN) | BIT(WAVE_PASSED) | BIT(WAVE_SKIPPED)},
    [WAVE_PASSED]  = {"passed", 0},
    [WAVE_SKIPPED] = {"skipped", 0},
};

/* Before it installs, a device can still be left out. */
#define LEFT_OUT                                                                                   \
    (BIT(DEPLOYMENT_REJECTED) | BIT(DEPLOYMENT_SUPERSEDED) | BIT(DEPLOYMENT_CANCELLED) |           \
     BIT(DEPLOYMENT_NOT_APPLICABLE) | BIT(DEPLOYMENT_REMOVED))
#define ON_THE_WAY                                                                                 \
    (BIT(DEPLOYMENT_INSTALLING) | BIT(DEPLOYMENT_VERIFYING) | BIT(DEPLOYMENT_FAILED) |             \
     BIT(DEPLOYMENT_REVERTED) | BIT(DEPLOYMENT_WITHDRAWN) | LEFT_OUT)

/* Forward moves may leave steps out: a device is often further than the last we heard. Evidence of
 * the version outranks what was concluded without it, hence the ways back to verifying. Whatever
 * ended without success may be withdrawn by an operator, which makes it be offered anew. A standing
 * campaign offers by itself where its release is missing, and any campaign when the one that stood
 * before it is gone. What waited for consent is offered once that is given. */
static const struct row deployments[DEPLOYMENT_STATES] = {
    [DEPLOYMENT_OFFERED] = {"offered",
        ON_THE_WAY | BIT(DEPLOYMENT_DOWNLOADING) | BIT(DEPLOYMENT_DOWNLOADED) |
        BIT(DEPLOYMENT_WAITING) | BIT(DEPLOYMENT_ALREADY)},
    [DEPLOYMENT_WITHDRAWN] = {"withdrawn",
        BIT(DEPLOYMENT_OFFERED) | BIT(DEPLOYMENT_VERIFYING) | BIT(DEPLOYMENT_ALREADY) | LEFT_OUT},
    [DEPLOYMENT_DOWNLOADING] = {"downloading",
        ON_THE_WAY | BIT(DEPLOYMENT_DOWNLOADED) | BIT(DEPLOYMENT_WAITING) |
        BIT(DEPLOYMENT_TIMED_OUT)},
    [DEPLOYMENT_DOWNLOADED] = {"downloaded",
        ON_THE_WAY | BIT(DEPLOYMENT_WAITING)},
    [DEPLOYMENT_WAITING] = {"waiting",
        ON_THE_WAY | BIT(DEPLOYMENT_OFFERED) | BIT(DEPLOYMENT_DOWNLOADED)},
    /* Withdrawn when it was cut by us while it streamed into its slot; waiting when silence was taken
     * for it, and the device is back. */
    [DEPLOYMENT_INSTALLING] = {"installing",
        BIT(DEPLOYMENT_VERIFYING) | BIT(DEPLOYMENT_FAILED) | BIT(DEPLOYMENT_REVERTED) |
        BIT(DEPLOYMENT_LOST) | BIT(DEPLOYMENT_WITHDRAWN) | BIT(DEPLOYMENT_CANCELLED) |
        BIT(DEPLOYMENT_NOT_APPLICABLE) | BIT(DEPLOYMENT_REMOVED) | BIT(DEPLOYMENT_WAITING)},
    /* Withdrawn when it proved a step on the way to the campaign's release: the next is offered. */
    [DEPLOYMENT_VERIFYING] = {"verifying",
        BIT(DEPLOYMENT_CONFIRMED) | BIT(DEPLOYMENT_FAILED) | BIT(DEPLOYMENT_REVERTED) |
        BIT(DEPLOYMENT_LOST) | BIT(DEPLOYMENT_WITHDRAWN) | BIT(DEPLOYMENT_CANCELLED) |
        BIT(DEPLOYMENT_REMOVED)},
    [DEPLOYMENT_CONFIRMED] = {"confirmed", BIT(DEPLOYMENT_OFFERED) | BIT(DEPLOYMENT_REVERTED)},
    [DEPLOYMENT_FAILED] = {"failed",
        BIT(DEPLOYMENT_OFFERED) | BIT(DEPLOYMENT_VERIFYING) | BIT(DEPLOYMENT_REVERTED) |
        BIT(DEPLOYMENT_WITHDRAWN) | BIT(DEPLOYMENT_REMOVED)},
    [DEPLOYMENT_REVERTED] = {"reverted", BIT(DEPLOYMENT_OFFERED) | BIT(DEPLOYMENT_WITHDRAWN)},
    [DEPLOYMENT_LOST] = {"lost",
        BIT(DEPLOYMENT_VERIFYING) | BIT(DEPLOYMENT_CONFIRMED) | BIT(DEPLOYMENT_FAILED) |
        BIT(DEPLOYMENT_REVERTED) | BIT(DEPLOYMENT_WITHDRAWN) | BIT(DEPLOYMENT_OFFERED)},
    [DEPLOYMENT_TIMED_OUT] = {"timed_out",
        BIT(DEPLOYMENT_OFFERED) | BIT(DEPLOYMENT_VERIFYING) | BIT(DEPLOYMENT_CONFIRMED) |
        BIT(DEPLOYMENT_FAILED) | BIT(DEPLOYMENT_WITHDRAWN)},
    [DEPLOYMENT_REJECTED]       = {"rejected", BIT(DEPLOYMENT_OFFERED) | BIT(DEPLOYMENT_WITHDRAWN)},
    [DEPLOYMENT_SUPERSEDED]     = {"superseded", BIT(DEPLOYMENT_OFFERED)},
    [DEPLOYMENT_CANCELLED]      = {"cancelled", BIT(DEPLOYMENT_WITHDRAWN)},
    [DEPLOYMENT_NOT_APPLICABLE] = {"not_applicable", BIT(DEPLOYMENT_OFFERED)},
    [DEPLOYMENT_ALREADY]        = {"already", BIT(DEPLOYMENT_OFFERED)},
    [DEPLOYMENT_REMOVED]        = {"removed", BIT(DEPLOYMENT_OFFERED)},
};
/* clang-format on */

static bool find(const struct row *rows, int count, const char *name, int *ret)
{
    for (int i = 0; i < count; i++)
        if (strcmp(rows[i].name, name) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

const char *campaign_state_name(enum campaign_state state)
{
    return campaigns[state].name;
}

const char *wave_state_name(enum wave_state state)
{
    return waves[state].name;
}

const char *deployment_state_name(enum deployment_state state)
{
    return deployments[state].name;
}

bool campaign_state_of(const char *name, enum campaign_state *ret)
{
    int found;

    if (!find(campaigns, CAMPAIGN_STATES, name, &found))
        return false;
    *ret = (enum campaign_state)found;
    return true;
}

bool wave_state_of(const char *name, enum wave_state *ret)
{
    int found;

    if (!find(waves, WAVE_STATES, name, &found))
        return false;
    *ret = (enum wave_state)found;
    return true;
}

bool deployment_state_of(const char *name, enum deployment_state *ret)
{
    int found;

    if (!find(deployments, DEPLOYMENT_STATES, name, &found))
        return false;
    *ret = (enum deployment_state)found;
    return true;
}

bool campaign_may_move(enum campaign_state from, enum campaign_state to)
{
    return campaigns[from].followers & BIT(to);
}

bool wave_may_move(enum wave_state from, enum wave_state to)
{
    return waves[from].followers & BIT(to);
}

bool deployment_may_move(enum deployment_state from, enum deployment_state to)
{
    return deployments[from].followers & BIT(to);
}

bool campaign_makes_offers(enum campaign_state state)
{
    return state == CAMPAIGN_RUNNING || state == CAMPAIGN_FINISHING;
}

bool campaign_is_over(enum campaign_state state)
{
    return campaigns[state].followers == 0;
}

enum outcome deployment_outcome(enum deployment_state state)
{
    switch (state) {
    case DEPLOYMENT_CONFIRMED:
        return OUTCOME_CONFIRMED;
    case DEPLOYMENT_FAILED:
    case DEPLOYMENT_REVERTED:
    case DEPLOYMENT_LOST:
    case DEPLOYMENT_TIMED_OUT:
        return OUTCOME_FAILED;
    case DEPLOYMENT_REJECTED:
    case DEPLOYMENT_SUPERSEDED:
    case DEPLOYMENT_CANCELLED:
    case DEPLOYMENT_NOT_APPLICABLE:
    case DEPLOYMENT_ALREADY:
    case DEPLOYMENT_REMOVED:
        return OUTCOME_UNCOUNTED;
    default:
        return OUTCOME_PENDING;
    }
}

bool deployment_is_stoppable(enum deployment_state state)
{
    return state == DEPLOYMENT_OFFERED || state == DEPLOYMENT_DOWNLOADING ||
           state == DEPLOYMENT_DOWNLOADED || state == DEPLOYMENT_WAITING;
}
