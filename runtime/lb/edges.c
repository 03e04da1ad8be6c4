/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/edges.h"

#include <string.h>

#include "lb/need.h"

void
c4pi_edges_add_rows(c4p_rt_t *rt, c4pi_edges_t *edges, const uint8_t *at, size_t count)
{
    edges->rows = c4pi_need_more(rt, edges->rows, edges->num_rows, count, &edges->cap_rows,
                                 sizeof *edges->rows);
    if (count)
        memcpy(edges->rows + edges->num_rows, at, count * sizeof *edges->rows);
    edges->num_rows += count;
}

void
c4pi_edges_add_members(c4p_rt_t *rt, c4pi_edges_t *edges, const uint8_t *at, size_t count)
{
    edges->members = c4pi_need_more(rt, edges->members, edges->num_members, count,
                                    &edges->cap_members, sizeof *edges->members);
    if (count)
        memcpy(edges->members + edges->num_members, at, count * sizeof *edges->members);
    edges->num_members += count;
}

/* ---- from rows to pairs of objects ------------------------------------------------------------ */

/* Two objects, the second of which was called by the first. */
typedef struct pair {
    uint32_t from, to;
    uint64_t bytes;
} pair_t;

typedef struct pairs {
    c4p_rt_t *rt;
    pair_t *list;
    size_t num, cap;
} pairs_t;

/* The members of each section that are objects, as a chain. */
typedef struct chains {
    c4pi_map_t first; /* section -> 1 + number of a member */
    size_t *next;     /* likewise; 0: the last */
    size_t *object;   /* of each member, or SIZE_MAX */
} chains_t;

static void
add_pair(pairs_t *pairs, c4pi_edges_t *edges, size_t from, size_t to, const c4pi_talk_row_t *row)
{
    if (to == SIZE_MAX || to == from)
        return;
    pairs->list =
        c4pi_need_more(pairs->rt, pairs->list, pairs->num, 1, &pairs->cap, sizeof *pairs->list);
    pairs->list[pairs->num++] = (pair_t){(uint32_t)from, (uint32_t)to, row->bytes};
    edges->all_messages += row->messages;
    edges->all_bytes += row->bytes;
}

static void
make_chains(c4p_rt_t *rt, const c4pi_edges_t *edges, c4pi_edges_find_fn_t find, const void *ctx,
            chains_t *chains)
{
    size_t n = edges->num_members;
    c4pi_map_init(&chains->first, rt->port);
    chains->next = c4pi_need(rt, n, sizeof *chains->next);
    chains->object = c4pi_need(rt, n, sizeof *chains->object);
    for (size_t i = 0; i < n; i++) {
        const c4pi_edge_member_t *member = &edges->members[i];
        chains->object[i] = find(ctx, member->ref);
        chains->next[i] = (size_t)(uintptr_t)c4pi_map_get(&chains->first, member->section);
        if (c4pi_map_put(&chains->first, member->section, (void *)(uintptr_t)(i + 1)) != C4P_OK)
            c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a round of load balancing");
    }
}

static void
make_pairs(c4p_rt_t *rt, c4pi_edges_t *edges, c4pi_edges_find_fn_t find, const void *ctx,
           pairs_t *pairs)
{
    chains_t chains;
    make_chains(rt, edges, find, ctx, &chains);
    for (size_t i = 0; i < edges->num_rows; i++) {
        const c4pi_talk_row_t *row = &edges->rows[i];
        size_t from = find(ctx, row->from);
        if (from == SIZE_MAX)
            continue;
        if (!row->whole) {
            add_pair(pairs, edges, from, find(ctx, row->to), row);
            continue;
        }
        size_t m = (size_t)(uintptr_t)c4pi_map_get(&chains.first, row->to.coll);
        for (; m; m = chains.next[m - 1])
            add_pair(pairs, edges, from, chains.object[m - 1], row);
    }
    c4pi_need_free(rt, chains.next, edges->num_members, sizeof *chains.next);
    c4pi_need_free(rt, chains.object, edges->num_members, sizeof *chains.object);
    c4pi_map_fini(&chains.first);
}

/* ---- from pairs to edges ---------------------------------------------------------------------- */

/* Both directions of all pairs in order of one end, and of the other where these are equal: two
 * passes of counting, for which both ends have the same counts. Fills first[n + 1], cleared, as in
 * a view. */
static pair_t *
sort_ends(c4p_rt_t *rt, const pairs_t *pairs, size_t n, size_t *first)
{
    size_t num = 2 * pairs->num, *at = c4pi_need(rt, n, sizeof *at);
    pair_t *by_to = c4pi_need(rt, num, sizeof *by_to), *sorted = c4pi_need(rt, num, sizeof *sorted);
    for (size_t i = 0; i < pairs->num; i++) {
        first[pairs->list[i].from + 1]++;
        first[pairs->list[i].to + 1]++;
    }
    for (size_t i = 0; i < n; i++)
        first[i + 1] += first[i];
    memcpy(at, first, n * sizeof *at);
    for (size_t i = 0; i < pairs->num; i++) {
        pair_t p = pairs->list[i];
        by_to[at[p.to]++] = p;
        by_to[at[p.from]++] = (pair_t){p.to, p.from, p.bytes};
    }
    memcpy(at, first, n * sizeof *at);
    for (size_t i = 0; i < num; i++)
        sorted[at[by_to[i].from]++] = by_to[i];
    c4pi_need_free(rt, by_to, num, sizeof *by_to);
    c4pi_need_free(rt, at, n, sizeof *at);
    return sorted;
}

/* One edge of all pairs with the same two ends. */
static void
unite(c4pi_edges_t *edges, const pair_t *sorted)
{
    size_t num = 0, from = 0;
    for (size_t i = 0; i < edges->num_objects; i++) {
        size_t start = num, end = edges->first[i + 1];
        for (; from < end; from++) {
            if (num == start || edges->to[num - 1] != sorted[from].to)
                edges->to[num++] = sorted[from].to;
            edges->bytes[num - 1] += sorted[from].bytes;
        }
        edges->first[i + 1] = num;
    }
}

void
c4pi_edges_build(c4p_rt_t *rt, c4pi_edges_t *edges, size_t num_objects, c4pi_edges_find_fn_t find,
                 const void *ctx)
{
    pairs_t pairs = {.rt = rt};
    make_pairs(rt, edges, find, ctx, &pairs);
    edges->num_objects = num_objects;
    edges->cap = 2 * pairs.num;
    edges->first = c4pi_need(rt, num_objects + 1, sizeof *edges->first);
    edges->to = c4pi_need(rt, edges->cap, sizeof *edges->to);
    edges->bytes = c4pi_need(rt, edges->cap, sizeof *edges->bytes);
    pair_t *sorted = sort_ends(rt, &pairs, num_objects, edges->first);
    unite(edges, sorted);
    c4pi_need_free(rt, sorted, edges->cap, sizeof *sorted);
    c4pi_free(rt->port, pairs.list, pairs.cap * sizeof *pairs.list);
}

void
c4pi_edges_clear(c4p_rt_t *rt, c4pi_edges_t *edges)
{
    c4pi_free(rt->port, edges->rows, edges->cap_rows * sizeof *edges->rows);
    c4pi_free(rt->port, edges->members, edges->cap_members * sizeof *edges->members);
    c4pi_need_free(rt, edges->first, edges->num_objects + 1, sizeof *edges->first);
    c4pi_need_free(rt, edges->to, edges->cap, sizeof *edges->to);
    c4pi_need_free(rt, edges->bytes, edges->cap, sizeof *edges->bytes);
    *edges = (c4pi_edges_t){0};
}
