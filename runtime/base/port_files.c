/* SPDX-License-Identifier: Apache-2.0 */
/* port_files.c: files of the real port. */
#define _GNU_SOURCE

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"

static int
answer(int result)
{
    return result < 0 ? errno : 0;
}

static int
real_make_dir(struct c4pi_port *port, const char *path)
{
    (void)port;
    return mkdir(path, 0700) < 0 && errno != EEXIST ? errno : 0;
}

static int
real_create(struct c4pi_port *port, const char *path, int *file_out)
{
    (void)port;
    *file_out = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return answer(*file_out);
}

static int
real_open(struct c4pi_port *port, const char *path, int *file_out, c4pi_file_info_t *info)
{
    struct stat st;
    (void)port;
    int file = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK); /* it may be a pipe */
    if (file < 0)
        return errno;
    if (fstat(file, &st) < 0) {
        int error = errno;
        close(file);
        return error;
    }
    info->size = st.st_size > 0 ? (uint64_t)st.st_size : 0;
    info->ours =
        S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH));
    info->secret = info->ours && !(st.st_mode & (S_IRGRP | S_IROTH));
    *file_out = file;
    return 0;
}

static int
real_write(struct c4pi_port *port, int file, const void *data, size_t len)
{
    const char *at = data;
    (void)port;
    while (len > 0) {
        ssize_t n = write(file, at, len < (1u << 30) ? len : 1u << 30);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : ENOSPC;
        at += n;
        len -= (size_t)n;
    }
    return 0;
}

static int
real_read(struct c4pi_port *port, int file, uint64_t from, void *data, size_t len)
{
    char *at = data;
    (void)port;
    while (len > 0) {
        ssize_t n = pread(file, at, len < (1u << 30) ? len : 1u << 30, (off_t)from);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? errno : ENODATA; /* shorter than it was */
        at += n;
        from += (uint64_t)n;
        len -= (size_t)n;
    }
    return 0;
}

static int
real_sync(struct c4pi_port *port, int file)
{
    (void)port;
    return answer(fsync(file));
}

static int
real_close(struct c4pi_port *port, int file)
{
    (void)port;
    return answer(close(file));
}

static int
real_rename(struct c4pi_port *port, const char *from, const char *to)
{
    (void)port;
    return answer(rename(from, to));
}

static int
real_remove(struct c4pi_port *port, const char *path)
{
    (void)port;
    return answer(unlink(path));
}

static int
real_sync_dir(struct c4pi_port *port, const char *path)
{
    (void)port;
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return errno;
    int error = answer(fsync(dir));
    close(dir);
    return error == EINVAL ? 0 : error; /* a file system that cannot */
}

static int
real_lock(struct c4pi_port *port, const char *path, int *file_out)
{
    (void)port;
    *file_out = -1;
    int file = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0)
        return errno;
    if (flock(file, LOCK_EX | LOCK_NB) == 0) {
        *file_out = file;
        return 0;
    }
    int error = errno;
    close(file);
    return error == EWOULDBLOCK ? error : 0; /* a file system that cannot */
}

static int
real_list(struct c4pi_port *port, const char *path, void (*each)(void *ctx, const char *name),
          void *ctx)
{
    DIR *dir = opendir(path);
    (void)port;
    if (!dir)
        return errno;
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        each(ctx, entry->d_name);
    closedir(dir);
    return 0;
}

const c4pi_file_ops_t c4pi_real_files = {
    .make_dir = real_make_dir,
    .create = real_create,
    .open = real_open,
    .write = real_write,
    .read = real_read,
    .sync = real_sync,
    .close = real_close,
    .rename = real_rename,
    .remove = real_remove,
    .sync_dir = real_sync_dir,
    .lock = real_lock,
    .list = real_list,
};
