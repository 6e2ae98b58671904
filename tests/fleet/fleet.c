/* SPDX-License-Identifier: Apache-2.0 */
#include "fleet.h"

#include "core/clock.h"
#include "device.h"
#include "image.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#define LOOK_MS 200

static volatile sig_atomic_t is_to_end, is_to_tell;

static void note_signal(int number)
{
    if (number == SIGUSR1)
        is_to_tell = 1;
    else
        is_to_end = 1;
}

static int is_device_folder(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && strlen(entry->d_name) < DEVICE_ID_SIZE;
}

static void free_entries(struct dirent **entries, int count)
{
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
}

static int add_device(struct fleet *fleet, const char *id, struct error *err)
{
    const struct options *options = &fleet->options;
    struct device *device = &fleet->devices[fleet->count];
    char certificate[4096];
    char *folder = NULL;

    snprintf(certificate, sizeof certificate, "%s/%s/device.crt", options->devices, id);
    if (access(certificate, R_OK))
        return 0;
    if (asprintf(&folder, "%s/%s", options->devices, id) < 0)
        return fail_internal(err, "out of memory");
    device->identity.folder = folder;
    device_init(device, fleet, id,
                options->api == API_NATIVE || (options->api == API_MIXED && fleet->count % 2));
    fleet->count++;
    return 0;
}

static int find_devices(struct fleet *fleet, struct error *err)
{
    const struct options *options = &fleet->options;
    struct dirent **entries;
    int found = scandir(options->devices, &entries, is_device_folder, alphasort);
    int result = 0;

    if (found < 0)
        return fail_internal(err, "%s: %m", options->devices);
    fleet->devices = calloc((size_t)found + 1, sizeof *fleet->devices);
    if (!fleet->devices)
        result = fail_internal(err, "out of memory");
    for (int i = 0; i < found && !result; i++) {
        if (!options->count || (int64_t)fleet->count < options->count)
            result = add_device(fleet, entries[i]->d_name, err);
    }
    free_entries(entries, found);
    if (!result && !fleet->count)
        return fail(err, PROBLEM_BAD_FIELD, "%s holds no <id>/device.crt", options->devices);
    return result;
}

static int open_client(struct fleet *fleet, struct error *err)
{
    struct client_options options = fleet->options.client;
    CLEANUP(free_string) char *ca = NULL;

    if (!options.ca) {
        if (asprintf(&ca, "%s/server-ca.crt", fleet->devices[0].identity.folder) < 0)
            return fail_internal(err, "out of memory");
        options.ca = ca;
    }
    fleet->client.loop = fleet->loop;
    fleet->client.stats = &fleet->stats;
    return client_open(&fleet->client, &options, err);
}

int fleet_open(struct fleet *fleet, struct error *err)
{
    struct rlimit files;

    if (!getrlimit(RLIMIT_NOFILE, &files)) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (loop_open(&fleet->loop, err) || find_devices(fleet, err) || open_client(fleet, err))
        return -1;
    return image_trust_open(fleet->options.root, &fleet->trust, err);
}

void fleet_close(struct fleet *fleet)
{
    for (size_t i = 0; i < fleet->count; i++)
        device_clear(&fleet->devices[i]);
    free(fleet->devices);
    image_trust_close(&fleet->trust);
    client_close(&fleet->client);
    loop_close(&fleet->loop);
}

static size_t count_reached(const struct fleet *fleet)
{
    size_t reached = 0;

    for (size_t i = 0; i < fleet->count; i++) {
        const struct device *device = &fleet->devices[i];

        reached += device->has_met_fate || !strcmp(device->told_version, fleet->options.until);
    }
    return reached;
}

static json_t *versions_to_json(const struct fleet *fleet)
{
    json_t *versions = json_object();

    for (size_t i = 0; i < fleet->count; i++) {
        const char *version = fleet->devices[i].told_version;
        json_int_t before = json_integer_value(json_object_get(versions, version));

        json_object_set_new(versions, version, json_integer(before + 1));
    }
    return versions;
}

static void show_progress(const struct fleet *fleet)
{
    json_auto_t *versions = versions_to_json(fleet);
    char *text = json_dumps(versions, JSON_COMPACT);

    fprintf(stderr,
            "fleet: %zu devices %s, %lld MB, %lld cut, %lld resumed, %lld failed, %lld broken\n",
            fleet->count, text ? text : "", (long long)(fleet->stats.bytes / 1000000),
            (long long)fleet->stats.cuts, (long long)fleet->stats.resumed_downloads,
            (long long)fleet->stats.failed, (long long)fleet->stats.broken);
    free(text);
}

static bool is_reached(const struct fleet *fleet)
{
    return !fleet->options.until || count_reached(fleet) == fleet->count;
}

/* Appears whole or not at all: scripts wait for it. */
static int write_summary(const struct fleet *fleet, struct error *err)
{
    CLEANUP(free_string) char *draft = NULL;
    json_auto_t *summary = stats_to_json(&fleet->stats);
    double seconds = (double)(clock_monotonic_ms() - fleet->started_ms) / 1000.0;

    if (!fleet->options.summary)
        return 0;
    json_object_set_new(summary, "devices", json_integer((json_int_t)fleet->count));
    json_object_set_new(summary, "versions", versions_to_json(fleet));
    json_object_set_new(summary, "reached", json_boolean(is_reached(fleet)));
    json_object_set_new(summary, "seconds", json_real(seconds));
    if (asprintf(&draft, "%s.new", fleet->options.summary) < 0)
        return fail_internal(err, "out of memory");
    if (json_dump_file(summary, draft, JSON_INDENT(2) | JSON_REAL_PRECISION(6)) ||
        rename(draft, fleet->options.summary))
        return fail_internal(err, "%s: %m", fleet->options.summary);
    return 0;
}

static void look(void *arg)
{
    struct fleet *fleet = arg;
    const struct options *options = &fleet->options;
    int64_t age = clock_monotonic_ms() - fleet->started_ms;
    struct error err;

    if (options->shows_progress && age % 1000 < LOOK_MS)
        show_progress(fleet);
    if (is_to_tell && write_summary(fleet, &err))
        fprintf(stderr, "otad-fleet: %s\n", error_text(&err));
    is_to_tell = 0;
    if (is_to_end || (options->timeout_ms && age > options->timeout_ms) ||
        (options->until && is_reached(fleet)))
        loop_stop(fleet->loop);
    else
        timer_set(fleet->loop, &fleet->second, LOOK_MS);
}

int fleet_run(struct fleet *fleet, struct error *err)
{
    struct sigaction action = {.sa_handler = note_signal};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    fleet->started_ms = clock_monotonic_ms();
    fleet->second = (struct timer){.fire = look, .arg = fleet};
    timer_set(fleet->loop, &fleet->second, LOOK_MS);
    for (size_t i = 0; i < fleet->count; i++)
        device_start(&fleet->devices[i]);
    if (loop_run(fleet->loop, err))
        return -1;
    if (fleet->options.shows_progress)
        show_progress(fleet);
    if (write_summary(fleet, err))
        return -1;
    return is_reached(fleet) ? 0 : 1;
}
