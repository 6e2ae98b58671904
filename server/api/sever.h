/* SPDX-License-Identifier: Apache-2.0 */
#ifndef OTAD_API_SEVER_H
#define OTAD_API_SEVER_H

#include "api/app.h"

/* Cuts the device's connections and forgets its sessions once this tx is on disk. */
int sever_device_after_commit(struct tx *tx, struct app *app, int64_t device_row,
                              struct error *err) MUST_CHECK;
/* Only its transfers of this deployment. */
int sever_deployment_after_commit(struct tx *tx, struct app *app,
                                  const struct deployment *deployment,
                                  struct error *err) MUST_CHECK;
/* All connections of devices that show a secret instead of a certificate: they come again when
 * theirs is still good. */
void sever_secrets_after_commit(struct tx *tx);

#endif
