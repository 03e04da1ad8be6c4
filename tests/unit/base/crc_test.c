/* SPDX-License-Identifier: Apache-2.0 */
/* crc_test.c: CRC-32C. */
#include "base/crc.h"

#include "support/test.h"

/* RFC 3720, B.4. */
static void
known_values(void)
{
    c4pi_crc_t crc;
    uint8_t bytes[32];
    c4pi_crc_init(&crc);
    CHECK_EQ(0xe3069283u, c4pi_crc_add(&crc, 0, "123456789", 9));
    memset(bytes, 0, sizeof bytes);
    CHECK_EQ(0x8a9136aau, c4pi_crc_add(&crc, 0, bytes, sizeof bytes));
    memset(bytes, 0xff, sizeof bytes);
    CHECK_EQ(0x62a8ab43u, c4pi_crc_add(&crc, 0, bytes, sizeof bytes));
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    CHECK_EQ(0x46dd794eu, c4pi_crc_add(&crc, 0, bytes, sizeof bytes));
}

static void
bytes_may_come_in_pieces(void)
{
    c4pi_crc_t crc;
    uint8_t bytes[100];
    c4pi_crc_init(&crc);
    for (int i = 0; i < 100; i++)
        bytes[i] = (uint8_t)(i * 37);
    uint32_t whole = c4pi_crc_add(&crc, 0, bytes, sizeof bytes);
    for (size_t at = 0; at <= sizeof bytes; at++)
        CHECK_EQ(whole, c4pi_crc_add(&crc, c4pi_crc_add(&crc, 0, bytes, at), bytes + at,
                                     sizeof bytes - at));
}

TEST_CASES(known_values, bytes_may_come_in_pieces)
