/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/files.h"

#include "cli/settings.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int file_read(struct cli *cli, const char *path, size_t limit, struct text *ret)
{
    bool is_stdin = !strcmp(path, "-");
    CLEANUP(close_file) FILE *file = is_stdin ? NULL : fopen(path, "re");
    FILE *in = is_stdin ? stdin : file;
    char buffer[16 * KIB];
    size_t count;

    if (!in)
        return refuse(cli, ENDS_MISUSED, "%s: %s", path, strerror(errno));
    while ((count = fread(buffer, 1, sizeof buffer, in)) > 0 && ret->length <= limit)
        text_append_bytes(ret, buffer, count);
    if (!ferror(in) && !ret->is_broken && ret->length <= limit)
        return 0;
    bool is_long = ret->length > limit;
    text_clear(ret);
    return refuse(cli, ENDS_MISUSED, "%s: %s", path, is_long ? "too long" : "cannot be read");
}

int file_create(struct cli *cli, const char *path, mode_t mode, const void *bytes, size_t length)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);

    if (fd < 0 && errno == EEXIST)
        return refuse(cli, ENDS_MISUSED, "%s is there already and stays as it is", path);
    if (fd < 0)
        return refuse(cli, ENDS_MISUSED, "%s: %s", path, strerror(errno));
    for (size_t done = 0; done < length;) {
        ssize_t count = write(fd, (const char *)bytes + done, length - done);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0) {
            refuse(cli, ENDS_MISUSED, "%s: %s", path, strerror(errno));
            close(fd);
            unlink(path);
            return -1;
        }
        done += (size_t)count;
    }
    if (!close(fd))
        return 0;
    unlink(path);
    return refuse(cli, ENDS_MISUSED, "%s: %s", path, strerror(errno));
}

int file_create_text(struct cli *cli, const char *path, mode_t mode, struct text *text)
{
    if (text->is_broken)
        return refuse(cli, ENDS_MISUSED, "out of memory");
    return file_create(cli, path, mode, text->at ? text->at : "", text->length);
}

static int make_one(const char *path, mode_t mode)
{
    struct stat status;

    if (!mkdir(path, mode) || (errno == EEXIST && !stat(path, &status) && S_ISDIR(status.st_mode)))
        return 0;
    return -1;
}

int folder_make(struct cli *cli, const char *path, mode_t mode)
{
    CLEANUP(free_string) char *part = strdup(path);

    for (char *slash = part; slash && (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        if (make_one(part, 0755))
            return refuse(cli, ENDS_MISUSED, "%s: %s", part, strerror(errno));
        *slash = '/';
    }
    if (!part || make_one(path, mode))
        return refuse(cli, ENDS_MISUSED, "%s: %s", path, strerror(errno));
    return 0;
}

bool folder_is_free(const char *path)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    int count = 0;

    if (!folder)
        return errno == ENOENT;
    while ((entry = readdir(folder)))
        count += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    closedir(folder);
    return count == 0;
}
