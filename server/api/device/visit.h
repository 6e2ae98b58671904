/* SPDX-License-Identifier: Apache-2.0 */
/* Clients that ask one fixed address and are sent from there to a file: RAUC's own polling and
 * SWUpdate's "general" server. They tell what they run with the question, and hardly anything
 * else: what becomes of an installation is seen by the version alone. */
#ifndef OTAD_API_DEVICE_VISIT_H
#define OTAD_API_DEVICE_VISIT_H

#include "api/app.h"

#define VISIT_ETAG_SIZE                                                                            \
    sizeof "\"0123456789012345678901234567890123456789012345678901234567890123\""

struct visit {
    struct request *req;
    const char *suffix;       /* of the one file it takes, as ".raucb" */
    struct evidence evidence; /* texts borrowed from the request */
    const char *installs;     /* the installation it begins with this request; NULL: only asks */
    /* What it is told: */
    struct device device;
    struct decision decision;
    struct text url; /* where it is sent; empty: nowhere */
    char etag[VISIT_ETAG_SIZE];
};
void visit_clear(struct visit *visit);

/* The value when it can be a version, a boot id, or a number of seconds; else NULL, NULL, -1. */
const char *visit_version(const char *told);
const char *visit_boot_id(const char *told);
int64_t visit_uptime(const char *told);

/* Takes the evidence, asks the resolver, finds the file. Writes only when there is something new.
 */
int visit_take(struct visit *visit, struct error *err) MUST_CHECK;

/* rauc.c */
int rauc_poll(struct request *req, struct reply *reply, struct error *err);
/* general.c */
int general_poll(struct request *req, struct reply *reply, struct error *err);
int general_put_log(struct request *req, struct reply *reply, struct error *err);

#endif
