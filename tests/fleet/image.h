/* SPDX-License-Identifier: Apache-2.0 */
/* Why a device believes an update: a chain of signatures from the root it left the factory with,
 * down to the hash of each image. Nothing else the server says decides anything. */
#ifndef OTAD_FLEET_IMAGE_H
#define OTAD_FLEET_IMAGE_H

#include "core/json.h"

struct device;
struct image_trust;

/* NULL path: the first root the server shows is believed, as a device without provisioning might.
 */
int image_trust_open(const char *root_path, struct image_trust **ret, struct error *err) MUST_CHECK;
void image_trust_close(struct image_trust **trust);

/* Checks the answer of GET /v1/device/update and fills the device's update with its images. The
 * detail of a failure says what is wrong. */
int image_check_update(const struct image_trust *trust, struct device *device,
                       const json_t *document, struct error *err) MUST_CHECK;

#endif
