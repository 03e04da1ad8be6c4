/* SPDX-License-Identifier: Apache-2.0 */
/* rt_balance_test.c: the load database on real ranks: what is recorded of who talks to whom, loads
 * that the program gives, predictions and periods, against figures computed by hand; and that
 * objects come to those they talk to. */
#include <math.h>
#include <time.h>

#include <c4p/balance.h>
#include <c4p/section.h>
#include <c4p/sync.h>

#include "rt_support.h"

enum { MOST_EDGES = 256, MOST_ROUNDS = 16 };

typedef struct edge {
    uint64_t from, to, bytes;
} edge_t;

/* What rank 0 saw of a round. */
typedef struct seen {
    size_t num_objects, num_edges;
    edge_t edges[MOST_EDGES];
    double load[64], speed[64];
    uint64_t messages[64], bytes_sent[64];
    bool has_edges;
    c4p_lb_round_t report;
} seen_t;

typedef struct world {
    c4p_rt_t *rt;
    c4p_type_t cell;
    c4p_entry_t go, note;
    c4p_coll_t array, section;
    int64_t steps;
    bool odd_stay; /* their type says so */
    bool greedy;   /* on this rank their type reads more than was packed */
    void (*act)(struct world *w, rts_obj_t *obj);
    seen_t seen[MOST_ROUNDS];
    size_t rounds;
} world_t;

static world_t world;

/* ---- elements, which can move ----------------------------------------------------------------- */

static c4p_status_t
pack(c4p_rt_t *rt, void *object, c4p_pup_t *p, void *ctx)
{
    const rts_obj_t *obj = object;
    (void)rt, (void)ctx;
    c4p_put_u64(p, (uint64_t)obj->count);
    return C4P_OK;
}

static c4p_status_t
unpack(c4p_rt_t *rt, c4p_ref_t self, c4p_pup_t *p, void *ctx, void **object_out)
{
    rts_obj_t *obj = calloc(1, sizeof *obj);
    const world_t *w = ctx;
    (void)rt;
    CHECK(obj != NULL);
    *obj = (rts_obj_t){.next = rts_world.objs, .self = self, .count = (int64_t)c4p_get_u64(p)};
    c4p_index_unpack(self.key, 1, &obj->index);
    if (w->greedy)
        (void)c4p_get_u64(p);
    rts_world.objs = obj;
    rts_world.alive++;
    *object_out = obj;
    return C4P_OK;
}

static bool
may_move(c4p_rt_t *rt, void *object, void *ctx)
{
    const world_t *w = ctx;
    const rts_obj_t *obj = object;
    (void)rt;
    return !w->odd_stay || obj->index.at[0] % 2 == 0;
}

static void
note(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    (void)rt, (void)object, (void)msg, (void)ctx;
}

static void
say(world_t *w, int64_t to, int times, size_t len)
{
    static const char bytes[4096];
    for (int i = 0; i < times; i++)
        CHECK_OK(c4p_send(w->rt, rts_ref(w->array, to), w->note, rts_msg(w->rt, bytes, len)));
}

/* A step, then ready for the next. */
static void
go(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    world_t *w = ctx;
    rts_obj_t *obj = object;
    (void)msg;
    if (obj->count++ == w->steps)
        return;
    w->act(w, obj);
    CHECK_OK(c4p_sync(rt, obj->self, w->go));
}

/* ---- rank 0 looks ----------------------------------------------------------------------------- */

