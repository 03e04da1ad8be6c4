/* SPDX-License-Identifier: Apache-2.0 */
/* balance.h: load balancing: what strategies see and answer, built-in ones and those of the
 * program. */
#ifndef C4P_BALANCE_H
#define C4P_BALANCE_H

#include <c4p/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * What a strategy sees: the objects that can move, with their loads, and the ranks. Arrays belong
 * to the caller and hold during the call only. Objects come in order of collection and index,
 * whatever ranks they are on, so that a plan does not depend on the order in which ranks reported.
 */
typedef struct c4p_lb_view {
    size_t struct_size; /**< sizeof(c4p_lb_view_t) of who made it */
    uint64_t seed;      /**< the only source of randomness: the same view gives the same plan */
    uint64_t round;     /**< 0, 1, ... of this job */

    int num_ranks;            /**< of the job */
    int num_nodes;            /**< hosts */
    const int *node;          /**< [num_ranks] 0 <= node < num_nodes; NULL: one host */
    const double *speed;      /**< [num_ranks] > 0, relative; NULL: all the same */
    const double *background; /**< [num_ranks] likewise, work that cannot move; NULL: none */
    const uint64_t *memory;   /**< [num_ranks] bytes that objects may take; NULL: no limit */

    size_t num_objects; /**< that can move */
    const double *load; /**< [num_objects] >= 0, seconds of processor time from one synchronization
                           point to the next, of a rank of speed 1, as predicted, or as the program
                           gave them */
    const int *rank;    /**< [num_objects] where each is now */
    const uint64_t *bytes; /**< [num_objects] packed size as estimated; NULL: not known */
    int num_coords;        /**< coordinates of an object, at most 16; 0: none */
    const double *coords;  /**< [num_objects][num_coords]: its index, or what the program gave */

    /* Who talked to whom, each pair from both sides with the same bytes: neighbours of object i are
     * edge_to[edge_first[i]] up to edge_to[edge_first[i + 1] - 1]. NULL: not recorded. */
    const size_t *edge_first;   /**< [num_objects + 1] */
    const uint32_t *edge_to;    /**< objects */
    const uint64_t *edge_bytes; /**< sent and received since the last round */

    /* Since the last round, too. Not there if struct_size ends before. */
    const uint64_t *messages;   /**< [num_objects] that it sent; NULL: not known */
    const uint64_t *bytes_sent; /**< [num_objects] in these; NULL: not known */
} c4p_lb_view_t;

/**
 * A strategy: fill plan[num_objects] with the rank for each object. At the call plan[i] is
 * view->rank[i]. Anything but C4P_OK, or a rank out of range, drops the plan: nothing moves, and
 * rank 0 says so.
 */
typedef c4p_status_t (*c4p_lb_fn_t)(const c4p_lb_view_t *view, int *plan, void *ctx);

/** What a plan is worth. Times in seconds. */
typedef struct c4p_lb_worth {
    double max_before;    /**< the largest of the ranks' (background + loads) / speed, now */
    double max_after;     /**< the same with the plan */
    double mean;          /**< the ideal: all work over all speed */
    size_t moved;         /**< objects */
    uint64_t moved_bytes; /**< of these */
    uint64_t cut_before;  /**< bytes between ranks in a round, now */
    uint64_t cut_after;   /**< the same with the plan */
    uint64_t most_memory; /**< bytes on the fullest rank, after */
} c4p_lb_worth_t;

/** Built-in strategies by number, 0 <= i; false past the last. Strings are static; what_out may be
 * NULL. Any thread. */
C4P_API bool c4p_lb_builtin(int i, const char **name_out, const char **what_out);
/** The name of a built-in strategy for a name as users write it ("GreedyRefineLB", "greedy-refine",
 * any case); NULL if there is none. Static. Any thread. */
C4P_API const char *c4p_lb_find(const char *name);
/** Whether a view is consistent and, unless name is NULL, has what this strategy needs. Returns as
 * c4p_lb_run() does before it begins; *why_out, a static text, then says what is wrong. Cost:
 * O(objects
 * + ranks + edges). Any thread. */
