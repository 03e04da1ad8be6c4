/* SPDX-License-Identifier: Apache-2.0 */
/* Packing and unpacking: what was put comes out, and nothing is read past the end. */
#include "msg/pup.h"

#include "support/fail_alloc.h"
#include "support/prng.h"
#include "support/test.h"

static fail_alloc_t fa;
static c4pi_msgs_t msgs;

static c4pi_port_t *
real_port(void)
{
    static c4pi_port_t *port;
    if (!port)
        CHECK_OK(c4pi_port_real_new(NULL, &port));
    return port;
}

static void
start(void)
{
    CHECK(fail_alloc_begin(&fa, real_port(), 1));
    fa.fail_at = 0;
    c4pi_msgs_init(&msgs, &fa.port, NULL);
}

static void
finish(void)
{
    CHECK_EQ(0, msgs.live);
    c4pi_msgs_fini(&msgs);
    fail_alloc_end(&fa);
}

/* One item of each kind: 1 + 4 + 8 + 8 + 3 + 8 + 5 bytes. */
enum { ALL_KINDS_LEN = 37 };

static void
put_all_kinds(c4p_pup_t *p)
{
    c4p_put_u8(p, 0xab);
    c4p_put_u32(p, 0x01020304);
    c4p_put_u64(p, 0x1122334455667788u);
    c4p_put_f64(p, -1.5);
    c4p_put_bytes(p, "xyz", 3);
    c4p_put_blob(p, "hello", 5);
}

static void
every_kind_comes_out_as_it_went_in(void)
{
    c4p_pup_t p;
    c4p_msg_t *msg;
    char bytes[4] = "";
    size_t len;
    start();
    c4pi_pup_pack_init(&p, &msgs);
    put_all_kinds(&p);
    CHECK_OK(c4pi_pup_pack_finish(&p, &msg));
    c4pi_pup_fini(&p);
    CHECK_EQ(ALL_KINDS_LEN, c4p_msg_len(msg));

    c4pi_pup_unpack_init(&p, c4p_msg_data(msg), c4p_msg_len(msg));
    CHECK_EQ(ALL_KINDS_LEN, c4pi_pup_left(&p));
    CHECK_EQ(0xab, c4p_get_u8(&p));
    CHECK_EQ(0x01020304, c4p_get_u32(&p));
    CHECK_EQ(0x1122334455667788u, c4p_get_u64(&p));
    CHECK_EQ(-1.5, c4p_get_f64(&p));
    c4p_get_bytes(&p, bytes, 3);
    CHECK_STR_EQ("xyz", bytes);
    const char *blob = c4p_get_blob(&p, &len);
    CHECK_EQ(5, len);
    CHECK_MEM_EQ("hello", blob, 5);
    CHECK_EQ(0, c4pi_pup_left(&p));
    CHECK_OK(c4p_pup_status(&p));
    c4pi_pup_fini(&p);
    c4p_msg_free(msg);
    finish();
}

static void
numbers_are_little_endian(void)
{
    static const unsigned char expected[] = {0x04, 0x03, 0x02, 0x01, 0x88, 0x77, 0x66,
                                             0x55, 0x44, 0x33, 0x22, 0x11, 0,    0,
                                             0,    0,    0,    0,    0xf8, 0xbf}; /* -1.5 in IEEE
                                                                                     754 */
    c4p_pup_t p;
    c4p_msg_t *msg;
    start();
    c4pi_pup_pack_init(&p, &msgs);
    c4p_put_u32(&p, 0x01020304);
    c4p_put_u64(&p, 0x1122334455667788u);
    c4p_put_f64(&p, -1.5);
    CHECK_OK(c4pi_pup_pack_finish(&p, &msg));
    CHECK_EQ(sizeof(expected), c4p_msg_len(msg));
    CHECK_MEM_EQ(expected, c4p_msg_data(msg), sizeof(expected));
    c4p_msg_free(msg);
    finish();
}

