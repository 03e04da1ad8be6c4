/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/lb.h"

#include <string.h>

#include "lb/check.h"
#include "lb/task.h"

/* ---- the table --------------------------------------------------------------------------------- */

enum {
    NEEDS_COORDS = 1,
    NEEDS_EDGES = 2,
    NEEDS_BYTES = 4,
    JUST_MOVES = 16, /* promises nothing */
    NEVER_WORSE = 8  /* a plan with a longer longest time than now is dropped */
};

struct c4pi_lb_builtin {
    const char *name, *what;
    c4pi_lb_strategy_fn_t run;
    unsigned flags;
    const char *aliases; /* as normalised(), each with a space before and behind */
};

static const c4pi_lb_builtin_t builtins[] = {
    {"none", "move nothing", c4pi_lb_none, 0, " dummy null "},
    {"rotate", "every object to the next rank; for tests", c4pi_lb_rotate, JUST_MOVES,
     " rotating "},
    {"random", "every object to a random rank; for tests", c4pi_lb_random_places, JUST_MOVES,
     " rand randcent randcentral "},
    {"greedy", "heaviest object first to the rank that is done earliest; moves nearly everything",
     c4pi_lb_greedy, 0, " greedycent greedycentral greedyagent lpt "},
    {"greedy-refine", "as greedy, but what can stay stays; a good first choice",
     c4pi_lb_greedy_refine, 0, " averagegreedy "},
    {"refine", "the fewest objects from ranks that have too much; for small drifts", c4pi_lb_refine,
     NEVER_WORSE, " refineswap refinek refinetopo randref tempawarerefine "},
    {"comm-refine", "as refine, then objects to those they talk to; needs edges",
     c4pi_lb_comm_refine, NEEDS_EDGES,
     " refinecomm greedycomm commawarerefine comm comm1d communication "},
    {"bisection", "boxes by recursive coordinate bisection; needs coordinates", c4pi_lb_bisection,
     NEEDS_COORDS, " rcb orb recursivebisection spatial orthogonal "},
    {"hilbert", "pieces of a space-filling curve; needs coordinates", c4pi_lb_hilbert, NEEDS_COORDS,
     " sfc spacefillingcurve curve morton "},
    {"block", "pieces of the order of indices", c4pi_lb_block_places, 0, " linear "},
    {"graph",
     "graph partitioning by METIS where libmetis.so.5 is installed, elsewhere comm-refine; needs "
     "edges",
     c4pi_lb_graph, NEEDS_EDGES,
     " metis scotch parmetis scotchrefine scotchtopo zoltan recbipart graphpart graphbft "},
    {"hierarchical", "as refine between hosts, then as greedy-refine within each",
     c4pi_lb_hierarchical, 0, " hybrid hybridbase tree hier node nodefirst nodelevel "},
    {"diffusion", "load flows to neighbouring ranks; each rank knows its neighbours only",
     c4pi_lb_diffusion, NEVER_WORSE, " neighbor neighbour nbor neighborcomm ws workstealing "},
    {"gossip", "loaded ranks hear of idle ones by rumour and give them objects", c4pi_lb_gossip,
     NEVER_WORSE, " tempered distributed grapevine vt "},
    {"memory", "as greedy-refine within the memory of each rank; needs bytes", c4pi_lb_memory,
     NEEDS_BYTES, " memorylimited memoryaware memlimited "},
};

enum { NUM_BUILTINS = sizeof builtins / sizeof builtins[0], LONGEST_NAME = 40 };

/* A name in small letters, without "-", "_", spaces and a last "lb", between two spaces. False if
 * it is too long for any. */
