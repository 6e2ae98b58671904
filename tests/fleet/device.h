/* SPDX-License-Identifier: Apache-2.0 */
/* One simulated device: sleeps, wakes up, asks, downloads, installs, boots, tells. The protocols
 * (ddi.c, native.c) decide what it says; what it is and what befalls it is decided here. */
#ifndef OTAD_FLEET_DEVICE_H
#define OTAD_FLEET_DEVICE_H

#include "core/digest.h"
#include "core/json.h"
#include "fleet.h"
#include "http.h"

#define DEVICE_ID_SIZE 65
#define VERSION_SIZE 65
#define URL_SIZE 1024
#define IMAGES_MAX 16
#define COMPONENT_SIZE 33
#define COMPONENTS_MAX 8
#define REQUIREMENTS_MAX 4

/* What the seed has in store for a device and a version; the same at every attempt. */
enum fate { FATE_GOOD, FATE_FAILS, FATE_REVERTS, FATE_VANISHES };

/* A component that must be there first, at least so new. */
struct requirement {
    char component[COMPONENT_SIZE];
    int64_t min_counter;
};

/* An image to be downloaded, as the update's description has it. */
struct image {
    char path[URL_SIZE];
    int64_t size;
    char sha256[SHA256_HEX_SIZE];
    /* Native API: a signed list of hashes, so that each chunk is checked as it arrives. */
    uint8_t *chunks;
    int64_t chunk_offset, chunk_size, chunk_count;
    char chunks_path[URL_SIZE], chunks_sha256[SHA256_HEX_SIZE];
    /* Native API: what is told once it runs. */
    char component[COMPONENT_SIZE];
    int64_t security_version, security_floor, release_counter;
    struct requirement requirements[REQUIREMENTS_MAX];
    size_t requirement_count;
};

typedef void (*downloaded_fn)(struct device *device, bool is_good);

struct download {
    const struct image *image;
    int64_t got;    /* bytes checked and kept; survives connections */
    int64_t cut_at; /* where we lose the link; -1 */
    int retries;
    bool is_under_way; /* this request's answer has begun */
    bool is_bad;       /* hash, length or range is not what was promised */
    struct digest *whole, *chunk;
    downloaded_fn done;
};

struct update {
    char id[24]; /* DDI action, or native deployment */
    char version[VERSION_SIZE];
    struct image images[IMAGES_MAX];
    size_t image_count, next_image;
    downloaded_fn downloaded;
};

struct component {
    char name[COMPONENT_SIZE];
    char version[VERSION_SIZE];
    int64_t release_counter, security_version;
};

struct device {
    struct fleet *fleet;
    char id[DEVICE_ID_SIZE];
    bool is_native;
    bool has_met_fate; /* failed, reverted or vanished: it will not reach the version */
    struct identity identity;
    struct http http;
    struct timer timer;
    void (*wake)(struct device *device);
    uint64_t random;

    char version[VERSION_SIZE];
    char told_version[VERSION_SIZE]; /* what the server has heard and taken */
    char boot_id[37];
    int64_t booted_ms;
    int64_t told_poll_ms; /* by the server */
    bool owes_boot;       /* booted, and the server does not know */

    struct update *update; /* NULL when there is none; heap, since most devices have none */
    struct download download;
    char closed_id[24]; /* the last update we have said our final word on */

    /* Native API. */
    struct component components[COMPONENTS_MAX];
    size_t component_count;
    int64_t seq; /* grows over restarts of the simulator too */
    char etag[80];
    int64_t floor; /* no security version below it is ever installed */
    int64_t root_version, targets_version, product_version; /* the highest ever seen */
    struct json_t *links;                                   /* DDI: what the last poll offered */
};

void device_init(struct device *device, struct fleet *fleet, const char *id, bool is_native);
void device_clear(struct device *device);
/* From now on it polls. */
void device_start(struct device *device);

/* The next poll; the connection is closed meanwhile, as sleeping devices do. */
void device_sleep(struct device *device);
/* Goes on in `wake` after a delay. */
void device_wait(struct device *device, int64_t delay_ms, void (*wake)(struct device *device));

/* Sends a request whose answer `done` takes. */
void device_ask(struct device *device, const char *method, const char *path, const char *json,
                http_done_fn done);
/* True for an expected answer; otherwise counts the failure and lets the device sleep. */
bool device_answered(struct device *device, enum http_end end, const struct http_reply *reply);

void device_begin_update(struct device *device, const char *id);
void device_drop_update(struct device *device);
/* All images of the update, one after the other. */
void device_download(struct device *device, downloaded_fn done);

enum fate device_fate(const struct device *device, const char *version);
/* A new boot id, and the version that boots; then a poll. */
void device_reboot(struct device *device, const char *version);
int64_t device_uptime(const struct device *device);
double device_draw(struct device *device); /* 0 <= x < 1 */

/* The path of a link that leads to our server; false for any other. */
bool device_path_of(const struct device *device, const char *url, char ret[URL_SIZE]);

/* The protocols: one poll and what follows from it, until device_sleep(). */
void ddi_visit(struct device *device);
void native_visit(struct device *device);

#endif
