/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of TUF's client workflow that a device without a director needs: root chain, targets,
 * product, and each target; versions never go back and nothing expired is believed. */
#include "image.h"

#include "core/clock.h"
#include "device.h"
#include "trust/role.h"

#include <string.h>

struct image_trust {
    json_t *root; /* envelope of the provisioned root; NULL: the first one shown */
};

/* A role file with the envelope that proves it. */
struct proven {
    struct envelope envelope;
    struct role *role;
};

static void proven_clear(struct proven *proven)
{
    role_free(&proven->role);
    envelope_clear(&proven->envelope);
}

static int untrusted(struct error *err, const char *what)
{
    return fail(err, PROBLEM_BAD_FIELD, "%s", what);
}

static int read_role(const char *name, const json_t *envelope, struct proven *ret,
                     struct error *err)
{
    enum role_kind kind = ROLE_PRODUCT;
    CLEANUP(free_string) char *bytes = json_dumps(envelope, JSON_COMPACT);

    if (!bytes || !role_kind_of(name, &kind))
        return untrusted(err, "a role file is missing");
    if (envelope_read(bytes, strlen(bytes), role_size_max(kind), &ret->envelope, err))
        return -1;
    return role_read(name, ret->envelope.document, &ret->role, err);
}

int image_trust_open(const char *root_path, struct image_trust **ret, struct error *err)
{
    struct image_trust *trust = calloc(1, sizeof *trust);
    CLEANUP(proven_clear) struct proven root = {0};

    if (!trust)
        return fail_internal(err, "out of memory");
    *ret = trust;
    if (!root_path)
        return 0;
    trust->root = json_load_file(root_path, JSON_REJECT_DUPLICATES, NULL);
    if (!trust->root)
        return fail_internal(err, "%s is not JSON", root_path);
    return read_role("root", trust->root, &root, err);
}

void image_trust_close(struct image_trust **trust)
{
    if (*trust)
        json_decref((*trust)->root);
    free(*trust);
    *trust = NULL;
}

/* Each root must be signed by the one before it and by itself. */
static int follow_roots(const struct image_trust *trust, const json_t *chain, struct proven *ret,
                        struct error *err)
{
    const json_t *first = trust->root ? trust->root : json_array_get(chain, 0), *envelope;
    size_t i;

    if (read_role("root", first, ret, err) || role_check_root(NULL, ret->role, &ret->envelope, err))
        return -1;
    json_array_foreach(chain, i, envelope)
    {
        CLEANUP(proven_clear) struct proven next = {0};
        struct proven previous = *ret;

        if (read_role("root", envelope, &next, err))
            return -1;
        if (next.role->version <= ret->role->version)
            continue;
        if (role_check_root(ret->role, next.role, &next.envelope, err))
            return -1;
        *ret = next;
        next = previous;
    }
    return 0;
}

/* A role of which `by` says who signs it. */
static int follow_role(const struct role *by, const char *name, const json_t *envelope,
                       struct proven *ret, struct error *err)
{
    const struct authority *authority = role_authority(by, name);

    if (!authority)
        return untrusted(err, "nobody may sign this role");
    if (read_role(name, envelope, ret, err))
        return -1;
    return envelope_check(&ret->envelope, &authority, 1, err);
}

/* Neither old nor older than what this device has seen. */
static int check_fresh(const struct role *role, int64_t *seen, struct error *err)
{
    if (role->expires_at <= clock_wall())
        return untrusted(err, "a role file has expired");
    if (role->version < *seen)
        return untrusted(err, "a role file is older than one seen before");
    *seen = role->version;
    return 0;
}

static int take_requirements(const struct entry *entry, struct image *image, struct error *err)
{
    const json_t *list = json_object_get(entry->ota, "requires"), *item;
    size_t i;

    if (json_array_size(list) > REQUIREMENTS_MAX)
        return untrusted(err, "an image requires too many components");
    json_array_foreach(list, i, item)
    {
        struct requirement *requirement = &image->requirements[i];
        const char *component;

        if (json_get_string(item, "component", &component, err) ||
            json_get_integer(item, "min_counter", 0, INT64_MAX, &requirement->min_counter, err))
            return -1;
        snprintf(requirement->component, sizeof requirement->component, "%s", component);
    }
    image->requirement_count = json_array_size(list);
    return 0;
}

