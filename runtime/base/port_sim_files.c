/* SPDX-License-Identifier: Apache-2.0 */
#include "base/port_sim_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/port_sim.h"

struct c4pi_simfile {
    uint8_t *data;
    size_t len, synced;
    int refs; /* names and open files */
};

static void *
must(void *p)
{
    if (!p)
        abort();
    return p;
}

static void
drop(c4pi_simfile_t *file)
{
    if (--file->refs)
        return;
    free(file->data);
    free(file);
}

/* ---- names ------------------------------------------------------------------------------------ */

static c4pi_simname_t *
names_find(const c4pi_simnames_t *names, const char *path)
{
    for (size_t i = 0; i < names->count; i++)
        if (strcmp(names->all[i].path, path) == 0)
            return &names->all[i];
    return NULL;
}

static void
names_add(c4pi_simnames_t *names, const char *path, c4pi_simfile_t *file)
{
    names->all = must(realloc(names->all, (names->count + 1) * sizeof *names->all));
    size_t len = strlen(path) + 1;
    names->all[names->count].path = memcpy(must(malloc(len)), path, len);
    names->all[names->count++].file = file;
    file->refs++;
}

static void
names_remove(c4pi_simnames_t *names, c4pi_simname_t *name)
{
    free(name->path);
    drop(name->file);
    *name = names->all[--names->count];
}

static void
names_fini(c4pi_simnames_t *names)
{
    while (names->count)
        names_remove(names, &names->all[names->count - 1]);
    free(names->all);
    *names = (c4pi_simnames_t){0};
}

static void
names_copy(c4pi_simnames_t *to, const c4pi_simnames_t *from)
{
    c4pi_simnames_t copy = {0};
    for (size_t i = 0; i < from->count; i++)
        names_add(&copy, from->all[i].path, from->all[i].file);
    names_fini(to);
    *to = copy;
}

/* ---- operations ------------------------------------------------------------------------------- */

static int
begin(struct c4pi_port *port, c4pi_simdisk_t **disk_out)
{
    c4pi_simworld_t *world = c4pi_port_sim_world(port);
    c4pi_simdisk_t *disk = *disk_out = &world->disk;
    uint64_t n = ++disk->ops;
    if (n == disk->crash_op)
        c4pi_simworld_die(world, port->rank, 137);
    return n == disk->fail_op ? ENOSPC : 0;
}

static int
sim_make_dir(struct c4pi_port *port, const char *path)
{
    c4pi_simdisk_t *disk;
    (void)path;
    return begin(port, &disk);
}

static int
open_file(c4pi_simdisk_t *disk, c4pi_simfile_t *file)
{
    disk->open = must(realloc(disk->open, ((size_t)disk->num_open + 1) * sizeof(void *)));
    disk->open[disk->num_open] = file;
    file->refs++;
    return disk->num_open++;
}

static int
sim_create(struct c4pi_port *port, const char *path, int *file_out)
{
    c4pi_simdisk_t *disk;
    int error = begin(port, &disk);
    if (error)
        return error;
    if (names_find(&disk->now, path))
        return EEXIST;
    c4pi_simfile_t *file = must(calloc(1, sizeof *file));
    names_add(&disk->now, path, file);
    *file_out = open_file(disk, file);
    return 0;
}

static int
sim_open(struct c4pi_port *port, const char *path, int *file_out, c4pi_file_info_t *info)
{
    c4pi_simdisk_t *disk;
    int error = begin(port, &disk);
    if (error)
        return error;
    c4pi_simname_t *name = names_find(&disk->now, path);
    if (!name)
        return ENOENT;
    *info = (c4pi_file_info_t){.size = name->file->len, .ours = true, .secret = true};
    *file_out = open_file(disk, name->file);
    return 0;
}

static int
sim_write(struct c4pi_port *port, int file, const void *data, size_t len)
{
    c4pi_simdisk_t *disk;
    int error = begin(port, &disk);
    c4pi_simfile_t *f = disk->open[file];
    if (error)
        len /= 2; /* a disk that is full takes a part */
    f->data = must(realloc(f->data, f->len + len + 1));
    memcpy(f->data + f->len, data, len);
    f->len += len;
    return error;
}

