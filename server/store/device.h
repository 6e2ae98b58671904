/* SPDX-License-Identifier: Apache-2.0 */
/* Devices, their certificates, attributes, tags and components. */
#ifndef OTAD_STORE_DEVICE_H
#define OTAD_STORE_DEVICE_H

#include "store/store.h"

#define DEVICE_ID_SIZE 65
#define VERSION_SIZE 65
#define BOOT_ID_SIZE 65
#define LABEL_SIZE 65 /* model, hardware, site */

enum device_state {
    DEVICE_REGISTERED,
    DEVICE_PENDING,
    DEVICE_ACTIVE,
    DEVICE_SUSPENDED,
    DEVICE_REVOKED,
    DEVICE_RETIRED,
    DEVICE_LOST,
};
#define DEVICE_STATE_COUNT 7
const char *device_state_name(enum device_state state);
bool device_state_from_name(const char *name, enum device_state *ret);

/* Whether a device understands an offer that it may fetch but not install yet. */
enum announce { ANNOUNCE_AUTO, /* as its client is known to */ ANNOUNCE_YES, ANNOUNCE_NO };

/* The row as the poll path needs it; attributes, tags and components are loaded on demand. */
struct device {
    int64_t row_id, tenant_row;
    char id[DEVICE_ID_SIZE];
    enum device_state state;
    char model[LABEL_SIZE], hardware[LABEL_SIZE], site[LABEL_SIZE];
    char version[VERSION_SIZE]; /* last proven; "" unknown */
    char boot_id[BOOT_ID_SIZE];
    int64_t uptime; /* -1 unknown */
    int64_t floor;
    int64_t report_seq;
    bool asks_attributes;
    int64_t created_at, updated_at;
    char zone[LABEL_SIZE];                 /* IANA name; "": its site's */
    int64_t channel_row, channel_until_at; /* put into it by hand, until then; 0: not, for good */
    int64_t quarantine_until_at;           /* what it fell back from is not offered again before */
    enum announce announce;
    int64_t auto_confirm_at;  /* 0: what asks for its consent waits for it */
    int64_t installed_action; /* of the deployment that brought what it runs; 0: none did */
};

/* One identity lookup: certificate row joined with its device. `ret_state` is the certificate's. */
enum certificate_state { CERTIFICATE_ACTIVE, CERTIFICATE_SUPERSEDED, CERTIFICATE_REVOKED };
enum step device_by_fingerprint(struct tx *tx, const uint8_t fingerprint[32], struct device *ret,
                                enum certificate_state *ret_state, int64_t *ret_not_after,
                                struct error *err) MUST_CHECK;
enum step device_by_row(struct tx *tx, int64_t row_id, struct device *ret,
                        struct error *err) MUST_CHECK;
enum step device_by_id(struct tx *tx, int64_t tenant_row, const char *id, struct device *ret,
                       struct error *err) MUST_CHECK;
/* The same, but a device that is not there is NO_SUCH_DEVICE. */
int device_need(struct tx *tx, int64_t tenant_row, const char *id, struct device *ret,
                struct error *err) MUST_CHECK;

/* What a device must fulfil, as SQL about a row `d` of the table (a filter_sql of campaign/). Its
 * parameters are all "?" and bound to the values in order. The text is run as it is: nothing of it
 * may come from outside. */
struct device_condition {
    const char *sql; /* NULL: none */
    const char *const *values;
    size_t count;
};
/* The statement with `condition` where it says ":condition"; yours, NULL when it failed. */
char *statement_with(const char *sql, const char *condition, struct error *err);

/* At most `limit` devices with an id above `after`, in order of id. What is given of state, model,
 * version, tag and `where` selects. Calls `each` for every one until it answers 1 (enough) or -1.
 * The callback may use other statements of the same tx. A condition few devices fulfil makes it
 * look at all of them. */
