/* SPDX-License-Identifier: Apache-2.0 */
/* What every handler can reach; made by main, constant while requests run. */
#ifndef OTAD_API_APP_H
#define OTAD_API_APP_H

#include "campaign/apply.h"
#include "http/server.h"
#include "store/blob.h"
#include "store/seen.h"
#include "store/store.h"
#include "tls/listener.h"

#include <stdatomic.h>

struct app {
    const struct config *config;
    struct store *store;
    struct blob_store *blobs;
    struct seen *seen;
    struct campaigns *campaigns;
    struct tls_listener *listeners[TLS_AUDIENCES]; /* NULL until started, or when not wanted */
    struct http_server *servers[TLS_AUDIENCES];
    struct limits *wrong_secrets;     /* of devices, by address and id */
    struct limits *newcomers;         /* devices that the gateway token has made, by address */
    atomic_int_fast64_t full_told_at; /* when it was last logged that too many wait for approval */
    int64_t started_at;
    const char *version;
    /* Asks main to reload certificates; 0 or -1 with what was wrong. Any thread. */
    int (*reload)(struct app *app, struct error *err);
};

/* Hooks of api/identity.c for each listener: what comes in says nothing of what it is for. */
struct http_hooks api_hooks(struct app *app, enum tls_audience audience);

/* NULL-terminated lists of route tables. */
extern const struct routes *const device_routes[];
extern const struct routes *const operator_routes[];

/* Cuts running transfers; suits sever_transfers_fn. */
void api_sever_transfers(void *app, int64_t campaign_row, int64_t release_row);
/* After a revocation committed: cuts the device's connections, forgets its sessions. */
void api_sever_device(struct app *app, int64_t device_row);
/* Takes an image that can no longer be read out of service, and its releases; suits blob_options.
 * Waits for the store. */
void api_blob_broken(void *app, const uint8_t sha256[32], const char *reason);

#endif
