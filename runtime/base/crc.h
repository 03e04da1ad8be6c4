/* SPDX-License-Identifier: Apache-2.0 */
/* crc.h: CRC-32C (Castagnoli), eight bytes at a time. Any thread. */
#ifndef C4PI_CRC_H
#define C4PI_CRC_H

#include <stddef.h>
#include <stdint.h>

typedef struct c4pi_crc {
    uint32_t table[8][256];
} c4pi_crc_t;

void c4pi_crc_init(c4pi_crc_t *crc);
/* Of what was summed up so far (0: nothing) and these bytes. */
uint32_t c4pi_crc_add(const c4pi_crc_t *crc, uint32_t sum, const void *data, size_t len);

#endif