static void
look(c4p_rt_t *rt, const c4p_lb_view_t *view, const c4p_ref_t *refs, void *ctx)
{
    world_t *w = ctx;
    seen_t *seen = &w->seen[w->rounds];
    (void)rt;
    CHECK(w->rounds < MOST_ROUNDS && view->num_objects <= 64);
    *seen = (seen_t){.num_objects = view->num_objects, .has_edges = view->edge_first != NULL};
    for (int r = 0; r < view->num_ranks; r++)
        seen->speed[r] = view->speed ? view->speed[r] : 0;
    for (size_t i = 0; i < view->num_objects; i++) {
        CHECK_EQ(w->odd_stay ? 2 * i : i, refs[i].key.w[0]); /* in order, and all of them */
        seen->load[i] = view->load[i];
        seen->messages[i] = view->messages[i];
        seen->bytes_sent[i] = view->bytes_sent[i];
        size_t end = view->edge_first ? view->edge_first[i + 1] : 0;
        for (size_t e = view->edge_first ? view->edge_first[i] : 0; e < end; e++) {
            CHECK(seen->num_edges < MOST_EDGES);
            seen->edges[seen->num_edges++] = (edge_t){i, view->edge_to[e], view->edge_bytes[e]};
        }
    }
}

static void
hear(c4p_rt_t *rt, const c4p_lb_round_t *report, void *ctx)
{
    world_t *w = ctx;
    (void)rt;
    w->seen[w->rounds++].report = *report;
}

/* ---- a run ------------------------------------------------------------------------------------ */

static void
begin(int64_t steps, void (*act)(world_t *w, rts_obj_t *obj), const char *strategy)
{
    world_t *w = &world;
    *w = (world_t){.rt = rts_open(NULL), .steps = steps, .act = act};
    const c4p_type_desc_t desc = {.struct_size = sizeof desc,
                                  .name = "Cell",
                                  .construct = rts_construct,
                                  .destroy = rts_destroy,
                                  .pack = pack,
                                  .unpack = unpack,
                                  .movable = may_move,
                                  .ctx = w};
    CHECK_OK(c4p_type_add(w->rt, &desc, &w->cell));
    CHECK_OK(c4p_entry_add(w->rt, w->cell, "go", go, w, &w->go));
    CHECK_OK(c4p_entry_add(w->rt, w->cell, "note", note, w, &w->note));
    CHECK_OK(c4p_start(w->rt));
    CHECK_OK(c4p_lb_use(w->rt, strategy));
    CHECK_OK(c4p_lb_on_view(w->rt, look, w));
    CHECK_OK(c4p_lb_on_round(w->rt, hear, w));
}

