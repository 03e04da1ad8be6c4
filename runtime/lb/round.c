/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/round.h"

#include <string.h>

#include "core/load.h"
#include "core/route.h"
#include "lb/database.h"
#include "lb/need.h"
#include "lb/period.h"
#include "lb/speed.h"
#include "svc/migrate.h"
#include "svc/sync.h"

/* What a round may cost is guessed until one has been timed. */
#define GUESS_S_PER_OBJECT  20e-6
#define GUESS_S_PER_BYTE    1e-9
#define GUESS_S_PER_MESSAGE 2e-6
/* A plan must pay back in so many synchronization points, or in as many as there were. */
enum { HORIZON = 10, MAX_USES = 16 };

/* A strategy of the program's own. */
typedef struct own {
    struct own *next;
    char *name;
    c4p_lb_fn_t fn;
    void *ctx;
} own_t;

/* One of the two. */
typedef struct use {
    const c4pi_lb_builtin_t *builtin;
    const own_t *own;
} use_t;

/* As they travel. */
typedef struct plan_head {
    uint64_t expected, count;
} plan_head_t;

typedef struct plan_item {
    c4p_ref_t ref;
    uint64_t rank;
} plan_item_t;

enum { STAGE_GATHER, STAGE_STATS, STAGE_PLAN, STAGE_ABSENT, STAGE_DONE };

typedef struct c4pi_round {
    own_t *owns;
    use_t uses[MAX_USES];
    int num_uses;
    c4p_lb_view_fn_t look;
    c4p_lb_round_fn_t hear;
    void *look_ctx, *hear_ctx;

    /* this rank, in a round */
    uint64_t came, expected; /* objects, or word that they do not come */
    uint64_t refused;
    bool planned; /* the plan is here and carried out */
    double speed; /* of this rank, for the next rounds, too */

    /* rank 0 */
    uint64_t number;
    int missing;
    c4pi_database_t database;
    c4pi_period_t period;
    uint64_t points;             /* of all rounds */
    double unit_s;               /* seconds in a unit of load, in this round */
    uint64_t start_ns, since_ns; /* this round; when the last one ended */
    /* Of all rounds that moved something: one that was disturbed makes further ones look a little
     * dearer, not too dear to try. */
    double moving_s;
    uint64_t moved;
    c4p_lb_round_t report;
} c4pi_round_t;

/* ---- gathering -------------------------------------------------------------------------------- */

static void
on_gather(c4p_rt_t *rt, uint64_t points)
{
    int children[C4PI_TREE_ARITY];
    int num = c4pi_tree_children(rt->rank, 0, rt->num_ranks, children);
    for (int i = 0; i < num; i++) {
        c4p_msg_t *ask = c4pi_msg_or_die(rt, 0);
        ask->env.reference = points;
        c4pi_send_stage(rt, children[i], C4PI_BALANCE, STAGE_GATHER, ask);
    }
    c4pi_send_stage(rt, 0, C4PI_BALANCE, STAGE_STATS,
                    c4pi_database_pack(rt, points, rt->round->speed));
}

static void decide(c4p_rt_t *rt);

static void
on_stats(c4p_rt_t *rt, int rank, const uint8_t *at)
{
    c4pi_database_add(rt, &rt->round->database, rank, at);
    if (--rt->round->missing == 0)
        decide(rt);
}

/* ---- deciding --------------------------------------------------------------------------------- */

/* Whose turn it is: the last one's for all further rounds. */
static const use_t *
use_now(const c4pi_round_t *round)
{
    uint64_t last = (uint64_t)round->num_uses - 1;
    return &round->uses[round->number < last ? round->number : last];
}

/* The plan of the strategy whose turn it is; false, with a log line, if there is none to use. */
static bool
ask_strategy(c4p_rt_t *rt, const c4p_lb_view_t *view, int *plan)
{
    c4pi_round_t *round = rt->round;
    const use_t *use = use_now(round);
    const char *why = NULL;
    c4p_status_t st = c4pi_lb_check(use->builtin, view, &why);
    round->report.strategy = use->own ? use->own->name : c4pi_lb_name(use->builtin);
    if (st == C4P_OK)
        st = use->own ? use->own->fn(view, plan, use->own->ctx)
                      : c4pi_lb_run(rt->port, use->builtin, view, plan);
    if (st == C4P_OK)
        st = c4pi_lb_judge(rt->port, view, plan, &round->report.worth);
    if (st != C4P_OK)
        c4pi_log(rt->port, C4P_LOG_WARN,
                 "load balancing: '%s' gives no plan that can be used, nothing moves: %s",
                 round->report.strategy, why ? why : c4p_strerror(st));
    return st == C4P_OK;
}

