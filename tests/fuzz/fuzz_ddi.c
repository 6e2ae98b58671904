/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that devices send: DDI feedback, DDI attributes, native status. The first byte chooses. */
#include "api/device/ddi.h"
#include "api/device/native.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_feedback(const json_t *json)
{
    struct ddi_feedback feedback;
    struct report report;
    struct error err = {0};

    if (ddi_feedback_from_json(json, &feedback, &err)) {
        assert(problem_status(err.problem) == 400);
        return;
    }
    assert(utf8_ok(feedback.detail, strlen(feedback.detail)));
    ddi_report(&feedback, true, &report);
    ddi_cancel_report(&feedback, &report);
}

static void try_attributes(const json_t *json)
{
    static const struct config config = {
        .device_version_attribute = "v",
        .device_boot_id_attribute = "b",
        .device_uptime_attribute = "u",
        .device_floor_attribute = "f",
    };
    struct ddi_attributes attributes;
    struct evidence evidence;
    struct error err = {0};

    if (ddi_attributes_from_json(json, 128, &attributes, &err))
        return;
    if (attributes.mode == DDI_REMOVE)
        return;
    ddi_evidence(&config, attributes.data, &evidence);
    assert(!evidence.version || strlen(evidence.version) < VERSION_SIZE);
    assert(!evidence.boot_id || strlen(evidence.boot_id) < BOOT_ID_SIZE);
}

static void try_status(const json_t *json)
{
    struct native_status status;
    struct error err = {0};

    if (native_status_from_json(json, &status, &err) == 0)
        assert(status.seq > 0 && (!status.has_report || status.action > 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_auto_t *json = NULL;
    struct error err = {0};

    if (size < 1 || json_read((const char *)data + 1, size - 1, &json, &err))
        return 0;
    if (data[0] == 'f')
        try_feedback(json);
    else if (data[0] == 'a')
        try_attributes(json);
    else
        try_status(json);
    return 0;
}
