/* SPDX-License-Identifier: Apache-2.0 */
/* A zone is a table of changes, and for the time after the last of them a yearly rule, which the
 * file gives as text in the form of POSIX's TZ variable (the footer). Both become plain numbers
 * when the file is read; afterwards nothing is written any more. */
#include "campaign/zone.h"

#include "core/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#define ZONE_FOLDER "/usr/share/zoneinfo"
#define FILE_SIZE_MAX (64 * KIB) /* the largest of the database has 4 KiB */
#define FOOTER_SIZE_MAX 128
#define DAY 86400
/* Some billion years: past it yearly rules are not followed, so that no sum overflows. */
#define FAR_AWAY (INT64_C(1) << 55)

/* A day of each year and a local time on it, which may lie days before or after. */
struct yearly {
    enum { DAY_WITHOUT_LEAP_DAY, DAY_COUNTED, DAY_OF_WEEK } kind;
    int month, week, day;
    int32_t seconds;
};

struct footer {
    bool is_given, has_summer;
    int32_t standard, summer;
    struct yearly begin, end; /* of summer time */
};

struct zone {
    int32_t first; /* the offset before all changes */
    struct footer footer;
    size_t count;
    struct change {
        int64_t at;
        int32_t offset;
    } changes[];
};

/* -- the footer -- */

static bool is_letter(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool skip(const char **at, char c)
{
    if (**at != c)
        return false;
    ++*at;
    return true;
}

/* Names of times, "CET" or "<+0545>", say nothing to us but where they end. */
static bool skip_name(const char **at)
{
    bool is_quoted = skip(at, '<');
    const char *name = *at;

    while (is_letter(**at) || (is_quoted && (is_digit(**at) || **at == '+' || **at == '-')))
        ++*at;
    return *at - name >= 3 && (!is_quoted || skip(at, '>'));
}

static bool read_number(const char **at, int least, int most, int *ret)
{
    int number = 0, digits = 0;

    for (; is_digit(**at) && digits < 3; digits++)
        number = number * 10 + (*(*at)++ - '0');
    *ret = number;
    return digits > 0 && number >= least && number <= most;
}

/* [+-]hh[:mm[:ss]] */
static bool read_seconds(const char **at, int most_hours, int32_t *ret)
{
    bool is_negative = skip(at, '-');
    int hours, minutes = 0, seconds = 0;

    if (!is_negative)
        skip(at, '+');
    if (!read_number(at, 0, most_hours, &hours))
        return false;
    if (skip(at, ':')) {
        if (!read_number(at, 0, 59, &minutes))
            return false;
        if (skip(at, ':') && !read_number(at, 0, 59, &seconds))
            return false;
    }
    *ret = (hours * 3600 + minutes * 60 + seconds) * (is_negative ? -1 : 1);
    return true;
}

/* ",M3.5.0/2", ",J60" or ",59", with the time of day behind it, 02:00 when there is none. */
static bool read_yearly(const char **at, struct yearly *ret)
{
    bool is_read;

    *ret = (struct yearly){.seconds = 2 * 3600};
    if (!skip(at, ','))
        return false;
    if (skip(at, 'M')) {
        ret->kind = DAY_OF_WEEK;
        is_read = read_number(at, 1, 12, &ret->month) && skip(at, '.') &&
                  read_number(at, 1, 5, &ret->week) && skip(at, '.') &&
                  read_number(at, 0, 6, &ret->day);
    } else if (skip(at, 'J')) {
        ret->kind = DAY_WITHOUT_LEAP_DAY;
        is_read = read_number(at, 1, 365, &ret->day);
    } else {
        ret->kind = DAY_COUNTED;
        is_read = read_number(at, 0, 365, &ret->day);
    }
    return is_read && (!skip(at, '/') || read_seconds(at, 167, &ret->seconds));
}

/* The text counts offsets west of UTC. */
static bool read_offset(const char **at, int32_t *ret)
{
    if (!read_seconds(at, 24, ret))
        return false;
    *ret = -*ret;
    return true;
}

static bool read_footer(const char *text, struct footer *ret)
{
    *ret = (struct footer){.is_given = *text != '\0'};
    if (!ret->is_given)
        return true;
    if (!skip_name(&text) || !read_offset(&text, &ret->standard))
        return false;
    if (*text == '\0')
        return true;
    ret->has_summer = true;
    ret->summer = ret->standard + 3600;
    if (!skip_name(&text) || (*text != ',' && !read_offset(&text, &ret->summer)))
        return false;
    return read_yearly(&text, &ret->begin) && read_yearly(&text, &ret->end) && *text == '\0';
}

/* -- the calendar -- */

static int64_t floor_div(int64_t number, int64_t by)
{
    return number / by - (number % by < 0);
}

/* Days from 1 January 1970 to 1 January of the year. */
static int64_t year_begins(int64_t year)
{
    int64_t past = year - 1;

    return past * 365 + floor_div(past, 4) - floor_div(past, 100) + floor_div(past, 400) - 719162;
}

static int64_t year_of(int64_t day)
{
    int64_t year = 1970 + floor_div(day * 400, 146097);

    while (year_begins(year) > day)
        year--;
    while (year_begins(year + 1) <= day)
        year++;
    return year;
}

static int64_t yearly_day(const struct yearly *yearly, int64_t year)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
    int64_t january = year_begins(year);
    bool is_leap = year_begins(year + 1) - january == 366;

    if (yearly->kind == DAY_COUNTED)
        return january + yearly->day;
    if (yearly->kind == DAY_WITHOUT_LEAP_DAY)
        return january + yearly->day - 1 + (is_leap && yearly->day > before[2]);
    int64_t first = january + before[yearly->month - 1] + (is_leap && yearly->month > 2);
    int64_t next = january + before[yearly->month] + (is_leap && yearly->month > 1);
    int64_t weekday = first + 4 - floor_div(first + 4, 7) * 7; /* 1 January 1970 was a Thursday */
    int64_t day = first + (yearly->day - weekday + 7) % 7 + 7 * (yearly->week - 1);
    return day < next ? day : day - 7; /* week 5 is the last, be it the fourth */
}