/* Seconds of each rank that a plan saves at each point by fewer bytes and messages between ranks;
 * less than 0 if there will be more. */
static double
less_talk(const c4p_rt_t *rt)
{
    const c4pi_round_t *round = rt->round;
    const c4pi_edges_t *edges = &round->database.edges;
    const c4p_lb_worth_t *worth = &round->report.worth;
    if (!edges->all_bytes)
        return 0;
    double bytes = (double)worth->cut_before - (double)worth->cut_after;
    double messages = bytes * ((double)edges->all_messages / (double)edges->all_bytes);
    double both_ends = 2 * (bytes * GUESS_S_PER_BYTE + messages * GUESS_S_PER_MESSAGE);
    return both_ends / rt->num_ranks / (double)round->report.points;
}

/* Does the plan promise more than it costs? Strategies that make no promise are not asked. Loads
 * that the program gave may be in a small unit, or be seconds of what has not been seen yet. */
static bool
pays_back(const c4p_rt_t *rt)
{
    const c4pi_round_t *round = rt->round;
    const c4p_lb_worth_t *worth = &round->report.worth;
    const use_t *use = use_now(round);
    if (use->own || c4pi_lb_just_moves(use->builtin))
        return true;
    double each = round->moved ? round->moving_s / (double)round->moved : GUESS_S_PER_OBJECT;
    double cost = (double)worth->moved * each + (double)worth->moved_bytes * GUESS_S_PER_BYTE;
    double points = round->points > HORIZON ? (double)round->points : HORIZON;
    double relief =
        (worth->max_before - worth->max_after) * (round->unit_s > 1 ? round->unit_s : 1);
    return (relief + less_talk(rt)) * points > cost;
}

/* What a point will take: the busiest rank is relieved of what the plan takes from it, and
 * everything else stays as it is. */
static double
expected_s(const c4p_rt_t *rt)
{
    const c4p_lb_round_t *report = &rt->round->report;
    const c4p_lb_worth_t *worth = &report->worth;
    const bool moves = worth->moved > 0 && !report->skipped;
    const double relief_s = moves ? (worth->max_before - worth->max_after) * rt->round->unit_s : 0;
    if (c4pi_flow_comm(rt->flow)->oversubscribed)
        return 0;
    return report->point_s > relief_s ? report->point_s - relief_s : 0;
}

/* Tell each rank what to send away, and how much comes. */
static void
send_plan(c4p_rt_t *rt)
{
    const c4pi_database_t *db = &rt->round->database;
    size_t p = (size_t)rt->num_ranks;
    plan_head_t *heads = c4pi_need(rt, p, sizeof *heads);
    c4p_msg_t **msgs = c4pi_need(rt, p, sizeof *msgs);
    for (size_t i = 0; i < db->num; i++)
        if (db->plan[i] != db->rank[i]) {
            heads[db->rank[i]].count++;
            heads[db->plan[i]].expected++;
        }
    for (size_t r = 0; r < p; r++) {
        msgs[r] = c4pi_msg_or_die(rt, sizeof heads[r] + heads[r].count * sizeof(plan_item_t));
        memcpy(c4pi_msg_payload(msgs[r]), &heads[r], sizeof heads[r]);
        heads[r].count = 0;
    }
    for (size_t i = 0; i < db->num; i++) {
        int from = db->rank[i];
        if (db->plan[i] == from)
            continue;
        plan_item_t item = {db->refs[i], (uint64_t)db->plan[i]};
        uint8_t *items = (uint8_t *)c4pi_msg_payload(msgs[from]) + sizeof(plan_head_t);
        memcpy(items + heads[from].count++ * sizeof item, &item, sizeof item);
    }
    for (int r = rt->num_ranks - 1; r >= 0; r--)
        c4pi_send_stage(rt, r, C4PI_BALANCE, STAGE_PLAN, msgs[r]);
    c4pi_need_free(rt, heads, p, sizeof *heads);
    c4pi_need_free(rt, msgs, p, sizeof *msgs);
}

static void
finish(c4p_rt_t *rt)
{
    c4pi_round_t *round = rt->round;
    c4p_lb_round_t *report = &round->report;
    const c4p_lb_worth_t *worth = &report->worth;
    bool moves = worth->moved > 0 && !report->skipped;
    report->seconds = (double)(c4pi_now_ns(rt->port) - round->start_ns) * 1e-9;
    if (moves) {
        round->moving_s += report->seconds;
        round->moved += worth->moved;
    }
    c4pi_period_ran(&round->period, report->seconds,
                    ((moves ? worth->max_after : worth->max_before) - worth->mean) * round->unit_s);
    round->number++;
    round->since_ns = c4pi_now_ns(rt->port);
    if (round->hear)
        round->hear(rt, report, round->hear_ctx);
    c4pi_sync_resume(rt);
}

