/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the adapter share. Not for others. */
#ifndef OTAD_SIM_ENGINE_INSIDE_H
#define OTAD_SIM_ENGINE_INSIDE_H

#include "engine.h"

#include "outcome.h"

#define FOLDER_SIZE 128
#define TABLES_MAX 64

struct engine {
    char folder[FOLDER_SIZE];
    int generation; /* of the file: a crash goes on in a copy with the next number */
    struct bounds bounds, usual;
    struct store *store;
    struct config *config;
    struct campaigns *campaigns;
    char *deletions[TABLES_MAX]; /* kept, as statements are found by their address */
    size_t deletion_count;
    int64_t *seen; /* by row: when heard of, 0 when written already */
    size_t seen_room;
    int64_t *heard; /* rows with an entry above */
    size_t heard_count, heard_room;
};

extern const struct actor engine_operator;

static inline void demand(int failed, const struct error *err, const char *what)
{
    if (failed)
        die("%s: %s %s", what, err->detail, err->cause);
}

/* Refusals that have their reasons. */
bool is_expected(enum problem problem);
/* engine_ground.c: when a device was last heard of. */
int add_seen(struct tx *tx, int64_t row, int64_t at, struct error *err);
/* engine_steer.c: an operator's word beside campaigns, in a transaction. */
int steer(struct tx *tx, struct engine *engine, const struct op *op, int64_t now,
          struct error *err);

#endif
