/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

#include <sys/resource.h>
#include <time.h>

json_t *stats_to_json(const struct stats *stats)
{
    return json_pack(
        "{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "polls",
        (json_int_t)stats->polls, "full_handshakes", (json_int_t)stats->full_handshakes,
        "resumed_handshakes", (json_int_t)stats->resumed_handshakes, "bytes",
        (json_int_t)stats->bytes, "downloads", (json_int_t)stats->downloads, "resumed_downloads",
        (json_int_t)stats->resumed_downloads, "cuts", (json_int_t)stats->cuts, "installed",
        (json_int_t)stats->installed, "failed", (json_int_t)stats->failed, "reverted",
        (json_int_t)stats->reverted, "silent", (json_int_t)stats->silent, "cancelled",
        (json_int_t)stats->cancelled, "broken", (json_int_t)stats->broken, "refused",
        (json_int_t)stats->refused, "untrusted", (json_int_t)stats->untrusted);
}

/* Values below LATENCY_STEPS have a bucket each; above, every power of two has LATENCY_STEPS. */
static int bucket_of(int64_t us)
{
    int shift = 0;
    int bucket;

    if (us < 0)
        us = 0;
    while (us >> shift >= 2 * LATENCY_STEPS)
        shift++;
    bucket = (int)(us >> shift) + shift * LATENCY_STEPS;
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

static int64_t bucket_end(int bucket)
{
    int shift = bucket < 2 * LATENCY_STEPS ? 0 : bucket / LATENCY_STEPS - 1;

    return ((int64_t)(bucket - shift * LATENCY_STEPS + 1) << shift) - 1;
}

void latency_add(struct latencies *latencies, int64_t us)
{
    latencies->counts[bucket_of(us)]++;
    latencies->total++;
}

int64_t latency_at(const struct latencies *latencies, double share)
{
    int64_t wanted = (int64_t)(share * (double)latencies->total), seen = 0;

    for (int bucket = 0; bucket < LATENCY_BUCKETS; bucket++) {
        seen += latencies->counts[bucket];
        if (seen > wanted || (seen && seen == latencies->total))
            return bucket_end(bucket);
    }
    return 0;
}

int64_t stats_clock_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

double stats_cpu_seconds(void)
{
    struct rusage usage;

    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