C4P_API c4p_status_t c4p_lb_check(const char *name, const c4p_lb_view_t *view,
                                  const char **why_out);
/** Run a built-in strategy; needs no runtime; any thread. plan[num_objects] is written only on
 * success. Returns: C4P_OK; C4P_ERR_NOT_FOUND for an unknown name; C4P_ERR_ARG for a view that is
 * not consistent (a load that is negative or no number, a rank out of range) or lacks what the
 * strategy needs (coordinates, edges, bytes); C4P_ERR_LIMIT for more than 2^32 - 2 objects, and
 * from "memory" when it finds no placement within the limits; C4P_ERR_NOMEM. */
C4P_API c4p_status_t c4p_lb_run(const char *name, const c4p_lb_view_t *view, int *plan);
/** Judge a plan. Returns C4P_OK, C4P_ERR_RANGE if it names a rank that does not exist; otherwise as
 * c4p_lb_check(). Any thread. Cost: as c4p_lb_check(). */
C4P_API c4p_status_t c4p_lb_judge(const c4p_lb_view_t *view, const int *plan,
                                  c4p_lb_worth_t *worth_out);

/* ---- in a running job ------------------------------------------------------------------------- */

/* Load is balanced at synchronization points (c4p/sync.h): elements of arrays that take part, whose
 * type can be packed and that were not said to be fixed are moved; what others use counts as
 * background. Load is processor time in entry methods, or what the program says. */

/**
 * Make a strategy of the program's own known, by a name that no other has. It is run on rank 0, in
 * the scheduler; it must not send. On the others it needs to be known only for c4p_lb_use().
 * Returns C4P_ERR_EXISTS for a name in use, C4P_ERR_ARG for an empty one or one with a comma,
 * C4P_ERR_NOMEM.
 */
C4P_API c4p_status_t c4p_lb_add(c4p_rt_t *rt, const char *name, c4p_lb_fn_t fn, void *ctx);
/**
 * Balance the load: names of built-in and own strategies with commas between, used in turn, the
 * last one for all further rounds; NULL or "": nothing is measured and nothing moves. The same on
 * all ranks, outside of synchronization points. If a built-in one needs to know who talks to whom,
 * that is recorded from now on. Returns C4P_ERR_NOT_FOUND for a name that is unknown, C4P_ERR_LIMIT
 * for more than 16, C4P_ERR_NOMEM.
 */
C4P_API c4p_status_t c4p_lb_use(c4p_rt_t *rt, const char *names);
/** Measure load on this rank, or not, whatever c4p_lb_use() said; what was measured is kept. What
 * participants send is counted meanwhile. Returns C4P_OK, C4P_ERR_NOMEM. Cost: while it is on, some
 * reads of a clock per entry method. */
C4P_API c4p_status_t c4p_lb_measure(c4p_rt_t *rt, bool on);
/**
 * Record who talks to whom, or not, whatever c4p_lb_use() said: the edges of the views. The same on
 * all ranks. Calls of elements and of sections count where they are made, with the bytes of their
 * payload (of what travels by reference, as many as c4p_object_ops_t.size says); not replies,
 * results of reductions and broadcasts to whole arrays. Up to 65536 pairs on a rank, about 100
 * bytes each; beyond, a sample of them. Returns C4P_OK, C4P_ERR_NOMEM.
 */
C4P_API c4p_status_t c4p_lb_graph(c4p_rt_t *rt, bool on);
/**
 * Say the load of an element that lives here, for the next round: seconds (or any unit that all
 * elements use) from one synchronization point to the next, instead of what was measured. Travels
 * with it, not through a checkpoint. Returns C4P_ERR_NOT_FOUND if it does not live here,
 * C4P_ERR_ARG for a negative number, or what is no number.
 */
