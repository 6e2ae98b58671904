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
int ddi_put_installed(struct request *req, struct reply *reply, struct error *err);
int ddi_post_feedback(struct request *req, struct reply *reply, struct error *err);
int ddi_get_cancel(struct request *req, struct reply *reply, struct error *err);
int ddi_post_cancel_feedback(struct request *req, struct reply *reply, struct error *err);
int ddi_get_confirmations(struct request *req, struct reply *reply, struct error *err);
int ddi_get_confirmation(struct request *req, struct reply *reply, struct error *err);
int ddi_post_confirmation(struct request *req, struct reply *reply, struct error *err);
int ddi_activate_auto_confirm(struct request *req, struct reply *reply, struct error *err);
int ddi_deactivate_auto_confirm(struct request *req, struct reply *reply, struct error *err);
int ddi_put_attributes(struct request *req, struct reply *reply, struct error *err);
int ddi_list_artifacts(struct request *req, struct reply *reply, struct error *err);

/* -- a request's frame -- */

/* Opens the tx the handler runs in (reading or on the writer) and loads the device. The path must
 * name the device and the tenant of who is asking: UNAUTHENTICATED otherwise, as clients expect. */
int ddi_begin(struct request *req, struct tx *tx, struct device *ret, struct error *err) MUST_CHECK;
/* The same for those who are answered with JSON, once it is known that they take it. */
int ddi_begin_json(struct request *req, struct tx *tx, struct device *ret,
                   struct error *err) MUST_CHECK;
/* 200 in the form that is asked for. Takes the text. */
int ddi_reply(struct request *req, struct reply *reply, struct text *json);
/* What to call an answer for who accepts this (NULL and "": anything), as hawkBit does; NULL when
 * neither of its two names will do. */
const char *ddi_media_type(const char *accept);

/* The deployment that the path's :action names, when it is this device's: else NOT_FOUND. */
int ddi_deployment(struct request *req, struct tx *tx, const struct device *device,
                   struct deployment *ret, struct error *err) MUST_CHECK;
/* Whether what may be fetched ahead of its time is shown to a device; its own setting wins over
 * what is known of its client. */
enum prestaging ddi_prestaging(enum announce announce, const char *user_agent);
enum prestaging ddi_asker(const struct request *req, const struct device *device);
/* Begins, for an answer in JSON, and asks what the device should be told now: HANDLE_OK, _FAILED or
 * _AS_WRITE. The tx is left open. */
int ddi_ask(struct request *req, struct tx *tx, struct device *ret_device, struct decision *ret,
            struct error *err) MUST_CHECK;
/* How a deployment stands for this asker, now. */
int ddi_terms(struct request *req, struct tx *tx, const struct device *device,
              const struct deployment *deployment, struct decision *ret,
              struct error *err) MUST_CHECK;
/* Now and then, after a device told something: keeps its history within
 * store.events_per_device_max. */
int ddi_trim_history(struct request *req, struct tx *tx, const struct device *device,
                     struct error *err) MUST_CHECK;
/* {"exceptionClass","errorCode","message"} on DDI paths, nothing with 401. Suits write_error. */
const char *ddi_write_error(const char *path, const struct error *err, struct text *ret);

/* -- links -- */

/* "https://host:port/DEFAULT/controller/v1/<id>" */
void ddi_write_base(struct text *text, struct request *req);
/* The member _links of an object that has others before it; absent when there is no link. */
struct ddi_links {
    struct text *json;
    struct request *req;
    bool has_one;
};
void ddi_link(struct ddi_links *links, const char *name, const char *path);
/* To a deployment, under the resource's name. `c` is left out when it is NULL. */
void ddi_link_action(struct ddi_links *links, const char *name, int64_t action, const int32_t *c);
void ddi_links_end(struct ddi_links *links);
/* The `c` of a link: changes when what it leads to would. */
int32_t ddi_content_hash(const struct decision *decision);

/* -- polling -- */

/* The seconds until a device is to come again: what the resolver says, else its next slot, and
 * never sooner than the configuration allows. */
