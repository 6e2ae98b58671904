/* SPDX-License-Identifier: Apache-2.0 */
/* The registry is a static array, because the handler may look at any entry at any moment: entries
 * are never freed, only reused, and `start` is written last and cleared first. The mapping in which
 * a fault happens cannot go away meanwhile, since its reader holds a reference. */
#include "core/mapped.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct entry {
    struct mapped mapped;
    atomic_uintptr_t start, end; /* start 0: free */
};

static struct entry entries[MAPPED_MAX];
static atomic_size_t entries_used; /* entries past it were never used */
static atomic_uint broken_mappings;
static pthread_mutex_t registry = PTHREAD_MUTEX_INITIALIZER; /* guards changes, not the handler */
static struct sigaction previous;
static _Thread_local volatile sig_atomic_t faults;

/* The entry that holds the address, or NULL. Safe in a signal handler. */
static struct entry *find(uintptr_t address)
{
    size_t used = atomic_load(&entries_used);

    for (size_t i = 0; i < used; i++) {
        uintptr_t start = atomic_load(&entries[i].start), end = atomic_load(&entries[i].end);

        if (start && address >= start && address < end && atomic_load(&entries[i].start) == start)
            return &entries[i];
    }
    return NULL;
}

static bool replace_by_zeros(uintptr_t from, uintptr_t end)
{
    /* Whole pages: the mapping's end is rounded up by the kernel in any case. */
    return mmap((void *)from, end - from, PROT_READ, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) != MAP_FAILED;
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    uintptr_t address = (uintptr_t)info->si_addr;
    struct entry *entry = find(address);
    uintptr_t page = address & ~(uintptr_t)4095;
    int saved = errno;

    (void)context;
    if (entry) {
        /* Marked before the zeros appear: who reads zeros and asks afterwards learns the truth. */
        if (!entry->mapped.is_broken) {
            entry->mapped.is_broken = 1;
            atomic_fetch_add(&broken_mappings, 1);
        }
        faults++;
        if (replace_by_zeros(page, atomic_load(&entry->end))) {
            errno = saved;
            return;
        }
    }
    sigaction(number, &previous, NULL); /* not ours: the access is repeated and kills as it would */
}

int mapped_start(struct error *err)
{
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO};

    if (sysconf(_SC_PAGESIZE) % 4096)
        return fail_internal(err, "pages smaller than 4096 bytes");
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGBUS, &action, &previous))
        return fail_internal(err, "sigaction: %m");
    return 0;
}

/* A free entry, or NULL. Under the registry's lock. */
static struct entry *find_free(void)
{
    size_t used = atomic_load(&entries_used);

    for (size_t i = 0; i < used; i++)
        if (!entries[i].mapped.references)
            return &entries[i];
    if (used == MAPPED_MAX)
        return NULL;
    atomic_store(&entries_used, used + 1);
    return &entries[used];
}

static struct mapped *enter(const void *at, size_t size)
{
    struct mapped *ret = NULL;

    pthread_mutex_lock(&registry);
    struct entry *entry = find_free();
    if (entry) {
        entry->mapped = (struct mapped){.at = at, .size = size, .references = 1};
        if (size) {
            atomic_store(&entry->end, (uintptr_t)at + size);
            atomic_store(&entry->start, (uintptr_t)at);
        }
        ret = &entry->mapped;
    }
    pthread_mutex_unlock(&registry);
    return ret;
}

int mapped_open(int fd, size_t size, struct mapped **ret, struct error *err)
{
    const void *at = "";
    struct stat file;

    if (fstat(fd, &file))
        return fail_internal(err, "fstat: %m");
    if ((uintmax_t)file.st_size < size)
        return fail_internal(err, "the file has %jd bytes, not %zu", (intmax_t)file.st_size, size);
    if (size && (at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
        return fail_internal(err, "mmap: %m");
    *ret = enter(at, size);
    if (*ret)
        return 0;
    if (size)
        munmap((void *)(uintptr_t)at, size);
    return fail_internal(err, "%d files are mapped already", MAPPED_MAX);
}

struct mapped *mapped_keep(struct mapped *mapped)
{
    pthread_mutex_lock(&registry);
    mapped->references++;
    pthread_mutex_unlock(&registry);
    return mapped;
}

void mapped_release(struct mapped **mapped)
{
    struct entry *entry = (struct entry *)(void *)*mapped; /* its first member */

    if (!entry)
        return;
    pthread_mutex_lock(&registry);
    if (!--entry->mapped.references && entry->mapped.size) {
        atomic_store(&entry->start, 0);
        atomic_store(&entry->end, 0);
        munmap((void *)(uintptr_t)entry->mapped.at, entry->mapped.size);
        if (entry->mapped.is_broken)
            atomic_fetch_sub(&broken_mappings, 1);
    }
    pthread_mutex_unlock(&registry);
    *mapped = NULL;
}

bool mapped_is_intact(const void *at, size_t size)
{
    if (!atomic_load(&broken_mappings) || !size)
        return true;
    const struct entry *entry = find((uintptr_t)at);
    return !entry || !entry->mapped.is_broken;
}

unsigned mapped_thread_faults(void)
{
    return (unsigned)faults;
}
