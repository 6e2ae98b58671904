/* SPDX-License-Identifier: Apache-2.0 */
/* hawkBit's device protocol (DDI v1): what its handlers share, and the parts that are plain
 * functions of their arguments. */
#ifndef OTAD_API_DEVICE_DDI_H
#define OTAD_API_DEVICE_DDI_H

#include "api/app.h"
#include "core/text.h"

/* -- handlers -- */
int ddi_poll(struct request *req, struct reply *reply, struct error *err);
int ddi_get_deployment(struct request *req, struct reply *reply, struct error *err);
int ddi_get_installed(struct request *req, struct reply *reply, struct error *err);
int ddi_post_feedback(struct request *req, struct reply *reply, struct error *err);
int ddi_get_cancel(struct request *req, struct reply *reply, struct error *err);
int ddi_post_cancel_feedback(struct request *req, struct reply *reply, struct error *err);
int ddi_put_attributes(struct request *req, struct reply *reply, struct error *err);
int ddi_list_artifacts(struct request *req, struct reply *reply, struct error *err);

/* -- a request's frame -- */

/* Opens the tx the handler runs in (reading or on the writer) and loads the device. The path must
 * name the device and the tenant of the certificate: UNAUTHENTICATED otherwise, as clients expect.
 */
int ddi_begin(struct request *req, struct tx *tx, struct device *ret, struct error *err) MUST_CHECK;
/* The deployment that the path's :action names, when it is this device's: else NOT_FOUND. */
int ddi_deployment(struct request *req, struct tx *tx, const struct device *device,
                   struct deployment *ret, struct error *err) MUST_CHECK;
/* Now and then, after a device told something: keeps its history within
 * store.events_per_device_max. */
int ddi_trim_history(struct request *req, struct tx *tx, const struct device *device,
                     struct error *err) MUST_CHECK;
/* {"exceptionClass","errorCode","message"} on DDI paths, nothing with 401. Suits write_error. */
const char *ddi_write_error(const char *path, const struct error *err, struct text *ret);
/* "https://host:port/DEFAULT/controller/v1/<id>" */
void ddi_write_base(struct text *text, struct request *req);

/* -- polling -- */

/* The seconds until a device is to come again: what the resolver says, else its next slot, and
 * never sooner than the configuration allows. */
int64_t ddi_poll_after(const struct config *config, const struct device *device,
                       const struct decision *decision, int64_t now);
/* HH:MM:SS, always 8 characters: clients take nothing else. */
#define DDI_SLEEP_SIZE sizeof "00:00:00"
const char *ddi_sleep_text(int64_t seconds, char text[DDI_SLEEP_SIZE]);
/* The `c` of a link: changes when what it leads to would. */
int32_t ddi_content_hash(const struct decision *decision);

/* What the protocol calls the two halves of an installation. */
struct ddi_handling {
    const char *download, *update;
};
struct ddi_handling ddi_handling(enum install install);

/* -- documents -- */

/* An artifact's JSON object, links and all. */
void ddi_write_artifact(struct text *text, struct request *req, const struct target *target);
/* "part" of a chunk: what hawkBit's clients know a component's kind by. */
const char *ddi_part(const char *component);

/* -- feedback -- */

enum ddi_execution {
    DDI_CLOSED,
    DDI_PROCEEDING,
    DDI_SCHEDULED,
    DDI_RESUMED,
    DDI_DOWNLOAD,
    DDI_DOWNLOADED,
    DDI_REJECTED,
    DDI_CANCELED,
};
enum ddi_finished { DDI_NONE, DDI_SUCCESS, DDI_FAILURE };

#define DDI_DETAIL_SIZE 2048
struct ddi_feedback {
    enum ddi_execution execution;
    enum ddi_finished finished;
    char detail[DDI_DETAIL_SIZE]; /* lines joined by newlines, cut between characters */
    uint8_t hash[32];             /* of all that tells one message from another; not its time */
};
/* Members nobody needs are not looked at: old clients send them in any type. */
int ddi_feedback_from_json(const json_t *json, struct ddi_feedback *ret,
                           struct error *err) MUST_CHECK;
/* What a message means, sent about a deployment or in answer to its cancellation. */
void ddi_report(const struct ddi_feedback *feedback, bool is_cancelling, struct report *ret);
void ddi_cancel_report(const struct ddi_feedback *feedback, struct report *ret);

/* -- attributes -- */

enum ddi_mode { DDI_MERGE, DDI_REPLACE, DDI_REMOVE };
struct ddi_attributes {
    enum ddi_mode mode;
    const json_t *data; /* borrowed: an object of strings, null with a meaning of "remove" */
};
/* Everything is checked here; `size_max` bounds names and values. */
int ddi_attributes_from_json(const json_t *json, int64_t size_max, struct ddi_attributes *ret,
                             struct error *err) MUST_CHECK;
/* What the attributes under the configured names prove; values that cannot be right are left out.
 */
void ddi_evidence(const struct config *config, const json_t *data, struct evidence *ret);

#endif
