/* SPDX-License-Identifier: Apache-2.0 */
/* A few threads for requests that may block, behind a bounded queue. */
#ifndef OTAD_HTTP_WORKER_H
#define OTAD_HTTP_WORKER_H

#include "core/error.h"

#include <stdbool.h>

struct workers;
struct work {
    struct work *next;
    void (*run)(struct work *work); /* on a worker; afterwards the work is gone */
};

int workers_start(unsigned threads, unsigned queue_max, struct workers **ret,
                  struct error *err) MUST_CHECK;
/* False when the queue is full. Any thread. */
bool workers_take(struct workers *workers, struct work *work);
/* Finishes what is queued, then joins the threads. */
void workers_stop(struct workers **workers);

#endif
