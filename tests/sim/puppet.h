/* SPDX-License-Identifier: Apache-2.0 */
/* A virtual device: what it runs, what it is at, and what is wrong with it. It draws from dice of
 * its own, so that its fate is the same whatever the network does to its messages. */
#ifndef OTAD_SIM_PUPPET_H
#define OTAD_SIM_PUPPET_H

#include "dice.h"
#include "engine.h"

#define ABSENCES_MAX 4
#define PIECES_MAX 4

struct world;

/* How it goes about things; zero means it does not. */
struct habit {
    int64_t polls_every, installs_in, tries_for; /* seconds; tries_for: until it says success */
    int64_t link;                                /* bytes per second; 0: all at once */
    int64_t clock_ahead;                         /* its own clock is off by this … */
    int64_t clock_set_in;                        /* … for so long after a boot; 0: always */
    struct {
        int64_t from, until;
    } away[ABSENCES_MAX];

    double fails;        /* share of its attempts that end in a failure it reports */
    const char *class;   /* of those; NULL: it only has words */
    double falls_back;   /* share that comes up in the new version and soon is back in the old */
    double loops;        /* share that never stops to boot */
    int64_t fails_later; /* seconds after its first success: the new version gives up; 0: never */
    double loses_power;  /* share of installations after which it is still the old one, rebooted */

    bool claims_only;      /* says success and has done nothing */
    bool is_stuck;         /* in the middle of a download, for ever */
    bool fetches_again;    /* at each poll, although it has it all */
    bool is_mute;          /* what it reports never arrives; its polls do */
    bool complains;        /* says failure although the new version goes on running */
    bool rejects;          /* declines what it is offered, for good */
    bool postpones;        /* says first that it waits */
    bool tells_no_version; /* nor does it know whether an update is one */
    bool tells_no_boot;
    bool speaks_ddi;      /* no sequence, evidence apart from reports */
    bool tells_its_steps; /* downloading, downloaded, installing */
};

enum stage {
    IDLE,
    FETCHING,
    INSTALLING,
    TRYING,  /* runs the new version and waits whether it lasts */
    LOOPING, /* boots, and boots */
};

enum fate { WORKS, FAILS, FALLS_BACK, LOOPS, STAYS_OLD, CLAIMS };

struct puppet {
    size_t index;
    int64_t row;
    char id[TEXT_MAX];
    const char *model, *hardware, *site, *zone; /* zone NULL: that of its site */
    int channel;                                /* put into it by hand; 0: rules decide */
    struct habit habit;
    struct dice dice;    /* what becomes of its attempts */
    struct dice network; /* when it polls, what becomes of its messages */

    /* The truth. */
    int release;  /* index of what it runs */
    int fallback; /* what the other slot holds */
    int64_t floor;
    int64_t boots, booted_at;

    enum stage stage;
    enum fate fate;
    int wanted; /* release of the task */
    bool is_download_only;
    int64_t action, deployment_row, due_at;
    int pieces, pieces_left;
    bool has_begun;

    /* What it has to tell until it is heard. */
    bool has_news; /* version or boot id changed */
    bool has_final;
    enum report_kind final;
    const char *final_class, *final_detail;
    int64_t final_action, answered_action; /* the last one the server took the end of */
    int64_t sequence;

    int64_t next_poll, wake_at, fails_at;
    int64_t told_floor; /* that the server has acknowledged */

    /* For the stories. */
    int64_t bytes, downloads, installs, attempts, first_offer_at, first_new_at;
};

/* At its wake-up: works on, tells, polls. */
void puppet_wake(struct world *world, struct puppet *puppet);
/* The answer to something it sent. */
void puppet_hear(struct world *world, struct puppet *puppet, const struct op *op);
bool puppet_is_away(const struct puppet *puppet, int64_t now, int64_t *ret_until);

#endif
