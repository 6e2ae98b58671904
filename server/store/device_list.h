/* SPDX-License-Identifier: Apache-2.0 */
/* Devices named one by one, for explicit waves: made once, never changed. */
#ifndef OTAD_STORE_DEVICE_LIST_H
#define OTAD_STORE_DEVICE_LIST_H

#include "store/store.h"

struct device_list {
    int64_t row_id, tenant_row, count, created_at;
    char id[24]; /* l-<number> */
    char name[129], created_by[65];
    uint8_t sha256[32]; /* of the sorted ids, a line each */
};

/* `ids` are sorted and different. Fails with NO_SUCH_DEVICE naming the first unknown one. Fills
 * row_id. */
int device_list_insert(struct tx *tx, struct device_list *list, const char *const *ids,
                       size_t count, struct error *err) MUST_CHECK;
enum step device_list_by_id(struct tx *tx, int64_t tenant_row, const char *id,
                            struct device_list *ret, struct error *err) MUST_CHECK;
int device_list_delete(struct tx *tx, int64_t row_id, struct error *err) MUST_CHECK;
/* A campaign that is not over and has a wave of the list; STEP_DONE: none. */
enum step device_list_user(struct tx *tx, int64_t tenant_row, const char *id, char ret_campaign[24],
                           struct error *err) MUST_CHECK;
int device_list_has(struct tx *tx, int64_t list_row, int64_t device_row, bool *ret,
                    struct error *err) MUST_CHECK;
/* The same by the list's id; no device is in one that is gone. */
int device_list_named_has(struct tx *tx, const char *list_id, int64_t device_row, bool *ret,
                          struct error *err) MUST_CHECK;
/* Newest first, below `before` (0: from the newest); borrowed for the call. */
typedef int (*device_list_fn)(const struct device_list *list, void *arg, struct error *err);
int device_list_page(struct tx *tx, int64_t tenant_row, int64_t before, int64_t limit,
                     device_list_fn each, void *arg, struct error *err) MUST_CHECK;

#endif
