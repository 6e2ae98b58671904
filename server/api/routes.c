/* SPDX-License-Identifier: Apache-2.0 */
#include "api/device/routes.h"
#include "api/app.h"
#include "api/console.h"
#include "api/operator/routes.h"

const struct routes *const device_routes[] = {&ddi_routes, &native_routes, &device_tuf_routes,
                                              NULL};

#define TABLE(name) &name##_routes,
const struct routes *const operator_routes[] = {OPERATOR_TABLES(TABLE) & console_routes, NULL};
#undef TABLE
