/* SPDX-License-Identifier: Apache-2.0 */
/* The envelope: kinds, and the check of bytes that come from elsewhere. */
#include "msg/envelope.h"

#include "support/prng.h"
#include "support/test.h"

enum { RANKS = 10 };

static c4pi_env_t
good(size_t payload_len)
{
    return (c4pi_env_t){.kind = C4PI_USER, .len = payload_len, .source = RANKS - 1};
}

/* The check, on a block of exactly `total` bytes so that a sanitizer sees reads past it. */
static const char *
check(const c4pi_env_t *env, size_t total)
{
    size_t len = total < sizeof(*env) ? total : sizeof(*env);
    unsigned char *bytes = malloc(len ? len : 1);
    memcpy(bytes, env, len);
    const char *wrong = c4pi_env_check(bytes, total, RANKS);
    free(bytes);
    return wrong;
}

static void
the_wire_format_is_64_bytes_with_fixed_places(void)
{
    CHECK_EQ(64, sizeof(c4pi_env_t));
    CHECK_EQ(8, offsetof(c4pi_env_t, len));
    CHECK_EQ(16, offsetof(c4pi_env_t, coll));
    CHECK_EQ(24, offsetof(c4pi_env_t, key));
    CHECK_EQ(40, offsetof(c4pi_env_t, reference));
    CHECK_EQ(56, offsetof(c4pi_env_t, hint_epoch));
}

static void
bookkeeping_kinds_are_not_counted(void)
{
    static const c4pi_kind_t uncounted[] = {C4PI_NONE,   C4PI_BATCH,    C4PI_WAVE,
                                            C4PI_CREDIT, C4PI_EXIT_ASK, C4PI_EXIT,
                                            C4PI_STALL,  C4PI_START,    C4PI_CHECKPOINT};
    int count = 0;
    for (int kind = 0; kind < C4PI_NUM_KINDS; kind++)
        count += !c4pi_kind_counted((c4pi_kind_t)kind);
    CHECK_EQ(9, count);
    for (int i = 0; i < 9; i++)
        CHECK(!c4pi_kind_counted(uncounted[i]));
    CHECK(c4pi_kind_counted(C4PI_USER));
    CHECK(c4pi_kind_counted(C4PI_MIGRATE));
    CHECK(!c4pi_kind_counted(C4PI_NUM_KINDS));
    CHECK(!c4pi_kind_counted((c4pi_kind_t)-1));
}

static void
kinds_have_names(void)
{
    CHECK_STR_EQ("USER", c4pi_kind_name(C4PI_USER));
    CHECK_STR_EQ("BCAST_DOWN", c4pi_kind_name(C4PI_BCAST_DOWN));
    CHECK_STR_EQ("START", c4pi_kind_name(C4PI_START));
    CHECK_STR_EQ("?", c4pi_kind_name(C4PI_NUM_KINDS));
    CHECK_STR_EQ("?", c4pi_kind_name((c4pi_kind_t)255));
}

static void
a_plausible_envelope_passes(void)
{
    c4pi_env_t env = good(0);
    CHECK_EQ(NULL, check(&env, 64));
    env = good(100);
    CHECK_EQ(NULL, check(&env, 164));
    env.kind = C4PI_BATCH;
    env.flags = C4PI_FLAG_ERROR | C4PI_FLAG_WANTS;
    CHECK_EQ(NULL, check(&env, 164));
    env = good((size_t)5 << 30); /* only the envelope is looked at */
    CHECK_EQ(NULL, check(&env, ((size_t)5 << 30) + 64));
}

static void
fewer_bytes_than_an_envelope_are_refused_unread(void)
{
    c4pi_env_t env = good(0);
    for (size_t total = 0; total < 64; total++)
        CHECK_STR_EQ("it is shorter than an envelope", check(&env, total));
}

static void
a_wrong_length_is_refused(void)
{
    static const uint64_t wrong[] = {0, 99, 101, UINT64_MAX, (uint64_t)100 << 32, 100 + 64};
    for (int i = 0; i < 6; i++) {
        c4pi_env_t env = good(wrong[i]);
        CHECK_STR_HAS("length", check(&env, 164));
    }
    c4pi_env_t env = good(UINT64_MAX - 63); /* 64 + len wraps to 0 */
    CHECK_STR_HAS("length", check(&env, 64));
}

static void
kinds_that_do_not_travel_are_refused(void)
{
    for (int kind = 0; kind < 256; kind++) {
        c4pi_env_t env = good(0);
        env.kind = (uint8_t)kind;
        bool travels = kind > C4PI_NONE && kind < C4PI_NUM_KINDS && kind != C4PI_POST &&
                       kind != C4PI_CONSTRUCT;
        CHECK_EQ(travels, check(&env, 64) == NULL);
    }
}

static void
a_rank_that_does_not_exist_is_refused(void)
{
    c4pi_env_t env = good(0);
    env.source = RANKS;
    CHECK_STR_HAS("rank", check(&env, 64));
    env.source = 0xffffff;
    CHECK_STR_HAS("rank", check(&env, 64));
    env.source = 0;
    CHECK_EQ(NULL, check(&env, 64));
}

static void
unknown_flags_are_refused(void)
{
    c4pi_env_t env = good(0);
    env.flags = 64;
    CHECK_STR_HAS("flags", check(&env, 64));
    env.flags = 128 | C4PI_FLAG_EMPTY;
    CHECK_STR_HAS("flags", check(&env, 64));
}

/* What passes the check may be used without further ones: its kind, length and source are in range.
 */
static void
no_noise_passes_with_a_value_out_of_range(void)
{
    enum { ROUNDS = 200000 };
    unsigned char bytes[130];
    prng_t prng = {11};
    int passed = 0;
    for (int i = 0; i < ROUNDS; i++) {
        c4pi_env_t env = good(64);
        size_t at = (size_t)prng_below(&prng, 3); /* any alignment */
        memcpy(bytes + at, &env, sizeof(env));
        for (uint64_t n = prng_below(&prng, 4); n > 0; n--)
            bytes[at + (size_t)prng_below(&prng, 64)] = (unsigned char)prng_next(&prng);
        if (c4pi_env_check(bytes + at, 128, RANKS))
            continue;
        memcpy(&env, bytes + at, sizeof(env));
        CHECK(env.kind > C4PI_NONE && env.kind < C4PI_NUM_KINDS);
        CHECK_EQ(64, env.len);
        CHECK(env.source < RANKS);
        passed++;
    }
    CHECK(passed > ROUNDS / 10 && passed < ROUNDS);
}

TEST_CASES(the_wire_format_is_64_bytes_with_fixed_places, bookkeeping_kinds_are_not_counted,
           kinds_have_names, a_plausible_envelope_passes,
           fewer_bytes_than_an_envelope_are_refused_unread, a_wrong_length_is_refused,
           kinds_that_do_not_travel_are_refused, a_rank_that_does_not_exist_is_refused,
           unknown_flags_are_refused, no_noise_passes_with_a_value_out_of_range)
