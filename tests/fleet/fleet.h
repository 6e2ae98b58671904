/* SPDX-License-Identifier: Apache-2.0 */
/* All devices of one run, and what was asked of them. */
#ifndef OTAD_FLEET_FLEET_H
#define OTAD_FLEET_FLEET_H

#include "client.h"

struct device;
struct image_trust;

enum fleet_api { API_DDI, API_NATIVE, API_MIXED };

struct options {
    struct client_options client;
    const char *devices;        /* folder of folders: <id>/device.crt, device.key, server-ca.crt */
    const char *mode;           /* "fleet", "connect", or one of load.h */
    const char *summary;        /* file for the final figures as JSON; NULL */
    const char *until;          /* the version all are to reach; NULL: until stopped */
    const char *version;        /* what they run at first */
    const char *components;     /* they have at first, after commas; native API */
    const char *fail_component; /* the one whose installation fails; NULL: the whole update's */
    const char *fated;          /* fates befall updates to this version only; NULL: to any */
    const char *root;           /* 1.root.json as put into the devices in the factory; NULL */
    const char *path;           /* load modes: what to GET; %s is the device */
    enum fleet_api api;
    int64_t count;      /* at most so many devices; 0: all */
    int64_t poll_ms;    /* 0: as the server says */
    int64_t timeout_ms; /* 0: none */
    int64_t install_ms, reboot_ms;
    int64_t time_scale; /* seconds of reported uptime per second */
    int64_t seed;
    double cut, fail, revert, silent; /* shares of devices, 0..1 */
    bool shows_progress;
    int64_t connections, requests, seconds, range; /* load modes */
};

struct fleet {
    struct options options;
    struct loop *loop;
    struct client client;
    struct stats stats;
    struct image_trust *trust; /* for the native API */
    struct device *devices;
    size_t count;
    struct timer second; /* progress, timeout, signals */
    int64_t started_ms;
};

/* Finds the devices' folders; no certificate is read yet. */
int fleet_open(struct fleet *fleet, struct error *err) MUST_CHECK;
void fleet_close(struct fleet *fleet);

/* Lives until all devices that can have reached the wanted version (0), time is up or a signal came
 * (1). Without a wanted version a signal or the end of time is the regular end: 0. SIGUSR1 has the
 * summary written without ending. */
int fleet_run(struct fleet *fleet, struct error *err) MUST_CHECK;

#endif
