/* SPDX-License-Identifier: Apache-2.0 */
/* otactl device issue: certificates from the laboratory's device authority, one or ten thousand.
 * Files come first and the registration last, so that no device is known whose key nobody has; if
 * the server refuses, the files go again. Keys are made by several threads, which share nothing but
 * a counter; everything else happens on the main one. */
#include "cli/verbs.h"

#include "cli/files.h"
#include "cli/http.h"
#include "cli/output.h"
#include "cli/settings.h"
#include "core/clock.h"
#include "core/digest.h"
#include "tls/pki.h"

#include <pthread.h>
#include <string.h>

#define COUNT_MAX 1000000
#define JOBS_MAX 64

struct issued {
    char *id, *folder;
    uint8_t fingerprint[SHA256_SIZE];
    int64_t not_after;
    bool has_ca; /* its server-ca.crt is one we put there */
};

struct batch {
    char *ca_certificate, *ca_key;
    int64_t days;
    struct issued *devices;
    size_t count;
    size_t next;          /* atomic: the first one no thread has taken */
    pthread_mutex_t lock; /* guards err and has_failed */
    bool has_failed;
    struct error err;
};

static void batch_clear(struct batch *batch)
{
    for (size_t i = 0; batch->devices && i < batch->count; i++) {
        free(batch->devices[i].id);
        free(batch->devices[i].folder);
    }
    free(batch->devices);
    free(batch->ca_certificate);
    free(batch->ca_key);
}

/* -- files -- */

static void remove_file(const char *folder, const char *name)
{
    CLEANUP(free_string) char *path = path_in(folder, name);

    if (path)
        unlink(path);
}

/* Only what this call made: check_free() has seen that keys and certificates were not there. */
static void remove_files(const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        const struct issued *device = &batch->devices[i];

        remove_file(device->folder, "device.crt");
        remove_file(device->folder, "device.key");
        if (device->has_ca)
            remove_file(device->folder, "server-ca.crt");
        rmdir(device->folder);
    }
}

static int check_free(struct cli *cli, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        CLEANUP(free_string) char *certificate = path_in(batch->devices[i].folder, "device.crt");
        CLEANUP(free_string) char *key = path_in(batch->devices[i].folder, "device.key");

        if (!certificate || !key)
            return refuse(cli, ENDS_MISUSED, "out of memory");
        if (!access(certificate, F_OK) || !access(key, F_OK))
            return refuse(cli, ENDS_MISUSED,
                          "%s holds a device's files already; they stay as they are",
                          batch->devices[i].folder);
    }
    return 0;
}

static int make_certificate(const struct batch *batch, struct issued *device, struct error *err)
{
    CLEANUP(free_string) char *certificate = path_in(device->folder, "device.crt");
    CLEANUP(free_string) char *key = path_in(device->folder, "device.key");
    const struct pki_request request = {
        .purpose = PKI_DEVICE, .common_name = device->id, .days = batch->days};
    int64_t not_before;

    if (!certificate || !key)
        return fail_internal(err, "out of memory");
    if (pki_make(&request, batch->ca_certificate, batch->ca_key, certificate, key, err))
        return -1;
    return pki_fingerprint(certificate, device->fingerprint, &not_before, &device->not_after, err);
}

static void *make_certificates(void *context)
{
    struct batch *batch = context;
    struct error err = {0};
    size_t at;

    while ((at = __atomic_fetch_add(&batch->next, 1, __ATOMIC_RELAXED)) < batch->count)
        if (make_certificate(batch, &batch->devices[at], &err)) {
            pthread_mutex_lock(&batch->lock);
            batch->has_failed = true;
            batch->err = err;
            pthread_mutex_unlock(&batch->lock);
            __atomic_store_n(&batch->next, batch->count, __ATOMIC_RELAXED);
        }
    return NULL;
}

static int run_jobs(struct cli *cli, struct batch *batch)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[JOBS_MAX];
    int64_t jobs, started = 0;

    if (option_number(cli, "jobs", 1, JOBS_MAX,
                      processors > 0 && processors <= JOBS_MAX ? processors : 1, &jobs))
        return -1;
    pthread_mutex_init(&batch->lock, NULL);
    while (started + 1 < jobs && (size_t)started + 1 < batch->count &&
           !pthread_create(&threads[started], NULL, make_certificates, batch))
        started++;
    make_certificates(batch);
    while (started > 0)
        pthread_join(threads[--started], NULL);
    pthread_mutex_destroy(&batch->lock);
    return batch->has_failed ? refuse_error(cli, &batch->err) : 0;
}

