/* SPDX-License-Identifier: Apache-2.0 */
/* Every slot is one connection at a time. Where connections are opened anew the slots go through
 * all devices in turn, so that a server's caches meet as many certificates as a real fleet has;
 * where they stay open a slot keeps its device. What only prepares (fetching sessions, connecting)
 * is done before the clock starts. */
#include "load.h"

#include "core/clock.h"
#include "device.h"

#include <openssl/x509_vfy.h>
#include <signal.h>
#include <string.h>

#define RETRY_MS 20
#define OPENING_MAX                                                                                \
    64 /* a server bounds the handshakes it has open; that is not what is measured */

struct mode {
    const char *name;
    bool keeps, resumes, posts, idles, downloads;
};
static const struct mode modes[] = {
    {"poll-full",      false, false, false, false, false},
    {"poll-resumed",   false, true,  false, false, false},
    {"poll-keepalive", true,  false, false, false, false},
    {"download",       true,  false, false, false, true },
    {"status",         true,  false, true,  false, false},
    {"idle",           true,  false, false, true,  false},
};

struct load {
    struct fleet *fleet;
    const struct mode *mode;
    struct slot *slots;
    size_t slot_count, started, next_device;
    int64_t preparing; /* answers still to come before the clock starts */
    int64_t ops, bytes, errors, began_us;
    double cpu_before;
    struct latencies latencies;
    struct timer end;
};

struct slot {
    struct load *load;
    struct device *device;
    struct http http;
    struct timer timer;
    int64_t sent_us, offset;
    bool is_open;    /* answered once */
    bool is_looking; /* for the image its update links to */
    char path[URL_SIZE];
};

static const struct mode *find_mode(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        if (!strcmp(modes[i].name, name))
            return &modes[i];
    }
    return NULL;
}

bool load_mode_exists(const char *mode)
{
    return find_mode(mode) != NULL;
}

static void send_next(void *arg);
static void take_device(struct slot *slot);

/* Whoever measures the server from outside begins at the line this prints: what came before were
 * first handshakes for sessions and kept connections. */
static void start_clock(struct load *load)
{
    puts("begin");
    fflush(stdout);
    load->ops = load->errors = load->bytes = 0;
    load->latencies = (struct latencies){0};
    load->fleet->stats = (struct stats){0};
    load->began_us = stats_clock_us();
    load->cpu_before = stats_cpu_seconds();
    if (load->fleet->options.seconds)
        timer_set(load->fleet->loop, &load->end, load->fleet->options.seconds * 1000);
}

static void count_answer(struct slot *slot, bool is_good)
{
    struct load *load = slot->load;
    int64_t wanted = load->fleet->options.requests;

    if (load->preparing) {
        if (!--load->preparing)
            start_clock(load);
        return;
    }
    if (is_good) {
        load->ops++;
        latency_add(&load->latencies, stats_clock_us() - slot->sent_us);
    } else {
        load->errors++;
    }
    if (wanted && load->ops + load->errors >= wanted)
        loop_stop(load->fleet->loop);
}

/* Follows a poll's answer to the deployment, and that to its first image. */
static bool follow(struct slot *slot, const struct http_reply *reply)
{
    struct error err;
    json_auto_t *document = NULL;
    const char *url;

    if (json_read(reply->body.at, reply->body.length, &document, &err))
        return false;
    if (!json_unpack(document, "{s:{s:{s:s}}}", "_links", "deploymentBase", "href", &url))
        return device_path_of(slot->device, url, slot->path);
    if (json_unpack(document, "{s:{s:[{s:[{s:{s:{s:s}}}]}]}}", "deployment", "chunks", "artifacts",
                    "_links", "download", "href", &url))
        return false;
    slot->is_looking = false;
    return device_path_of(slot->device, url, slot->path);
}

static void next_range(struct slot *slot, const struct http_reply *reply)
{
    slot->offset += slot->load->fleet->options.range;
    if (slot->offset >= reply->range_whole)
        slot->offset = 0;
}

