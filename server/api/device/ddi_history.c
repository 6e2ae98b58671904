/* SPDX-License-Identifier: Apache-2.0 */
/* actionHistory: a device that keeps nothing of its own asks what it said before. */
#include "api/device/ddi.h"

#include "core/json.h"
#include "store/event.h"

#include <string.h>

#define PAGE 100

struct history {
    struct text *text;
    const char *status;
    int64_t attempt, left; /* lines that may still be written */
    int64_t reports, last_row;
    bool has_line;
};

static void write_line(struct history *history, const char *line)
{
    if (history->left <= 0)
        return;
    if (history->has_line)
        text_append(history->text, ",");
    else
        text_format(history->text, ",\"actionHistory\":{\"status\":\"%s\",\"messages\":[",
                    history->status);
    text_json_string(history->text, line);
    history->has_line = true;
    history->left--;
}

static void write_report(struct history *history, const json_t *told)
{
    const json_t *code = json_object_get(told, "code"), *line;
    char text[48];
    size_t i;

    json_array_foreach(json_object_get(told, "details"), i, line)
        write_line(history, json_string_value(line));
    if (!json_is_integer(code))
        return;
    snprintf(text, sizeof text, "Status code: %lld", (long long)json_integer_value(code));
    write_line(history, text);
}

static int add_report(const struct told *told, void *arg, struct error *err)
{
    json_auto_t *json = NULL;
    struct history *history = arg;

    history->reports++;
    history->last_row = told->row_id;
    if (told->attempt != history->attempt) {
        history->left = 0; /* what came before has another action */
        return 0;
    }
    if (history->left > 0 && json_read(told->json, strlen(told->json), &json, err))
        return fail_internal(err, "event %lld: unreadable", (long long)told->row_id);
    write_report(history, json);
    return 0;
}

int ddi_write_history(struct text *text, struct tx *tx, const struct deployment *deployment,
                      const char *status, int64_t most, struct error *err)
{
    struct history history = {
        .text = text, .status = status, .attempt = deployment->attempt, .left = most};

    do {
        history.reports = 0;
        if (history.left > 0 &&
            event_told(tx, deployment->row_id, history.last_row, PAGE, add_report, &history, err))
            return -1;
    } while (history.left > 0 && history.reports == PAGE);
    if (history.has_line)
        text_append(text, "]}");
    return 0;
}
