/* SPDX-License-Identifier: Apache-2.0 */
/* accum_world.h: what the tests of accumulators share: a runtime's memory without a runtime, a
 * custom reducer, random numbers. */
#ifndef C4PT_ACCUM_WORLD_H
#define C4PT_ACCUM_WORLD_H

#include "svc/accum.h"
#include "support/test.h"

typedef struct world {
    c4pi_port_t *port;
    c4pi_msgs_t msgs;
    c4pi_accum_env_t env;
} world_t;

/* Stands for a runtime, of which accumulators only pass on the address. */
typedef struct fake_rt {
    c4pi_msgs_t *msgs;
    int calls;
    c4p_status_t answer;
} fake_rt_t;
static fake_rt_t fake_rt;

static inline uint64_t
u64_at(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* Adds up the first words; the other bytes are those of the longest part. */
static inline c4p_status_t
add_up(c4p_rt_t *rt, const c4p_blob_t *parts, size_t n, void *ctx, c4p_msg_t **out)
{
    fake_rt_t *fake = (fake_rt_t *)(void *)rt;
    size_t longest = 0;
    uint64_t sum = 0;

    CHECK(ctx == &fake_rt && n >= 2);
    fake->calls++;
    if (fake->answer != C4P_OK)
        return fake->answer;
    for (size_t i = 0; i < n; i++) {
        CHECK_EQ(0, (uintptr_t)parts[i].data % 16);
        if (parts[i].len < 8)
            return C4P_ERR_USER;
        sum += u64_at(parts[i].data);
        if (parts[i].len > parts[longest].len)
            longest = i;
    }
    c4p_msg_t *msg = c4pi_msg_alloc(fake->msgs, parts[longest].len);
    if (!msg)
        return C4P_ERR_NOMEM;
    memcpy(c4pi_msg_payload(msg), parts[longest].data, parts[longest].len);
    memcpy(c4pi_msg_payload(msg), &sum, sizeof(sum));
    *out = msg;
    return C4P_OK;
}

static inline c4p_combine_fn_t
find_reducer(c4p_rt_t *rt, uint32_t number, void **ctx_out)
{
    (void)rt;
    *ctx_out = &fake_rt;
    return number == 7 ? add_up : NULL;
}

static inline void
world_init(world_t *w, c4pi_port_t *port, int ndims)
{
    w->port = port;
    c4pi_msgs_init(&w->msgs, port, NULL);
    fake_rt = (fake_rt_t){.msgs = &w->msgs};
    w->env = (c4pi_accum_env_t){port, &w->msgs, (c4p_rt_t *)(void *)&fake_rt, find_reducer, ndims};
}

static int lines_logged;

static inline void
count_line(void *ctx, c4p_log_level_t level, const char *line)
{
    (void)ctx, (void)level, (void)line;
    lines_logged++;
}

static inline void
open_world(world_t *w, int ndims)
{
    c4pi_port_t *port;
    const c4p_opts_t opts = {.struct_size = sizeof(opts), .log_fn = count_line};

    lines_logged = 0;
    CHECK_OK(c4pi_port_real_new(&opts, &port));
    world_init(w, port, ndims);
}

static inline void
close_world(world_t *w)
{
    CHECK_EQ(0, w->msgs.live);
    c4pi_msgs_fini(&w->msgs);
    c4pi_port_free(w->port);
}

static inline c4pi_accum_t *
make_accum(const world_t *w)
{
    c4pi_accum_t *a;
    CHECK_OK(c4pi_accum_new(&w->env, &a));
    return a;
}

static uint64_t prng = 1;

static inline uint64_t
draw(void)
{
    uint64_t z = prng += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline uint64_t
below(uint64_t n)
{
    return draw() % n;
}

static inline c4p_key_t
key_1d(int64_t i)
{
    return (c4p_key_t){{(uint64_t)i, 0}};
}

static inline c4p_reduce_t
how_of(c4p_op_t op, c4p_dtype_t dtype)
{
    return (c4p_reduce_t){.op = op, .dtype = dtype};
}

static inline void
add(c4pi_accum_t *a, int64_t member, c4p_op_t op, c4p_dtype_t dtype, const void *data, size_t len)
{
    const c4p_reduce_t how = how_of(op, dtype);
    const char *why = "no reason";
    CHECK_OK(c4pi_accum_check(&how, data, len));
    CHECK_OK(c4pi_accum_add(a, key_1d(member), &how, data, len, &why));
}

static inline c4p_msg_t *
finish(c4pi_accum_t *a, c4p_result_t *result)
{
    c4p_msg_t *msg;
    CHECK_OK(c4pi_accum_finish(a, 5, 3, &msg));
    CHECK(c4p_msg_is_result(msg));
    CHECK_OK(c4p_result_get(msg, result));
    CHECK_EQ(0, (uintptr_t)result->data % 16);
    return msg;
}

/* Move everything from one accumulator into another as if between ranks, the bytes lying at an odd
 * address. */
static inline c4p_status_t
send_partial(world_t *w, c4pi_accum_t *from, c4pi_accum_t *into, const char **why)
{
    c4p_pup_t p;
    c4p_msg_t *packed;

    c4pi_pup_pack_init(&p, &w->msgs);
    c4p_status_t st = c4pi_accum_pack(from, &p);
    if (st != C4P_OK) {
        c4pi_pup_fini(&p);
        return st;
    }
    CHECK_OK(c4pi_pup_pack_finish(&p, &packed));
    const size_t len = (size_t)packed->env.len;
    uint8_t *bytes = malloc(len + 1);
    memcpy(bytes + 1, c4pi_msg_payload(packed), len);
    c4pi_msg_drop(packed);
    c4pi_pup_unpack_init(&p, bytes + 1, len);
    st = c4pi_accum_merge(into, &p, why);
    if (st == C4P_OK)
        CHECK_EQ(0, c4pi_pup_left(&p));
    free(bytes);
    return st;
}

#endif
