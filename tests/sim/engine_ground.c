/* SPDX-License-Identifier: Apache-2.0 */
/* What there is before anything happens: releases, sites, channels, devices. */
#include "engine_inside.h"

#include "store/channel.h"
#include "store/site.h"

#include <string.h>

static int add_release(struct tx *tx, void *arg, struct error *err)
{
    static const char artifact[] =
        "INSERT INTO artifact (sha256, sha512, sha1, md5, size, encoding, chunk_offset, "
        "chunk_size, chunk_count, state, created_at) VALUES (randomblob(32), zeroblob(64), "
        "zeroblob(20), zeroblob(16), :size, 'identity', 0, :size, 1, 'whole', 0)";
    static const char release[] =
        "INSERT INTO release (tenant_row, product_row, id, version, security_version, "
        "security_floor, release_counter, state, metadata_version, published_at, is_floor) "
        "SELECT 1, 1, 'gw:' || :version, :version, :security, 0, count(*) + 1, 'published', 1, 0, "
        ":floor "
        "FROM release";
    static const char target[] =
        "INSERT INTO target (release_row, path, file, component, kind, version, security_version, "
        "security_floor, release_counter, hardware_ids, custom, artifact_row) "
        "SELECT r.row_id, 'gw/' || :version || '/a', 'a', 'app', 'image', :version, :security, 0, "
        "r.release_counter, :hardware, '{}', (SELECT max(row_id) FROM artifact) "
        "FROM release AS r WHERE r.version = :version";
    const struct release_spec *spec = arg;
    CLEANUP(query_finish) struct query a = query_start(tx, artifact);
    CLEANUP(query_finish) struct query r = query_start(tx, release);
    CLEANUP(query_finish) struct query t = query_start(tx, target);

    query_bind_number(&a, ":size", spec->size);
    query_bind_text(&r, ":version", spec->version);
    query_bind_number(&r, ":security", spec->security);
    query_bind_number(&r, ":floor", spec->is_floor);
    query_bind_text(&t, ":version", spec->version);
    query_bind_number(&t, ":security", spec->security);
    query_bind_text(&t, ":hardware", spec->hardware ? spec->hardware : "[\"gw\"]");
    return query_run(&a, err) || query_run(&r, err) || query_run(&t, err) ? -1 : 0;
}

void engine_add_release(struct engine *engine, const struct release_spec *release)
{
    struct release_spec copy = *release;
    struct error err = {0};

    demand(store_write(engine->store, add_release, &copy, &err), &err, "add a release");
}

struct crowd {
    const struct device_spec *devices;
    size_t count;
};

int add_seen(struct tx *tx, int64_t row, int64_t at, struct error *err)
{
    static const char seen[] =
        "INSERT INTO device_seen (device_row, seen_at, address, client) VALUES (:row, :at, '', '') "
        "ON CONFLICT (device_row) DO UPDATE SET seen_at = excluded.seen_at";
    CLEANUP(query_finish) struct query q = query_start(tx, seen);

    query_bind_number(&q, ":row", row);
    query_bind_number(&q, ":at", at);
    return query_run(&q, err);
}

static int add_device(struct tx *tx, int64_t row, const struct device_spec *spec, struct error *err)
{
    static const char device[] =
        "INSERT INTO device (row_id, tenant_row, id, state, model, hardware, site, zone, version, "
        "boot_id, floor, created_at, updated_at) VALUES (:row, 1, :id, 'active', :model, "
        ":hardware, :site, :zone, :version, :boot, :floor, 0, 0)";
    CLEANUP(query_finish) struct query q = query_start(tx, device);

    query_bind_number(&q, ":row", row);
    query_bind_text(&q, ":id", spec->id);
    query_bind_text(&q, ":model", spec->model);
    query_bind_text(&q, ":hardware", spec->hardware ? spec->hardware : "");
    query_bind_text(&q, ":site", spec->site ? spec->site : "");
    query_bind_text(&q, ":zone", spec->zone ? spec->zone : "");
    query_bind_text(&q, ":version", spec->version);
    query_bind_text(&q, ":boot", spec->boot_id ? spec->boot_id : "");
    query_bind_number(&q, ":floor", spec->floor);
    if (query_run(&q, err))
        return -1;
    return spec->seen_at ? add_seen(tx, row, spec->seen_at, err) : 0;
}

static int add_devices(struct tx *tx, void *arg, struct error *err)
{
    const struct crowd *crowd = arg;

    for (size_t i = 0; i < crowd->count; i++)
        if (add_device(tx, (int64_t)i + 1, &crowd->devices[i], err))
            return -1;
    return 0;
}

void engine_add_devices(struct engine *engine, const struct device_spec *devices, size_t count)
{
    struct crowd crowd = {devices, count};
    struct error err = {0};

    demand(store_write(engine->store, add_devices, &crowd, &err), &err, "add devices");
}

static int add_channel(struct tx *tx, void *arg, struct error *err)
{
    struct channel *channel = arg;

    return channel_insert(tx, channel, err);
}

void engine_add_channel(struct engine *engine, const char *id, const char *rule)
{
    CLEANUP(channel_clear) struct channel channel = {.tenant_row = 1};
    struct error err = {0};

    channel.position = engine_number(engine, "SELECT count(*) + 1 FROM channel", 0);
    snprintf(channel.id, sizeof channel.id, "%s", id);
    channel.rule = need(strdup(rule));
    channel.promotion = need(strdup(""));
    demand(store_write(engine->store, add_channel, &channel, &err), &err, "add a channel");
}

static int add_site(struct tx *tx, void *arg, struct error *err)
{
    return site_set(tx, arg, err);
}

void engine_add_site(struct engine *engine, const char *id, const char *zone, int64_t leases)
{
    struct site site = {.tenant_row = 1, .leases = leases};
    struct error err = {0};

    snprintf(site.id, sizeof site.id, "%s", id);
    snprintf(site.zone, sizeof site.zone, "%s", zone);
    demand(store_write(engine->store, add_site, &site, &err), &err, "add a site");
}