static int make_folders(struct cli *cli, const struct settings *settings, struct batch *batch)
{
    CLEANUP(free_string) char *ca = path_in(settings->pki, "server-ca.crt");
    CLEANUP(text_clear) struct text content = {0};

    if (!ca || file_read(cli, ca, MIB, &content))
        return -1;
    for (size_t i = 0; i < batch->count; i++) {
        struct issued *device = &batch->devices[i];
        CLEANUP(free_string) char *copy = path_in(device->folder, "server-ca.crt");

        if (!copy || folder_make(cli, device->folder, 0755))
            return -1;
        if (!access(copy, F_OK))
            continue;
        if (file_create_text(cli, copy, 0644, &content))
            return -1;
        device->has_ca = true;
    }
    return 0;
}

/* -- registration -- */

static const char *hardware_of(struct cli *cli)
{
    const char *hardware = option(cli, "hardware"), *model = option(cli, "model");

    if (hardware || !model)
        return hardware;
    return identifier_ok(IDENTIFIER_HARDWARE, model) ? model : NULL;
}

static json_t *split_tags(const char *tags)
{
    json_t *list = json_array();

    for (const char *at = tags; at && *at; at += strspn(at, ",")) {
        size_t length = strcspn(at, ",");
        json_array_append_new(list, json_stringn(at, length));
        at += length;
    }
    return list;
}

static int register_one(struct cli *cli, const struct issued *device)
{
    char fingerprint[SHA256_HEX_SIZE], end[CLOCK_TEXT_SIZE];

    hex_from_bytes(device->fingerprint, sizeof device->fingerprint, fingerprint);
    json_t *body =
        json_pack("{ss ss* ss* ss* so ss s[{ss ss}]}", "id", device->id, "model",
                  option(cli, "model"), "hardware", hardware_of(cli), "site", option(cli, "site"),
                  "tags", split_tags(option(cli, "tags")), "state", "active", "certificates",
                  "fingerprint", fingerprint, "not_after", clock_text(device->not_after, end));
    if (!http_post(cli, "/devices", body, NULL))
        return 0;
    if (was_refused_for(cli, "already-exists"))
        advise(cli, "to give it one more certificate: the same command with --renew");
    return -1;
}

static int register_again(struct cli *cli, const struct issued *device)
{
    CLEANUP(free_string) char *path = http_path("/devices/%s/certificates", device->id);
    CLEANUP(free_string) char *file = path_in(device->folder, "device.crt");
    CLEANUP(text_clear) struct text pem = {0};

    if (!file || file_read(cli, file, MIB, &pem))
        return -1;
    return http_post(cli, path, json_pack("{ss}", "certificate_pem", pem.at), NULL);
}

/* RFC 4180: quotes only where they are needed. */
static void add_csv(struct text *csv, const char *value, char end)
{
    if (value && value[strcspn(value, ",\"\r\n")]) {
        text_append(csv, "\"");
        for (; *value; value++)
            text_append_bytes(csv, *value == '"' ? "\"\"" : value, *value == '"' ? 2 : 1);
        text_append(csv, "\"");
    } else if (value) {
        text_append(csv, value);
    }
    text_append_bytes(csv, &end, 1);
}

static void add_csv_line(struct cli *cli, struct text *csv, const struct issued *device,
                         const char *tags)
{
    char end[CLOCK_TEXT_SIZE];

    add_csv(csv, device->id, ',');
    add_csv(csv, option(cli, "model"), ',');
    add_csv(csv, hardware_of(cli), ',');
    add_csv(csv, option(cli, "site"), ',');
    add_csv(csv, tags, ',');
    text_hex(csv, device->fingerprint, sizeof device->fingerprint);
    text_append(csv, ",");
    add_csv(csv, clock_text(device->not_after, end), '\n');
}

static int register_all(struct cli *cli, const struct batch *batch)
{
    CLEANUP(text_clear) struct text csv = {0};
    CLEANUP(answer_clear) struct answer answer = {.offset = -1};
    CLEANUP(free_string) char *tags = option(cli, "tags") ? strdup(option(cli, "tags")) : NULL;

    for (char *comma = tags; comma && (comma = strchr(comma, ','));)
        *comma = ';';
    text_append(&csv, "id,model,hardware,site,tags,fingerprint,not_after\n");
    for (size_t i = 0; i < batch->count; i++)
        add_csv_line(cli, &csv, &batch->devices[i], tags);
    if (csv.is_broken)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    struct ask ask = {.method = "POST",
                      .path = "/devices:import",
                      .type = "text/csv",
                      .body = csv.at,
                      .length = csv.length};
    return http_ask(cli, &ask, &answer);
}