/* Rules may reach a week into the neighbouring years, so two years to each side are enough. Where
 * summer ends in the instant in which the next begins, it is always summer: the later rule wins. */
static struct zone_span footer_span(const struct footer *footer, int64_t at)
{
    struct zone_span span = {INT64_MIN, INT64_MAX, footer->standard};

    if (!footer->has_summer)
        return span;
    if (at < -FAR_AWAY || at >= FAR_AWAY)
        return at < 0 ? (struct zone_span){INT64_MIN, -FAR_AWAY, footer->standard}
                      : (struct zone_span){FAR_AWAY, INT64_MAX, footer->standard};
    span.from = -FAR_AWAY;
    span.until = FAR_AWAY;
    int64_t year = year_of(floor_div(at, DAY));
    for (int64_t y = year - 2; y <= year + 2; y++)
        for (int ends = 0; ends <= 1; ends++) {
            const struct yearly *yearly = ends ? &footer->end : &footer->begin;
            int64_t change = yearly_day(yearly, y) * DAY + yearly->seconds -
                             (ends ? footer->summer : footer->standard);
            if (change > at && change < span.until)
                span.until = change;
            if (change <= at && change >= span.from) {
                span.from = change;
                span.offset = ends ? footer->standard : footer->summer;
            }
        }
    return span;
}

/* -- asking -- */

struct zone_span zone_span(const struct zone *zone, int64_t at)
{
    const struct change *changes = zone->changes;
    size_t past = 0, end = zone->count; /* `past` changes are not later than `at` */

    while (past < end) {
        size_t middle = past + (end - past) / 2;
        if (changes[middle].at <= at)
            past = middle + 1;
        else
            end = middle;
    }
    struct zone_span span = {past ? changes[past - 1].at : INT64_MIN,
                             past < zone->count ? changes[past].at : INT64_MAX,
                             past ? changes[past - 1].offset : zone->first};
    if (past < zone->count || !zone->footer.is_given)
        return span;
    struct zone_span rule = footer_span(&zone->footer, at);
    if (rule.from < span.from)
        rule.from = span.from;
    return rule;
}

int64_t zone_offset(const struct zone *zone, int64_t at)
{
    return zone_span(zone, at).offset;
}

/* -- the file -- */

struct bytes {
    const uint8_t *at;
    uint64_t left;
};

/* A block's counts, in the order in which the file has them. */
struct header {
    char version;
    uint32_t is_ut, is_standard, leaps, changes, types, letters;
};

#define HEADER_SIZE 44
#define TYPE_SIZE 6

static int malformed(struct error *err, const char *what)
{
    return fail_field(err, PROBLEM_BAD_FIELD, "zone", "the time zone's file is malformed: %s",
                      what);
}

/* NULL when there are fewer. */
static const uint8_t *take(struct bytes *bytes, uint64_t count)
{
    const uint8_t *taken = bytes->at;

    if (count > bytes->left)
        return NULL;
    bytes->at += count;
    bytes->left -= count;
    return taken;
}