struct device_page {
    int64_t tenant_row, limit;
    const char *after; /* "" from the start */
    const char *state, *model, *version, *tag;
    struct device_condition where;
};
typedef int (*device_fn)(const struct device *device, void *arg, struct error *err);
int device_list(struct tx *tx, const struct device_page *page, device_fn each, void *arg,
                struct error *err) MUST_CHECK;

/* -- changes; all of them append their event -- */

/* `device` says tenant_row, id, state and the labels; its row_id is set. */
int device_insert(struct tx *tx, struct device *device, int64_t now, struct error *err) MUST_CHECK;
int device_set_labels(struct tx *tx, const struct device *device, int64_t now,
                      struct error *err) MUST_CHECK;
/* Moves to any state; who may move where is the caller's question. The generation moves along. */
int device_set_state(struct tx *tx, struct device *device, enum device_state state,
                     const char *cause, const char *detail, int64_t now,
                     struct error *err) MUST_CHECK;

/* Evidence from a device, by native report or reserved attributes; members NULL or -1 when not
 * told. Writes the row, appends a device.version event when the version changed. The caller then
 * asks campaign_take_evidence(). */
struct evidence {
    const char *version, *boot_id;
    int64_t uptime, floor;
};
int device_take_evidence(struct tx *tx, struct device *device, const struct evidence *evidence,
                         int64_t now, struct error *err) MUST_CHECK;

/* 0 ends it. */
int device_quarantine(struct tx *tx, int64_t device_row, int64_t until_at,
                      struct error *err) MUST_CHECK;

int device_set_announce(struct tx *tx, struct device *device, enum announce announce, int64_t now,
                        struct error *err) MUST_CHECK;
/* Consent is given ahead for all that is to come, or no more (`at` 0). NULL texts are "". */
#define REMARK_SIZE 513
int device_set_auto_confirm(struct tx *tx, struct device *device, int64_t at, const char *by,
                            const char *remark, struct error *err) MUST_CHECK;
int device_auto_confirm_words(struct tx *tx, int64_t device_row, char ret_by[LABEL_SIZE],
                              char ret_remark[REMARK_SIZE], struct error *err) MUST_CHECK;
/* The deployment that brought what it runs; 0: none did. */
int device_set_installed(struct tx *tx, int64_t device_row, int64_t action,
                         struct error *err) MUST_CHECK;
/* That one did not, or not any more. */
int device_drop_installed(struct tx *tx, int64_t device_row, int64_t action,
                          struct error *err) MUST_CHECK;

/* The secret of a device that shows no certificate; only its SHA-256 is kept. NULL takes it away.
 * The generation moves along. */
int device_set_token(struct tx *tx, int64_t device_row, const uint8_t hash[32], int64_t now,
                     struct error *err) MUST_CHECK;
/* `ret_at` 0: it has none. */
int device_token(struct tx *tx, int64_t device_row, uint8_t ret_hash[32], int64_t *ret_at,
                 struct error *err) MUST_CHECK;

/* Whether the next poll asks for attributes. */
int device_ask_attributes(struct tx *tx, struct device *device, bool asks,
                          struct error *err) MUST_CHECK;

/* The native API's sequence. `hash` is of the report's body. */
int device_set_report(struct tx *tx, struct device *device, int64_t seq, const uint8_t hash[32],
                      struct error *err) MUST_CHECK;
int device_report_is(struct tx *tx, int64_t device_row, const uint8_t hash[32], bool *ret,
                     struct error *err) MUST_CHECK;

/* -- certificates -- */

struct certificate {
    uint8_t fingerprint[32];
    enum certificate_state state;
    const char *serial, *subject; /* NULL means "" */
    const uint8_t *issuer;        /* 32 bytes or NULL; not told when listing */
    int64_t not_before, not_after, created_at, revoked_at;
};
const char *certificate_state_name(enum certificate_state state);
/* Binds it to the device. ALREADY_EXISTS when it is another's; the same again is harmless. */
int device_add_certificate(struct tx *tx, const struct device *device,
                           const struct certificate *certificate, int64_t now,
                           struct error *err) MUST_CHECK;
