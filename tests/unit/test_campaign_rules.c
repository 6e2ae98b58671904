/* SPDX-License-Identifier: Apache-2.0 */
/* The small pure rules of campaigns: versions, gates, spans, failures, evidence, states. */
#include "campaign/evidence.h"
#include "campaign/failure.h"
#include "campaign/gate.h"
#include "campaign/spans.h"
#include "campaign/state.h"
#include "core/version.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

/* -- versions -- */

static void versions_stand_in_their_order(void **state)
{
    static const char *const ascending[] = {
        "",
        "0.9",
        "1.0-alpha",
        "1.0-alpha.1",
        "1.0-beta",
        "1.0-rc9",
        "1.0-rc10",
        "1.0",
        "1.0.1",
        "1.2",
        "1.2a",
        "1.9",
        "1.10",
        "2",
        "2.0.0.1",
        "10.0",
        "18446744073709551616",
        "18446744073709551617",
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(ascending); i++)
        for (size_t j = 0; j < COUNT_OF(ascending); j++) {
            int order = version_compare(ascending[i], ascending[j]);
            int expected = (i > j) - (i < j);
            if ((order > 0) - (order < 0) != expected)
                fail_msg("%s against %s gives %d", ascending[i], ascending[j], order);
        }
}

static void versions_that_mean_the_same_are_equal(void **state)
{
    static const char *const same[][2] = {
        {"1.2",        "1.2.0"     },
        {"v1.2",       "1.2"       },
        {"1.2+build5", "1.2+build6"},
        {"1.02",       "1.2"       },
        {"1.0~rc1",    "1.0-rc1"   },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(same); i++)
        assert_int_equal(version_compare(same[i][0], same[i][1]), 0);
}

/* -- gates and brakes -- */

static void the_brake_follows_the_table(void **state)
{
    static const struct budget pause = {0.02, 2, 50}, abort = {0.05, 3, 20};
    static const struct {
        int64_t resolved, pause_at, abort_at;
    } table[] = {
        {5,     2,   3  },
        {20,    2,   3  },
        {50,    2,   3  },
        {100,   2,   5  },
        {200,   4,   10 },
        {500,   10,  25 },
        {1000,  20,  50 },
        {10000, 200, 500}
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_int_equal(budget_trips_at(&pause, table[i].resolved), table[i].pause_at);
        assert_int_equal(budget_trips_at(&abort, table[i].resolved), table[i].abort_at);
    }
}

static void the_brake_trips_exactly_at_its_limit(void **state)
{
    static const struct budget pause = {0.02, 2, 50}, abort = {0.05, 3, 20};
    struct tally tally = {.confirmed = 199, .failed = 3};

    (void)state;
    tally.confirmed = 197;
    assert_int_equal(gate_brake(&pause, &abort, &tally, 0), BRAKE_NONE);
    tally.failed = 4, tally.confirmed = 196;
    assert_int_equal(gate_brake(&pause, &abort, &tally, 0), BRAKE_PAUSE);
    assert_int_equal(gate_brake(&pause, &abort, &tally, 1), BRAKE_NONE);
    tally.failed = 10, tally.confirmed = 190;
    assert_int_equal(gate_brake(&pause, &abort, &tally, 0), BRAKE_ABORT);
    tally = (struct tally){.active = 5};
    assert_int_equal(gate_brake(&pause, &abort, &tally, 0), BRAKE_NONE);
}

