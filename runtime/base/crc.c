/* SPDX-License-Identifier: Apache-2.0 */
#include "base/crc.h"

#include <string.h>

static const uint32_t POLYNOMIAL = 0x82f63b78; /* reflected */

void
c4pi_crc_init(c4pi_crc_t *crc)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t sum = i;
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? POLYNOMIAL : 0);
        crc->table[0][i] = sum;
    }
    for (int k = 1; k < 8; k++)
        for (uint32_t i = 0; i < 256; i++)
            crc->table[k][i] =
                crc->table[k - 1][i] >> 8 ^ crc->table[0][crc->table[k - 1][i] & 0xff];
}

/* Little-endian, whatever the machine. */
static uint32_t
word_at(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint32_t
c4pi_crc_add(const c4pi_crc_t *crc, uint32_t sum, const void *data, size_t len)
{
    const uint32_t(*t)[256] = crc->table;
    const uint8_t *at = data;
    sum = ~sum;
    for (; len >= 8; at += 8, len -= 8) {
        uint32_t a = word_at(at) ^ sum, b = word_at(at + 4);
        sum = t[7][a & 0xff] ^ t[6][a >> 8 & 0xff] ^ t[5][a >> 16 & 0xff] ^ t[4][a >> 24] ^
              t[3][b & 0xff] ^ t[2][b >> 8 & 0xff] ^ t[1][b >> 16 & 0xff] ^ t[0][b >> 24];
    }
    for (; len > 0; at++, len--)
        sum = t[0][(sum ^ *at) & 0xff] ^ sum >> 8;
    return ~sum;
}