static int take_entry(struct device *device, const json_t *target, const struct entry *entry,
                      struct error *err)
{
    struct update *update = device->update;
    struct image *image = &update->images[update->image_count];
    const char *url, *chunks_url, *sha256;
    int64_t size;

    if (json_get_string(target, "url", &url, err) ||
        json_get_string(target, "chunks_url", &chunks_url, err) ||
        json_get_string(target, "sha256", &sha256, err) ||
        json_get_integer(target, "size", 1, INT64_MAX, &size, err))
        return -1;
    if (size != entry->length || strcmp(sha256, entry->sha256))
        return untrusted(err, "an image is not the one that was signed");
    if (entry->counters.security_version < device->floor)
        return untrusted(err, "an image is older than the security floor");
    if (!device_path_of(device, url, image->path) ||
        !device_path_of(device, chunks_url, image->chunks_path))
        return untrusted(err, "a link leads elsewhere");
    image->size = size;
    image->chunk_offset = entry->chunks.offset;
    image->chunk_size = entry->chunks.size;
    image->chunk_count = entry->chunks.count;
    image->security_version = entry->counters.security_version;
    image->security_floor = entry->counters.security_floor;
    image->release_counter = entry->counters.release_counter;
    snprintf(image->sha256, sizeof image->sha256, "%s", entry->sha256);
    snprintf(image->chunks_sha256, sizeof image->chunks_sha256, "%s", entry->list_sha256);
    snprintf(image->component, sizeof image->component, "%s", entry->component);
    snprintf(update->version, sizeof update->version, "%s", entry->version);
    update->image_count++;
    return take_requirements(entry, image, err);
}

static int take_targets(struct device *device, const struct role *product, const json_t *targets,
                        struct error *err)
{
    const json_t *target;
    size_t i;

    json_array_foreach(targets, i, target)
    {
        const char *path;
        const struct entry *entry;

        if (json_get_string(target, "path", &path, err))
            return -1;
        entry = entry_find(product->entries, product->entry_count, path);
        if (!entry || entry->kind != ENTRY_IMAGE)
            return untrusted(err, "a target is not in the product's role file");
        if (device->update->image_count == IMAGES_MAX)
            return untrusted(err, "too many targets");
        if (take_entry(device, target, entry, err))
            return -1;
    }
    return device->update->image_count ? 0 : untrusted(err, "an update without targets");
}

/* "product-<p>" for the release "<p>:<version>". */
static int product_role(const json_t *document, char ret[ROLE_NAME_SIZE], struct error *err)
{
    const json_t *deployment;
    const char *release;
    int length;

    if (json_get_object(document, "deployment", &deployment, err) ||
        json_get_string(deployment, "release", &release, err))
        return -1;
    length = (int)strcspn(release, ":");
    snprintf(ret, ROLE_NAME_SIZE, "product-%.*s", length > 32 ? 32 : length, release);
    return 0;
}

int image_check_update(const struct image_trust *trust, struct device *device,
                       const json_t *document, struct error *err)
{
    CLEANUP(proven_clear) struct proven root = {0};
    CLEANUP(proven_clear) struct proven targets = {0};
    CLEANUP(proven_clear) struct proven product = {0};
    const json_t *image = json_object_get(document, "image");
    char role[ROLE_NAME_SIZE];

    if (product_role(document, role, err) ||
        follow_roots(trust, json_object_get(image, "root"), &root, err) ||
        follow_role(root.role, "targets", json_object_get(image, "targets"), &targets, err) ||
        follow_role(targets.role, role, json_object_get(image, "product"), &product, err))
        return -1;
    if (check_fresh(root.role, &device->root_version, err) ||
        check_fresh(targets.role, &device->targets_version, err) ||
        check_fresh(product.role, &device->product_version, err))
        return -1;
    return take_targets(device, product.role, json_object_get(document, "targets"), err);
}
