/* SPDX-License-Identifier: Apache-2.0 */
/* tree.h: spanning trees over ranks 0..n-1 by arithmetic: no table, any rank may be the root.
 * Complete k-ary tree of (rank - root) mod n, children of position p at k*p+1 .. k*p+k. */
#ifndef C4PI_TREE_H
#define C4PI_TREE_H

enum { C4PI_TREE_ARITY = 4 };

/* The parent of `rank` in the tree rooted at `root`; -1 for the root. */
int c4pi_tree_parent(int rank, int root, int num_ranks);
/* The children of `rank`: fills up to C4PI_TREE_ARITY ranks, returns how many. */
int c4pi_tree_children(int rank, int root, int num_ranks, int children_out[C4PI_TREE_ARITY]);
/* Which child of `rank` leads to `descendant`; -1 if none does. */
int c4pi_tree_child_towards(int rank, int root, int num_ranks, int descendant);

#endif