static void the_gate_judges(void **state)
{
    static const struct gate automatic = {.coverage = 0.8, .soak = 60};
    static const struct gate manual = {.coverage = 0.8, .soak = 60, .is_manual = true};
    static const struct gate strict = {.min_confirmed = 8, .coverage = 0.5};
    static const struct {
        const char *what;
        const struct gate *gate;
        struct tally tally; /* active, offered, confirmed, failed, uncounted */
        int64_t covered_at;
        enum gate_answer answer;
    } cases[] = {
        {"nobody there",                       &automatic, {0, 0, 0, 0, 0},   0,   GATE_SKIP   },
        {"all declined",                       &automatic, {3, 3, 0, 0, 3},   0,   GATE_SKIP   },
        {"offered and then gone",              &automatic, {0, 2, 0, 0, 0},   0,   GATE_HOLD   },
        {"just begun",                         &automatic, {10, 3, 0, 0, 0},  0,   GATE_WAIT   },
        {"five, but no coverage",              &automatic, {10, 10, 5, 0, 0}, 0,   GATE_WAIT   },
        {"covered",                            &automatic, {10, 10, 8, 0, 0}, 0,   GATE_SOAK   },
        {"covered with failures",              &automatic, {10, 10, 5, 3, 0}, 0,   GATE_SOAK   },
        {"soaking",                            &automatic, {10, 10, 8, 0, 0}, 941, GATE_SOAK   },
        {"soaked",                             &automatic, {10, 10, 8, 0, 0}, 940, GATE_PASS   },
        {"by hand",                            &manual,    {10, 10, 8, 0, 0}, 940, GATE_APPROVE},
        {"all resolved, too few good",         &automatic, {10, 10, 4, 6, 0}, 0,   GATE_HOLD   },
        {"never with less than min_confirmed", &strict,    {7, 7, 7, 0, 0},   0,   GATE_HOLD   },
        {"too few are left to reach it",       &strict,    {10, 9, 5, 3, 0},  0,   GATE_HOLD   },
        {"those left may just reach it",       &strict,    {10, 9, 5, 2, 0},  0,   GATE_WAIT   },
        {"more than enough, half resolved",    &strict,    {16, 16, 8, 0, 0}, 0,   GATE_SOAK   },
        {"one short of half",                  &strict,    {18, 16, 8, 0, 0}, 0,   GATE_WAIT   },
        {"three are all there are",            &automatic, {3, 3, 3, 0, 0},   0,   GATE_SOAK   },
        {"one of three declined",              &automatic, {3, 3, 2, 0, 1},   0,   GATE_SOAK   },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct gate_verdict verdict =
            gate_judge(cases[i].gate, &cases[i].tally, cases[i].covered_at, 1000);
        if (verdict.answer != cases[i].answer)
            fail_msg("%s: %d instead of %d", cases[i].what, verdict.answer, cases[i].answer);
    }
}

static void the_gate_says_what_it_waits_for(void **state)
{
    static const struct gate gate = {.coverage = 0.8, .soak = 40};
    static const struct tally tally = {.active = 10, .offered = 4, .confirmed = 2};
    struct gate_verdict verdict = gate_judge(&gate, &tally, 0, 1000);
    char text[GATE_TEXT_SIZE];

    (void)state;
    assert_string_equal(gate_text(&verdict, text),
                        "needs 3 more confirmed, needs 6 more resolved, then soaks for 40 s");
}

static void the_upper_bound_says_what_a_sample_can(void **state)
{
    static const struct {
        int64_t failed, resolved;
        double bound;
    } known[] = {
        {0, 5,    0.4507},
        {0, 10,   0.2589},
        {0, 20,   0.1391},
        {0, 30,   0.0950},
        {0, 50,   0.0582},
        {0, 100,  0.0295},
        {0, 300,  0.0099},
        {0, 1000, 0.0030},
        {1, 10,   0.3942},
        {5, 100,  0.1023},
        {0, 0,    1     },
        {3, 3,    1     },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        double bound = gate_upper_bound(known[i].failed, known[i].resolved);
        if (fabs(bound - known[i].bound) > 0.0001)
            fail_msg("%lld of %lld: %f", (long long)known[i].failed, (long long)known[i].resolved,
                     bound);
    }
    assert_true(gate_upper_bound(5000, 1000000) < 0.0052);
}

/* -- spans -- */

static void spans_join_and_never_claim_too_much(void **state)
{
    struct spans spans = {0};

    (void)state;
    spans_add(&spans, 10, 20);
    spans_add(&spans, 30, 40);
    spans_add(&spans, 20, 30);
    assert_int_equal(spans.count, 1);
    assert_int_equal(spans_covered(&spans), 30);
    assert_false(spans_cover(&spans, 40));
    spans_add(&spans, 0, 15);
    assert_true(spans_cover(&spans, 40));
    spans_add(&spans, 5, 5);
    assert_int_equal(spans_covered(&spans), 40);
}

static void many_holes_forget_the_shortest_span(void **state)
{
    struct spans spans = {0};

    (void)state;
    for (int64_t i = 0; i < 2 * SPANS_MAX; i++)
        spans_add(&spans, i * 100, i * 100 + 10 + i);
    assert_int_equal(spans.count, SPANS_MAX);
    assert_int_equal(spans.at[0].first, SPANS_MAX * 100);
    for (int i = 1; i < spans.count; i++)
        assert_true(spans.at[i - 1].end < spans.at[i].first);
}

