/* SPDX-License-Identifier: Apache-2.0 */
/* What devices send: DDI feedback, confirmations, attributes, installed versions, an Accept header;
 * native status. The first byte chooses. */
#include "api/device/ddi.h"
#include "api/device/native.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whatever is said, what is kept of it is a document within its size. */
static void try_told(const json_t *json)
{
    for (size_t most = 256; most <= 4096; most *= 2) {
        CLEANUP(free_string) char *told = ddi_told(json, most);
        json_auto_t *again = NULL;
        struct error err = {0};
        if (!told || strlen(told) > most || json_read(told, strlen(told), &again, &err))
            abort();
    }
}

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
    try_told(json);
}

static void try_confirmation(const json_t *json)
{
    struct ddi_confirmation confirmation;
    struct ddi_initiative initiative;
    struct error err = {0};

    if (ddi_confirmation_from_json(json, &confirmation, &err) == 0)
        assert(utf8_ok(confirmation.remark, strlen(confirmation.remark)));
    if (ddi_initiative_from_json(json, &initiative, &err) == 0)
        assert(strlen(initiative.initiator) < LABEL_SIZE &&
               strlen(initiative.remark) < REMARK_SIZE);
}

static void try_installed(const json_t *json)
{
    struct ddi_installed installed;
    struct error err = {0};

    if (ddi_installed_from_json(json, &installed, &err) == 0)
        assert(strchr(installed.release, ':') && strlen(installed.version) < VERSION_SIZE);
}

static void try_metadata(const char *custom)
{
    CLEANUP(text_clear) struct text text = {0};
    json_auto_t *written = NULL;
    struct error err = {0};

    text_append(&text, "{\"a\":1");
    ddi_write_metadata(&text, custom);
    text_append(&text, "}");
    if (!text.is_broken && json_read(text.at, text.length, &written, &err))
        abort();
}

static void try_accept(const char *accept)
{
    const char *type = ddi_media_type(accept);

    assert(!type || strstr(accept, "/") || !accept[strspn(accept, " \t")]);
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

static void try_body(char kind, const char *bytes, size_t count)
{
    json_auto_t *json = NULL;
    struct error err = {0};

    if (json_read(bytes, count, &json, &err))
        return;
    if (kind == 'f')
        try_feedback(json);
    else if (kind == 'a')
        try_attributes(json);
    else if (kind == 'c')
        try_confirmation(json);
    else if (kind == 'i')
        try_installed(json);
    else
        try_status(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(free_string) char *text = size ? strndup((const char *)data + 1, size - 1) : NULL;

    if (!text)
        return 0;
    if (data[0] == 'A')
        try_accept(text);
    else if (data[0] == 'm')
        try_metadata(text);
    else
        try_body((char)data[0], (const char *)data + 1, size - 1);
    return 0;
}
