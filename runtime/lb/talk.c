/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/talk.h"

#include <string.h>

enum { FIRST_CAP = 256 };

typedef struct c4pi_talk {
    c4pi_talk_row_t *rows;
    uint32_t *places; /* 1 + number of a row; 0: empty; twice as many as there is room for rows */
    uint32_t count, cap;
    uint32_t thin; /* one pair in 2^thin is kept */
    uint32_t said; /* the largest thin that was reported */
} c4pi_talk_t;

static uint64_t
hash_ref(c4p_ref_t ref)
{
    return c4pi_hash_u64(c4pi_hash_key(ref.key) ^ ref.coll);
}

/* The same from both ends, so that a sample has both directions of a pair or none. */
static bool
is_kept(const c4pi_talk_t *talk, uint64_t from, uint64_t to)
{
    return !(c4pi_hash_u64(from + to) & (((uint64_t)1 << talk->thin) - 1));
}

static bool
same_row(const c4pi_talk_row_t *a, const c4pi_talk_row_t *b)
{
    return c4p_ref_eq(a->from, b->from) && c4p_ref_eq(a->to, b->to) && a->whole == b->whole;
}

/* The place of a row, or the empty one where it belongs. */
static uint32_t *
place_of(const c4pi_talk_t *talk, const c4pi_talk_row_t *row, uint64_t from, uint64_t to)
{
    uint64_t mask = 2 * (uint64_t)talk->cap - 1;
    uint64_t at = c4pi_hash_u64(from + 3 * to + row->whole) & mask;
    while (talk->places[at] && !same_row(&talk->rows[talk->places[at] - 1], row))
        at = (at + 1) & mask;
    return &talk->places[at];
}

static void
fill_places(c4pi_talk_t *talk)
{
    memset(talk->places, 0, 2 * talk->cap * sizeof *talk->places);
    for (uint32_t i = 0; i < talk->count; i++) {
        const c4pi_talk_row_t *row = &talk->rows[i];
        *place_of(talk, row, hash_ref(row->from), hash_ref(row->to)) = i + 1;
    }
}

/* Keep half of the pairs. */
static void
thin_out(c4p_rt_t *rt)
{
    c4pi_talk_t *talk = rt->talk;
    uint32_t kept = 0;
    if (++talk->thin > talk->said)
        c4pi_log(rt->port, C4P_LOG_WARN,
                 "load balancing: chares of this rank talk to so many others that only one pair in "
                 "%llu is recorded",
                 1ull << (talk->said = talk->thin));
    for (uint32_t i = 0; i < talk->count; i++)
        if (is_kept(talk, hash_ref(talk->rows[i].from), hash_ref(talk->rows[i].to)))
            talk->rows[kept++] = talk->rows[i];
    talk->count = kept;
    fill_places(talk);
}

static bool
grow(c4p_rt_t *rt, c4pi_talk_t *talk)
{
    uint32_t cap = talk->cap ? 2 * talk->cap : FIRST_CAP;
    c4pi_talk_row_t *rows = c4pi_calloc(rt->port, cap * sizeof *rows);
    uint32_t *places = c4pi_calloc(rt->port, 2 * cap * sizeof *places);
    if (!rows || !places) {
        c4pi_free(rt->port, rows, cap * sizeof *rows);
        c4pi_free(rt->port, places, 2 * cap * sizeof *places);
        return false;
    }
    if (talk->count)
        memcpy(rows, talk->rows, talk->count * sizeof *rows);
    c4pi_free(rt->port, talk->rows, talk->cap * sizeof *rows);
    c4pi_free(rt->port, talk->places, 2 * talk->cap * sizeof *places);
    talk->rows = rows;
    talk->places = places;
    talk->cap = cap;
    fill_places(talk);
    return true;
}

static void
record(c4p_rt_t *rt, c4pi_talk_row_t row)
{
    c4pi_talk_t *talk = rt->talk;
    uint64_t from = hash_ref(row.from), to = hash_ref(row.to);
    if (!is_kept(talk, from, to))
        return;
    uint32_t *place = place_of(talk, &row, from, to);
    if (*place) {
        talk->rows[*place - 1].messages++;
        talk->rows[*place - 1].bytes += row.bytes;
        return;
    }
    if (talk->count == talk->cap) {
        if (talk->cap == C4PI_TALK_MOST || !grow(rt, talk))
            thin_out(rt);
        record(rt, row);
        return;
    }
    talk->rows[talk->count++] = row;
    *place = talk->count;
}

static uint64_t
size_of(c4p_rt_t *rt, const c4p_msg_t *msg)
{
    if (!msg->object_ops)
        return msg->env.len;
    return msg->object_ops->size ? msg->object_ops->size(rt, msg->object) : 0;
}

void
c4pi_talk_sent(c4p_rt_t *rt, c4p_ref_t to, bool whole, const c4p_msg_t *msg)
{
    c4pi_elem_t *elem = rt->running;
    if (!elem || !(elem->flags & C4PI_ELEM_SYNC))
        return;
    c4pi_talk_row_t row = {c4pi_elem_ref(elem), to, whole, 1, size_of(rt, msg)};
    elem->extra->work.messages++;
    elem->extra->work.bytes += row.bytes;
    if (rt->talk && !c4p_ref_eq(row.from, to))
        record(rt, row);
}

uint64_t
c4pi_talk_take(c4p_rt_t *rt, c4p_pup_t *p)
{
    c4pi_talk_t *talk = rt->talk;
    if (!talk)
        return 0;
    uint64_t count = talk->count;
    c4p_put_bytes(p, talk->rows, count * sizeof *talk->rows);
    talk->count = talk->thin = 0;
    fill_places(talk);
    return count;
}

c4p_status_t
c4pi_talk_on(c4p_rt_t *rt)
{
    if (rt->talk)
        return C4P_OK;
    c4pi_talk_t *talk = c4pi_calloc(rt->port, sizeof *talk);
    if (talk && !grow(rt, talk)) {
        c4pi_free(rt->port, talk, sizeof *talk);
        talk = NULL;
    }
    rt->talk = talk;
    return talk ? C4P_OK : C4P_ERR_NOMEM;
}

void
c4pi_talk_off(c4p_rt_t *rt)
{
    c4pi_talk_t *talk = rt->talk;
    if (!talk)
        return;
    c4pi_free(rt->port, talk->rows, talk->cap * sizeof *talk->rows);
    c4pi_free(rt->port, talk->places, 2 * talk->cap * sizeof *talk->places);
    c4pi_free(rt->port, talk, sizeof *talk);
    rt->talk = NULL;
}
