/* SPDX-License-Identifier: Apache-2.0 */
/* What the ways to meet a device share: certificates (identity_device.c), secrets
 * (identity_token.c) and the word of a proxy (identity_proxied.c). For those files only. */
#ifndef OTAD_API_IDENTITY_CONTACT_H
#define OTAD_API_IDENTITY_CONTACT_H

#include "api/identity.h"
#include "store/device.h"

#define DEFAULT_TENANT 1

struct contact {
    struct app *app;
    const struct peer *peer;
    const char *name;         /* the id it goes by, until a row says otherwise */
    const char *witness;      /* without a certificate: who vouches for it, "gateway token" */
    struct limits *newcomers; /* what a new id costs the address; NULL: nothing */
    int64_t now;
    struct identity *identity;
};

/* A contact of this request, whose identity it will fill. */
struct contact contact_of(struct app *app, const struct request *req, struct identity *ret);
/* The device of the path's controllerId; NULL when it names none, or another tenant's. */
const char *contact_path_device(const struct request *req);

/* Runs `meet` in a tx of its own: what identify hooks answer. `meet` answers 0, -1 or
 * HANDLE_AS_WRITE. */
typedef int (*meet_fn)(struct contact *contact, struct tx *tx, struct error *err);
int contact_meet(struct contact *contact, meet_fn meet, bool on_writer, struct error *err);

/* The contact is this device, and shows no certificate. The first time, it becomes active. */
int contact_is(struct contact *contact, struct tx *tx, struct device *device, struct error *err);

/* A meet_fn: the device of contact->name, for those who show no certificate of their own and are
 * vouched for. Made, when nobody knows it, as device.enrolment says. Never one that has a
 * certificate, and one that an operator registered only where enrolment is automatic or when it was
 * approved: a thief of the witness's secret would have it. */
int contact_meet_named(struct contact *contact, struct tx *tx, struct error *err);

#endif