static void start_slot(struct load *load)
{
    struct slot *slot = &load->slots[load->started];

    if (load->started == load->slot_count)
        return;
    load->started++;
    slot->load = load;
    slot->timer = (struct timer){.fire = send_next, .arg = slot};
    http_init(&slot->http, &load->fleet->client, NULL, slot);
    if (load->mode->keeps)
        take_device(slot);
    timer_set(load->fleet->loop, &slot->timer, 0);
}

static void answered(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct slot *slot = arg;
    struct load *load = slot->load;
    bool is_good = end == HTTP_ANSWERED && reply->status / 100 == 2;

    if (slot->is_looking && is_good) {
        is_good = follow(slot, reply);
    } else {
        if (is_good && load->mode->downloads)
            next_range(slot, reply);
        count_answer(slot, is_good);
    }
    if (is_good && !slot->is_open) {
        slot->is_open = true;
        start_slot(load);
    }
    if (!load->mode->keeps)
        http_close(&slot->http);
    if (!is_good)
        timer_set(load->fleet->loop, &slot->timer, RETRY_MS);
    else if (!load->mode->idles)
        send_next(slot);
}

static bool count_bytes(void *arg, const struct http_reply *reply, const uint8_t *bytes,
                        size_t count)
{
    struct slot *slot = arg;

    (void)reply;
    (void)bytes;
    slot->load->bytes += (int64_t)count;
    return true;
}

static void set_path(struct slot *slot)
{
    const struct options *options = &slot->load->fleet->options;
    const char *before, *after;

    slot->is_looking = slot->load->mode->downloads && !options->path;
    if (options->path) {
        before = options->path;
        after = strstr(before, "%s");
        if (after)
            snprintf(slot->path, URL_SIZE, "%.*s%s%s", (int)(after - before), before,
                     slot->device->id, after + 2);
        else
            snprintf(slot->path, URL_SIZE, "%s", before);
    } else if (options->api == API_NATIVE) {
        snprintf(slot->path, URL_SIZE, "/v1/device/update");
    } else {
        snprintf(slot->path, URL_SIZE, "/DEFAULT/controller/v1/%s", slot->device->id);
    }
}

static void take_device(struct slot *slot)
{
    struct load *load = slot->load;

    slot->device = &load->fleet->devices[load->next_device++ % load->fleet->count];
    slot->http.identity = &slot->device->identity;
    set_path(slot);
}

static void send_status(struct slot *slot, struct http_request *request)
{
    struct device *device = slot->device;
    char body[256];

    snprintf(body, sizeof body,
             "{\"seq\":%lld,\"boot_id\":\"%s\",\"components\":[],\"uptime\":%lld}",
             (long long)++device->seq, device->boot_id, (long long)device_uptime(device));
    request->method = "POST";
    request->path = "/v1/device/status";
    request->json = body;
    http_send(&slot->http, request);
}

static void send_next(void *arg)
{
    struct slot *slot = arg;
    const struct load *load = slot->load;
    int64_t range = load->fleet->options.range;
    char header[96];
    struct http_request request = {.method = "GET", .path = slot->path, .done = answered};

    if (!load->mode->keeps)
        take_device(slot);
    slot->sent_us = stats_clock_us();
    if (load->mode->posts) {
        send_status(slot, &request);
        return;
    }
    if (load->mode->downloads && !slot->is_looking)
        request.sink = count_bytes;
    if (request.sink && range) {
        snprintf(header, sizeof header, "Range: bytes=%lld-%lld\r\n", (long long)slot->offset,
                 (long long)(slot->offset + range - 1));
        request.headers = header;
    }
    http_send(&slot->http, &request);
}

static void time_is_up(void *arg)
{
    struct load *load = arg;

    loop_stop(load->fleet->loop);
}

static size_t count_open(const struct load *load)
{
    size_t open = 0;

    for (size_t i = 0; i < load->started; i++)
        open += load->slots[i].http.state == HTTP_IDLE;
    return open;
}

