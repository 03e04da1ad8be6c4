/* SPDX-License-Identifier: Apache-2.0 */
/* tree_test.c: the arithmetic tree is a tree: spanning, consistent in both directions, and flat. */
#include "comm/tree.h"

#include "support/test.h"

enum { MOST_RANKS = 300 };

static void
every_rank_but_the_root_is_the_child_of_its_parent(void)
{
    for (int n = 1; n <= 70; n++) {
        for (int root = 0; root < n; root++) {
            CHECK_EQ(-1, c4pi_tree_parent(root, root, n));
            for (int rank = 0; rank < n; rank++) {
                int children[C4PI_TREE_ARITY], found = 0;
                int parent = c4pi_tree_parent(rank, root, n);
                if (rank == root)
                    continue;
                int count = c4pi_tree_children(parent, root, n, children);
                for (int i = 0; i < count; i++)
                    found += children[i] == rank;
                CHECK_EQ(1, found);
            }
        }
    }
}

/* Walk down from the root, breadth first; the depth of the last rank. */
static int
depth_of_walk(int root, int n, int *seen)
{
    int queue[MOST_RANKS], depth[MOST_RANKS], head = 0, tail = 0;
    queue[tail] = root;
    depth[tail++] = 0;
    while (head < tail) {
        int children[C4PI_TREE_ARITY];
        int count = c4pi_tree_children(queue[head], root, n, children);
        seen[queue[head]]++;
        for (int i = 0; i < count; i++) {
            CHECK(tail < n);
            queue[tail] = children[i];
            depth[tail++] = depth[head] + 1;
        }
        head++;
    }
    CHECK_EQ(n, tail);
    return depth[tail - 1];
}

static void
a_walk_from_any_root_meets_each_rank_once_within_logarithmic_depth(void)
{
    for (int n = 1; n <= MOST_RANKS; n += 13) {
        for (int root = 0; root < n; root += 1 + n / 7) {
            int seen[MOST_RANKS] = {0};
            int depth = depth_of_walk(root, n, seen);
            int most = 0;
            for (int64_t full = 1, level = 1; full < n; most++) /* levels of a complete tree that
                                                                   holds n */
                full += level *= C4PI_TREE_ARITY;
            CHECK_EQ(most, depth);
            for (int rank = 0; rank < n; rank++)
                CHECK_EQ(1, seen[rank]);
        }
    }
}

static void
children_towards_a_rank_lead_to_it(void)
{
    for (int n = 2; n <= 60; n += 3) {
        for (int rank = 0; rank < n; rank++) {
            int at = 5 % n, steps = 0;
            while (at != rank) {
                int next = c4pi_tree_child_towards(at, 5 % n, n, rank);
                CHECK_EQ(at, c4pi_tree_parent(next, 5 % n, n));
                at = next;
                CHECK(steps++ < n);
            }
            CHECK_EQ(-1, c4pi_tree_child_towards(rank, 5 % n, n, rank));
        }
    }
}

static void
a_rank_elsewhere_in_the_tree_is_no_descendant(void)
{
    /* root 0: children of 1 are 5..8, so neither 2, a sibling, nor 9, a child of 2, nor the root is
     * below 1. */
    CHECK_EQ(6, c4pi_tree_child_towards(1, 0, 100, 6));
    CHECK_EQ(-1, c4pi_tree_child_towards(1, 0, 100, 2));
    CHECK_EQ(-1, c4pi_tree_child_towards(1, 0, 100, 9));
    CHECK_EQ(-1, c4pi_tree_child_towards(1, 0, 100, 0));
}

static void
the_largest_job_does_not_overflow(void)
{
    int n = 1 << 24, children[C4PI_TREE_ARITY], depth = 0;
    for (int rank = n - 2; rank >= 0; rank = c4pi_tree_parent(rank, n - 1, n))
        depth++;
    CHECK_EQ(12, depth - 1); /* a complete tree of depth 11 holds (4^12 - 1) / 3 ranks, too few; of
                                depth 12 enough */
    CHECK_EQ(0, c4pi_tree_children(n - 2, n - 1, n, children));
}

TEST_CASES(every_rank_but_the_root_is_the_child_of_its_parent,
           a_walk_from_any_root_meets_each_rank_once_within_logarithmic_depth,
           children_towards_a_rank_lead_to_it, a_rank_elsewhere_in_the_tree_is_no_descendant,
           the_largest_job_does_not_overflow)