static void
decide(c4p_rt_t *rt)
{
    c4pi_round_t *round = rt->round;
    c4pi_database_t *db = &round->database;
    c4p_lb_view_t view;
    c4pi_database_view(rt, db, &view);
    view.seed = round->number + 1;
    view.round = round->number;
    round->report = (c4p_lb_round_t){
        .number = round->number, .num_objects = db->num, .points = round->period.points};
    if (round->look)
        round->look(rt, &view, db->refs, round->look_ctx);
    round->unit_s = c4pi_database_unit_s(db, &view);
    bool usable = ask_strategy(rt, &view, db->plan);
    round->report.skipped = !usable || !pays_back(rt);
    round->report.point_s =
        (double)(round->start_ns - round->since_ns) * 1e-9 / (double)round->report.points;
    round->report.expected_s = expected_s(rt);
    round->missing = rt->num_ranks;
    bool moves = !round->report.skipped && round->report.worth.moved > 0;
    if (moves)
        send_plan(rt);
    c4pi_database_clear(rt, db);
    if (!moves)
        finish(rt);
}

/* ---- moving ----------------------------------------------------------------------------------- */

static void
check_done(c4p_rt_t *rt)
{
    c4pi_round_t *round = rt->round;
    if (!round->planned || round->came != round->expected)
        return;
    c4p_msg_t *msg = c4pi_msg_or_die(rt, 0);
    msg->env.reference = round->refused;
    round->planned = false;
    round->came = round->expected = round->refused = 0;
    c4pi_send_stage(rt, 0, C4PI_BALANCE, STAGE_DONE, msg);
}

/* An element of the plan does not go there. */
static void
on_stays(c4p_rt_t *rt, int rank)
{
    rt->round->refused++;
    c4pi_send_stage(rt, rank, C4PI_BALANCE, STAGE_ABSENT, NULL);
}

static void
on_comes(c4p_rt_t *rt)
{
    rt->round->came++;
    check_done(rt);
}

static void
carry_out(c4p_rt_t *rt, const plan_item_t *item)
{
    c4pi_elem_t *elem = c4pi_elem_local(rt, item->ref);
    int rank = (int)item->rank;
    if (!elem || !c4pi_database_movable(elem) || c4pi_migrate_balanced(elem, rank) != C4P_OK)
        on_stays(rt, rank);
}

static void
on_plan(c4p_rt_t *rt, const uint8_t *at)
{
    plan_head_t head;
    memcpy(&head, at, sizeof head);
    at += sizeof head;
    rt->round->expected = head.expected;
    for (uint64_t i = 0; i < head.count; i++, at += sizeof(plan_item_t)) {
        plan_item_t item;
        memcpy(&item, at, sizeof item);
        carry_out(rt, &item);
    }
    rt->round->planned = true;
    check_done(rt);
}

static void
on_done(c4p_rt_t *rt, uint64_t refused)
{
    c4pi_round_t *round = rt->round;
    round->report.refused += refused;
    if (--round->missing == 0)
        finish(rt);
}

static void
on_balance(c4p_rt_t *rt, c4p_msg_t *msg)
{
    const uint8_t *at = c4pi_msg_payload(msg);
    switch (msg->env.entry) {
    case STAGE_GATHER:
        on_gather(rt, msg->env.reference);
        break;
    case STAGE_STATS:
        on_stats(rt, (int)msg->env.source, at);
        break;
    case STAGE_PLAN:
        on_plan(rt, at);
        break;
    case STAGE_ABSENT:
        on_comes(rt);
        break;
    default:
        on_done(rt, msg->env.reference);
    }
    c4pi_msg_drop(msg);
    c4pi_count_processed(rt);
}

/* Rank 0: all participants wait. */
static void
on_sync(c4p_rt_t *rt)
{
    c4pi_round_t *round = rt->round;
    double max, mean;
    if (!round->num_uses || rt->num_ranks == 1) {
        c4pi_sync_resume(rt);
        return;
    }
    c4pi_sync_loads(rt, &max, &mean);
    round->points++;
    if (!c4pi_period_due(&round->period, max, mean)) {
        c4pi_sync_resume(rt);
        return;
    }
    round->start_ns = c4pi_now_ns(rt->port);
    round->missing = rt->num_ranks;
    on_gather(rt, round->period.points);
}

/* ---- what is to be done ----------------------------------------------------------------------- */

static const own_t *
find_own(const c4pi_round_t *round, const char *name, size_t len)
{
    const own_t *own = round->owns;
    while (own && (strncmp(own->name, name, len) != 0 || own->name[len]))
        own = own->next;
    return own;
}