static void
every_truncation_is_noticed(void)
{
    c4p_pup_t p;
    c4p_msg_t *msg;
    start();
    c4pi_pup_pack_init(&p, &msgs);
    put_all_kinds(&p);
    CHECK_OK(c4pi_pup_pack_finish(&p, &msg));
    for (size_t cut = 0; cut < ALL_KINDS_LEN; cut++) {
        char bytes[3] = "??", *copy = malloc(cut ? cut : 1); /* a sanitizer sees reads past it */
        size_t len = 77;
        memcpy(copy, c4p_msg_data(msg), cut);
        c4pi_pup_unpack_init(&p, copy, cut);
        uint8_t u8 = c4p_get_u8(&p);
        uint32_t u32 = c4p_get_u32(&p);
        uint64_t u64 = c4p_get_u64(&p);
        double f64 = c4p_get_f64(&p);
        c4p_get_bytes(&p, bytes, 3);
        const void *blob = c4p_get_blob(&p, &len);
        CHECK_STATUS(C4P_ERR_DATA, c4p_pup_status(&p));
        CHECK_EQ(cut < 1 ? 0 : 0xab, u8); /* zero from the error on */
        CHECK_EQ(cut < 5 ? 0 : 0x01020304, u32);
        CHECK_EQ(cut < 13 ? 0 : 0x1122334455667788u, u64);
        CHECK_EQ(cut < 21 ? 0 : -1.5, f64);
        CHECK_EQ(cut < 24 ? 0 : 'x', bytes[0]);
        CHECK_EQ(cut < 24 ? 0 : 'z', bytes[2]);
        CHECK_EQ(NULL, blob);
        CHECK_EQ(0, len);
        CHECK_EQ(0, c4pi_pup_left(&p));
        free(copy);
    }
    c4p_msg_free(msg);
    finish();
}

static void
after_an_error_nothing_is_read_any_more(void)
{
    c4p_pup_t p;
    c4pi_pup_unpack_init(&p, "abcdef", 6);
    CHECK_EQ(0, c4p_get_u64(&p)); /* too long */
    CHECK_EQ(0, c4p_get_u8(&p));  /* would fit */
    CHECK_STATUS(C4P_ERR_DATA, c4p_pup_status(&p));
}

static void
a_blob_longer_than_the_data_is_refused(void)
{
    static const uint64_t lens[] = {3, 4, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63};
    for (int i = 0; i < 5; i++) {
        unsigned char bytes[8 + 2] = {0};
        c4p_pup_t p;
        size_t len = 77;
        for (int b = 0; b < 8; b++)
            bytes[b] = (unsigned char)(lens[i] >> (8 * b));
        c4pi_pup_unpack_init(&p, bytes, sizeof(bytes));
        CHECK_EQ(NULL, c4p_get_blob(&p, &len));
        CHECK_EQ(0, len);
        CHECK_STATUS(C4P_ERR_DATA, c4p_pup_status(&p));
    }
}

static void
empty_things_are_no_errors(void)
{
    c4p_pup_t p;
    c4p_msg_t *msg;
    size_t len = 77;
    start();
    c4pi_pup_pack_init(&p, &msgs);
    c4p_put_bytes(&p, NULL, 0);
    c4p_put_blob(&p, NULL, 0);
    CHECK_OK(c4pi_pup_pack_finish(&p, &msg));
    CHECK_EQ(8, c4p_msg_len(msg));
    c4pi_pup_unpack_init(&p, c4p_msg_data(msg), c4p_msg_len(msg));
    c4p_get_bytes(&p, NULL, 0);
    CHECK(c4p_get_blob(&p, &len) != NULL);
    CHECK_EQ(0, len);
    CHECK_OK(c4p_pup_status(&p));
    c4p_msg_free(msg);

    c4pi_pup_pack_init(&p, &msgs);
    CHECK_OK(c4pi_pup_pack_finish(&p, &msg)); /* nothing packed: a message without bytes */
    CHECK_EQ(0, c4p_msg_len(msg));
    c4p_msg_free(msg);
    c4pi_pup_unpack_init(&p, NULL, 0);
    c4p_get_bytes(&p, NULL, 0);
    CHECK_OK(c4p_pup_status(&p));
    CHECK_EQ(0, c4p_get_u8(&p));
    CHECK_STATUS(C4P_ERR_DATA, c4p_pup_status(&p));
    finish();
}

static void
using_the_wrong_direction_is_an_error(void)
{
    c4p_pup_t p;
    c4p_msg_t *msg = (c4p_msg_t *)&p;
    start();
    c4pi_pup_pack_init(&p, &msgs);
    c4p_put_u8(&p, 1);
    CHECK_EQ(0, c4p_get_u8(&p));
    CHECK_STATUS(C4P_ERR_TYPE, c4pi_pup_pack_finish(&p, &msg));
    CHECK_EQ(NULL, msg);
    c4pi_pup_unpack_init(&p, "a", 1);
    c4p_put_u8(&p, 1);
    CHECK_STATUS(C4P_ERR_TYPE, c4p_pup_status(&p));
    finish();
}

