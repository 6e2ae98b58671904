/* SPDX-License-Identifier: Apache-2.0 */
/* Reading CSV (RFC 4180) row by row, without line breaks inside of cells. */
#ifndef OTAD_API_OPERATOR_CSV_H
#define OTAD_API_OPERATOR_CSV_H

#include "core/error.h"

#include <stddef.h>

#define CSV_CELLS_MAX 16
#define CSV_ROW_MAX 4096

struct csv {
    const char *at, *end; /* what is left; borrowed */
    size_t line;          /* of the present row, from 1 */
    char row[CSV_ROW_MAX];
    const char *cells[CSV_CELLS_MAX]; /* into row */
    size_t cell_count;
};
void csv_start(struct csv *csv, const char *bytes, size_t length);
/* 1: there is a row in `cells`; 0: the end; -1: not CSV, or too long. Blank lines are passed over.
 */
int csv_next(struct csv *csv, struct error *err) MUST_CHECK;

#endif
