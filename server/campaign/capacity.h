/* SPDX-License-Identifier: Apache-2.0 */
/* How much may go on at once: whether a device that should get a release may get it now.
 *
 * Three things are measured for the server, for each site and for each campaign. *Starts*: a token
 * bucket per campaign, faster the more devices have confirmed. *Leases*: a started deployment holds
 * one while bytes or reports come, and loses it `lease` seconds after the last of them without any
 * judgement: a stuck device frees its place by itself. *Bytes per second*: a lease reserves the
 * rate its transfer is slowed down to, and what is reserved never exceeds a budget.
 *
 * Whoever has begun is never refused: a device that goes on after its lease ran out takes it again,
 * beyond the limits if need be. That is an overdraft; it keeps new ones out until it is gone.
 *
 * All of it is in memory. Any thread; no call waits for more than a moment. `now` is wall time in
 * seconds; a clock that is set back makes nothing last longer.
 *
 * How a poll uses it:
 *   On a reader, where the resolver says REASON_OFFER: capacity_look(). ADMIT sends the poll to the
 *   writer (VERDICT_WRITE). Anything else is VERDICT_NOTHING with admission_code() as the reason
 *   and poll_after = spread_wait(id, wait, interval, least). The same for `explain`.
 *   On the writer, when all else allows the offer: capacity_admit() with the row of an earlier
 *   attempt, or 0; then the offer is written. A row just made is named with capacity_name(). If
 *   writing or the commit fails: capacity_give_back(). One that is forgotten ends by itself.
 *   While it is offered or downloading, at each request for an image, each note of bytes and each
 *   report: capacity_touch(), and when that knows no lease, capacity_renew(). Its rate is the
 *   deployment's, for all its connections together.
 *   capacity_give_back() when it is downloaded as a whole, closed, withdrawn or stopped. Reports
 *   of the installation must not renew: nothing is transferred any more.
 *   capacity_expire() at each tick of the campaign clock.
 *   At start, before the first poll: capacity_renew() for each deployment that is offered or
 *   downloading and was active within `lease`. Buckets start with one token. */
#ifndef OTAD_CAMPAIGN_CAPACITY_H
#define OTAD_CAMPAIGN_CAPACITY_H

#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>

/* -- start rate -- */

enum rate_event { RATE_CONFIRMED, RATE_OFFERED };
struct rate_rule {
    int64_t start; /* offers per minute in the beginning; 0: as many as come */
    int64_t step;  /* so many events multiply it by the factor; 0: never */
    int64_t max;   /* never more; 0: none */
    double factor; /* taken to three decimals; not above 1: it stays as it is */
    enum rate_event step_on;
};

/* start × factor^⌊events / step⌋, rounded down once at the end, at most `max`; INT64_MAX when that
 * is too large to write. 0: no limit. */
int64_t rate_per_minute(const struct rate_rule *rule, int64_t events);

/* -- limits; 0 is none everywhere -- */

#define CAPACITY_LEASE 600     /* seconds; when the limits name none */
#define CAPACITY_WAIT_MAX 3600 /* longest estimate: rates grow, so nobody is sent away for long */
#define CAPACITY_SITE_SIZE 65  /* as a device's site; the rest of a longer name is not looked at */

struct capacity_limits {
    int64_t leases_server, leases_site;
    int64_t bytes_server, bytes_site; /* per second */
    int64_t transfer_rate; /* what one transfer reserves of a byte budget when its campaign says
                              nothing; 0: all of it, one after the other */
    int64_t lease;         /* seconds of silence until a lease is gone */
};

struct capacity_campaign {
    int64_t row_id;
    struct rate_rule rate;
    int64_t confirmed, offered; /* devices so far, for the rate */
    int64_t waiting;            /* active members without an offer, for estimates; 0: unknown */
    int64_t leases, bytes;
    int64_t transfer_rate; /* of each transfer, with or without a budget */
};

/* Who asks. Borrowed for the call. */
struct capacity_ask {
    const struct capacity_campaign *campaign;
    const char *device, *site;       /* ids; "" is a site of its own */
    int64_t tenant_row;              /* sites of different tenants are different */
    int64_t deployment_row;          /* 0: not stored yet */
    int64_t site_leases, site_bytes; /* of this site; 0: what the limits say of sites */
};

/* -- admission -- */

enum admission {
    ADMIT,
    ADMIT_LATER_RATE,
    ADMIT_LATER_SERVER,
    ADMIT_LATER_SITE,
    ADMIT_LATER_CAMPAIGN,
    ADMIT_LATER_BYTES,
};
const char *admission_code(enum admission admission); /* "start_rate", "capacity_server", … */

struct capacity;
/* Never holds more than `leases_max` leases, whatever the limits say. Memory is reserved here and
 * used as needed: nothing is allocated later. */
int capacity_new(const struct capacity_limits *limits, int64_t leases_max, struct capacity **ret,
                 struct error *err) MUST_CHECK;
void capacity_free(struct capacity **capacity);

/* Whether it would be admitted now. Takes nothing. `ret_wait`: seconds until its turn may come, 0
 * with ADMIT. Where it is known how many wait, each device has its own turn among them, and no more
 * come than there is something for. */
enum admission capacity_look(struct capacity *capacity, const struct capacity_ask *ask, int64_t now,
                             int64_t *ret_wait);

struct capacity_grant {
    int64_t lease; /* the deployment's row, or a name for one that has none yet (below 0) */
    int64_t rate;  /* bytes per second reserved; 0: its campaign and the budgets do not limit it */
};
/* Takes a token and a lease, both or nothing. A lease the row has from an earlier attempt ends. */
enum admission capacity_admit(struct capacity *capacity, const struct capacity_ask *ask,
                              int64_t now, struct capacity_grant *ret) MUST_CHECK;
/* The lease is that of this row from now on. */
void capacity_name(struct capacity *capacity, int64_t lease, int64_t deployment_row);
/* Ends it; unknown ones and repeats are harmless. The token stays taken: too slow is safe. */
void capacity_give_back(struct capacity *capacity, int64_t lease);
/* For an end that waits for its commit, when the row may hold another one already: which lease it
 * holds now (0: none), and the end of just that one. */
int64_t capacity_lease_of(struct capacity *capacity, int64_t deployment_row);
void capacity_give_back_that(struct capacity *capacity, int64_t deployment_row, int64_t number);

/* Notes that something came. False: there is no lease (any more). */
bool capacity_touch(struct capacity *capacity, int64_t deployment_row, int64_t now,
                    int64_t *ret_rate);
/* The same, and takes the lease again when there is none. Never refuses; returns the rate. */
int64_t capacity_renew(struct capacity *capacity, const struct capacity_ask *ask, int64_t now);
/* Ends the leases that were silent for too long, the most silent first, a bounded number at each
 * call. Returns how many. */
int64_t capacity_expire(struct capacity *capacity, int64_t now);

/* -- numbers -- */

struct capacity_held {
    int64_t leases;
    int64_t reserved;  /* bytes per second */
    int64_t overdrawn; /* of the leases: taken again beyond some limit */
};
struct capacity_numbers {
    struct capacity_held server;
    int64_t sites;    /* with a lease */
    int64_t admitted; /* since start, as are the following */
    int64_t expired;
    int64_t overdrafts; /* leases taken beyond a limit; also those there was no memory for */
};
void capacity_numbers(struct capacity *capacity, struct capacity_numbers *ret);
void capacity_of_site(struct capacity *capacity, int64_t tenant_row, const char *site,
                      struct capacity_held *ret);
void capacity_of_campaign(struct capacity *capacity, int64_t campaign_row,
                          struct capacity_held *ret);

#endif
