/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files: read, or refused with a sentence that names the file and the line. */
#include "core/config.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(config_free) struct config *config = NULL;
    CLEANUP(close_fd) int fd = memfd_create("otad.conf", MFD_CLOEXEC);
    struct error err = {0};
    char path[40];

    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (config_load(path, &config, &err)) {
        assert(strstr(error_text(&err), path));
        return 0;
    }
    assert(config->device_poll >= 1 && config->device_poll <= 86399);
    assert(config->http_ranges_max >= 1 && config->http_ranges_max <= 1000);
    return 0;
}
