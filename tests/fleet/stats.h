/* SPDX-License-Identifier: Apache-2.0 */
/* What the simulated fleet counts, and how long things took. */
#ifndef OTAD_FLEET_STATS_H
#define OTAD_FLEET_STATS_H

#include <jansson.h>
#include <stdint.h>

struct stats {
    int64_t polls;
    int64_t full_handshakes, resumed_handshakes;
    int64_t bytes; /* of images, as received */
    int64_t downloads, resumed_downloads, cuts;
    int64_t installed, failed, reverted, silent, cancelled;
    int64_t broken;    /* connections that ended without an answer, not by our own cut */
    int64_t refused;   /* answers that were neither 2xx, 304 nor expected */
    int64_t untrusted; /* updates refused by the device: signature, hash, length, range */
};

json_t *stats_to_json(const struct stats *stats);

/* Microseconds in buckets about 3 % wide, from 1 us to over an hour; constant memory. */
#define LATENCY_STEPS 32
#define LATENCY_BUCKETS (LATENCY_STEPS * 32)
struct latencies {
    int64_t counts[LATENCY_BUCKETS];
    int64_t total;
};
void latency_add(struct latencies *latencies, int64_t us);
/* The upper end of the bucket in which that share (0..1) of all is reached; 0 when there is none.
 */
int64_t latency_at(const struct latencies *latencies, double share);

int64_t stats_clock_us(void);   /* monotonic */
double stats_cpu_seconds(void); /* of this process, user and system */

#endif
