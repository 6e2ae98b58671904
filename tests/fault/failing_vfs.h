/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that fails when told to: an SQLite VFS over the ordinary one. The nth write or sync from
 * now fails with the code given, once; a sync can be made slow; all are counted. */
#ifndef OTAD_FAILING_VFS_H
#define OTAD_FAILING_VFS_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <unistd.h>

static struct {
    _Atomic int write_to_fail, sync_to_fail; /* 1: the next; 0 and below: none */
    _Atomic int code;
    _Atomic int writes, syncs;
    _Atomic int sync_sleep_us;
} disk;

struct failing_file {
    sqlite3_file base;
    sqlite3_file *real; /* in the memory behind this struct */
};

static inline sqlite3_file *real_file(sqlite3_file *file)
{
    return ((struct failing_file *)file)->real;
}

static inline int failing_close(sqlite3_file *file)
{
    return real_file(file)->pMethods->xClose(real_file(file));
}

static inline int failing_read(sqlite3_file *file, void *to, int count, sqlite3_int64 at)
{
    return real_file(file)->pMethods->xRead(real_file(file), to, count, at);
}

static inline int failing_write(sqlite3_file *file, const void *from, int count, sqlite3_int64 at)
{
    atomic_fetch_add(&disk.writes, 1);
    if (atomic_fetch_sub(&disk.write_to_fail, 1) == 1)
        return atomic_load(&disk.code);
    return real_file(file)->pMethods->xWrite(real_file(file), from, count, at);
}

static inline int failing_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return real_file(file)->pMethods->xTruncate(real_file(file), size);
}

static inline int failing_sync(sqlite3_file *file, int flags)
{
    atomic_fetch_add(&disk.syncs, 1);
    if (atomic_load(&disk.sync_sleep_us))
        usleep((useconds_t)atomic_load(&disk.sync_sleep_us));
    if (atomic_fetch_sub(&disk.sync_to_fail, 1) == 1)
        return atomic_load(&disk.code);
    return real_file(file)->pMethods->xSync(real_file(file), flags);
}

static inline int failing_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    return real_file(file)->pMethods->xFileSize(real_file(file), ret);
}

static inline int failing_lock(sqlite3_file *file, int level)
{
    return real_file(file)->pMethods->xLock(real_file(file), level);
}

static inline int failing_unlock(sqlite3_file *file, int level)
{
    return real_file(file)->pMethods->xUnlock(real_file(file), level);
}

static inline int failing_check_lock(sqlite3_file *file, int *ret)
{
    return real_file(file)->pMethods->xCheckReservedLock(real_file(file), ret);
}

static inline int failing_control(sqlite3_file *file, int what, void *arg)
{
    return real_file(file)->pMethods->xFileControl(real_file(file), what, arg);
}

static inline int failing_sector(sqlite3_file *file)
{
    return real_file(file)->pMethods->xSectorSize(real_file(file));
}

static inline int failing_characteristics(sqlite3_file *file)
{
    return real_file(file)->pMethods->xDeviceCharacteristics(real_file(file));
}

static inline int failing_shm_map(sqlite3_file *file, int page, int size, int extend,
                                  void volatile **ret)
{
    return real_file(file)->pMethods->xShmMap(real_file(file), page, size, extend, ret);
}

static inline int failing_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    return real_file(file)->pMethods->xShmLock(real_file(file), offset, count, flags);
}

static inline void failing_shm_barrier(sqlite3_file *file)
{
    real_file(file)->pMethods->xShmBarrier(real_file(file));
}

static inline int failing_shm_unmap(sqlite3_file *file, int with_file)
{
    return real_file(file)->pMethods->xShmUnmap(real_file(file), with_file);
}

/* Version 2: without memory-mapped reading. */
static const sqlite3_io_methods failing_methods = {
    .iVersion = 2,
    .xClose = failing_close,
    .xRead = failing_read,
    .xWrite = failing_write,
    .xTruncate = failing_truncate,
    .xSync = failing_sync,
    .xFileSize = failing_size,
    .xLock = failing_lock,
    .xUnlock = failing_unlock,
    .xCheckReservedLock = failing_check_lock,
    .xFileControl = failing_control,
    .xSectorSize = failing_sector,
    .xDeviceCharacteristics = failing_characteristics,
    .xShmMap = failing_shm_map,
    .xShmLock = failing_shm_lock,
    .xShmBarrier = failing_shm_barrier,
    .xShmUnmap = failing_shm_unmap,
};

static inline int failing_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags,
                               int *ret_flags)
{
    struct failing_file *failing = (struct failing_file *)file;
    sqlite3_vfs *real = vfs->pAppData;

    failing->real = (sqlite3_file *)(failing + 1);
    int code = real->xOpen(real, name, failing->real, flags, ret_flags);
    failing->base.pMethods = failing->real->pMethods ? &failing_methods : NULL;
    return code;
}

/* Registers it under the name "failing". */
static inline void failing_vfs_register(void)
{
    static sqlite3_vfs vfs;

    sqlite3_initialize();
    sqlite3_vfs *real = sqlite3_vfs_find(NULL);
    vfs = *real;
    vfs.zName = "failing";
    vfs.pAppData = real;
    vfs.pNext = NULL;
    vfs.szOsFile = (int)sizeof(struct failing_file) + real->szOsFile;
    vfs.xOpen = failing_open;
    sqlite3_vfs_register(&vfs, 0);
}

static inline void disk_is_well(void)
{
    atomic_store(&disk.write_to_fail, 0);
    atomic_store(&disk.sync_to_fail, 0);
    atomic_store(&disk.sync_sleep_us, 0);
}

static inline void fail_write(int nth, int code)
{
    atomic_store(&disk.code, code);
    atomic_store(&disk.write_to_fail, nth);
}

static inline void fail_sync(int nth, int code)
{
    atomic_store(&disk.code, code);
    atomic_store(&disk.sync_to_fail, nth);
}

#endif
