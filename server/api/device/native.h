/* SPDX-License-Identifier: Apache-2.0 */
/* Our own device API: one document that says what to install and proves it, one report that says
 * what became of it. */
#ifndef OTAD_API_DEVICE_NATIVE_H
#define OTAD_API_DEVICE_NATIVE_H

#include "api/app.h"

int native_get_update(struct request *req, struct reply *reply, struct error *err);
int native_post_status(struct request *req, struct reply *reply, struct error *err);

/* Opens the tx the handler runs in (reading or on the writer) and loads the device that asks. */
int native_begin(struct request *req, struct tx *tx, struct device *ret,
                 struct error *err) MUST_CHECK;
/* The address of a target's file: <base>/tuf/image/targets/<product>/<version>/<sha256>.<file> */
void native_write_url(struct text *text, struct request *req, const char *path, const char *sha256);

/* Deployments are called d-<action>. */
#define NATIVE_ID_PREFIX "d-"

#define NATIVE_DETAIL_SIZE 320
struct native_status {
    int64_t seq;
    struct evidence evidence;
    const json_t *components; /* NULL: not told */
    int64_t action;           /* 0: the report is about no deployment */
    bool has_report;
    const char *state; /* its word, and how far it is in percent; -1: not told */
    int64_t progress;
    enum report_kind kind;
    bool is_final;
    const char *class;               /* one of the failure classes, or NULL */
    char detail[NATIVE_DETAIL_SIZE]; /* "code: detail" */
    const char *consent_by; /* who at the device agreed to the installation; NULL: nobody */
    const char *attack;     /* NULL: none */
    int64_t root_version;   /* the newest root the device has seen; 0: not told */
};
/* Borrows from `json`. */
int native_status_from_json(const json_t *json, struct native_status *ret,
                            struct error *err) MUST_CHECK;

#endif
