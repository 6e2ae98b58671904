/* SPDX-License-Identifier: Apache-2.0 */
/* The language in which operators say which devices they mean.
 *
 *     expression  = conjunction { "or" conjunction }
 *     conjunction = term { "and" term }
 *     term        = "not" term | "(" expression ")" | "all" | comparison
 *     comparison  = field operator value | field [ "not" ] "in" "(" value { "," value } ")"
 *     field       = "id" | "model" | "hardware" | "site" | "version" | "state" | "tag"
 *                 | "attribute" "[" string "]" | "attr." name
 *     operator    = "=" | "!=" | "<" | "<=" | ">" | ">="
 *     value       = string | word
 *
 * A string stands in double quotes, with \" and \\ inside. A word is made of letters, digits and
 * . _ + ~ : - and needs no quotes; a word that is a keyword does. Keywords are taken in lower or
 * upper case. "=", "!=" and "in" compare the text byte by byte; the other four the order of
 * versions (core/version.h), in which numbers compare by value. `tag` asks whether the device has
 * that tag, `state` is a closed set of words: neither has an order. A device without an attribute
 * differs from every value of it and is neither below nor above one.
 *
 * A filter is parsed once. filter_matches() asks it about one device; filter_sql.h writes it as a
 * condition over the table of devices, which means the same. */
#ifndef OTAD_CAMPAIGN_FILTER_H
#define OTAD_CAMPAIGN_FILTER_H

#include "core/error.h"

#include <stdbool.h>
#include <stddef.h>

#define FILTER_ATTRIBUTE_SIZE 4097

/* What a text may hold. Within these limits the SQL made of it stays within SQLite's. */
#define FILTER_TEXT_MAX 65536
#define FILTER_DEPTH_MAX 32  /* of parentheses and "not" */
#define FILTER_TERMS_MAX 500 /* comparisons */
#define FILTER_VALUES_MAX 4096

struct filter; /* constant once parsed: any number of threads */

/* Fails with BAD_FILTER; the detail tells the position, counted from 1. */
int filter_parse(const char *text, struct filter **ret, struct error *err) MUST_CHECK;
void filter_free(struct filter **filter);

/* A device, as the filter sees it. The two functions are only called when the text asks for them.
 */
struct filter_subject {
    const char *id, *model, *hardware, *site, *version, *state;
    int (*attribute)(void *arg, const char *name, char *ret, size_t room, bool *ret_found,
                     struct error *err);
    int (*has_tag)(void *arg, const char *tag, bool *ret, struct error *err);
    /* Whether it stands in a device list: asked by waves, not by filters. NULL: in none. */
    int (*in_list)(void *arg, const char *list_id, bool *ret, struct error *err);
    void *arg;
};
int filter_matches(const struct filter *filter, const struct filter_subject *subject, bool *ret,
                   struct error *err) MUST_CHECK;

#endif
