/* SPDX-License-Identifier: Apache-2.0 */
/* When a device may download or install: weekly windows in its place's time.
 *
 * A window opens at the first instant of a listed day at which the clocks there show its start or
 * later: a start that the change to summer time leaves out comes at the end of the gap, one that
 * occurs twice only the first time. (Where a whole day was left out, its windows come at the
 * beginning of the next.) It stays open for its length in elapsed seconds, into later days too. */
#ifndef OTAD_CAMPAIGN_WINDOW_H
#define OTAD_CAMPAIGN_WINDOW_H

#include "campaign/zone.h"
#include "core/json.h"

#define WINDOWS_MAX 14
#define WINDOW_LENGTH_MIN 60
#define WINDOW_LENGTH_MAX (7 * 86400)
/* Room for the longest text of windows_text(). */
#define WINDOWS_TEXT_SIZE 640

struct window {
    uint8_t days;   /* on which it opens, bit 0: Monday; never none */
    int32_t start;  /* what the clocks show when it opens, in seconds after midnight */
    int32_t length; /* elapsed seconds */
};

/* None: always open. */
struct windows {
    struct window items[WINDOWS_MAX];
    size_t count;
};

/* An array of {"days": ["mon", "tue"], "start": "22:00", "length": "6h"}: days are all when absent,
 * a start may have seconds, a length may be a number of them. NULL and JSON's null are no windows.
 * Fails with BAD_FIELD at `field`, "field[2]" or "field[2].start". */
int windows_read(const json_t *json, const char *field, struct windows *ret,
                 struct error *err) MUST_CHECK;
/* The same with every member spelt out; windows_read() of it gives equal windows. A new reference,
 * NULL when memory is out. */
json_t *windows_to_json(const struct windows *windows);

/* Open: `ret_until` is when they close, windows that overlap or touch taken as one, and 0 when that
 * is not within WINDOWS_FOREVER. Shut: when the next one opens, which is within 8 days. `ret_until`
 * may be NULL. */
#define WINDOWS_FOREVER (400 * 86400)
bool windows_are_open(const struct windows *windows, const struct zone *zone, int64_t now,
                      int64_t *ret_until);

/* "Mon-Fri 22:00 for 6 h; Sun 08:30 for 90 min", for people. Cut where `room` ends. */
const char *windows_text(const struct windows *windows, char *text, size_t room);

#endif