c4p_status_t
c4pi_round_add(c4p_rt_t *rt, const char *name, c4p_lb_fn_t fn, void *ctx)
{
    c4pi_round_t *round = rt->round;
    if (find_own(round, name, strlen(name)) || c4pi_lb_find(name))
        return C4P_ERR_EXISTS;
    own_t *own = c4pi_calloc(rt->port, sizeof *own);
    char *copy = own ? c4pi_strdup(rt->port, name) : NULL;
    if (!copy) {
        c4pi_free(rt->port, own, sizeof *own);
        return C4P_ERR_NOMEM;
    }
    *own = (own_t){round->owns, copy, fn, ctx};
    round->owns = own;
    return C4P_OK;
}

/* The strategy of the name between two places of a text. */
static c4p_status_t
find_use(const c4pi_round_t *round, const char *from, size_t len, use_t *use_out)
{
    char name[80] = ""; /* of a built-in one, all of which are shorter */
    if (len == 0)
        return C4P_ERR_NOT_FOUND;
    if (len < sizeof name)
        memcpy(name, from, len);
    *use_out = (use_t){c4pi_lb_find(name), find_own(round, from, len)};
    return use_out->builtin || use_out->own ? C4P_OK : C4P_ERR_NOT_FOUND;
}

/* Measure if there is a strategy; also who talks to whom if one needs to know. */
static c4p_status_t
measure(c4p_rt_t *rt)
{
    const c4pi_round_t *round = rt->round;
    c4p_status_t st = C4P_OK;
    if (!round->num_uses)
        c4pi_load_off(rt);
    else
        st = c4pi_load_on(rt);
    for (int i = 0; i < round->num_uses && st == C4P_OK; i++)
        if (round->uses[i].builtin && c4pi_lb_needs_edges(round->uses[i].builtin))
            st = c4pi_talk_on(rt);
    return st;
}

c4p_status_t
c4pi_round_use(c4p_rt_t *rt, const char *names)
{
    c4pi_round_t *round = rt->round;
    use_t uses[MAX_USES];
    int num = 0;
    while (names && *names) {
        size_t len = strcspn(names, ",");
        if (num == MAX_USES)
            return C4P_ERR_LIMIT;
        c4p_status_t st = find_use(round, names, len, &uses[num++]);
        if (st != C4P_OK)
            return st;
        names += len + (names[len] == ',');
    }
    memcpy(round->uses, uses, (size_t)num * sizeof *uses);
    round->num_uses = num;
    round->since_ns = c4pi_now_ns(rt->port);
    return measure(rt);
}

c4p_status_t
c4pi_round_predict(c4p_rt_t *rt, const char *predictor)
{
    return c4pi_predictor_read(predictor, &rt->round->database.predictor);
}

void
c4pi_round_period(c4p_rt_t *rt, uint64_t points)
{
    rt->round->period.every = points;
}

void
c4pi_round_speed(c4p_rt_t *rt, double speed)
{
    rt->round->speed = speed > 0 ? speed : c4pi_speed_measure(rt->port);
}

void
c4pi_round_look(c4p_rt_t *rt, c4p_lb_view_fn_t fn, void *ctx)
{
    rt->round->look = fn;
    rt->round->look_ctx = ctx;
}

void
c4pi_round_hear(c4p_rt_t *rt, c4p_lb_round_fn_t fn, void *ctx)
{
    rt->round->hear = fn;
    rt->round->hear_ctx = ctx;
}

/* ---- set-up ----------------------------------------------------------------------------------- */

c4p_status_t
c4pi_round_new(c4p_rt_t *rt)
{
    rt->round = c4pi_calloc(rt->port, sizeof *rt->round);
    if (!rt->round)
        return C4P_ERR_NOMEM;
    rt->round->period.every = 1;
    rt->round->speed = 1;
    rt->on_kind[C4PI_BALANCE] = on_balance;
    rt->on_sync = on_sync;
    rt->on_balanced_comes = on_comes;
    rt->on_balanced_stays = on_stays;
    return C4P_OK;
}

void
c4pi_round_free(c4p_rt_t *rt)
{
    c4pi_round_t *round = rt->round;
    if (!round)
        return;
    for (own_t *own = round->owns, *next; own; own = next) {
        next = own->next;
        c4pi_free(rt->port, own->name, strlen(own->name) + 1);
        c4pi_free(rt->port, own, sizeof *own);
    }
    c4pi_database_clear(rt, &round->database);
    c4pi_history_clear(rt, &round->database.history);
    c4pi_talk_off(rt);
    c4pi_free(rt->port, round, sizeof *round);
    rt->round = NULL;
}
