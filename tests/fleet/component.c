/* SPDX-License-Identifier: Apache-2.0 */
#include "component.h"

#include <string.h>

static struct component *find(struct device *device, const char *name)
{
    for (size_t i = 0; i < device->component_count; i++) {
        if (!strcmp(device->components[i].name, name))
            return &device->components[i];
    }
    return NULL;
}

static struct component *find_or_add(struct device *device, const char *name)
{
    struct component *component = find(device, name);

    if (component || device->component_count == COMPONENTS_MAX)
        return component;
    component = &device->components[device->component_count++];
    snprintf(component->name, sizeof component->name, "%s", name);
    return component;
}

void components_init(struct device *device)
{
    const char *names = device->fleet->options.components;

    while (*names) {
        size_t length = strcspn(names, ",");
        char name[COMPONENT_SIZE];

        snprintf(name, sizeof name, "%.*s", (int)length, names);
        struct component *component = find_or_add(device, name);
        if (component)
            snprintf(component->version, VERSION_SIZE, "%s", device->fleet->options.version);
        names += length + (names[length] == ',');
    }
}

json_t *components_to_json(const struct device *device)
{
    json_t *list = json_array();

    for (size_t i = 0; i < device->component_count; i++) {
        const struct component *component = &device->components[i];

        json_array_append_new(list,
                              json_pack("{s:s, s:s, s:I, s:I}", "component", component->name,
                                        "version", component->version, "release_counter",
                                        (json_int_t)component->release_counter, "security_version",
                                        (json_int_t)component->security_version));
    }
    return list;
}

/* Among those that go in before it, or installed already. */
static bool is_met(struct device *device, const struct requirement *requirement, size_t before)
{
    const struct image *images = device->update->images;
    const struct component *present = find(device, requirement->component);

    for (size_t i = 0; i < before; i++) {
        if (!strcmp(images[i].component, requirement->component))
            return images[i].release_counter >= requirement->min_counter;
    }
    return present && present->release_counter >= requirement->min_counter;
}

static bool can_go_at(struct device *device, const struct image *image, size_t place)
{
    for (size_t i = 0; i < image->requirement_count; i++) {
        if (!is_met(device, &image->requirements[i], place))
            return false;
    }
    return true;
}

bool components_order(struct device *device)
{
    struct update *update = device->update;

    for (size_t place = 0; place < update->image_count; place++) {
        size_t next = place;

        while (next < update->image_count && !can_go_at(device, &update->images[next], place))
            next++;
        if (next == update->image_count)
            return false;
        struct image image = update->images[next];
        memmove(&update->images[place + 1], &update->images[place],
                (next - place) * sizeof update->images[0]);
        update->images[place] = image;
    }
    return true;
}

bool components_install(struct device *device, const char *failing)
{
    const struct update *update = device->update;

    for (size_t i = 0; i < update->image_count; i++) {
        const struct image *image = &update->images[i];

        if (failing && !strcmp(image->component, failing))
            return false;
        struct component *component = find_or_add(device, image->component);
        if (!component)
            return false;
        snprintf(component->version, VERSION_SIZE, "%s", update->version);
        component->release_counter = image->release_counter;
        component->security_version = image->security_version;
    }
    return true;
}