C4P_API c4p_status_t c4p_lb_set_load(c4p_rt_t *rt, c4p_ref_t self, double seconds);
/**
 * How the load of the next round is predicted from those of the last ones: "last" (the default),
 * "mean", "median", "linear" (least squares), the latter with ":n" for n rounds, 1 to 64 (4 by
 * default). Heeded on rank 0. Returns C4P_ERR_NOT_FOUND for another name, C4P_ERR_RANGE for another
 * number; then nothing changes.
 */
C4P_API c4p_status_t c4p_lb_predict(c4p_rt_t *rt, const char *predictor);
/**
 * At which synchronization points there is a round: at each `points`-th, 1 by default; 0: when what
 * was lost since the last one (the time of the busiest rank above the mean and above what the last
 * plan left) exceeds what a round has cost. At the others all go on at once. Heeded on rank 0.
 * Returns C4P_OK.
 */
C4P_API c4p_status_t c4p_lb_period(c4p_rt_t *rt, uint64_t points);
/**
 * How fast this rank is against the others; 1 at first. What takes a second on a rank of speed 1
 * takes half of one at speed 2. What was measured on a rank is multiplied by its speed, so that the
 * loads of a view are seconds of a rank of speed 1; so are those that the program gives. 0: measure
 * the speed now, by 10 ms of arithmetic, as 10^9 steps of a certain loop in a second; then on all
 * ranks. If all speeds are within 5 %, they count as the same. Call it on each rank, between
 * rounds. Returns C4P_ERR_ARG for what is negative, no number, or not within 1e-6 .. 1e6.
 */
C4P_API c4p_status_t c4p_lb_speed(c4p_rt_t *rt, double speed);
/** Whether load balancing may move an element that lives here; at first it may. Travels with it.
 * Returns C4P_OK, C4P_ERR_NOT_FOUND if it does not live here. */
C4P_API c4p_status_t c4p_set_movable(c4p_rt_t *rt, c4p_ref_t self, bool movable);

/** Looks at the view of a round; refs[num_objects] are the objects. Both are borrowed. */
typedef void (*c4p_lb_view_fn_t)(c4p_rt_t *rt, const c4p_lb_view_t *view, const c4p_ref_t *refs,
                                 void *ctx);
/** Look at the view of each round before the strategy does, on rank 0. For records of loads. NULL:
 * no more. Returns C4P_OK. */
C4P_API c4p_status_t c4p_lb_on_view(c4p_rt_t *rt, c4p_lb_view_fn_t fn, void *ctx);

/** A round as it was. */
typedef struct c4p_lb_round {
    uint64_t number;      /**< counted from 0 */
    const char *strategy; /**< its name; borrowed */
    c4p_lb_worth_t worth; /**< "before" is measured in the round that ended, "after" is promised */
    size_t num_objects;   /**< that could have moved */
    size_t refused;       /**< were to move and stayed: a coroutine waits in them, or they cannot be
                             packed */
    bool skipped;         /**< nothing was moved: no plan, or one that does not pay back in as many
                             synchronization points as there were, 10 at least */
    double seconds;       /**< from the synchronization point to the last arrival */
    uint64_t points;      /**< synchronization points since the last round, with this one */
    double point_s;    /**< elapsed time from one point to the next on average, from the end of the
                          last round (c4p_lb_use() before the first one) to this one */
    double expected_s; /**< what that will be with this plan: shorter by as much as the busiest
                          rank is. 0 if ranks share cores, or nothing is known of time */
} c4p_lb_round_t;
/** Hears of a round, which is borrowed. */
typedef void (*c4p_lb_round_fn_t)(c4p_rt_t *rt, const c4p_lb_round_t *round, void *ctx);
/** Be told of each round, on rank 0. NULL: no more. Returns C4P_OK. */
C4P_API c4p_status_t c4p_lb_on_round(c4p_rt_t *rt, c4p_lb_round_fn_t fn, void *ctx);

#ifdef __cplusplus
}
#endif
#endif