static uint64_t big_endian(const uint8_t *at, int size)
{
    uint64_t number = 0;

    for (int i = 0; i < size; i++)
        number = number << 8 | at[i];
    return number;
}

static bool take_header(struct bytes *bytes, struct header *ret)
{
    const uint8_t *at = take(bytes, HEADER_SIZE);

    if (!at || memcmp(at, "TZif", 4) != 0)
        return false;
    ret->version = (char)at[4];
    uint32_t *counts[] = {&ret->is_ut,   &ret->is_standard, &ret->leaps,
                          &ret->changes, &ret->types,       &ret->letters};
    for (size_t i = 0; i < COUNT_OF(counts); i++)
        *counts[i] = (uint32_t)big_endian(at + 20 + 4 * i, 4);
    return true;
}

/* What follows a block's changes and types. */
static uint64_t tail_size(const struct header *header, int time_size)
{
    return (uint64_t)header->letters + (uint64_t)header->leaps * (unsigned)(time_size + 4) +
           header->is_standard + header->is_ut;
}

/* The block for 32-bit readers, which comes first. */
static bool skip_old_block(struct bytes *bytes, const struct header *header)
{
    return take(bytes, (uint64_t)header->changes * 5 + (uint64_t)header->types * TYPE_SIZE +
                           tail_size(header, 4));
}

static bool read_type(const uint8_t *types, size_t index, const struct header *header, int32_t *ret)
{
    const uint8_t *type = types + index * TYPE_SIZE;
    int32_t offset = (int32_t)(uint32_t)big_endian(type, 4);

    *ret = offset;
    return offset > -ZONE_OFFSET_MAX && offset < ZONE_OFFSET_MAX && type[4] <= 1 &&
           type[5] < header->letters;
}

static int read_changes(const uint8_t *times, const uint8_t *kinds, const uint8_t *types,
                        const struct header *header, struct zone *zone, struct error *err)
{
    int32_t offset;

    for (size_t i = 0; i < header->types; i++)
        if (!read_type(types, i, header, &offset))
            return malformed(err, "a kind of local time is out of bounds");
    read_type(types, 0, header, &zone->first);
    for (size_t i = 0; i < header->changes; i++) {
        struct change *change = &zone->changes[i];

        change->at = (int64_t)big_endian(times + 8 * i, 8);
        if (i > 0 && change->at <= zone->changes[i - 1].at)
            return malformed(err, "its times do not grow");
        if (kinds[i] >= header->types)
            return malformed(err, "a change to a kind of time it has not");
        read_type(types, kinds[i], header, &change->offset);
    }
    zone->count = header->changes;
    return 0;
}

/* A line of its own behind the blocks, possibly empty. */
static bool take_footer(struct bytes *bytes, struct footer *ret)
{
    char text[FOOTER_SIZE_MAX];

    if (bytes->left < 2 || bytes->left - 2 >= sizeof text || bytes->at[0] != '\n' ||
        bytes->at[bytes->left - 1] != '\n' || memchr(bytes->at, '\0', bytes->left))
        return false;
    memcpy(text, bytes->at + 1, bytes->left - 2);
    text[bytes->left - 2] = '\0';
    return read_footer(text, ret);
}

static struct zone *zone_new(size_t changes)
{
    return calloc(1, sizeof(struct zone) + changes * sizeof(struct change));
}

int zone_parse(const uint8_t *bytes, size_t count, struct zone **ret, struct error *err)
{
    struct bytes rest = {bytes, count};
    struct header old, header;

    if (!take_header(&rest, &old) || old.version < '2' || !skip_old_block(&rest, &old) ||
        !take_header(&rest, &header) || header.version != old.version)
        return malformed(err, "not TZif of version 2 or later");
    if (header.leaps > 0)
        return malformed(err, "it counts leap seconds");
    if (header.types < 1)
        return malformed(err, "it has no kind of time");
    const uint8_t *times = take(&rest, (uint64_t)header.changes * 8);
    const uint8_t *kinds = times ? take(&rest, header.changes) : NULL;
    const uint8_t *types = kinds ? take(&rest, (uint64_t)header.types * TYPE_SIZE) : NULL;
    if (!types || !take(&rest, tail_size(&header, 8)))
        return malformed(err, "it is cut short");
    CLEANUP(zone_free) struct zone *zone = zone_new(header.changes);
    if (!zone)
        return fail_internal(err, "memory for a time zone: %m");
    if (read_changes(times, kinds, types, &header, zone, err))
        return -1;
    if (!take_footer(&rest, &zone->footer))
        return malformed(err, "its footer cannot be read");
    *ret = MOVE(zone);
    return 0;
}

