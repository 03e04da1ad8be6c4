/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint_dir.c: the directory of a job's checkpoints: names, who may write there, what is left
 * over from jobs that died. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "svc/checkpoint.h"

/* ---- names ------------------------------------------------------------------------------------ */

void
c4pi_ckpt_dir_path(const char *dir, const char *name, char *path, size_t size)
{
    snprintf(path, size, "%s/%s", dir, name);
}

void
c4pi_ckpt_set_path(const char *dir, uint64_t generation, int rank, char *path, size_t size)
{
    snprintf(path, size, "%s/set%llu.rank%d", dir, (unsigned long long)generation, rank);
}

void
c4pi_ckpt_dir_remove(c4p_rt_t *rt, uint64_t generation, int rank)
{
    char path[C4PI_PATH_MAX];
    c4pi_ckpt_set_path(rt->ckpt->dir, generation, rank, path, sizeof path);
    (void)rt->port->ops->files->remove(rt->port, path);
}

/* ---- opening ---------------------------------------------------------------------------------- */

/* Two jobs that write to one directory would take each other's files away. */
static c4p_status_t
lock(c4p_rt_t *rt, char *why, size_t size)
{
    c4pi_ckpt_t *ckpt = rt->ckpt;
    char path[C4PI_PATH_MAX];
    c4pi_ckpt_dir_close(rt);
    c4pi_ckpt_dir_path(ckpt->dir, "lock", path, sizeof path);
    int error = rt->port->ops->files->lock(rt->port, path, &ckpt->lock);
    if (!error)
        return C4P_OK;
    bool taken = error == EWOULDBLOCK;
    snprintf(why, size, "%s: %s", path,
             taken ? "another job that still runs writes its checkpoints there" : strerror(error));
    return taken ? C4P_ERR_BUSY : C4P_ERR_IO;
}

void
c4pi_ckpt_dir_close(c4p_rt_t *rt)
{
    if (rt->ckpt->lock >= 0)
        (void)rt->port->ops->files->close(rt->port, rt->ckpt->lock);
    rt->ckpt->lock = -1;
}

/* A file that is none of the former set's. */
static void
sweep(void *ctx, const char *name)
{
    c4p_rt_t *rt = ctx;
    char path[C4PI_PATH_MAX], *end;
    if (strncmp(name, "set", 3) != 0)
        return;
    uint64_t generation = strtoull(name + 3, &end, 10);
    int rank = strncmp(end, ".rank", 5) == 0 ? (int)strtol(end + 5, NULL, 10) : 0;
    c4pi_ckpt_set_path("", generation, rank, path, sizeof path);
    bool former = generation == rt->ckpt->former && rank < rt->ckpt->former_ranks;
    if (!former && strcmp(path + 1, name) == 0)
        c4pi_ckpt_dir_remove(rt, generation, rank);
}

c4p_status_t
c4pi_ckpt_dir_open(c4p_rt_t *rt, const char *dir, char *why, size_t size)
{
    const c4pi_file_ops_t *files = rt->port->ops->files;
    c4pi_ckpt_t *ckpt = rt->ckpt;
    char path[C4PI_PATH_MAX];
    c4pi_setfile_t seg = {0};
    snprintf(ckpt->dir, sizeof ckpt->dir, "%s", dir);
    int error = files->make_dir(rt->port, dir);
    if (error) {
        snprintf(why, size, "%s: cannot be made: %s", dir, strerror(error));
        return C4P_ERR_IO;
    }
    c4p_status_t st = lock(rt, why, size);
    if (st != C4P_OK)
        return st;
    c4pi_ckpt_dir_path(ckpt->dir, "manifest", path, sizeof path);
    st = c4pi_setfile_load(rt->port, path, &seg, why, size);
    if (st != C4P_OK && st != C4P_ERR_NO_INPUT) { /* its files stay: perhaps they can be saved */
        c4pi_log(rt->port, C4P_LOG_WARN, "%s; the new checkpoint takes its place", why);
        ckpt->generation = (rt->port->ops->random_u64(rt->port) >> 24) + 1;
        return C4P_OK;
    }
    ckpt->former = seg.head.generation;
    ckpt->former_ranks = (int)seg.head.num_ranks;
    ckpt->generation = ckpt->former < UINT64_MAX ? ckpt->former + 1 : 1;
    c4pi_setfile_unload(&seg);
    if (files->sync_dir(rt->port, dir) == 0) /* else the disk may still have the manifest before */
        (void)files->list(rt->port, dir, sweep, rt);
    return C4P_OK;
}