/* -- the verb -- */

static int name_many(struct cli *cli, struct batch *batch, const char *out)
{
    const char *prefix = option(cli, "prefix");
    int64_t first, digits = 1;

    if (option_number(cli, "first", 0, COUNT_MAX, 1, &first))
        return -1;
    for (int64_t last = first + (int64_t)batch->count - 1; last >= 10; last /= 10)
        digits++;
    for (size_t i = 0; i < batch->count; i++) {
        struct text id = {0};
        text_format(&id, "%s%0*lld", prefix ? prefix : "dev-", (int)digits,
                    (long long)first + (long long)i);
        struct issued *device = &batch->devices[i];
        device->id = text_take(&id);
        device->folder = device->id ? path_in(out, device->id) : NULL;
        if (!device->folder)
            return refuse(cli, ENDS_MISUSED, "out of memory");
    }
    return 0;
}

static int name_devices(struct cli *cli, struct batch *batch, const char *out)
{
    batch->devices = calloc(batch->count, sizeof *batch->devices);
    if (!batch->devices)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    if (!has_option(cli, "count")) {
        batch->devices[0].id = strdup(operand(cli, 0));
        batch->devices[0].folder = strdup(out);
    } else if (name_many(cli, batch, out)) {
        return -1;
    }
    if (identifier_ok(IDENTIFIER_DEVICE, batch->devices[0].id))
        return 0;
    return refuse(cli, ENDS_MISUSED,
                  "\"%s\" is no device id: letters, digits and . _ : - , at most 64",
                  batch->devices[0].id);
}

static int find_authority(struct cli *cli, const struct settings *settings, struct batch *batch)
{
    if (settings->pki && settings->keys) {
        batch->ca_certificate = path_in(settings->pki, "device-ca.crt");
        batch->ca_key = path_in(settings->keys, "device-ca.key");
    }
    if (batch->ca_certificate && batch->ca_key && !access(batch->ca_key, R_OK))
        return 0;
    refuse(cli, ENDS_MISUSED, "the key of the device authority is not here");
    advise(cli, "register certificates made elsewhere: otactl device import FILE");
    return -1;
}

static int register_devices(struct cli *cli, const struct batch *batch)
{
    if (has_option(cli, "count"))
        return register_all(cli, batch);
    return has_option(cli, "renew") ? register_again(cli, batch->devices)
                                    : register_one(cli, batch->devices);
}

static int make_and_register(struct cli *cli, const struct settings *settings, struct batch *batch,
                             const char *out)
{
    if (folder_make(cli, out, 0755) || name_devices(cli, batch, out) || check_free(cli, batch))
        return -1;
    if (make_folders(cli, settings, batch) || run_jobs(cli, batch) ||
        register_devices(cli, batch)) {
        remove_files(batch);
        rmdir(out);
        return -1;
    }
    if (wants_json(cli)) {
        json_auto_t *done =
            json_pack("{sI ss}", "devices", (json_int_t)batch->count, "folder", out);
        return print_json(done);
    }
    if (has_option(cli, "count"))
        say("%zu devices are registered, to be active at first contact; their files are in "
            "%s/<id>/\n",
            batch->count, out);
    else
        say("%s is registered and active; its files are in %s\n", batch->devices[0].id, out);
    return 0;
}

int device_issue(struct cli *cli)
{
    CLEANUP(batch_clear) struct batch batch = {0};
    const struct settings *settings;
    const char *out;
    int64_t count;

    if (!has_option(cli, "count") == !operand(cli, 0))
        return refuse(cli, ENDS_MISUSED, "give either one ID or --count N");
    if (option_needed(cli, "out", &out) || settings_need(cli, &settings) ||
        option_number(cli, "days", 1, 36500, 365, &batch.days) ||
        option_number(cli, "count", 1, COUNT_MAX, 1, &count) ||
        find_authority(cli, settings, &batch))
        return -1;
    batch.count = (size_t)count;
    return make_and_register(cli, settings, &batch, out);
}
