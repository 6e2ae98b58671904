/* SPDX-License-Identifier: Apache-2.0 */
/* Images on their way out: the same for every protocol that leads to them. */
#ifndef OTAD_API_DEVICE_SERVE_H
#define OTAD_API_DEVICE_SERVE_H

#include "api/app.h"
#include "core/digest.h"

struct served {
    uint8_t sha256[SHA256_SIZE];
    int64_t target_row;    /* what campaign_allows_artifact() was asked for */
    int64_t size;          /* -1: whatever the blob has */
    const char *file_name; /* for Content-Disposition; NULL: none */
    const char *etag;      /* another hash of the content, in hex; NULL: its SHA-256 */
    bool is_image;         /* its bytes count for the deployment; a chunk list's do not */
    bool is_immutable;     /* the URL names the content */
};
/* Answers with the blob. `decision` is campaign_allows_artifact()'s. */
int serve_blob(struct request *req, struct reply *reply, const struct served *served,
               const struct decision *decision, struct error *err);

/* artifacts.c and tuf.c */
int ddi_get_artifact(struct request *req, struct reply *reply, struct error *err);
int tuf_get_metadata(struct request *req, struct reply *reply, struct error *err);
int tuf_get_target(struct request *req, struct reply *reply, struct error *err);

#endif
