/* SPDX-License-Identifier: Apache-2.0 */
/* What the resources that steer updates have in common: members read alike, things looked up. */
#ifndef OTAD_API_OPERATOR_MEMBERS_H
#define OTAD_API_OPERATOR_MEMBERS_H

#include "api/app.h"
#include "store/channel.h"
#include "store/pin.h"

#define REASON_MAX 160

/* The member "reason"; 1 to 160 bytes when it is needed, "" without otherwise. */
int member_reason(const json_t *json, bool is_needed, const char **ret,
                  struct error *err) MUST_CHECK;
/* A time of the form 2026-05-01T22:00:00Z; 0 when absent or null. */
int member_time(const json_t *json, const char *name, int64_t *ret, struct error *err) MUST_CHECK;
/* A filter of the language of campaigns' targets; "" when absent or null. Borrowed. */
int member_filter(const struct request *req, const json_t *json, const char *name, const char **ret,
                  struct error *err) MUST_CHECK;
/* An IANA zone; NULL when absent, "" when null or empty. */
int member_zone(const json_t *json, const char **ret, struct error *err) MUST_CHECK;

/* The channel, the device, the release; a problem when there is none. */
int path_channel(struct request *req, struct tx *tx, struct channel *ret,
                 struct error *err) MUST_CHECK; /* of the path's :id */
int path_device(struct request *req, struct tx *tx, struct device *ret,
                struct error *err) MUST_CHECK; /* of the path's :id */
int member_release(struct request *req, struct tx *tx, const char *id, struct release *ret,
                   struct error *err) MUST_CHECK; /* named in the body; published */

/* "what: reason" for the audit log. Returns `ret`. */
#define AUDIT_DETAIL_SIZE (RELEASE_ID_SIZE + REASON_MAX + 4)
const char *audit_detail(const char *what, const char *reason, char ret[AUDIT_DETAIL_SIZE]);

/* channel, until: the device's membership by hand; null without. */
int membership_to_json(struct tx *tx, const struct device *device, int64_t now, json_t **ret,
                       struct error *err) MUST_CHECK;
/* With the terms it is delivered under. The value is yours. */
int pin_to_json(struct tx *tx, const char *device_id, const struct pin *pin, json_t **ret,
                struct error *err) MUST_CHECK;

#endif
