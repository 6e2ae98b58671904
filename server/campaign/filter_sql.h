/* SPDX-License-Identifier: Apache-2.0 */
/* A filter as an SQL condition, for counts and lists over the whole fleet. It is true of exactly
 * the devices that filter_matches() takes. */
#ifndef OTAD_CAMPAIGN_FILTER_SQL_H
#define OTAD_CAMPAIGN_FILTER_SQL_H

#include "campaign/filter.h"

/* The text is about a row `d` of the table device and made of constants of ours alone: whatever the
 * operator wrote is a value, to be bound to the parameters "?" in their order. */
struct filter_sql {
    char *condition;
    const char **values; /* the texts are the filter's, which must live as long */
    size_t count;
};

int filter_to_sql(const struct filter *filter, struct filter_sql *ret,
                  struct error *err) MUST_CHECK;
void filter_sql_clear(struct filter_sql *sql);

#endif