static bool
normalised(const char *name, char text[LONGEST_NAME + 3])
{
    size_t len = 1;
    text[0] = ' ';
    for (; *name; name++) {
        char c = *name;
        if (c == '-' || c == '_' || c == ' ')
            continue;
        if (len > LONGEST_NAME)
            return false;
        text[len++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    if (len > 3 && text[len - 2] == 'l' && text[len - 1] == 'b')
        len -= 2;
    text[len] = ' ';
    text[len + 1] = '\0';
    return len > 1;
}

const c4pi_lb_builtin_t *
c4pi_lb_builtin(int i)
{
    return i >= 0 && i < NUM_BUILTINS ? &builtins[i] : NULL;
}

const c4pi_lb_builtin_t *
c4pi_lb_find(const char *name)
{
    char want[LONGEST_NAME + 3], have[LONGEST_NAME + 3];
    if (!name || !normalised(name, want))
        return NULL;
    for (int i = 0; i < NUM_BUILTINS; i++) {
        if (normalised(builtins[i].name, have) && strcmp(want, have) == 0)
            return &builtins[i];
        if (strstr(builtins[i].aliases, want))
            return &builtins[i];
    }
    return NULL;
}

const char *
c4pi_lb_name(const c4pi_lb_builtin_t *strategy)
{
    return strategy->name;
}

bool
c4pi_lb_just_moves(const c4pi_lb_builtin_t *strategy)
{
    return strategy->flags & JUST_MOVES;
}

bool
c4pi_lb_needs_edges(const c4pi_lb_builtin_t *strategy)
{
    return strategy->flags & NEEDS_EDGES;
}

const char *
c4pi_lb_what(const c4pi_lb_builtin_t *strategy)
{
    return strategy->what;
}

c4p_status_t
c4pi_lb_check(const c4pi_lb_builtin_t *strategy, const c4p_lb_view_t *view, const char **why_out)
{
    unsigned needs = strategy ? strategy->flags : 0;
    c4p_status_t st = c4pi_lb_check_view(view, why_out);
    if (st != C4P_OK)
        return st;
    if (needs & NEEDS_COORDS && !view->num_coords)
        *why_out = "this strategy needs coordinates of the objects";
    else if (needs & NEEDS_EDGES && !view->edge_first)
        *why_out = "this strategy needs to know who talks to whom (edges)";
    else if (needs & NEEDS_BYTES && view->num_objects && !view->bytes)
        *why_out = "this strategy needs the sizes of the objects (bytes)";
    else
        return C4P_OK;
    return C4P_ERR_ARG;
}

/* ---- one run ----------------------------------------------------------------------------------- */

/* Loads with a floor of a thousandth of their mean, so that objects without load are spread; 1 for
 * each when all are 0. */
static double *
floored_loads(c4pi_lb_task_t *task)
{
    const c4p_lb_view_t *view = task->view;
    double *load = c4pi_lb_new(task, task->n, sizeof(*load)), sum = 0;
    for (size_t i = 0; load && i < task->n; i++)
        sum += view->load[i];
    double least = 1e-3 * sum / (double)task->n;
    for (size_t i = 0; load && i < task->n; i++) {
        load[i] = view->load[i] > least ? view->load[i] : least;
        if (!(sum > 0))
            load[i] = 1;
    }
    return load;
}

/* `task` has port, blocks and view. */
static c4p_status_t
task_fill(c4pi_lb_task_t *task)
{
    const c4p_lb_view_t *view = task->view;
    size_t ranks = (size_t)view->num_ranks;
    task->num_ranks = view->num_ranks;
    task->n = view->num_objects;
    task->from = view->rank;
    task->bytes = view->bytes;
    task->random = view->seed ^ view->round * 0xd1342543de82ef95u;
    double *slowness = c4pi_lb_new(task, ranks, sizeof(*slowness));
    double *idle = c4pi_lb_zeroed(task, view->background ? 0 : ranks, sizeof(*idle));
    task->plan = c4pi_lb_new(task, task->n, sizeof(*task->plan));
    task->load = floored_loads(task);
    if (!slowness || !idle || !task->plan || !task->load)
        return C4P_ERR_NOMEM;
    for (size_t r = 0; r < ranks; r++)
        slowness[r] = view->speed ? 1 / view->speed[r] : 1;
    task->slowness = slowness;
    task->background = view->background ? view->background : idle;
    if (task->n)
        memcpy(task->plan, view->rank, task->n * sizeof(int));
    c4pi_lb_set_ideal(task);
    return C4P_OK;
}

/* Undo a plan by which the last rank would be done later than now. */
static c4p_status_t
drop_if_worse(c4pi_lb_task_t *task)
{
    c4pi_lb_task_t real = *task;
    double *time = c4pi_lb_new(task, (size_t)task->num_ranks, sizeof(*time));
    if (!time)
        return C4P_ERR_NOMEM;
    real.load = task->view->load;
    if (c4pi_lb_times(&real, task->plan, time) > c4pi_lb_times(&real, task->from, time))
        memcpy(task->plan, task->from, task->n * sizeof(int));
    return C4P_OK;
}

c4p_status_t
c4pi_lb_run(c4pi_port_t *port, const c4pi_lb_builtin_t *strategy, const c4p_lb_view_t *view,
            int *plan)
{
    const char *why;
    c4p_status_t st = c4pi_lb_check(strategy, view, &why);
    if (st != C4P_OK || view->num_objects == 0)
        return st;
    c4pi_lb_block_t *blocks = NULL;
    c4pi_lb_task_t task = {.port = port, .blocks = &blocks, .view = view};
    st = task_fill(&task);
    if (st == C4P_OK)
        st = strategy->run(&task);
    if (st == C4P_OK && strategy->flags & NEVER_WORSE)
        st = drop_if_worse(&task);
    if (st == C4P_OK)
        memcpy(plan, task.plan, task.n * sizeof(int));
    c4pi_lb_release(&task);
    return st;
}

/* ---- what a plan is worth ---------------------------------------------------------------------- */

/* A sum that stays at the greatest value instead of wrapping. */
static void
add_capped(uint64_t *sum, uint64_t more)
{
    if (__builtin_add_overflow(*sum, more, sum))
        *sum = UINT64_MAX;
}

static uint64_t
bytes_between_ranks(const c4p_lb_view_t *view, const int *place)
{
    uint64_t cut = 0;
    if (!view->edge_first)
        return 0;
    for (size_t i = 0; i < view->num_objects; i++) {
        for (size_t e = view->edge_first[i]; e < view->edge_first[i + 1]; e++) {
            if (view->edge_to[e] > i && place[view->edge_to[e]] != place[i])
                add_capped(&cut, view->edge_bytes[e]); /* each pair once */
        }
    }
    return cut;
}

static void
judge_moves(const c4p_lb_view_t *view, const int *plan, uint64_t *memory, c4p_lb_worth_t *worth)
{
    for (size_t i = 0; i < view->num_objects; i++) {
        uint64_t bytes = view->bytes ? view->bytes[i] : 0;
        add_capped(&memory[plan[i]], bytes);
        if (plan[i] != view->rank[i]) {
            worth->moved++;
            add_capped(&worth->moved_bytes, bytes);
        }
    }
    for (int r = 0; r < view->num_ranks; r++) {
        if (memory[r] > worth->most_memory)
            worth->most_memory = memory[r];
    }
}

c4p_status_t
c4pi_lb_judge(c4pi_port_t *port, const c4p_lb_view_t *view, const int *plan,
              c4p_lb_worth_t *worth_out)
{
    c4p_lb_worth_t worth = {0};
    c4pi_lb_block_t *blocks = NULL;
    c4pi_lb_task_t task = {.port = port, .blocks = &blocks, .view = view};
    for (size_t i = 0; i < view->num_objects; i++) {
        if (plan[i] < 0 || plan[i] >= view->num_ranks)
            return C4P_ERR_RANGE;
    }
    c4p_status_t st = task_fill(&task);
    double *time = c4pi_lb_new(&task, (size_t)view->num_ranks, sizeof(*time));
    uint64_t *memory = c4pi_lb_zeroed(&task, (size_t)view->num_ranks, sizeof(*memory));
    if (st == C4P_OK && (!time || !memory))
        st = C4P_ERR_NOMEM;
    if (st == C4P_OK) {
        task.load = view->load; /* as they are, without a floor */
        c4pi_lb_set_ideal(&task);
        worth.mean = task.ideal;
        worth.max_before = c4pi_lb_times(&task, view->rank, time);
        worth.max_after = c4pi_lb_times(&task, plan, time);
        worth.cut_before = bytes_between_ranks(view, view->rank);
        worth.cut_after = bytes_between_ranks(view, plan);
        judge_moves(view, plan, memory, &worth);
        *worth_out = worth;
    }
    c4pi_lb_release(&task);
    return st;
}
