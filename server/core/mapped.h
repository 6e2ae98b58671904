/* SPDX-License-Identifier: Apache-2.0 */
/* Files read through memory, and what happens when the file underneath fails.
 *
 * Reading a mapped page that the file no longer has (truncated) or the disk cannot deliver raises
 * SIGBUS. Our handler marks the mapping broken, puts zero pages in the place of what is left of it
 * and lets the reader go on; whoever sends those bytes must ask afterwards whether they were real
 * (mapped_is_intact), before anything of them leaves. A SIGBUS anywhere else stays deadly. */
#ifndef OTAD_CORE_MAPPED_H
#define OTAD_CORE_MAPPED_H

#include "core/error.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Installs the handler. Once, before threads. */
int mapped_start(struct error *err) MUST_CHECK;

struct mapped {
    const uint8_t *at;
    size_t size;
    volatile sig_atomic_t is_broken; /* never becomes 0 again */
    unsigned references;             /* under the registry's lock: mapped_keep, mapped_release */
};

/* Maps `size` bytes of `fd` for reading; `fd` may be closed afterwards. The caller has one
 * reference. Fails when the file is shorter, or MAPPED_MAX mappings are open. Any thread. */
#define MAPPED_MAX 8192
int mapped_open(int fd, size_t size, struct mapped **ret, struct error *err) MUST_CHECK;
struct mapped *mapped_keep(struct mapped *mapped); /* one more reference; returns its argument */
void mapped_release(struct mapped **mapped);       /* the last one unmaps; NULL is harmless */

/* False when the bytes lie in a mapping that broke: what was read from there is worthless. Asked
 * after reading. Costs one load while nothing is broken. True for memory that is not mapped here.
 */
bool mapped_is_intact(const void *at, size_t size);

/* How many faults this thread has survived; if it moved during a copy, the copy is worthless. */
unsigned mapped_thread_faults(void);

#endif
