/* SPDX-License-Identifier: Apache-2.0 */
/* setfile_format.h: where things are in a file of a checkpoint; private to setfile.c and
 * setfile_read.c. */
#ifndef C4PI_SETFILE_FORMAT_H
#define C4PI_SETFILE_FORMAT_H

#include <stdint.h>

enum {
    FORMAT_VERSION = 2,
    ORDER_MARK = 0x01020304,
    END_MARK = 0x4b504334,
    /* head */
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_ORDER = 12,
    AT_KIND = 16,
    AT_RANK = 20,
    AT_RANKS = 24,
    AT_SPARE = 28,
    AT_GENERATION = 32,
    AT_LIBRARY = 40,
    LIBRARY_LEN = 20,
    AT_HEAD_CRC = 60,
    HEAD_LEN = 64,
    /* index entry */
    AT_COLL = 0,
    AT_KEY = 8,
    AT_PLACE = 24,
    AT_LEN = 32,
    AT_SORT = 40,
    AT_BODY_CRC = 44,
    ENTRY_LEN = 48,
    /* footer */
    AT_INDEX = 0,
    AT_COUNT = 8,
    AT_FILE_CRC = 16,
    AT_END = 20,
    FOOTER_LEN = 24
};

static const char setfile_magic[8] = {'C', '4', 'P', 'y', 'C', 'K', 'P', '\n'};

static inline void
put32(uint8_t *at, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(v >> 8 * i);
}

static inline void
put64(uint8_t *at, uint64_t v)
{
    put32(at, (uint32_t)v);
    put32(at + 4, (uint32_t)(v >> 32));
}

static inline uint32_t
get32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static inline uint64_t
get64(const uint8_t *at)
{
    return get32(at) | (uint64_t)get32(at + 4) << 32;
}

static inline uint64_t
padded(uint64_t len)
{
    return (len + 7) & ~(uint64_t)7;
}

#endif