/* -- failures -- */

static void a_device_s_words_give_the_class(void **state)
{
    static const struct {
        const char *words;
        enum failure failure;
    } cases[] = {
        {"Signature verification failed",             FAILURE_SIGNATURE},
        {"Image hash mismatch after download",        FAILURE_HASH     },
 /* SWUpdate says so of a bad signature too: free text never takes a failure out of the
  counts. */
        {"Compatible mismatch: expected 'a' got 'b'", FAILURE_UNKNOWN  },
        {"ERROR : Compatible SW not found",           FAILURE_UNKNOWN  },
        {"write: No space left on device",            FAILURE_STORAGE  },
        {"HTTP/2 stream: Connection reset",           FAILURE_NETWORK  },
        {"Battery low",                               FAILURE_POWER    },
        {"Installation error: handler failed",        FAILURE_INSTALL  },
        {"42",                                        FAILURE_UNKNOWN  },
        {NULL,                                        FAILURE_UNKNOWN  },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(failure_from_words(cases[i].words), cases[i].failure);
    for (int i = 0; i < FAILURE_CLASSES; i++)
        assert_int_equal(failure_of(failure_name((enum failure)i)), i);
    assert_int_equal(failure_of("no such class"), FAILURE_UNKNOWN);
}

static void retries_back_off_and_end(void **state)
{
    (void)state;
    assert_int_equal(failure_retry_at(FAILURE_NETWORK, 1, 10, 1000), 1000 + 900);
    assert_int_equal(failure_retry_at(FAILURE_NETWORK, 2, 10, 1000), 1000 + 1800);
    assert_int_equal(failure_retry_at(FAILURE_NETWORK, 5, 10, 1000), 1000 + 14400);
    assert_int_equal(failure_retry_at(FAILURE_NETWORK, 6, 10, 1000), 0);
    assert_int_equal(failure_retry_at(FAILURE_NETWORK, 3, 3, 1000), 0);
    assert_int_equal(failure_retry_at(FAILURE_INSTALL, 1, 3, 1000), 1900);
    assert_int_equal(failure_retry_at(FAILURE_INSTALL, 2, 3, 1000), 0);
    assert_int_equal(failure_retry_at(FAILURE_SIGNATURE, 1, 3, 1000), 0);
}

/* -- evidence -- */

static struct traces traces(const char *version, const char *boot_id)
{
    return (struct traces){
        .release_version = "2.0",
        .version = version,
        .boot_id = boot_id,
        .uptime = -1,
        .version_before = "1.0",
        .boot_id_before = "a",
    };
}

static void a_version_in_a_new_boot_is_evidence(void **state)
{
    struct traces installed = traces("2.0", "b"), too_early = traces("2.0", "a");
    struct traces without_boots = traces("2.0", ""), silent = traces("", ""),
                  old = traces("1.0", "b");

    (void)state;
    assert_true(evidence_of_install(&installed));
    assert_false(evidence_of_install(&too_early));
    assert_true(evidence_of_install(&without_boots));
    assert_false(evidence_of_install(&silent));
    assert_false(evidence_of_install(&old));
}

static void the_old_version_in_a_new_boot_is_a_fall_back(void **state)
{
    struct traces reverted = traces("1.0", "b"), same_boot = traces("1.0", "a");
    struct traces other = traces("1.5", "b"), installed = traces("2.0", "b");

    (void)state;
    assert_true(evidence_of_fallback(&reverted));
    assert_false(evidence_of_fallback(&same_boot));
    assert_false(evidence_of_fallback(&other));
    assert_false(evidence_of_fallback(&installed));
    assert_true(evidence_of_loss(&other));
    assert_false(evidence_of_loss(&installed));
}

static void uptime_or_polls_confirm(void **state)
{
    struct traces seen = traces("2.0", "b");
    bool is_unproven;

    (void)state;
    seen.verifying_since = 1000;
    assert_false(evidence_confirms(&seen, 600, 1000, &is_unproven));
    assert_true(evidence_confirms(&seen, 0, 1000, &is_unproven));
    seen.uptime = 600;
    assert_true(evidence_confirms(&seen, 600, 1000, &is_unproven));
    seen.uptime = 599;
    assert_false(evidence_confirms(&seen, 600, 1600, &is_unproven));
    seen.polls_since = 2;
    assert_false(evidence_confirms(&seen, 600, 1599, &is_unproven));
    assert_true(evidence_confirms(&seen, 600, 1600, &is_unproven));
    assert_false(is_unproven);
    seen.version = "1.0";
    assert_false(evidence_confirms(&seen, 0, 9999, &is_unproven));
}

static void without_a_version_only_polls_confirm(void **state)
{
    struct traces silent = traces("", "");
    bool is_unproven;

    (void)state;
    silent.verifying_since = 1000;
    silent.uptime = 5000;
    assert_false(evidence_confirms(&silent, 0, 1000, &is_unproven));
    silent.polls_since = 2;
    assert_true(evidence_confirms(&silent, 600, 1600, &is_unproven));
    assert_true(is_unproven);
}

/* -- states -- */

static void what_is_over_stays_over(void **state)
{
    static const enum campaign_state over[] = {CAMPAIGN_FINISHED, CAMPAIGN_ABORTED,
                                               CAMPAIGN_CANCELLED, CAMPAIGN_SUPERSEDED,
                                               CAMPAIGN_EXPIRED};
    int ended = 0;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(over); i++)
        for (int to = 0; to < CAMPAIGN_STATES; to++)
            assert_false(campaign_may_move(over[i], (enum campaign_state)to));
    for (int at = 0; at < CAMPAIGN_STATES; at++)
        ended += campaign_is_over((enum campaign_state)at);
    assert_int_equal(ended, COUNT_OF(over));
    for (int to = 0; to < WAVE_STATES; to++) {
        assert_false(wave_may_move(WAVE_PASSED, (enum wave_state)to));
        assert_false(wave_may_move(WAVE_SKIPPED, (enum wave_state)to));
    }
}

