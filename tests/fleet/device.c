/* SPDX-License-Identifier: Apache-2.0 */
#include "device.h"

#include "component.h"
#include "core/clock.h"

#include <string.h>

#define DEFAULT_POLL_MS 30000
#define LEAST_PAUSE_MS 100

/* splitmix64: every device its own reproducible stream. */
static uint64_t mix(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static double share_of(uint64_t number)
{
    return (double)(number >> 11) / (double)(UINT64_C(1) << 53);
}

double device_draw(struct device *device)
{
    return share_of(mix(&device->random));
}

static uint64_t seed_of(const struct device *device, const char *salt)
{
    struct text text = {0};
    uint8_t sum[SHA256_SIZE];
    uint64_t seed;

    text_format(&text, "%lld %s %s", (long long)device->fleet->options.seed, device->id, salt);
    sha256(text.at, text.length, sum);
    text_clear(&text);
    memcpy(&seed, sum, sizeof seed);
    return seed;
}

enum fate device_fate(const struct device *device, const char *version)
{
    const struct options *options = &device->fleet->options;
    bool is_spared = options->fated && strcmp(options->fated, version);
    double draw = share_of(seed_of(device, version));

    if (is_spared)
        return FATE_GOOD;
    if (draw < options->fail)
        return FATE_FAILS;
    if (draw < options->fail + options->revert)
        return FATE_REVERTS;
    if (draw < options->fail + options->revert + options->silent)
        return FATE_VANISHES;
    return FATE_GOOD;
}

int64_t device_uptime(const struct device *device)
{
    return (clock_monotonic_ms() - device->booted_ms) * device->fleet->options.time_scale / 1000;
}

static void woken(void *arg)
{
    struct device *device = arg;

    device->wake(device);
}

void device_wait(struct device *device, int64_t delay_ms, void (*wake)(struct device *device))
{
    device->wake = wake;
    timer_set(device->fleet->loop, &device->timer, delay_ms);
}

static void visit(struct device *device)
{
    device->fleet->stats.polls++;
    if (device->is_native)
        native_visit(device);
    else
        ddi_visit(device);
}

void device_sleep(struct device *device)
{
    int64_t poll_ms = device->fleet->options.poll_ms;

    http_close(&device->http);
    if (!poll_ms)
        poll_ms = device->told_poll_ms ? device->told_poll_ms : DEFAULT_POLL_MS;
    device_wait(device, poll_ms < LEAST_PAUSE_MS ? LEAST_PAUSE_MS : poll_ms, visit);
}

static void boot(struct device *device, const char *version)
{
    uint64_t random[2] = {mix(&device->random), mix(&device->random)};
    char hex[33];

    hex_from_bytes(random, sizeof random, hex);
    snprintf(device->boot_id, sizeof device->boot_id, "%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8,
             hex + 13, hex + 17, hex + 20);
    if (version != device->version)
        snprintf(device->version, sizeof device->version, "%s", version);
    device->booted_ms = clock_monotonic_ms();
    device->owes_boot = true;
}

static void booted(struct device *device)
{
    device->booted_ms = clock_monotonic_ms();
    visit(device);
}

void device_reboot(struct device *device, const char *version)
{
    http_close(&device->http);
    boot(device, version);
    device_wait(device, device->fleet->options.reboot_ms, booted);
}

void device_init(struct device *device, struct fleet *fleet, const char *id, bool is_native)
{
    device->fleet = fleet;
    device->is_native = is_native;
    snprintf(device->id, sizeof device->id, "%s", id);
    device->random = seed_of(device, "") ^ (uint64_t)clock_wall_ms();
    device->timer = (struct timer){.fire = woken, .arg = device};
    device->seq = clock_wall_ms();
    http_init(&device->http, &fleet->client, &device->identity, device);
    components_init(device);
    boot(device, fleet->options.version);
}

/* The fleet was not switched on in one moment. */
void device_start(struct device *device)
{
    int64_t poll_ms = device->fleet->options.poll_ms;

    device_wait(device, (int64_t)(device_draw(device) * (double)(poll_ms ? poll_ms : 1000)), visit);
}

void device_clear(struct device *device)
{
    device_drop_update(device);
    digest_free(&device->download.whole);
    digest_free(&device->download.chunk);
    json_decref(device->links);
    http_close(&device->http);
    timer_clear(device->fleet->loop, &device->timer);
    identity_clear(&device->identity);
}

void device_ask(struct device *device, const char *method, const char *path, const char *json,
                http_done_fn done)
{
    struct http_request request = {.method = method, .path = path, .json = json, .done = done};

    http_send(&device->http, &request);
}

bool device_answered(struct device *device, enum http_end end, const struct http_reply *reply)
{
    if (end == HTTP_ANSWERED && (reply->status / 100 == 2 || reply->status == 304))
        return true;
    if (end == HTTP_ANSWERED || end == HTTP_UNTRUSTED)
        device->fleet->stats.refused++;
    device_drop_update(device);
    device_sleep(device);
    return false;
}

void device_begin_update(struct device *device, const char *id)
{
    device_drop_update(device);
    device->update = calloc(1, sizeof *device->update);
    if (device->update)
        snprintf(device->update->id, sizeof device->update->id, "%s", id);
}

void device_drop_update(struct device *device)
{
    if (!device->update)
        return;
    for (size_t i = 0; i < device->update->image_count; i++)
        free(device->update->images[i].chunks);
    free(device->update);
    device->update = NULL;
}

bool device_path_of(const struct device *device, const char *url, char ret[URL_SIZE])
{
    static const char scheme[] = "https://";
    const char *authority = device->fleet->client.authority;
    const char *rest = url;

    if (*url != '/') {
        if (!text_starts_with(url, scheme) || !text_starts_with(url + strlen(scheme), authority))
            return false;
        rest = url + strlen(scheme) + strlen(authority);
    }
    if (*rest != '/' || strlen(rest) >= URL_SIZE || strpbrk(rest, " \r\n"))
        return false;
    snprintf(ret, URL_SIZE, "%s", rest);
    return true;
}