int64_t ddi_poll_after(const struct config *config, const struct device *device,
                       const struct decision *decision, int64_t now);
/* HH:MM:SS, always 8 characters: clients take nothing else. */
#define DDI_SLEEP_SIZE sizeof "00:00:00"
const char *ddi_sleep_text(int64_t seconds, char text[DDI_SLEEP_SIZE]);

/* -- documents -- */

/* What the protocol calls the two halves of an installation, and its window; NULL: there is none.
 */
struct ddi_handling {
    const char *download, *update, *window;
};
struct ddi_handling ddi_handling(const struct decision *terms);
/* What it calls the state of a deployment. */
const char *ddi_action_status(const struct deployment *deployment, bool awaits_consent);
/* Cancelled ones hide; others stay readable when they are over. */
bool ddi_is_readable(const struct deployment *deployment);

/* An artifact's JSON object, links and all. */
void ddi_write_artifact(struct text *text, struct request *req, const struct target *target);
/* "part" of a chunk: what hawkBit's clients know a component's kind by. */
const char *ddi_part(const char *component);
/* ,"metadata":[…] from the strings that a target's signed `custom` has under that name. */
void ddi_write_metadata(struct text *text, const char *custom);
/* ,"actionHistory":{…} with the `most` latest lines of what the device said in this attempt;
 * nothing when it said nothing. */
int ddi_write_history(struct text *text, struct tx *tx, const struct deployment *deployment,
                      const char *status, int64_t most, struct error *err) MUST_CHECK;

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
    char detail[DDI_DETAIL_SIZE]; /* see ddi_join() */
    uint8_t hash[32];             /* of all that tells one message from another; not its time */
};
/* Members nobody needs are not looked at: old clients send them in any type. */
int ddi_feedback_from_json(const json_t *json, struct ddi_feedback *ret,
                           struct error *err) MUST_CHECK;
/* What a message means, sent about a deployment or in answer to its cancellation. */
void ddi_report(const struct ddi_feedback *feedback, bool is_cancelling, struct report *ret);
void ddi_cancel_report(const struct ddi_feedback *feedback, struct report *ret);
/* The words as they came, for the record, in at most `most` bytes of JSON: cut at their end. The
 * text is yours; NULL when memory is out. */
char *ddi_told(const json_t *json, size_t most) MUST_CHECK;

/* The strings of an array in one text, joined by newlines. When they do not fit, those that tell of
 * errors stay before others, and of them the last; cut is between characters. */
void ddi_join(const json_t *lines, char *ret, size_t room);
bool ddi_is_error_line(const char *line);

/* -- confirmation -- */

struct ddi_confirmation {
    bool is_given;
    char remark[REMARK_SIZE];
};
int ddi_confirmation_from_json(const json_t *json, struct ddi_confirmation *ret,
                               struct error *err) MUST_CHECK;
/* Who turned automatic consent on, and why; borrowed, "" when not told. */
struct ddi_initiative {
    const char *initiator, *remark;
};
int ddi_initiative_from_json(const json_t *json, struct ddi_initiative *ret,
                             struct error *err) MUST_CHECK;

/* -- what is installed -- */

/* "<name>:<version>" of what a device says it runs. */
struct ddi_installed {
    const char *version; /* borrowed */
    char release[RELEASE_ID_SIZE];
};
int ddi_installed_from_json(const json_t *json, struct ddi_installed *ret,
                            struct error *err) MUST_CHECK;

/* -- attributes -- */

enum ddi_mode { DDI_MERGE, DDI_REPLACE, DDI_REMOVE };
struct ddi_attributes {
    enum ddi_mode mode;
    const json_t *data; /* borrowed: an object of strings, null with a meaning of "remove" */
};
/* Everything is checked here; `size_max` bounds names and values. Numbers and truth values in it
 * become strings. */
int ddi_attributes_from_json(const json_t *json, int64_t size_max, struct ddi_attributes *ret,
                             struct error *err) MUST_CHECK;
/* What the attributes under the configured names prove; values that cannot be right are left out.
 */
void ddi_evidence(const struct config *config, const json_t *data, struct evidence *ret);

#endif