static void a_campaign_cannot_run_without_review(void **state)
{
    (void)state;
    for (int from = 0; from < CAMPAIGN_STATES; from++)
        assert_int_equal(campaign_may_move((enum campaign_state)from, CAMPAIGN_RUNNING),
                         from == CAMPAIGN_SCHEDULED || from == CAMPAIGN_PAUSED);
    for (int from = 0; from < CAMPAIGN_STATES; from++)
        assert_int_equal(campaign_may_move((enum campaign_state)from, CAMPAIGN_SCHEDULED),
                         from == CAMPAIGN_REVIEW);
}

static void a_wave_passes_only_after_its_soak_or_by_hand(void **state)
{
    (void)state;
    for (int from = 0; from < WAVE_STATES; from++)
        assert_int_equal(wave_may_move((enum wave_state)from, WAVE_PASSED),
                         from == WAVE_SOAKING || from == WAVE_HELD);
}

static void a_deployment_is_confirmed_only_by_verifying(void **state)
{
    (void)state;
    for (int from = 0; from < DEPLOYMENT_STATES; from++)
        assert_int_equal(deployment_may_move((enum deployment_state)from, DEPLOYMENT_CONFIRMED),
                         from == DEPLOYMENT_VERIFYING || from == DEPLOYMENT_LOST ||
                             from == DEPLOYMENT_TIMED_OUT);
    for (int to = 0; to < DEPLOYMENT_STATES; to++)
        assert_int_equal(deployment_may_move(DEPLOYMENT_CONFIRMED, (enum deployment_state)to),
                         to == DEPLOYMENT_REVERTED || to == DEPLOYMENT_OFFERED);
}

/* A standing campaign offers whenever its release is missing; others only after a withdrawal, and
 * what waited for consent. */
static void only_what_is_over_is_offered_again(void **state)
{
    static const bool is_under_way[DEPLOYMENT_STATES] = {
        [DEPLOYMENT_OFFERED] = true,    [DEPLOYMENT_DOWNLOADING] = true,
        [DEPLOYMENT_DOWNLOADED] = true, [DEPLOYMENT_INSTALLING] = true,
        [DEPLOYMENT_VERIFYING] = true,  [DEPLOYMENT_CANCELLED] = true,
    };

    (void)state;
    for (int from = 0; from < DEPLOYMENT_STATES; from++)
        assert_int_equal(deployment_may_move((enum deployment_state)from, DEPLOYMENT_OFFERED),
                         !is_under_way[from]);
}

