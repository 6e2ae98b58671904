/* SPDX-License-Identifier: Apache-2.0 */
/* Published releases and their targets, as derived from the signed product files. */
#ifndef OTAD_STORE_RELEASE_H
#define OTAD_STORE_RELEASE_H

#include "store/store.h"

#define RELEASE_ID_SIZE 98 /* product ":" version */
#define TARGET_PATH_SIZE 227

enum release_state { RELEASE_PUBLISHED, RELEASE_WITHDRAWN, RELEASE_QUARANTINED };
const char *release_state_name(enum release_state state);

struct release {
    int64_t row_id, tenant_row;
    char id[RELEASE_ID_SIZE];
    char product[33], version[65];
    int64_t security_version, security_floor, release_counter;
    char severity[16];
    enum release_state state;
    int64_t metadata_version, published_at;
    int64_t product_row;
    bool is_floor;      /* older devices must pass through it */
    char dead_end[161]; /* why devices that run it cannot leave it; "": they can */
};

/* An image or a chunk list, by `kind`. Hashes in lower-case hex. */
struct target {
    int64_t row_id, release_row, artifact_row;
    char path[TARGET_PATH_SIZE], file[129], component[33], version[65], kind[8];
    int64_t security_version, security_floor, release_counter;
    char *hardware_ids; /* JSON array; owned by the struct */
    char *custom;       /* JSON object custom.ota; owned by the struct */
    int64_t size;
    char sha256[65], sha1[41], md5[33];
    bool is_broken; /* its artifact is */
};
void target_clear(struct target *target);

enum step release_by_id(struct tx *tx, int64_t tenant_row, const char *id, struct release *ret,
                        struct error *err) MUST_CHECK;
enum step release_by_row(struct tx *tx, int64_t row_id, struct release *ret,
                         struct error *err) MUST_CHECK;

/* Images of a release in order of component and file. An array to free with targets_free(). */
int release_targets(struct tx *tx, int64_t release_row, struct target **ret, size_t *ret_count,
                    struct error *err) MUST_CHECK;
void targets_free(struct target **targets, size_t count);
enum step target_by_row(struct tx *tx, int64_t row_id, struct target *ret,
                        struct error *err) MUST_CHECK;
/* Chunk lists too: <product>/<version>/<file>, and .chunks behind it. */
enum step target_by_path(struct tx *tx, int64_t tenant_row, const char *path, struct target *ret,
                         struct error *err) MUST_CHECK;

/* Past `after` ("": from the start) in order of id; NULL product or state means any. */
struct release_query {
    int64_t tenant_row, limit;
    const char *product, *state, *after;
};
typedef int (*release_fn)(const struct release *release, void *arg, struct error *err);
int release_list(struct tx *tx, const struct release_query *query, release_fn each, void *arg,
                 struct error *err) MUST_CHECK;
/* All of a product, withdrawn ones too, in order of their counters. */
int release_line(struct tx *tx, int64_t product_row, release_fn each, void *arg,
                 struct error *err) MUST_CHECK;
/* Devices that last proved to run this version. */
int release_count_devices(struct tx *tx, const struct release *release, int64_t *ret,
                          struct error *err) MUST_CHECK;

/* What operators say about the way past it: is_floor and dead_end. */
int release_steer(struct tx *tx, const struct release *release, struct error *err) MUST_CHECK;
/* STEP_DONE: there is no such product. */
enum step product_row_by_id(struct tx *tx, int64_t tenant_row, const char *id, int64_t *ret,
                            struct error *err) MUST_CHECK;

/* -- publication: trust/apply.c alone -- */

/* Makes the product when it is new. */
int product_keep(struct tx *tx, int64_t tenant_row, const char *product, int64_t now,
                 int64_t *ret_row, struct error *err) MUST_CHECK;
/* Writes the row of a release that a product's file lists; it is published from now on. Fills
 * row_id, tells whether the row or its state is new. An event tells of both. */
int release_publish(struct tx *tx, int64_t product_row, struct release *release, bool *ret_is_new,
                    struct error *err) MUST_CHECK;
/* Withdraws published and quarantined releases of the product that version `metadata_version` of
 * its file does not list, with an event for each. `each` is called for each. */
struct withdrawal {
    int64_t product_row, metadata_version, now;
};
int release_withdraw_others(struct tx *tx, const struct withdrawal *withdrawal, release_fn each,
                            void *arg, struct error *err) MUST_CHECK;
struct target_row {
    int64_t release_row, artifact_row;
    const char *path, *file, *component, *kind, *version;
    int64_t security_version, security_floor, release_counter;
    const char *hardware_ids, *custom; /* JSON */
};
int target_keep(struct tx *tx, const struct target_row *target, struct error *err) MUST_CHECK;

/* Every target ever published of a product, in order of path. Text is borrowed for the call. */
struct past_target {
    const char *path, *component;
    uint8_t sha256[32];
    int64_t size, security_version, security_floor, release_counter;
    enum release_state state; /* of its release */
};
typedef int (*past_target_fn)(const struct past_target *target, void *arg, struct error *err);
int product_history(struct tx *tx, int64_t tenant_row, const char *product, past_target_fn each,
                    void *arg, struct error *err) MUST_CHECK;

#endif