/* An array of n on all ranks, and a section of some members; then all steps. */
static void
run(int64_t n, const int64_t *members, size_t num_members)
{
    world_t *w = &world;
    if (c4p_rank(w->rt) == 0) {
        c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
        c4p_ref_t refs[8];
        opts.ndims = 1;
        opts.dense = true;
        opts.dims[0] = n;
        opts.at_sync = true;
        CHECK_OK(c4p_array_new(w->rt, w->cell, &opts, NULL, &w->array));
        for (size_t i = 0; i < num_members; i++)
            refs[i] = rts_ref(w->array, members[i]);
        if (num_members)
            CHECK_OK(c4p_section_new(w->rt, w->cell, refs, num_members, &w->section));
    }
    MPI_Bcast(&w->array, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    MPI_Bcast(&w->section, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    rts_settle(w->rt);
    if (c4p_rank(w->rt) == 0)
        CHECK_OK(c4p_bcast(w->rt, w->array, w->go, rts_msg(w->rt, NULL, 0), C4P_BCAST_NO_REPLY, 0));
    rts_settle(w->rt);
    CHECK_EQ(n, rts_sum(rts_world.alive));
}

static void
end(void)
{
    rts_close(world.rt);
}

/* ---- who talks to whom ------------------------------------------------------------------------ */

enum { RING = 12, CALLER = 1 };
static const int64_t members[] = {2, 5, 9};

/* i sends i + 1 messages of 100 bytes to the next, one to itself, and 1 calls the section twice. */
static void
talk(world_t *w, rts_obj_t *obj)
{
    int64_t i = obj->index.at[0];
    say(w, (i + 1) % RING, (int)i + 1, 100);
    say(w, i, 1, 1000);
    for (int k = 0; i == CALLER && k < 2; k++)
        CHECK_OK(c4p_bcast(w->rt, w->section, w->note, rts_msg(w->rt, "0123456789", 10),
                           C4P_BCAST_NO_REPLY, 0));
}

/* What i and j are to have said to each other in a step. */
static uint64_t
expected(uint64_t i, uint64_t j)
{
    uint64_t bytes = 0;
    for (int turn = 0; turn < 2; turn++) {
        bytes += j == (i + 1) % RING ? 100 * (i + 1) : 0;
        bytes += i == CALLER && (j == 2 || j == 5 || j == 9) ? 20 : 0;
        uint64_t other = i;
        i = j;
        j = other;
    }
    return bytes;
}

static void
check_talk(const seen_t *seen)
{
    size_t at = 0;
    CHECK(seen->has_edges);
    CHECK_EQ(RING, seen->num_objects);
    for (uint64_t i = 0; i < RING; i++) {
        for (uint64_t j = 0; j < RING; j++) {
            if (i == j || !expected(i, j))
                continue;
            CHECK(at < seen->num_edges);
            CHECK_EQ(i, seen->edges[at].from);
            CHECK_EQ(j, seen->edges[at].to);
            CHECK_EQ(expected(i, j), seen->edges[at].bytes);
            at++;
        }
        CHECK_EQ(i + 2 + (i == CALLER ? 2 : 0), seen->messages[i]);
        CHECK_EQ(100 * (i + 1) + 1000 + (i == CALLER ? 20 : 0), seen->bytes_sent[i]);
    }
    CHECK_EQ(at, seen->num_edges);
}

/* Everything moves in each round, so that calls are forwarded and the section's caller leaves the
 * rank that made it. */
static void
what_is_recorded_is_what_was_sent(void)
{
    begin(5, talk, "rotate");
    CHECK_OK(c4p_lb_graph(world.rt, true));
    run(RING, members, 3);
    bool balances = c4p_rank(world.rt) == 0 && c4p_num_ranks(world.rt) > 1;
    CHECK_EQ(balances ? 5 : 0, world.rounds);
    for (size_t r = 0; r < world.rounds; r++) {
        check_talk(&world.seen[r]);
        CHECK_EQ(RING, world.seen[r].report.worth.moved);
    }
    end();
}

static void
nothing_is_recorded_unless_it_is_asked_for(void)
{
    begin(2, talk, "rotate");
    run(RING, members, 3);
    for (size_t r = 0; r < world.rounds; r++) {
        CHECK(!world.seen[r].has_edges);
        CHECK_EQ(RING + 1, world.seen[r].messages[RING - 1]);
    }
    end();
}

/* Two on each rank: one of much load, and one of little that talks to the next rank's heavy one. */
static void
chat(world_t *w, rts_obj_t *obj)
{
    int64_t i = obj->index.at[0], n = 2 * c4p_num_ranks(w->rt);
    CHECK_OK(c4p_lb_set_load(w->rt, obj->self, i % 2 ? 0.01 : 1));
    if (i % 2)
        say(w, (i + 1) % n, 10, 1000);
}

/* "comm-refine" asks for the graph by itself. Each of the light ones comes to whom it talks to,
 * which leaves the loads as even as they were; from then on nothing goes between ranks. */
static void
talkers_come_together(void)
{
    begin(3, chat, "comm-refine");
    int p = c4p_num_ranks(world.rt);
    run(2 * p, NULL, 0);
    if (c4p_rank(world.rt) == 0 && p > 1) {
        const c4p_lb_worth_t *first = &world.seen[0].report.worth;
        CHECK_EQ(3, world.rounds);
        CHECK(!world.seen[0].report.skipped);
        CHECK_EQ(10000 * p, first->cut_before);
        CHECK_EQ(0, first->cut_after);
        CHECK_EQ(p, first->moved);
        CHECK_NEAR(1.01, first->max_after, 1e-9);
        for (size_t r = 1; r < 3; r++) {
            CHECK_EQ(0, world.seen[r].report.worth.cut_before);
            CHECK_EQ(0, world.seen[r].report.worth.moved);
        }
    }
    end();
}

/* ---- ranks of differing speed ------------------------------------------------------------------ */

/* Ranks of even number are three times as fast. */
static double
speed_of(int rank)
{
    return rank % 2 ? 1 : 3;
}

static void
all_alike(world_t *w, rts_obj_t *obj)
{
    CHECK_OK(c4p_lb_set_load(w->rt, obj->self, 1));
}

/* Four on each rank: six of eight come to the faster of two, where they take 2 s, as two do on the
 * slower one, where four took 4 s. What is given is not multiplied by anything. */
static void
faster_ranks_get_more(void)
{
    begin(2, all_alike, "greedy");
    int p = c4p_num_ranks(world.rt);
    CHECK_OK(c4p_lb_speed(world.rt, speed_of(c4p_rank(world.rt))));
    run(4 * p, NULL, 0);
    CHECK_EQ(p == 1 ? 4 : 2 * (int64_t)speed_of(c4p_rank(world.rt)), rts_world.alive);
    if (c4p_rank(world.rt) == 0 && p > 1) {
        const seen_t *first = &world.seen[0];
        for (int r = 0; r < p; r++)
            CHECK_NEAR(speed_of(r), first->speed[r], 0);
        CHECK_NEAR(1, first->load[0], 0);
        CHECK_NEAR(4, first->report.worth.max_before, 1e-9);
        CHECK_NEAR(2, first->report.worth.mean, 1e-9);
        CHECK_NEAR(2, first->report.worth.max_after, 1e-9);
        CHECK_NEAR(2, world.seen[1].report.worth.max_before, 1e-9);
    }
    end();
}

enum { MS = 1000000 };

/* A millisecond of work on a fast rank, three on a slow one. */
static void
work(world_t *w, rts_obj_t *obj)
{
    const double ns = 3 / speed_of(c4p_rank(w->rt)) * MS;
    struct timespec start, now;
    (void)obj;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &start);
    do
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while ((double)(now.tv_sec - start.tv_sec) * 1e9 + (double)(now.tv_nsec - start.tv_nsec) < ns);
}

/* Of sixteen that are on a rank at first. */
static double
mean_load(const seen_t *seen, int rank)
{
    double sum = 0;
    for (int i = 16 * rank; i < 16 * (rank + 1); i++)
        sum += seen->load[i];
    return sum / 16;
}

/* Sixteen on each rank at first; then 24 on fast ones and 8 on slow ones, but for 3 %. A load is
 * what it would take on a rank of speed 1, wherever it was measured. */
static void
what_is_measured_counts_by_the_speed_of_its_rank(void)
{
    begin(3, work, "greedy-refine");
    int p = c4p_num_ranks(world.rt);
    CHECK_OK(c4p_lb_speed(world.rt, speed_of(c4p_rank(world.rt))));
    run(16 * p, NULL, 0);
    CHECK_NEAR(p == 1 ? 16 : c4p_rank(world.rt) % 2 ? 8 : 24, (double)rts_world.alive, 3);
    if (c4p_rank(world.rt) == 0 && p > 1) {
        const c4p_lb_round_t *first = &world.seen[0].report, *second = &world.seen[1].report;
        CHECK_NEAR(3e-3, mean_load(&world.seen[0], 0), 1e-3);
        CHECK_NEAR(3e-3, mean_load(&world.seen[0], p - 1), 1e-3);
        CHECK_NEAR(48e-3, first->worth.max_before, 16e-3);
        CHECK_NEAR(first->worth.max_after, second->worth.max_before, 10e-3);
        CHECK(first->point_s > 0);
    }
    end();
}

static void
speeds_that_are_none_are_refused(void)
{
    begin(1, work, "none");
    CHECK_EQ(C4P_ERR_ARG, c4p_lb_speed(NULL, 1));
    CHECK_EQ(C4P_ERR_ARG, c4p_lb_speed(world.rt, -1));
    CHECK_EQ(C4P_ERR_ARG, c4p_lb_speed(world.rt, NAN));
    CHECK_EQ(C4P_ERR_ARG, c4p_lb_speed(world.rt, 1e7));
    CHECK_OK(c4p_lb_speed(world.rt, 0)); /* measure it */
    end();
}

/* ---- loads that the program gives ------------------------------------------------------------- */

static void
heavy_first(world_t *w, rts_obj_t *obj)
{
    int64_t i = obj->index.at[0];
    double heavy = 2 + (double)obj->count; /* 3, then 4 */
    CHECK_OK(c4p_lb_set_load(w->rt, obj->self, i < c4p_num_ranks(w->rt) ? heavy : 1));
}

/* Blocks put two of load 3 on each of the first ranks; the heaviest first on the least loaded rank
 * gives each a 3 and a 1. Nothing is predicted from what is given. */
static void
given_loads_decide_the_plan(void)
{
    begin(2, heavy_first, "greedy");
    int p = c4p_num_ranks(world.rt);
    CHECK_OK(c4p_lb_predict(world.rt, "mean:3"));
    run(2 * p, NULL, 0);
    if (c4p_rank(world.rt) == 0 && p > 1) {
        CHECK_EQ(6, world.seen[0].report.worth.max_before);
        CHECK_EQ(4, world.seen[0].report.worth.max_after);
        CHECK_EQ(5, world.seen[1].report.worth.max_before);
        for (int i = 0; i < 2 * p; i++)
            CHECK_EQ(i < p ? 4 : 1, world.seen[1].load[i]);
    }
    end();
}

static void
before_the_last(world_t *w, rts_obj_t *obj)
{
    if (obj->count != w->steps - 1)
        return;
    CHECK_OK(c4p_lb_set_load(w->rt, obj->self, 1 + (double)obj->index.at[0]));
    int next = (c4p_rank(w->rt) + 1) % c4p_num_ranks(w->rt);
    CHECK_OK(c4p_migrate(w->rt, obj->self, next, NULL));
}

/* The element moves between: the load goes along, and is used in one round only. */
static void
a_given_load_travels_and_is_used_once(void)
{
    begin(4, before_the_last, "rotate");
    int p = c4p_num_ranks(world.rt);
    run(2 * p, NULL, 0);
    for (size_t r = 0; r < world.rounds; r++)
        for (int i = 0; i < 2 * p; i++) {
            if (r == 2)
                CHECK_EQ(1 + i, world.seen[r].load[i]);
            else
                CHECK(world.seen[r].load[i] < 1);
        }
    end();
}

static void
only_numbers_are_loads(void)
{
    begin(0, before_the_last, "none");
    run(4, NULL, 0);
    for (rts_obj_t *obj = rts_world.objs; obj; obj = obj->next) {
        CHECK_STATUS(C4P_ERR_ARG, c4p_lb_set_load(world.rt, obj->self, -1));
        CHECK_STATUS(C4P_ERR_ARG, c4p_lb_set_load(world.rt, obj->self, NAN));
        CHECK_STATUS(C4P_ERR_ARG, c4p_lb_set_load(world.rt, obj->self, INFINITY));
        CHECK_OK(c4p_lb_set_load(world.rt, obj->self, 0));
    }
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_lb_set_load(world.rt, rts_ref(world.array, 99), 1));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_lb_predict(world.rt, "oracle"));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_lb_predict(world.rt, "mean:0"));
    CHECK_STATUS(C4P_ERR_ARG, c4p_lb_predict(world.rt, NULL));
    end();
}

