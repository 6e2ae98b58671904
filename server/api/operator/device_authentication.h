/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets of devices that show no certificate. */
#ifndef OTAD_API_OPERATOR_DEVICE_AUTHENTICATION_H
#define OTAD_API_OPERATOR_DEVICE_AUTHENTICATION_H

#include "store/device.h"

/* Gives a device the target token `text`: 16 to 128 printable ASCII characters without blanks, else
 * BAD_FIELD "token". Only its SHA-256 is kept. */
int device_token_set_from_text(struct tx *tx, const struct device *device, const char *text,
                               int64_t now, struct error *err) MUST_CHECK;

#endif
