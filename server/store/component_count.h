/* SPDX-License-Identifier: Apache-2.0 */
/* How far the components of a release have come on the devices of one campaign. */
#ifndef OTAD_STORE_COMPONENT_COUNT_H
#define OTAD_STORE_COMPONENT_COUNT_H

#include "store/store.h"

struct component_count {
    const char *component, *version; /* borrowed for the call */
    int64_t devices;
};
typedef int (*component_count_fn)(const struct component_count *count, void *arg,
                                  struct error *err);
/* Of all devices that were offered it and tell their components; reads all its deployments. */
int component_counts(struct tx *tx, int64_t campaign_row, component_count_fn each, void *arg,
                     struct error *err) MUST_CHECK;

#endif