static c4p_status_t
no_plan(const c4p_lb_view_t *view, int *plan, void *ctx)
{
    (void)view, (void)plan, (void)ctx;
    return C4P_OK;
}

/* Those of Python have the names of functions. */
static void
a_strategy_may_have_a_long_name(void)
{
    char name[300], longer[302], both[700];
    begin(0, before_the_last, "none");
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    snprintf(longer, sizeof longer, "%s2", name);
    CHECK_OK(c4p_lb_add(world.rt, name, no_plan, NULL));
    CHECK_STATUS(C4P_ERR_EXISTS, c4p_lb_add(world.rt, name, no_plan, NULL));
    CHECK_OK(c4p_lb_use(world.rt, name));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_lb_use(world.rt, longer));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_lb_use(world.rt, name + 1));
    CHECK_OK(c4p_lb_add(world.rt, longer, no_plan, NULL));
    snprintf(both, sizeof both, "%s,greedy,%s", name, longer);
    CHECK_OK(c4p_lb_use(world.rt, both));
    CHECK_OK(c4p_lb_use(world.rt, "none"));
    end();
}

/* As no list of names could tell it from two. */
static void
a_strategy_has_no_comma_in_its_name(void)
{
    begin(0, before_the_last, "none");
    CHECK_STATUS(C4P_ERR_ARG, c4p_lb_add(world.rt, "own,other", no_plan, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_lb_add(world.rt, ",", no_plan, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_lb_add(world.rt, "", no_plan, NULL));
    CHECK_OK(c4p_lb_add(world.rt, "own", no_plan, NULL));
    end();
}

/* ---- who stays -------------------------------------------------------------------------------- */

static void
who_may_not_move_is_background(void)
{
    begin(3, heavy_first, "rotate");
    world.odd_stay = true;
    int64_t p = c4p_num_ranks(world.rt);
    run(2 * p, NULL, 0);
    for (size_t r = 0; r < world.rounds; r++) {
        CHECK_EQ(p, world.seen[r].num_objects);
        CHECK_EQ(p, world.seen[r].report.worth.moved);
    }
    for (int64_t i = 1; i < 2 * p; i += 2) /* where the blocks put them */
        CHECK_EQ(i / 2 == c4p_rank(world.rt), c4p_local(world.rt, rts_ref(world.array, i)) != NULL);
    end();
}

/* All want to rank 0, where none can be made, and are where they were; the objects that were made
 * there are gone again. */
static void
who_reads_too_much_goes_back(void)
{
    begin(0, before_the_last, "none");
    int64_t p = c4p_num_ranks(world.rt), me = c4p_rank(world.rt);
    run(2 * p, NULL, 0);
    world.greedy = me == 0;
    for (int64_t i = 2 * me; me != 0 && i < 2 * me + 2; i++)
        CHECK_OK(c4p_migrate(world.rt, rts_ref(world.array, i), 0, NULL));
    rts_settle(world.rt);
    CHECK_EQ(2, rts_world.alive);
    for (int64_t i = 0; i < 2 * p; i++)
        CHECK_EQ(i / 2 == me, c4p_local(world.rt, rts_ref(world.array, i)) != NULL);
    end();
}

/* ---- periods ---------------------------------------------------------------------------------- */

static void
each_third_point_has_a_round(void)
{
    begin(9, heavy_first, "none");
    CHECK_OK(c4p_lb_period(world.rt, 3));
    run(8, NULL, 0);
    if (c4p_rank(world.rt) == 0 && c4p_num_ranks(world.rt) > 1) {
        CHECK_EQ(3, world.rounds);
        for (size_t r = 0; r < 3; r++)
            CHECK_EQ(3, world.seen[r].report.points);
    }
    end();
}

TEST_CASES(what_is_recorded_is_what_was_sent, nothing_is_recorded_unless_it_is_asked_for,
           talkers_come_together, faster_ranks_get_more,
           what_is_measured_counts_by_the_speed_of_its_rank, speeds_that_are_none_are_refused,
           given_loads_decide_the_plan, a_given_load_travels_and_is_used_once,
           only_numbers_are_loads, a_strategy_may_have_a_long_name,
           a_strategy_has_no_comma_in_its_name, who_may_not_move_is_background,
           who_reads_too_much_goes_back, each_third_point_has_a_round)