static int
sim_read(struct c4pi_port *port, int file, uint64_t at, void *data, size_t len)
{
    c4pi_simdisk_t *disk;
    int error = begin(port, &disk);
    c4pi_simfile_t *f = disk->open[file];
    if (error)
        return error;
    if (at > f->len || len > f->len - at)
        return ENODATA;
    if (len)
        memcpy(data, f->data + at, len);
    return 0;
}

static int
sim_sync(struct c4pi_port *port, int file)
{
    c4pi_simdisk_t *disk;
    int error = begin(port, &disk);
    if (!error)
        disk->open[file]->synced = disk->open[file]->len;
    return error;
}

static int
sim_close(struct c4pi_port *port, int file)
{
    c4pi_simdisk_t *disk = &c4pi_port_sim_world(port)->disk;
    drop(disk->open[file]);
    disk->open[file] = NULL;
    return 0;
}

static int
sim_rename(struct c4pi_port *port, const char *from, const char *to)
{
    c4pi_simdisk_t *disk;
    int error = begin(port, &disk);
    c4pi_simname_t *name = names_find(&disk->now, from), *old;
    if (error || !name)
        return error ? error : ENOENT;
    c4pi_simfile_t *file = name->file;
    file->refs++;
    names_remove(&disk->now, name);
    if ((old = names_find(&disk->now, to)) != NULL)
        names_remove(&disk->now, old);
    names_add(&disk->now, to, file);
    drop(file);
    return 0;
}

static int
sim_remove(struct c4pi_port *port, const char *path)
{
    c4pi_simdisk_t *disk;
    int error = begin(port, &disk);
    c4pi_simname_t *name = names_find(&disk->now, path);
    if (error || !name)
        return error ? error : ENOENT;
    names_remove(&disk->now, name);
    return 0;
}

static int
sim_sync_dir(struct c4pi_port *port, const char *path)
{
    c4pi_simdisk_t *disk;
    int error = begin(port, &disk);
    (void)path; /* one directory is enough */
    if (!error)
        names_copy(&disk->kept, &disk->now);
    return error;
}

static int
sim_lock(struct c4pi_port *port, const char *path, int *file_out)
{
    (void)port, (void)path; /* the jobs of a simulator do not share a disk */
    *file_out = -1;
    return 0;
}

static int
sim_list(struct c4pi_port *port, const char *path, void (*each)(void *ctx, const char *name),
         void *ctx)
{
    c4pi_simdisk_t *disk;
    size_t len = strlen(path);
    int error = begin(port, &disk);
    for (size_t i = disk->now.count; !error && i-- > 0;) /* removing brings the last one here */
        if (strncmp(disk->now.all[i].path, path, len) == 0 && disk->now.all[i].path[len] == '/')
            each(ctx, disk->now.all[i].path + len + 1);
    return error;
}

const c4pi_file_ops_t c4pi_sim_files = {
    .make_dir = sim_make_dir,
    .create = sim_create,
    .open = sim_open,
    .write = sim_write,
    .read = sim_read,
    .sync = sim_sync,
    .close = sim_close,
    .rename = sim_rename,
    .remove = sim_remove,
    .sync_dir = sim_sync_dir,
    .lock = sim_lock,
    .list = sim_list,
};

/* ---- the disk --------------------------------------------------------------------------------- */

static void
close_all(c4pi_simdisk_t *disk)
{
    for (int i = 0; i < disk->num_open; i++)
        if (disk->open[i])
            drop(disk->open[i]);
    free(disk->open);
    disk->open = NULL;
    disk->num_open = 0;
}

void
c4pi_simdisk_fini(c4pi_simdisk_t *disk)
{
    close_all(disk);
    names_fini(&disk->now);
    names_fini(&disk->kept);
}

void
c4pi_simdisk_crash(c4pi_simdisk_t *disk, bool newer)
{
    close_all(disk);
    if (!newer)
        names_copy(&disk->now, &disk->kept);
    for (size_t i = 0; i < disk->now.count; i++)
        disk->now.all[i].file->len = disk->now.all[i].file->synced;
    disk->ops = disk->fail_op = disk->crash_op = 0;
}

uint8_t *
c4pi_simdisk_bytes(c4pi_simdisk_t *disk, const char *path, size_t *len_out)
{
    c4pi_simname_t *name = names_find(&disk->now, path);
    if (!name)
        return NULL;
    *len_out = name->file->len;
    return name->file->data;
}
