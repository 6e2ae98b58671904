/* SPDX-License-Identifier: Apache-2.0 */
#include "campaign/gate.h"

#include <math.h>
#include <stdio.h>

#define MIN_CONFIRMED 5 /* of the default gate, or all active members when they are fewer */
#define CONFIDENCE 0.95

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* A share of 5 % of 100 is 5, although 0.05 is a little more in binary. */
static int64_t ceil_share(double share, int64_t of)
{
    return (int64_t)ceil(share * (double)of - 1e-9);
}

int64_t budget_trips_at(const struct budget *budget, int64_t resolved)
{
    return max_of(budget->failures, ceil_share(budget->share, max_of(resolved, budget->sample)));
}

enum brake gate_brake(const struct budget *pause, const struct budget *abort,
                      const struct tally *tally, int64_t accepted)
{
    int64_t resolved = tally->confirmed + tally->failed;
    int64_t failed = max_of(tally->failed - accepted, 0);

    if (failed == 0)
        return BRAKE_NONE;
    if (failed >= budget_trips_at(abort, resolved))
        return BRAKE_ABORT;
    return failed >= budget_trips_at(pause, resolved) ? BRAKE_PAUSE : BRAKE_NONE;
}

/* What coverage and confirmations still lack; with both reached, where the soak stands. */
static enum gate_answer judge_covered(const struct gate *gate, int64_t covered_at, int64_t now,
                                      int64_t *ret_soak_left)
{
    int64_t since = covered_at ? covered_at : now;

    *ret_soak_left = max_of(since + gate->soak - now, 0);
    if (!covered_at || *ret_soak_left > 0)
        return GATE_SOAK;
    return gate->is_manual ? GATE_APPROVE : GATE_PASS;
}

struct gate_verdict gate_judge(const struct gate *gate, const struct tally *tally,
                               int64_t covered_at, int64_t now)
{
    int64_t active = max_of(tally->active - tally->uncounted, 0);
    int64_t resolved = tally->confirmed + tally->failed;
    int64_t enough = active < MIN_CONFIRMED ? max_of(active, 1) : MIN_CONFIRMED;
    int64_t need = gate->min_confirmed ? gate->min_confirmed : enough;
    struct gate_verdict verdict = {
        .answer = GATE_WAIT,
        .needs_confirmed = max_of(need - tally->confirmed, 0),
        .needs_resolved = max_of(ceil_share(gate->coverage, active) - resolved, 0),
        .left = max_of(active - resolved, 0),
        .soak_left = gate->soak,
    };

    if (active == 0 && tally->offered == tally->uncounted)
        verdict.answer = GATE_SKIP;
    else if (verdict.needs_confirmed > verdict.left)
        verdict.answer = GATE_HOLD;
    else if (!verdict.needs_confirmed && !verdict.needs_resolved)
        verdict.answer = judge_covered(gate, covered_at, now, &verdict.soak_left);
    return verdict;
}

/* What is lacking before the soak, as a list. */
static void wait_text(const struct gate_verdict *verdict, char text[GATE_TEXT_SIZE])
{
    char confirmed[48] = "", resolved[48] = "", soak[48] = "";

    if (verdict->needs_confirmed)
        snprintf(confirmed, sizeof confirmed, "needs %lld more confirmed",
                 (long long)verdict->needs_confirmed);
    if (verdict->needs_resolved)
        snprintf(resolved, sizeof resolved, "%sneeds %lld more resolved", confirmed[0] ? ", " : "",
                 (long long)verdict->needs_resolved);
    if (verdict->soak_left)
        snprintf(soak, sizeof soak, ", then soaks for %lld s", (long long)verdict->soak_left);
    snprintf(text, GATE_TEXT_SIZE, "%s%s%s", confirmed, resolved, soak);
}

const char *gate_text(const struct gate_verdict *verdict, char text[GATE_TEXT_SIZE])
{
    switch (verdict->answer) {
    case GATE_WAIT:
        wait_text(verdict, text);
        break;
    case GATE_SOAK:
        snprintf(text, GATE_TEXT_SIZE, "soak ends in %lld s", (long long)verdict->soak_left);
        break;
    case GATE_PASS:
        snprintf(text, GATE_TEXT_SIZE, "passes now");
        break;
    case GATE_APPROVE:
        snprintf(text, GATE_TEXT_SIZE, "waits for an operator to pass it");
        break;
    case GATE_SKIP:
        snprintf(text, GATE_TEXT_SIZE, "has no active member");
        break;
    case GATE_HOLD:
        snprintf(text, GATE_TEXT_SIZE, "needs %lld more confirmed, but %lld members are left",
                 (long long)verdict->needs_confirmed, (long long)verdict->left);
        break;
    }
    return text;
}

/* ln of P(X = k) for X binomial(n, p). */
static double log_term(int64_t n, int64_t k, double p)
{
    int sign;

    return lgamma_r((double)n + 1, &sign) - lgamma_r((double)k + 1, &sign) -
           lgamma_r((double)(n - k) + 1, &sign) + (double)k * log(p) + (double)(n - k) * log1p(-p);
}

/* P(X <= k), summed downwards from k: beyond k/n the terms only shrink, so it ends early. */
static double at_most(int64_t n, int64_t k, double p)
{
    double term = exp(log_term(n, k, p)), sum = 0;

    for (int64_t i = k; i >= 0 && term > sum * 1e-15; i--) {
        sum += term;
        term *= (double)i / (double)(n - i + 1) * (1 - p) / p;
    }
    return sum;
}

double gate_upper_bound(int64_t failed, int64_t resolved)
{
    if (resolved <= 0 || failed >= resolved)
        return 1;
    double low = (double)failed / (double)resolved, high = 1;
    for (int round = 0; round < 60; round++) {
        double middle = (low + high) / 2;

        if (at_most(resolved, failed, middle) > 1 - CONFIDENCE)
            low = middle;
        else
            high = middle;
    }
    return high;
}
