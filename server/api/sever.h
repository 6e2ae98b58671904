/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTAD_API_SEVER_H
#define OTAD_API_SEVER_H

#include "api/app.h"

/* Cuts the device's connections and forgets its sessions once this tx is on disk. */
int sever_device_after_commit(struct tx *tx, struct app *app, int64_t device_row,
                              struct error *err) MUST_CHECK;

#endif
