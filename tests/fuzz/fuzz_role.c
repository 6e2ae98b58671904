/* SPDX-License-Identifier: Apache-2.0 */
/* Role files from anybody: the first byte chooses the role, the rest is the envelope. What is taken
 * must survive being written and read again, with the same bytes to be signed. */
#include "trust/canonical.h"
#include "trust/release_rules.h"
#include "trust/role.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check_round_trip(const struct envelope *envelope)
{
    CLEANUP(text_clear) struct text written = {0};
    CLEANUP(envelope_clear) struct envelope again = {0};
    json_auto_t *document = NULL;
    struct error err;

    if (envelope_write(envelope, &written, &err) ||
        envelope_read(written.at, written.length, SIZE_MAX, &again, &err) ||
        canonical_read(envelope->payload.at, envelope->payload.length, &document, &err))
        abort();
    assert(again.payload.length == envelope->payload.length);
    assert(memcmp(again.payload.at, envelope->payload.at, again.payload.length) == 0);
    assert(again.count == envelope->count);
    assert(json_equal(document, envelope->document));
}

/* What was published may be published again. */
static void check_rules(const struct role *role)
{
    CLEANUP(free_memory)
    struct published *past = calloc(role->entry_count + 1, sizeof *past);
    struct error err;

    assert(past);
    if (release_rules_check(role->entries, role->entry_count, past, 0, &err))
        return;
    for (size_t i = 0; i < role->entry_count; i++) {
        const struct entry *entry = &role->entries[i];
        snprintf(past[i].path, sizeof past[i].path, "%s", entry->path);
        snprintf(past[i].component, sizeof past[i].component, "%s", entry->component);
        snprintf(past[i].sha256, sizeof past[i].sha256, "%s", entry->sha256);
        past[i].length = entry->length;
        past[i].counters = entry->counters;
    }
    if (release_rules_check(role->entries, role->entry_count, past, role->entry_count, &err))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static const char *const names[] = {"root", "targets", "product-gw"};
    CLEANUP(envelope_clear) struct envelope envelope = {0};
    CLEANUP(role_free) struct role *role = NULL;
    struct error err = {0};

    if (!count || envelope_read(bytes + 1, count - 1, 2 * MIB, &envelope, &err))
        return 0;
    check_round_trip(&envelope);
    if (role_read(names[bytes[0] % COUNT_OF(names)], envelope.document, &role, &err))
        return 0;
    if (role->kind == ROLE_ROOT && role_check_root(NULL, role, &envelope, &err) == 0)
        assert(role_authority(role, "root")->threshold <= (int64_t)envelope.count);
    if (role->kind == ROLE_PRODUCT)
        check_rules(role);
    return 0;
}
