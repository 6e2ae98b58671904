/* SPDX-License-Identifier: Apache-2.0 */
#include "core/clock.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static int64_t milliseconds(clockid_t id)
{
    struct timespec now;

    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_wall(void)
{
    return milliseconds(CLOCK_REALTIME) / 1000;
}

int64_t clock_wall_ms(void)
{
    return milliseconds(CLOCK_REALTIME);
}

int64_t clock_monotonic_ms(void)
{
    return milliseconds(CLOCK_MONOTONIC);
}

static struct tm broken_down(int64_t wall)
{
    const int64_t year_0 = -62167219200, year_9999 = 253402300799;
    time_t seconds = wall < year_0 ? year_0 : wall > year_9999 ? year_9999 : wall;
    struct tm tm;

    gmtime_r(&seconds, &tm);
    return tm;
}

const char *clock_text(int64_t wall, char text[CLOCK_TEXT_SIZE])
{
    struct tm tm = broken_down(wall);

    strftime(text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return text;
}

static bool digits(const char *text, int count, int *ret)
{
    int value = 0;

    for (int i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (text[i] - '0');
    }
    *ret = value;
    return true;
}

bool clock_parse(const char *text, int64_t *ret_wall)
{
    static const char form[] = "0000-00-00T00:00:00Z";
    struct tm tm = {0};
    char back[CLOCK_TEXT_SIZE];

    if (strlen(text) != sizeof form - 1)
        return false;
    for (size_t i = 0; i < sizeof form - 1; i++)
        if (form[i] != '0' && text[i] != form[i])
            return false;
    if (!digits(text, 4, &tm.tm_year) || !digits(text + 5, 2, &tm.tm_mon) ||
        !digits(text + 8, 2, &tm.tm_mday) || !digits(text + 11, 2, &tm.tm_hour) ||
        !digits(text + 14, 2, &tm.tm_min) || !digits(text + 17, 2, &tm.tm_sec))
        return false;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;

    /* timegm() carries over what does not exist, so the way back shows it. */
    int64_t wall = timegm(&tm);
    if (strcmp(clock_text(wall, back), text) != 0)
        return false;
    *ret_wall = wall;
    return true;
}

const char *clock_http(int64_t wall, char text[CLOCK_HTTP_SIZE])
{
    struct tm tm = broken_down(wall);

    strftime(text, CLOCK_HTTP_SIZE, "%a, %d %b %Y %H:%M:%S GMT", &tm);
    return text;
}
