/* SPDX-License-Identifier: Apache-2.0 */
/* tree.c: see tree.h. Positions are distances from the root, counted upwards and around; 64 bits,
 * so that k * p cannot overflow. */
#include "comm/tree.h"

#include <stdint.h>

static int64_t
position_of(int rank, int root, int num_ranks)
{
    int64_t p = (int64_t)rank - root;
    return p < 0 ? p + num_ranks : p;
}

static int
rank_at(int64_t position, int root, int num_ranks)
{
    return (int)((position + root) % num_ranks);
}

int
c4pi_tree_parent(int rank, int root, int num_ranks)
{
    int64_t p = position_of(rank, root, num_ranks);
    return p == 0 ? -1 : rank_at((p - 1) / C4PI_TREE_ARITY, root, num_ranks);
}

int
c4pi_tree_children(int rank, int root, int num_ranks, int children_out[C4PI_TREE_ARITY])
{
    int64_t first = C4PI_TREE_ARITY * position_of(rank, root, num_ranks) + 1;
    int n = 0;
    while (n < C4PI_TREE_ARITY && first + n < num_ranks) {
        children_out[n] = rank_at(first + n, root, num_ranks);
        n++;
    }
    return n;
}

int
c4pi_tree_child_towards(int rank, int root, int num_ranks, int descendant)
{
    int64_t top = position_of(rank, root, num_ranks);
    int64_t p = position_of(descendant, root, num_ranks);
    while (p > top) {
        int64_t parent = (p - 1) / C4PI_TREE_ARITY;
        if (parent == top)
            return rank_at(p, root, num_ranks);
        p = parent;
    }
    return -1;
}
