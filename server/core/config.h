/* SPDX-License-Identifier: Apache-2.0 */
/* otad.conf: one struct, filled through the one table in config.def; constant after start. */
#ifndef OTAD_CORE_CONFIG_H
#define OTAD_CORE_CONFIG_H

#include "core/error.h"

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_C_TEXT const char *
#define CONFIG_C_PATH const char *
#define CONFIG_C_WORDS const char *
#define CONFIG_C_NETWORKS const char *
#define CONFIG_C_NUMBER int64_t
#define CONFIG_C_SECONDS int64_t
#define CONFIG_C_BYTES int64_t
#define CONFIG_C_BOOL bool

struct config {
#define SETTING(section, key, type, otherwise, least, most, help) CONFIG_C_##type section##_##key;
#include "core/config.def"
#undef SETTING
};

/* Reads `path`. A wrong line fails with a detail that names file, line, key and reason: unknown or
 * repeated keys, values out of range, lines longer than libinih reads, indented lines. */
int config_load(const char *path, struct config **ret, struct error *err) MUST_CHECK;
/* The defaults, paths taken relative to `folder`. */
int config_defaults(const char *folder, struct config **ret, struct error *err) MUST_CHECK;
/* Replaces one setting, as `--set section.key=value` does; same checks. */
int config_set(struct config *config, const char *section, const char *key, const char *value,
               struct error *err) MUST_CHECK;
/* Refuses a setting for what only its user or other settings know: "FILE:LINE: key: reason". */
int config_refuse(const struct config *config, const char *section, const char *key,
                  const char *reason, struct error *err) MUST_CHECK;
void config_free(struct config **config);

/* The commented sample of every setting with its default. */
void config_print(FILE *out);

#endif
