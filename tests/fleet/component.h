/* SPDX-License-Identifier: Apache-2.0 */
/* What is installed on a device, component by component, and in which order an update goes in. */
#ifndef OTAD_FLEET_COMPONENT_H
#define OTAD_FLEET_COMPONENT_H

#include "device.h"

/* What it left the factory with: options.components, all of them in one version. */
void components_init(struct device *device);
/* For a status report; NULL when memory is out. */
json_t *components_to_json(const struct device *device);

/* Puts the update's images into an order in which each finds installed what its signed entry
 * requires. False when there is none. */
bool components_order(struct device *device);

/* Installs the images in their order, up to the one that is for `failing`; NULL: all of them. True
 * when none failed. */
bool components_install(struct device *device, const char *failing);

#endif
