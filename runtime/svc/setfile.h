/* SPDX-License-Identifier: Apache-2.0 */
/* setfile.h: the files of a checkpoint. Little-endian, fixed widths, every byte covered by a check:
 *
 *     head     magic, format version, byte order, sort of file, rank of how many, generation,
 *              library version, its own CRC-32C
 *     bodies   each padded with zeros to 8 bytes
 *     index    one entry per body: collection, key, sort, place, length, CRC-32C of all that and
 *              the body
 *     footer   place of the index, number of entries, CRC-32C of the whole file, end mark
 *
 * A reader checks all of it before it hands out anything. Reading needs nothing but memory, so that
 * it can be tested with damaged files. Pump thread only. */
#ifndef C4PI_SETFILE_H
#define C4PI_SETFILE_H

#include <c4p/types.h>

#include "base/crc.h"
#include "base/sha256.h"
#include "base/port.h"

typedef enum c4pi_setfile_kind {
    C4PI_SETFILE_ELEMENTS = 1,
    C4PI_SETFILE_MANIFEST = 2
} c4pi_setfile_kind_t;

typedef struct c4pi_setfile_head {
    c4pi_setfile_kind_t kind;
    uint32_t rank, num_ranks; /* who wrote it */
    uint64_t generation;
} c4pi_setfile_head_t;

/* Sorts of bodies. The seal, if any, comes last. */
enum { C4PI_BODY_MANIFEST = 1, C4PI_BODY_ELEMENT, C4PI_BODY_SECTION, C4PI_BODY_SEAL };

typedef struct c4pi_body {
    c4p_coll_t coll;
    c4p_key_t key;
    uint32_t sort;
    const void *data;
    uint64_t len;
} c4pi_body_t;

/* What of a finished file goes into the manifest. */
typedef struct c4pi_setfile_sum {
    uint64_t len, count;
    uint32_t crc;
    uint8_t sha[C4PI_SHA256_LEN]; /* of all its bytes */
} c4pi_setfile_sum_t;

/* Of a path, of a directory so that there is room for every name in it, of a reason. */
enum { C4PI_PATH_MAX = 1024, C4PI_DIR_MAX = C4PI_PATH_MAX - 48, C4PI_WHY_MAX = 1024 + 256 };

/* ---- writing ------------------------------------------------------------------------------------ */

typedef struct c4pi_setfile_writer {
    c4pi_port_t *port;
    char path[C4PI_PATH_MAX];
    char why[C4PI_WHY_MAX]; /* what went wrong: file and reason; "" nothing */
    int file;               /* -1: not open */
    uint8_t *buffer;
    size_t filled;
    uint64_t at;
    uint32_t crc;
    c4pi_sha256_t sha;
    uint8_t *index;
    size_t count, cap;
    c4pi_crc_t tables;
} c4pi_setfile_writer_t;

/* A new file of this name; one that a broken-off checkpoint has left is removed. C4P_ERR_IO and
 * C4P_ERR_NOMEM; then there is nothing to abandon. */
c4p_status_t
c4pi_setfile_create(c4pi_port_t *port, const char *path, const c4pi_setfile_head_t *head,
                    c4pi_setfile_writer_t **writer_out, char *why, size_t why_size);
c4p_status_t c4pi_setfile_add(c4pi_setfile_writer_t *writer, const c4pi_body_t *body);
/* The SHA-256 of the file so far. */
void c4pi_setfile_digest(const c4pi_setfile_writer_t *writer, uint8_t digest_out[C4PI_SHA256_LEN]);
/* Index and footer; the file is on the disk when this returns. Frees the writer, and after a
 * failure the file is gone. why as above. */
c4p_status_t c4pi_setfile_finish(c4pi_setfile_writer_t *writer, c4pi_setfile_sum_t *sum_out,
                                 char *why, size_t why_size);
/* Free the writer and remove the file. NULL is fine. */
void c4pi_setfile_abandon(c4pi_setfile_writer_t *writer);

/* ---- reading ------------------------------------------------------------------------------------ */

typedef struct c4pi_setfile {
    c4pi_setfile_head_t head;
    const uint8_t *data;
    uint64_t len, count, index;
    uint32_t crc;
    c4pi_port_t *port; /* owns data, if not NULL */
} c4pi_setfile_t;

/* Check a whole file in memory, which stays the caller's. C4P_ERR_DATA with the reason in why. */
c4p_status_t
c4pi_setfile_check(const void *data, size_t len, c4pi_setfile_t *seg_out, char *why, size_t size);
/* Read and check a file. C4P_ERR_NO_INPUT if it is not there; C4P_ERR_DATA; C4P_ERR_NOMEM. why
 * names the file. */
c4p_status_t c4pi_setfile_load(c4pi_port_t *port, const char *path, c4pi_setfile_t *seg_out,
                               char *why, size_t size);
/* The SHA-256 of the first bytes of the file. */
void c4pi_setfile_sha(const c4pi_setfile_t *seg, uint64_t len, uint8_t digest_out[C4PI_SHA256_LEN]);
/* The i-th body, borrowed. */
void c4pi_setfile_body(const c4pi_setfile_t *seg, uint64_t i, c4pi_body_t *body_out);
void c4pi_setfile_unload(c4pi_setfile_t *seg);

#endif
