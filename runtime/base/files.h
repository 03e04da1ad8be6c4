/* SPDX-License-Identifier: Apache-2.0 */
/* files.h: files, as a port offers them. Each call answers 0 or the errno of what failed. Files are
 * made for this user alone and never through a link: what has the name already is refused. Two back
 * ends: port_files.c (libc) and the simulator's, which can lose what was not synced. */
#ifndef C4PI_FILES_H
#define C4PI_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct c4pi_port;

typedef struct c4pi_file_info {
    uint64_t size;
    bool ours;   /* a regular file of this user's that nobody else may write to */
    bool secret; /* nor read */
} c4pi_file_info_t;

typedef struct c4pi_file_ops {
    int (*make_dir)(struct c4pi_port *port, const char *path); /* 0 also if it is there */
    int (*create)(struct c4pi_port *port, const char *path, int *file_out);
    int (*open)(struct c4pi_port *port, const char *path, int *file_out, c4pi_file_info_t *info);
    /* All of it, or an error. */
    int (*write)(struct c4pi_port *port, int file, const void *data, size_t len);
    int (*read)(struct c4pi_port *port, int file, uint64_t at, void *data, size_t len);
    int (*sync)(struct c4pi_port *port, int file);
    int (*close)(struct c4pi_port *port, int file);
    int (*rename)(struct c4pi_port *port, const char *from, const char *to);
    int (*remove)(struct c4pi_port *port, const char *path);
    int (*sync_dir)(struct c4pi_port *port, const char *path);
    /* Keep a file of this name locked until it is closed or this process ends; EWOULDBLOCK: another
     * one has it. Where there are no locks *file_out is -1. */
    int (*lock)(struct c4pi_port *port, const char *path, int *file_out);
    /* Every name in a directory; it may be removed meanwhile. */
    int (*list)(struct c4pi_port *port, const char *path, void (*each)(void *ctx, const char *name),
                void *ctx);
} c4pi_file_ops_t;

extern const c4pi_file_ops_t c4pi_real_files;

#endif