static void what_did_not_succeed_can_be_withdrawn(void **state)
{
    static const bool stays[DEPLOYMENT_STATES] = {
        [DEPLOYMENT_WITHDRAWN] = true,  [DEPLOYMENT_CONFIRMED] = true,
        [DEPLOYMENT_SUPERSEDED] = true, [DEPLOYMENT_NOT_APPLICABLE] = true,
        [DEPLOYMENT_ALREADY] = true,    [DEPLOYMENT_REMOVED] = true,
    };

    (void)state;
    for (int from = 0; from < DEPLOYMENT_STATES; from++)
        assert_int_equal(deployment_may_move((enum deployment_state)from, DEPLOYMENT_WITHDRAWN),
                         !stays[from]);
}

static void a_watched_campaign_can_still_be_stopped(void **state)
{
    static const bool follows[CAMPAIGN_STATES] = {
        [CAMPAIGN_FINISHED] = true,
        [CAMPAIGN_PAUSED] = true,
        [CAMPAIGN_ABORTED] = true,
        [CAMPAIGN_SUPERSEDED] = true,
    };

    (void)state;
    for (int to = 0; to < CAMPAIGN_STATES; to++)
        assert_int_equal(campaign_may_move(CAMPAIGN_FINISHING, (enum campaign_state)to),
                         follows[to]);
}

static void no_state_follows_itself_and_none_is_forgotten(void **state)
{
    bool is_reached[DEPLOYMENT_STATES] = {[DEPLOYMENT_OFFERED] = true};

    (void)state;
    for (int round = 0; round < DEPLOYMENT_STATES; round++)
        for (int from = 0; from < DEPLOYMENT_STATES; from++)
            for (int to = 0; is_reached[from] && to < DEPLOYMENT_STATES; to++)
                is_reached[to] |=
                    deployment_may_move((enum deployment_state)from, (enum deployment_state)to);
    for (int at = 0; at < DEPLOYMENT_STATES; at++) {
        enum deployment_state known;
        assert_true(is_reached[at]);
        assert_false(deployment_may_move((enum deployment_state)at, (enum deployment_state)at));
        assert_true(deployment_state_of(deployment_state_name((enum deployment_state)at), &known));
        assert_int_equal(known, at);
    }
}

static void words_that_are_no_state_are_refused(void **state)
{
    enum campaign_state campaign;
    enum wave_state wave;
    enum deployment_state deployment;

    (void)state;
    assert_false(campaign_state_of("Running", &campaign));
    assert_false(wave_state_of("", &wave));
    assert_false(deployment_state_of("retrying", &deployment));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_stand_in_their_order),
        cmocka_unit_test(versions_that_mean_the_same_are_equal),
        cmocka_unit_test(the_brake_follows_the_table),
        cmocka_unit_test(the_brake_trips_exactly_at_its_limit),
        cmocka_unit_test(the_gate_judges),
        cmocka_unit_test(the_gate_says_what_it_waits_for),
        cmocka_unit_test(the_upper_bound_says_what_a_sample_can),
        cmocka_unit_test(spans_join_and_never_claim_too_much),
        cmocka_unit_test(many_holes_forget_the_shortest_span),
        cmocka_unit_test(a_device_s_words_give_the_class),
        cmocka_unit_test(retries_back_off_and_end),
        cmocka_unit_test(a_version_in_a_new_boot_is_evidence),
        cmocka_unit_test(the_old_version_in_a_new_boot_is_a_fall_back),
        cmocka_unit_test(uptime_or_polls_confirm),
        cmocka_unit_test(without_a_version_only_polls_confirm),
        cmocka_unit_test(what_is_over_stays_over),
        cmocka_unit_test(a_campaign_cannot_run_without_review),
        cmocka_unit_test(a_wave_passes_only_after_its_soak_or_by_hand),
        cmocka_unit_test(a_deployment_is_confirmed_only_by_verifying),
        cmocka_unit_test(only_what_is_over_is_offered_again),
        cmocka_unit_test(what_did_not_succeed_can_be_withdrawn),
        cmocka_unit_test(a_watched_campaign_can_still_be_stopped),
        cmocka_unit_test(no_state_follows_itself_and_none_is_forgotten),
        cmocka_unit_test(words_that_are_no_state_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
