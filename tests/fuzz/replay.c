/* SPDX-License-Identifier: Apache-2.0 */
/* A plain main for fuzz targets: runs every file of the folders and every file named, once. */
#include "core/cleanup.h"

#include <errno.h>
#include <ftw.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static size_t files;

/* A copy of exactly its size, so that a sanitizer sees the first byte read past it. */
static int run_file(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)at;
    if (kind != FTW_F)
        return 0;
    size_t size = (size_t)status->st_size;
    CLEANUP(close_file) FILE *in = fopen(path, "re");
    CLEANUP(free_memory) uint8_t *bytes = malloc(size ? size : 1);
    if (!in || !bytes || fread(bytes, 1, size, in) != size) {
        fprintf(stderr, "%s: cannot be read\n", path);
        return -1;
    }
    fprintf(stderr, "%s\n", path); /* the last one named is the one that failed */
    LLVMFuzzerTestOneInput(bytes, size);
    files++;
    return 0;
}

int main(int count, char **names)
{
    for (int i = 1; i < count; i++)
        if (nftw(names[i], run_file, 16, FTW_PHYS)) {
            fprintf(stderr, "%s: %s\n", names[i], strerror(errno));
            return 1;
        }
    printf("%zu inputs\n", files);
    return files ? 0 : 1; /* a corpus that is gone must not pass for one that is sound */
}
