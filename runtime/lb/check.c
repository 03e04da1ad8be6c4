/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/check.h"

#include <math.h>
#include <stddef.h>

/* Bounds that keep all sums and quotients finite. */
#define MOST_WORK  1e100 /* seconds, all together */
#define MOST_SPEED 1e100
enum { MOST_COORDS = 16 };

static const char *
check_sizes(const c4p_lb_view_t *view)
{
    if (view->num_ranks < 1 || view->num_ranks > C4P_MAX_RANKS)
        return "the number of ranks is not in 1 .. 2^24";
    if (view->num_objects && (!view->load || !view->rank))
        return "there are objects, but no loads or no ranks of them";
    if (view->num_coords < 0 || view->num_coords > MOST_COORDS)
        return "the number of coordinates is not in 0 .. 16";
    if (view->num_coords && view->num_objects && !view->coords)
        return "coordinates are announced but not there";
    if (view->edge_first && view->edge_first[view->num_objects] &&
        (!view->edge_to || !view->edge_bytes))
        return "edges are announced but not there";
    return NULL;
}

static const char *
check_ranks(const c4p_lb_view_t *view, double *work)
{
    for (int r = 0; r < view->num_ranks; r++) {
        if (view->node && (view->node[r] < 0 || view->node[r] >= view->num_nodes))
            return "the host of a rank is out of range";
        if (view->speed && !(view->speed[r] >= 1 / MOST_SPEED && view->speed[r] <= MOST_SPEED))
            return "the speed of a rank is not a positive number";
        if (view->background && !(view->background[r] >= 0))
            return "the background load of a rank is negative or not a number";
        *work += view->background ? view->background[r] : 0;
    }
    return NULL;
}

static const char *
check_objects(const c4p_lb_view_t *view, double *work)
{
    for (size_t i = 0; i < view->num_objects; i++) {
        if (!(view->load[i] >= 0))
            return "the load of an object is negative or not a number";
        if (view->rank[i] < 0 || view->rank[i] >= view->num_ranks)
            return "the rank of an object is out of range";
        *work += view->load[i];
    }
    for (size_t i = 0; i < view->num_objects * (size_t)view->num_coords; i++) {
        if (!isfinite(view->coords[i]))
            return "a coordinate is not a finite number";
    }
    return NULL;
}

/* A number that tells pairs with their bytes apart. */
static uint64_t
pair_hash(uint32_t a, uint32_t b, uint64_t bytes)
{
    uint64_t z = ((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15u ^ bytes * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 30)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* Each pair is there from both sides when the sums over both directions agree. */
static const char *
check_edges(const c4p_lb_view_t *view)
{
    uint64_t up = 0, down = 0;
    const size_t *first = view->edge_first;
    if (!first)
        return NULL;
    if (first[0] != 0)
        return "the edges of the first object do not begin at 0";
    for (size_t i = 0; i < view->num_objects; i++) {
        if (first[i] > first[i + 1] || first[i + 1] > first[view->num_objects])
            return "the numbers where edges begin do not ascend";
        for (size_t e = first[i]; e < first[i + 1]; e++) {
            uint32_t a = (uint32_t)i, b = view->edge_to[e];
            if (b >= view->num_objects)
                return "an edge leads to no object";
            if (a < b)
                up += pair_hash(a, b, view->edge_bytes[e]);
            else if (a > b)
                down += pair_hash(b, a, view->edge_bytes[e]);
        }
    }
    return up == down ? NULL : "an edge is not there from both sides with the same bytes";
}

c4p_status_t
c4pi_lb_check_view(const c4p_lb_view_t *view, const char **why_out)
{
    double work = 0;
    if (!view || view->struct_size < offsetof(c4p_lb_view_t, messages)) {
        *why_out = "there is no view, or its struct_size is not set";
        return C4P_ERR_ARG;
    }
    if (view->num_objects >= UINT32_MAX) {
        *why_out = "there are more than 2^32 - 2 objects";
        return C4P_ERR_LIMIT;
    }
    const char *why = check_sizes(view);
    if (!why)
        why = check_ranks(view, &work);
    if (!why)
        why = check_objects(view, &work);
    if (!why && !(work <= MOST_WORK))
        why = "the loads are not finite";
    if (!why)
        why = check_edges(view);
    if (why)
        *why_out = why;
    return why ? C4P_ERR_ARG : C4P_OK;
}
