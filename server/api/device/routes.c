/* SPDX-License-Identifier: Apache-2.0 */
/* Everything a device can ask for. */
#include "api/device/routes.h"

#include "api/device/ddi.h"
#include "api/device/native.h"
#include "api/device/serve.h"
#include "api/device/visit.h"

#define DDI "/:tenant/controller/v1/:id"
#define ASKS AUDIENCE_DEVICE, NULL, READ, NO_BODY, 0
#define TELLS AUDIENCE_DEVICE, NULL, WRITE, JSON_BODY, 16 * MIB /* device.body_max is less */
#define LOGS AUDIENCE_DEVICE, NULL, WRITE, RAW_BODY, 4 * KIB
#define TURNS AUDIENCE_DEVICE, NULL, WRITE, OPTIONAL_JSON_BODY, 16 * MIB

/* clang-format off */
static const struct route ddi_rows[] = {
    {"GET",  DDI,                                            ASKS,  ddi_poll,                    NULL},
    {"PUT",  DDI "/configData",                              TELLS, ddi_put_attributes,          NULL},
    {"GET",  DDI "/deploymentBase/:action",                  ASKS,  ddi_get_deployment,          NULL},
    {"POST", DDI "/deploymentBase/:action/feedback",         TELLS, ddi_post_feedback,           NULL},
    {"GET",  DDI "/cancelAction/:action",                    ASKS,  ddi_get_cancel,              NULL},
    {"POST", DDI "/cancelAction/:action/feedback",           TELLS, ddi_post_cancel_feedback,    NULL},
    {"GET",  DDI "/installedBase/:action",                   ASKS,  ddi_get_installed,           NULL},
    {"PUT",  DDI "/installedBase",                           TELLS, ddi_put_installed,           NULL},
    {"GET",  DDI "/confirmationBase",                        ASKS,  ddi_get_confirmations,       NULL},
    {"POST", DDI "/confirmationBase/activateAutoConfirm",    TURNS, ddi_activate_auto_confirm,   NULL},
    {"POST", DDI "/confirmationBase/deactivateAutoConfirm",  TURNS, ddi_deactivate_auto_confirm, NULL},
    {"GET",  DDI "/confirmationBase/:action",                ASKS,  ddi_get_confirmation,        NULL},
    {"POST", DDI "/confirmationBase/:action/feedback",       TELLS, ddi_post_confirmation,       NULL},
    {"GET",  DDI "/softwaremodules/:module/artifacts",       ASKS,  ddi_list_artifacts,          NULL},
    {"GET",  DDI "/softwaremodules/:module/artifacts/:file", ASKS,  ddi_get_artifact,            NULL},
};
/* clang-format on */
const struct routes ddi_routes = {ddi_rows, COUNT_OF(ddi_rows)};

static const struct route native_rows[] = {
    {"GET",  "/v1/device/update",   ASKS,  native_get_update,  NULL},
    {"POST", "/v1/device/status",   TELLS, native_post_status, NULL},
    {"GET",  "/v1/device/rauc",     ASKS,  rauc_poll,          NULL},
    {"GET",  "/v1/device/swupdate", ASKS,  general_poll,       NULL},
    {"PUT",  "/v1/device/swupdate", LOGS,  general_put_log,    NULL},
};
const struct routes native_routes = {native_rows, COUNT_OF(native_rows)};

static const struct route tuf_rows[] = {
    {"GET", "/tuf/image/metadata/:file",                  ASKS, tuf_get_metadata, NULL},
    {"GET", "/tuf/image/targets/:product/:version/:file", ASKS, tuf_get_target,   NULL},
};
const struct routes device_tuf_routes = {tuf_rows, COUNT_OF(tuf_rows)};
