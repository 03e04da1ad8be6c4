/* SPDX-License-Identifier: Apache-2.0 */
/* accum_list.c: see accum_list.h. Sorting is a natural merge sort: lists are mostly a few runs, one
 * per rank, that are sorted already. */
#include "svc/accum_list.h"

bool
c4pi_list_check(const uint8_t *base, size_t len, uint64_t *parts_out)
{
    c4pi_part_head_t head;
    const uint8_t *data;
    size_t at = 0;
    uint64_t parts = 0;

    while (c4pi_part_next(base, len, &at, &head, &data))
        parts++;
    *parts_out = parts;
    return at == len;
}

/* Coordinates made unsigned by an offset and put side by side, first coordinate highest. */
static void
rank_of_key(c4p_key_t key, int ndims, uint64_t rank_out[2])
{
    const int bits = ndims == 1 ? 64 : 128 / ndims;
    const uint64_t mask = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    c4p_index_t index;
    uint64_t high = 0, low = 0;

    c4p_index_unpack(key, ndims, &index);
    for (int d = 0; d < ndims; d++) {
        high = bits == 64 ? low : high << bits | low >> (64 - bits);
        low = bits == 64 ? 0 : low << bits;
        low |= ((uint64_t)index.at[d] + (UINT64_C(1) << (bits - 1))) & mask;
    }
    rank_out[0] = high;
    rank_out[1] = low;
}

static bool
comes_before(const uint64_t a[2], const uint64_t b[2])
{
    return a[0] != b[0] ? a[0] < b[0] : a[1] < b[1];
}

bool
c4pi_list_in_order(const uint8_t *base, size_t len, int ndims)
{
    c4pi_part_head_t head;
    const uint8_t *data;
    uint64_t rank[2], last[2] = {0, 0};
    size_t at = 0;

    while (c4pi_part_next(base, len, &at, &head, &data)) {
        rank_of_key(head.key, ndims, rank);
        if (comes_before(rank, last))
            return false;
        last[0] = rank[0];
        last[1] = rank[1];
    }
    return true;
}

/* One past the end of the sorted run that starts at `i`. */
static size_t
run_end(const c4pi_part_place_t *places, size_t n, size_t i)
{
    while (++i < n && !comes_before(places[i].rank, places[i - 1].rank))
        ;
    return i < n ? i : n;
}

static void
merge_runs(const c4pi_part_place_t *from, size_t left, size_t right, size_t end,
           c4pi_part_place_t *to)
{
    const size_t middle = right;

    while (left < middle && right < end)
        *to++ = comes_before(from[right].rank, from[left].rank) ? from[right++] : from[left++];
    memcpy(to, from + left, (middle - left) * sizeof(*to));
    memcpy(to + (middle - left), from + right, (end - right) * sizeof(*to));
}

/* Sort n places with as many spare ones behind them. */
static void
sort_places(c4pi_part_place_t *places, size_t n)
{
    c4pi_part_place_t *from = places, *to = places + n;

    while (run_end(from, n, 0) < n) {
        for (size_t i = 0; i < n;) {
            const size_t middle = run_end(from, n, i);
            const size_t end = middle < n ? run_end(from, n, middle) : n;
            merge_runs(from, i, middle, end, to + i);
            i = end;
        }
        c4pi_part_place_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != places)
        memcpy(places, from, n * sizeof(*places));
}

/* Places and the spare ones for sorting. */
static size_t
places_bytes(uint64_t parts)
{
    return (size_t)(parts ? parts : 1) * 2 * sizeof(c4pi_part_place_t);
}

c4p_status_t
c4pi_list_places(c4pi_port_t *port, const uint8_t *base, size_t len, uint64_t parts, int ndims,
                 c4pi_part_place_t **places_out)
{
    c4pi_part_place_t *places = c4pi_alloc(port, places_bytes(parts));
    c4pi_part_head_t head;
    const uint8_t *data;
    size_t n = 0, at = 0;

    if (!places)
        return C4P_ERR_NOMEM;
    for (size_t before = 0; n < parts && c4pi_part_next(base, len, &at, &head, &data);
         before = at) {
        rank_of_key(head.key, ndims, places[n].rank);
        places[n++].at = before;
    }
    sort_places(places, n);
    *places_out = places;
    return C4P_OK;
}

void
c4pi_list_places_free(c4pi_port_t *port, c4pi_part_place_t *places, uint64_t parts)
{
    c4pi_free(port, places, places_bytes(parts));
}
