/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/release_rules.h"

#include <string.h>

static int by_path(const void *path, const void *published)
{
    return strcmp(path, ((const struct published *)published)->path);
}

static const struct published *find_past(const struct published *history, size_t count,
                                         const char *path)
{
    return count ? bsearch(path, history, count, sizeof *history, by_path) : NULL;
}

static bool same_counters(const struct counters *a, const struct counters *b)
{
    return a->security_version == b->security_version && a->security_floor == b->security_floor &&
           a->release_counter == b->release_counter;
}

static int check_unchanged(const struct entry *entry, const struct published *past,
                           struct error *err)
{
    if (entry->length != past->length || strcmp(entry->sha256, past->sha256) != 0)
        return fail(err, PROBLEM_BAD_METADATA, "V18: %.110s was published with another content",
                    entry->path);
    if (strcmp(entry->component, past->component) != 0 ||
        !same_counters(&entry->counters, &past->counters))
        return fail(err, PROBLEM_BAD_METADATA, "V17: %.110s was published with other counters",
                    entry->path);
    return 0;
}

/* The past of one component: its newest release, and the highest floor of all. */
struct past {
    struct counters newest;
    int64_t floor;
};

static void remember(struct past *past, const struct counters *counters)
{
    if (counters->release_counter > past->newest.release_counter)
        past->newest = *counters;
    if (counters->security_floor > past->floor)
        past->floor = counters->security_floor;
}

/* Paths of the past under <product>/<version>/. */
static size_t past_length(const struct published *history, size_t count, const struct entry *entry)
{
    size_t prefix = (size_t)(entry->file - entry->path), low = 0, high = count, length = 0;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strncmp(history[middle].path, entry->path, prefix) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    while (low + length < count && strncmp(history[low + length].path, entry->path, prefix) == 0)
        length++;
    return length;
}

/* A release's images of one component are one release for several kinds of hardware. */
static int check_siblings(const struct entry *release, size_t length, struct error *err)
{
    for (size_t i = 0; i < length; i++)
        for (size_t k = i + 1; k < length; k++)
            if (strcmp(release[i].component, release[k].component) == 0 &&
                !same_counters(&release[i].counters, &release[k].counters))
                return fail(err, PROBLEM_BAD_METADATA,
                            "V17: version %.64s of %s has two sets of counters", release[i].version,
                            release[i].component);
    return 0;
}

/* What was approved is what is installed: a release neither gains nor loses a file. */
static int check_release(const struct entry *release, size_t length,
                         const struct published *history, size_t history_count, struct error *err)
{
    size_t past = past_length(history, history_count, release);

    for (size_t i = 0; past && i < length; i++) {
        const struct published *same = find_past(history, history_count, release[i].path);
        if (!same || past != length)
            return fail(err, PROBLEM_BAD_METADATA,
                        "V18: version %.64s was published with other files", release->version);
        if (check_unchanged(&release[i], same, err))
            return -1;
    }
    return check_siblings(release, length, err);
}

static int check_grows(const struct entry *entry, const struct past *past, struct error *err)
{
    const struct counters *now = &entry->counters;

    if (now->release_counter <= past->newest.release_counter)
        return fail(err, PROBLEM_BAD_METADATA, "V17: release_counter of %s must be above %lld",
                    entry->component, (long long)past->newest.release_counter);
    if (entry->rollback_of != NOT_A_ROLLBACK) {
        if (entry->rollback_of > past->newest.release_counter)
            return fail(err, PROBLEM_BAD_METADATA,
                        "V17: rollback_of names no earlier release of %s", entry->component);
        if (now->security_version < past->floor)
            return fail(err, PROBLEM_BAD_METADATA,
                        "V17: a rollback of %s cannot go below the published floor %lld",
                        entry->component, (long long)past->floor);
        return 0;
    }
    if (now->security_version < past->newest.security_version)
        return fail(err, PROBLEM_BAD_METADATA, "V17: security_version of %s must be at least %lld",
                    entry->component, (long long)past->newest.security_version);
    if (now->security_floor < past->newest.security_floor)
        return fail(err, PROBLEM_BAD_METADATA, "V17: security_floor of %s must be at least %lld",
                    entry->component, (long long)past->newest.security_floor);
    return 0;
}

static struct past past_of(const char *component, const struct published *history, size_t count)
{
    struct past past = {.newest = {0}};

    for (size_t i = 0; i < count; i++)
        if (strcmp(history[i].component, component) == 0)
            remember(&past, &history[i].counters);
    return past;
}

struct counters release_newest(const char *component, const struct published *history, size_t count)
{
    return past_of(component, history, count).newest;
}

static int by_component_and_counter(const void *a, const void *b)
{
    const struct entry *left = *(const struct entry *const *)a;
    const struct entry *right = *(const struct entry *const *)b;
    int order = strcmp(left->component, right->component);

    if (order)
        return order;
    return (left->counters.release_counter > right->counters.release_counter) -
           (left->counters.release_counter < right->counters.release_counter);
}

static int check_new(const struct entry *const images[], size_t count,
                     const struct published *history, size_t history_count, struct error *err)
{
    struct past past = {.newest = {0}};

    for (size_t i = 0; i < count; i++) {
        const struct entry *image = images[i], *before = i ? images[i - 1] : NULL;
        if (!before || strcmp(before->component, image->component) != 0) {
            past = past_of(image->component, history, history_count);
        } else if (strcmp(before->version, image->version) == 0) {
            continue; /* a sibling with the same counters */
        } else if (before->counters.release_counter == image->counters.release_counter) {
            return fail(err, PROBLEM_BAD_METADATA, "V17: release_counter %lld of %s is used twice",
                        (long long)image->counters.release_counter, image->component);
        }
        if (find_past(history, history_count, image->path))
            continue;
        if (check_grows(image, &past, err))
            return -1;
        remember(&past, &image->counters);
    }
    return 0;
}

int release_rules_check(const struct entry *entries, size_t count, const struct published *history,
                        size_t history_count, struct error *err)
{
    CLEANUP(free_memory) const struct entry **images = calloc(count + 1, sizeof *images);
    size_t image_count = 0;

    if (!images)
        return fail_internal(err, "out of memory for %zu targets", count);
    for (size_t i = 0; i < count;) {
        size_t length = entries_of_version(&entries[i], count - i);
        if (check_release(&entries[i], length, history, history_count, err))
            return -1;
        i += length;
    }
    for (size_t i = 0; i < count; i++)
        if (entries[i].kind != ENTRY_CHUNKS)
            images[image_count++] = &entries[i];
    qsort(images, image_count, sizeof *images, by_component_and_counter);
    return check_new(images, image_count, history, history_count, err);
}

struct counters release_counters(const struct entry *release, size_t count)
{
    struct counters all = {.security_version = SECURITY_VERSION_MAX};

    for (size_t i = 0; i < count; i++) {
        const struct counters *one = &release[i].counters;
        if (release[i].kind == ENTRY_CHUNKS)
            continue;
        if (one->security_version < all.security_version)
            all.security_version = one->security_version;
        if (one->security_floor > all.security_floor)
            all.security_floor = one->security_floor;
        if (one->release_counter > all.release_counter)
            all.release_counter = one->release_counter;
    }
    return all;
}