static void print_result(const struct load *load)
{
    const struct stats *stats = &load->fleet->stats;
    double seconds = (double)(stats_clock_us() - load->began_us) / 1e6;

    printf("{\"mode\":\"%s\",\"ops\":%lld,\"seconds\":%.3f,\"rate\":%.1f,\"p50_us\":%lld,"
           "\"p99_us\":%lld,\"bytes\":%lld,\"full_handshakes\":%lld,\"resumed_handshakes\":%lld,"
           "\"errors\":%lld,\"open\":%zu,\"cpu_seconds\":%.3f}\n",
           load->mode->name, (long long)load->ops, seconds, (double)load->ops / seconds,
           (long long)latency_at(&load->latencies, 0.5),
           (long long)latency_at(&load->latencies, 0.99), (long long)load->bytes,
           (long long)stats->full_handshakes, (long long)stats->resumed_handshakes,
           (long long)load->errors, count_open(load), stats_cpu_seconds() - load->cpu_before);
}

int load_run(struct fleet *fleet, struct error *err)
{
    struct load load = {.fleet = fleet, .mode = find_mode(fleet->options.mode)};

    signal(SIGPIPE, SIG_IGN);
    load.slot_count = (size_t)fleet->options.connections;
    if (load.mode->keeps && load.slot_count > fleet->count)
        return fail(err, PROBLEM_BAD_FIELD, "%zu connections need as many devices, not %zu",
                    load.slot_count, fleet->count);
    for (size_t i = 0; i < fleet->count; i++) {
        if (identity_load(&fleet->devices[i].identity, err))
            return -1;
        fleet->devices[i].seq = 1000 * clock_wall_ms(); /* above every earlier run's */
    }
    fleet->client.resumes = load.mode->resumes;
    load.end = (struct timer){.fire = time_is_up, .arg = &load};
    load.slots = calloc(load.slot_count, sizeof *load.slots);
    if (!load.slots)
        return fail_internal(err, "out of memory");
    if (load.mode->resumes)
        load.preparing = (int64_t)fleet->count;
    else if (load.mode->keeps)
        load.preparing = (int64_t)load.slot_count;
    else
        start_clock(&load);
    for (int i = 0; i < OPENING_MAX; i++)
        start_slot(&load);
    if (!load.mode->idles)
        loop_never_sleep(fleet->loop);
    if (loop_run(fleet->loop, err))
        return -1;
    print_result(&load);
    for (size_t i = 0; i < load.started; i++)
        http_close(&load.slots[i].http);
    free(load.slots);
    return load.preparing ? 1 : 0;
}

/* -- one connection, to see whether the server is believed -- */

static int connect_result;

static void connected(void *arg, enum http_end end, const struct http_reply *reply)
{
    struct device *device = arg;

    connect_result = 5;
    if (end == HTTP_ANSWERED && reply->status / 100 == 2)
        connect_result = 0;
    else if (end == HTTP_UNTRUSTED && device->http.verify_result == X509_V_ERR_HOSTNAME_MISMATCH)
        connect_result = 4;
    else if (end == HTTP_UNTRUSTED && device->http.verify_result == X509_V_ERR_IP_ADDRESS_MISMATCH)
        connect_result = 4;
    else if (end == HTTP_UNTRUSTED)
        connect_result = 3;
    if (end == HTTP_UNTRUSTED)
        printf("%s\n", X509_verify_cert_error_string(device->http.verify_result));
    else if (end == HTTP_ANSWERED)
        printf("status %d\n", reply->status);
    else
        printf("no answer\n");
    loop_stop(device->fleet->loop);
}

int load_connect(struct fleet *fleet, struct error *err)
{
    struct device *device = &fleet->devices[0];
    char path[URL_SIZE];

    signal(SIGPIPE, SIG_IGN);
    snprintf(path, sizeof path, "/DEFAULT/controller/v1/%s", device->id);
    device_ask(device, "GET", path, NULL, connected);
    if (loop_run(fleet->loop, err))
        return -1;
    return connect_result;
}