void zone_free(struct zone **zone)
{
    free(*zone);
    *zone = NULL;
}

static int unknown(const char *name, struct error *err)
{
    return fail_field(err, PROBLEM_BAD_FIELD, "zone",
                      "\"%.64s\" is no time zone known here; one is \"Europe/Berlin\"", name);
}

/* All names of the database begin with a capital; beside them its folder has tables, the machine's
 * own zone and copies that count leap seconds. */
static bool name_ok(const char *name)
{
    size_t length = strlen(name);

    if (length < 1 || length >= ZONE_NAME_SIZE || name[0] < 'A' || name[0] > 'Z' ||
        strstr(name, "//"))
        return false;
    for (const char *at = name; *at; at++)
        if (!is_letter(*at) && !is_digit(*at) && !strchr("_+-/", *at))
            return false;
    return true;
}

static int read_file(const char *name, uint8_t *bytes, size_t *ret_count, struct error *err)
{
    char path[sizeof ZONE_FOLDER + ZONE_NAME_SIZE];

    snprintf(path, sizeof path, "%s/%s", ZONE_FOLDER, name);
    CLEANUP(close_file) FILE *file = fopen(path, "re");
    if (file)
        *ret_count = fread(bytes, 1, FILE_SIZE_MAX, file);
    if (file && !ferror(file))
        return 0;
    if (errno == ENOENT || errno == ENOTDIR || errno == EISDIR)
        return unknown(name, err);
    return fail_internal(err, "read %s: %m", path);
}

int zone_load(const char *name, struct zone **ret, struct error *err)
{
    CLEANUP(free_memory) uint8_t *bytes = NULL;
    size_t count = 0;

    if (!name_ok(name))
        return unknown(name, err);
    if (strcmp(name, "UTC") == 0) {
        struct zone *zone = zone_new(0);
        if (!zone)
            return fail_internal(err, "memory for a time zone: %m");
        *ret = zone;
        return 0;
    }
    bytes = malloc(FILE_SIZE_MAX);
    if (!bytes)
        return fail_internal(err, "memory for a time zone: %m");
    if (read_file(name, bytes, &count, err))
        return -1;
    return zone_parse(bytes, count, ret, err);
}

/* -- the zones of this process -- */

#define BUCKETS 128
/* Devices can name what they like: beyond so many wrong names each is looked for anew. */
#define UNKNOWN_MAX 256

struct known {
    struct known *next;
    struct zone *zone; /* NULL: there is none of this name */
    char name[ZONE_NAME_SIZE];
};

static struct {
    pthread_mutex_t lock; /* guards all of it; entries only appear, and then stay as they are */
    struct known *buckets[BUCKETS];
    size_t unknown;
} cache = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct known **bucket_of(const char *name)
{
    uint32_t hash = 2166136261;

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619;
    return &cache.buckets[hash % BUCKETS];
}

static const struct known *find(const char *name)
{
    const struct known *known = *bucket_of(name);

    while (known && strcmp(known->name, name) != 0)
        known = known->next;
    return known;
}

/* Takes `zone`, unless another thread was faster or there is no room for it. */
static const struct zone *remember(const char *name, struct zone **zone)
{
    const struct known *present = find(name);

    if (present)
        return present->zone;
    if (!*zone && cache.unknown >= UNKNOWN_MAX)
        return NULL;
    struct known *known = calloc(1, sizeof *known);
    if (!known)
        return NULL;
    struct known **bucket = bucket_of(name);
    cache.unknown += !*zone;
    known->zone = MOVE(*zone);
    snprintf(known->name, sizeof known->name, "%s", name);
    known->next = *bucket;
    *bucket = known;
    return known->zone;
}

const struct zone *zone_named(const char *name)
{
    CLEANUP(zone_free) struct zone *loaded = NULL;
    struct error err = {0};

    if (!name_ok(name))
        return NULL;
    pthread_mutex_lock(&cache.lock);
    const struct known *known = find(name);
    pthread_mutex_unlock(&cache.lock);
    if (known)
        return known->zone;
    /* Without the lock: others need not wait for the disk. */
    if (zone_load(name, &loaded, &err) && err.problem != PROBLEM_BAD_FIELD) {
        log_warning("zone.unreadable", TEXT("zone", name), CAUSE(&err));
        return NULL;
    }
    pthread_mutex_lock(&cache.lock);
    const struct zone *zone = remember(name, &loaded);
    pthread_mutex_unlock(&cache.lock);
    return zone;
}
