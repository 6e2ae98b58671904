/* SPDX-License-Identifier: Apache-2.0 */
/* Devices as documents, and documents as wishes for devices. */
#ifndef OTAD_API_OPERATOR_DEVICE_JSON_H
#define OTAD_API_OPERATOR_DEVICE_JSON_H

#include "api/app.h"

/* As lists show it. The value is yours. */
int device_to_json(struct app *app, struct tx *tx, const struct device *device, json_t **ret,
                   struct error *err) MUST_CHECK;
/* With certificates, attributes, components and the present deployment. */
int device_to_full_json(struct app *app, struct tx *tx, const struct device *device, json_t **ret,
                        struct error *err) MUST_CHECK;

/* Commits and answers with the device as it is now. */
int reply_changed_device(struct request *req, struct reply *reply, struct tx *tx,
                         const struct device *device, int status, struct error *err) MUST_CHECK;

#define WISH_TAGS_MAX 32
#define WISH_CERTIFICATES_MAX 4
/* What an operator says a device shall be; NULL members were not told. Text is borrowed. */
struct device_wish {
    const char *id, *model, *hardware, *site;
    const char *zone; /* "": none of its own */
    bool has_tags;
    const char *tags[WISH_TAGS_MAX];
    size_t tag_count;
    struct certificate certificates[WISH_CERTIFICATES_MAX];
    size_t certificate_count;
    bool has_announce;
    enum announce announce;
    const char *token; /* instead of a certificate, where the tenant takes any */
};
/* Checks every member that is there against its rule; the id only when there is one. */
int device_wish_check(const struct device_wish *wish, struct error *err) MUST_CHECK;
/* model, hardware, site, zone, tags, announce of an object. */
int device_wish_labels(const json_t *json, struct device_wish *ret, struct error *err) MUST_CHECK;
/* certificates: [{fingerprint, not_after}] and the short form fingerprint, not_after. */
int device_wish_certificates(const json_t *json, struct device_wish *ret,
                             struct error *err) MUST_CHECK;
int device_wish_add_fingerprint(struct device_wish *wish, const char *fingerprint,
                                const char *not_after, struct error *err) MUST_CHECK;

/* Writes labels, tags and certificates of the wish to a device that is there. */
int device_apply_wish(struct tx *tx, struct device *device, const struct device_wish *wish,
                      int64_t now, struct error *err) MUST_CHECK;
/* Makes a device of the wish. ALREADY_EXISTS when the id is taken. */
int device_create_from_wish(struct tx *tx, int64_t tenant_row, const struct device_wish *wish,
                            enum device_state state, int64_t now, struct device *ret,
                            struct error *err) MUST_CHECK;

#endif
