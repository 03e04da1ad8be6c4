/* SPDX-License-Identifier: Apache-2.0 */
/* port_sim_files.h: the simulated disk of a job: files in memory, with what of them would outlive a
 * loss of power. It can be handed from one simulated job to the next. For tests only. */
#ifndef C4PI_PORT_SIM_FILES_H
#define C4PI_PORT_SIM_FILES_H

#include "base/files.h"

typedef struct c4pi_simfile c4pi_simfile_t; /* contents */
typedef struct c4pi_simname {
    char *path;
    c4pi_simfile_t *file;
} c4pi_simname_t;

typedef struct c4pi_simnames {
    c4pi_simname_t *all;
    size_t count;
} c4pi_simnames_t;

/* Fields may be read by anybody; those marked may be set. */
typedef struct c4pi_simdisk {
    c4pi_simnames_t now;  /* what programs see */
    c4pi_simnames_t kept; /* what sync_dir() has written */
    c4pi_simfile_t **open;
    int num_open;
    uint64_t ops;      /* operations tried so far */
    uint64_t fail_op;  /* may be set: the n-th, from 1, fails with ENOSPC; 0: none */
    uint64_t crash_op; /* may be set: the job dies, status 137, before the n-th */
} c4pi_simdisk_t;

extern const c4pi_file_ops_t c4pi_sim_files;

void c4pi_simdisk_fini(c4pi_simdisk_t *disk);
/* The power fails: of each file, only what was synced is left, and of the names those that the
 * directory's last sync wrote, or (newer) also the later ones. */
void c4pi_simdisk_crash(c4pi_simdisk_t *disk, bool newer);
/* Its bytes, borrowed; NULL if there is no such file. */
uint8_t *c4pi_simdisk_bytes(c4pi_simdisk_t *disk, const char *path, size_t *len_out);

#endif