int device_revoke_certificates(struct tx *tx, int64_t device_row, int64_t now,
                               struct error *err) MUST_CHECK;
typedef int (*certificate_fn)(const struct certificate *certificate, void *arg, struct error *err);
int device_certificates(struct tx *tx, int64_t device_row, certificate_fn each, void *arg,
                        struct error *err) MUST_CHECK;
/* Somebody shows a certificate with this device's name that is not this device's. Recorded once per
 * certificate. */
int device_note_collision(struct tx *tx, const struct device *device, const uint8_t fingerprint[32],
                          int64_t now, bool *ret_is_new, struct error *err) MUST_CHECK;
int device_collision_known(struct tx *tx, int64_t device_row, const uint8_t fingerprint[32],
                           bool *ret, struct error *err) MUST_CHECK;

/* -- attributes, tags, components -- */

/* Values for the filter: a text that is copied, `ret_found` false when the device has no such one.
 */
int device_attribute(struct tx *tx, int64_t device_row, const char *name, char *ret, size_t room,
                     bool *ret_found, struct error *err) MUST_CHECK;
int device_attribute_put(struct tx *tx, int64_t device_row, const char *name, const char *value,
                         struct error *err) MUST_CHECK;
int device_attribute_drop(struct tx *tx, int64_t device_row, const char *name,
                          struct error *err) MUST_CHECK;
int device_attribute_clear(struct tx *tx, int64_t device_row, struct error *err) MUST_CHECK;
int device_attribute_count(struct tx *tx, int64_t device_row, int64_t *ret,
                           struct error *err) MUST_CHECK;
typedef int (*device_text_fn)(const char *name, const char *value, void *arg, struct error *err);
int device_attributes(struct tx *tx, int64_t device_row, device_text_fn each, void *arg,
                      struct error *err) MUST_CHECK;

int device_has_tag(struct tx *tx, int64_t device_row, const char *tag, bool *ret,
                   struct error *err) MUST_CHECK;
int device_tag_put(struct tx *tx, int64_t device_row, const char *tag,
                   struct error *err) MUST_CHECK;
int device_tag_clear(struct tx *tx, int64_t device_row, struct error *err) MUST_CHECK;
/* `value` is "". */
int device_tags(struct tx *tx, int64_t device_row, device_text_fn each, void *arg,
                struct error *err) MUST_CHECK;

struct component {
    const char *component, *version, *sha256, *slot;
    int64_t release_counter, security_version;
};
int device_component_put(struct tx *tx, int64_t device_row, const struct component *component,
                         struct error *err) MUST_CHECK;
int device_component_clear(struct tx *tx, int64_t device_row, struct error *err) MUST_CHECK;
typedef int (*component_fn)(const struct component *component, void *arg, struct error *err);
int device_components(struct tx *tx, int64_t device_row, component_fn each, void *arg,
                      struct error *err) MUST_CHECK;

/* -- reports over the whole fleet: they read one index from end to end -- */

typedef int (*device_count_fn)(const char *version, const char *model, int64_t count, void *arg,
                               struct error *err);
int device_count_by_version(struct tx *tx, int64_t tenant_row, device_count_fn each, void *arg,
                            struct error *err) MUST_CHECK;
/* Of the devices that fulfil `where`: a call for every version (model NULL) and one for every model
 * (version NULL), each in order. */
int device_count_where(struct tx *tx, int64_t tenant_row, const struct device_condition *where,
                       device_count_fn each, void *arg, struct error *err) MUST_CHECK;
int device_count_by_state(struct tx *tx, int64_t tenant_row, int64_t ret[DEVICE_STATE_COUNT],
                          struct error *err) MUST_CHECK;
/* Those that wait for approval; `most` stands for more. */
int device_count_pending(struct tx *tx, int64_t tenant_row, int64_t most, int64_t *ret,
                         struct error *err) MUST_CHECK;
int device_count_seen(struct tx *tx, int64_t since, int64_t *ret, struct error *err) MUST_CHECK;

#endif