static void
long_packs_of_random_items_come_out(void)
{
    static unsigned char junk[30000];
    start();
    for (uint64_t seed = 0; seed < 50; seed++) {
        prng_t prng = {seed};
        c4p_pup_t p;
        c4p_msg_t *msg;
        int items = (int)prng_below(&prng, 300);
        memset(junk, (int)seed + 1, sizeof(junk));
        c4pi_pup_pack_init(&p, &msgs);
        for (int i = 0; i < items; i++) {
            uint64_t x = prng_next(&prng);
            switch (x % 4) {
            case 0:
                c4p_put_u8(&p, (uint8_t)(x >> 8));
                break;
            case 1:
                c4p_put_u32(&p, (uint32_t)(x >> 8));
                break;
            case 2:
                c4p_put_u64(&p, x);
                break;
            default:
                c4p_put_blob(&p, junk, (size_t)(x >> 8) % (i % 20 ? 100 : sizeof(junk)));
            }
        }
        CHECK_OK(c4pi_pup_pack_finish(&p, &msg));
        prng = (prng_t){seed};
        prng_below(&prng, 300);
        c4pi_pup_unpack_init(&p, c4p_msg_data(msg), c4p_msg_len(msg));
        for (int i = 0; i < items; i++) {
            uint64_t x = prng_next(&prng);
            size_t len, expected = (size_t)(x >> 8) % (i % 20 ? 100 : sizeof(junk));
            if (x % 4 == 0)
                CHECK_EQ((uint8_t)(x >> 8), c4p_get_u8(&p));
            else if (x % 4 == 1)
                CHECK_EQ((uint32_t)(x >> 8), c4p_get_u32(&p));
            else if (x % 4 == 2)
                CHECK_EQ(x, c4p_get_u64(&p));
            else {
                const void *blob = c4p_get_blob(&p, &len);
                CHECK_EQ(expected, len);
                CHECK_MEM_EQ(junk, blob, len);
            }
        }
        CHECK_OK(c4p_pup_status(&p));
        CHECK_EQ(0, c4pi_pup_left(&p));
        c4p_msg_free(msg);
    }
    finish();
}

static void
an_abandoned_pack_leaves_nothing(void)
{
    c4p_pup_t p;
    start();
    c4pi_pup_pack_init(&p, &msgs);
    put_all_kinds(&p);
    c4pi_pup_fini(&p);
    c4pi_pup_fini(&p);
    finish();
}

static void
lack_of_memory_is_kept_until_the_end(void)
{
    static const char junk[5000];
    int failures = 0;
    for (uint64_t n = 1; fail_alloc_begin(&fa, real_port(), n); n++) {
        c4p_pup_t p;
        c4p_msg_t *msg = (c4p_msg_t *)&p;
        c4pi_msgs_init(&msgs, &fa.port, NULL);
        c4pi_pup_pack_init(&p, &msgs);
        for (int i = 0; i < 20; i++) {
            put_all_kinds(&p);
            c4p_put_blob(&p, junk, sizeof(junk));
        }
        c4p_status_t st = c4p_pup_status(&p);
        CHECK(st == C4P_OK || (st == C4P_ERR_NOMEM && fail_alloc_hit(&fa)));
        failures += st != C4P_OK; /* not each time: held blocks are given up first */
        CHECK_STATUS(st, c4pi_pup_pack_finish(&p, &msg));
        CHECK_EQ(st == C4P_OK, msg != NULL);
        c4pi_pup_fini(&p);
        c4p_msg_free(msg);
        finish();
    }
    CHECK(failures >= 2);
}

static void
a_block_too_long_for_any_memory_is_refused(void)
{
    c4p_pup_t p;
    start();
    c4pi_pup_pack_init(&p, &msgs);
    c4p_put_u8(&p, 1);
    c4p_put_bytes(&p, "", SIZE_MAX);
    CHECK_STATUS(C4P_ERR_NOMEM, c4p_pup_status(&p));
    c4pi_pup_fini(&p);
    finish();
}

TEST_CASES(every_kind_comes_out_as_it_went_in, numbers_are_little_endian,
           every_truncation_is_noticed, after_an_error_nothing_is_read_any_more,
           a_blob_longer_than_the_data_is_refused, empty_things_are_no_errors,
           using_the_wrong_direction_is_an_error, long_packs_of_random_items_come_out,
           an_abandoned_pack_leaves_nothing, lack_of_memory_is_kept_until_the_end,
           a_block_too_long_for_any_memory_is_refused)
