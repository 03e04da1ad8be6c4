/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/round.h"

#include <string.h>

#include "comm/hosts.h"
#include "core/load.h"
#include "core/route.h"
#include "svc/migrate.h"
#include "svc/sync.h"

/* What a round may cost is guessed until one has been timed. */
#define GUESS_S_PER_OBJECT 20e-6
#define GUESS_S_PER_BYTE   1e-9
/* A plan must pay back in so many rounds, or in as many as there were. */
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

typedef struct object {
    c4p_ref_t ref;
    uint64_t load_ns, bytes;
    int rank;
} object_t;

/* As they travel. */
typedef struct stats_head {
    uint64_t background_ns, count;
} stats_head_t;

typedef struct stats_item {
    c4p_ref_t ref;
    uint64_t load_ns, bytes;
} stats_item_t;

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

    /* rank 0 */
    uint64_t number;
    int missing;
    object_t *objects;
    size_t num_objects, cap_objects;
    double *background;
    uint64_t start_ns;
    /* Of all rounds that moved something: one that was disturbed makes further ones look a little
     * dearer, not too dear to try. */
    double moving_s;
    uint64_t moved;
    c4p_lb_round_t report;
} c4pi_round_t;

static C4P_NORETURN void
die_nomem(c4p_rt_t *rt)
{
    c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a round of load balancing");
}

static void *
need(c4p_rt_t *rt, size_t count, size_t size)
{
    size_t len;
    void *p =
        __builtin_mul_overflow(count ? count : 1, size, &len) ? NULL : c4pi_calloc(rt->port, len);
    if (!p)
        die_nomem(rt);
    return p;
}

static void
release(c4p_rt_t *rt, void *p, size_t count, size_t size)
{
    c4pi_free(rt->port, p, (count ? count : 1) * size);
}

/* ---- gathering -------------------------------------------------------------------------------- */

static bool
is_movable(const c4pi_elem_t *elem)
{
    const c4pi_coll_t *coll = elem->coll;
    return elem->flags & C4PI_ELEM_SYNC && elem->state == C4PI_ELEM_LIVE && !elem->extra->fixed &&
           coll->kind != C4P_KIND_GROUP && coll->type->desc.pack && coll->type->desc.unpack;
}

static void
put_coll(c4pi_coll_t *coll, c4p_pup_t *p, stats_head_t *head)
{
    for (uint32_t i = 0; i < coll->count; i++) {
        c4pi_elem_t *elem = coll->vec[i];
        uint64_t load_ns = c4pi_load_take(elem);
        if (!is_movable(elem)) {
            head->background_ns += load_ns;
            continue;
        }
        stats_item_t item = {c4pi_elem_ref(elem), load_ns, elem->extra->packed_bytes};
        c4p_put_bytes(p, &item, sizeof item);
        head->count++;
    }
}

static void
on_gather(c4p_rt_t *rt)
{
    int children[C4PI_TREE_ARITY];
    int num = c4pi_tree_children(rt->rank, 0, rt->num_ranks, children);
    for (int i = 0; i < num; i++)
        c4pi_send_stage(rt, children[i], C4PI_BALANCE, STAGE_GATHER, NULL);
    stats_head_t head = {0};
    size_t at = 0;
    uint64_t id;
    void *value;
    c4p_pup_t p;
    c4p_msg_t *msg;
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_put_bytes(&p, &head, sizeof head); /* its place */
    while (c4pi_map_next(&rt->colls, &at, &id, &value))
        if (((c4pi_coll_t *)value)->kind != C4P_KIND_SECTION)
            put_coll(value, &p, &head);
    if (c4pi_pup_pack_finish(&p, &msg) != C4P_OK)
        die_nomem(rt);
    memcpy(c4pi_msg_payload(msg), &head, sizeof head);
    c4pi_send_stage(rt, 0, C4PI_BALANCE, STAGE_STATS, msg);
}

static void
add_object(c4p_rt_t *rt, const stats_item_t *item, int rank)
{
    c4pi_round_t *round = rt->round;
    if (round->num_objects == round->cap_objects) {
        size_t cap = round->cap_objects ? 2 * round->cap_objects : 256;
        void *grown = c4pi_regrow(rt->port, round->objects, round->cap_objects * sizeof(object_t),
                                  cap * sizeof(object_t));
        if (!grown)
            die_nomem(rt);
        round->objects = grown;
        round->cap_objects = cap;
    }
    round->objects[round->num_objects++] = (object_t){item->ref, item->load_ns, item->bytes, rank};
}

static void decide(c4p_rt_t *rt);

static void
on_stats(c4p_rt_t *rt, int rank, const uint8_t *at)
{
    c4pi_round_t *round = rt->round;
    stats_head_t head;
    memcpy(&head, at, sizeof head);
    at += sizeof head;
    round->background[rank] = (double)head.background_ns * 1e-9;
    for (uint64_t i = 0; i < head.count; i++, at += sizeof(stats_item_t)) {
        stats_item_t item;
        memcpy(&item, at, sizeof item);
        add_object(rt, &item, rank);
    }
    if (--round->missing == 0)
        decide(rt);
}

/* ---- deciding --------------------------------------------------------------------------------- */

static bool
comes_before(const object_t *a, const object_t *b)
{
    if (a->ref.coll != b->ref.coll)
        return a->ref.coll < b->ref.coll;
    if (a->ref.key.w[0] != b->ref.key.w[0])
        return a->ref.key.w[0] < b->ref.key.w[0];
    return a->ref.key.w[1] < b->ref.key.w[1];
}

/* Merge sort from runs of one up, between two arrays; the result ends in `from`. */
static void
sort_objects(c4p_rt_t *rt, object_t *from, size_t n)
{
    object_t *room = need(rt, n, sizeof *room), *src = from, *dst = room;
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t start = 0; start < n; start += 2 * run) {
            size_t a = start, b = start + run < n ? start + run : n;
            size_t a_end = b, b_end = start + 2 * run < n ? start + 2 * run : n;
            for (size_t to = start; to < b_end; to++)
                dst[to] = b == b_end || (a < a_end && !comes_before(&src[b], &src[a])) ? src[a++]
                                                                                       : src[b++];
        }
        object_t *swap = src;
        src = dst;
        dst = swap;
    }
    if (src != from)
        memcpy(from, src, n * sizeof *from);
    release(rt, room, n, sizeof *room);
}

/* The arrays behind a view. */
typedef struct arrays {
    int *node, *rank, *plan;
    double *load, *coords;
    uint64_t *bytes;
    int num_coords;
} arrays_t;

static int
most_dims(c4p_rt_t *rt)
{
    const c4pi_round_t *round = rt->round;
    int most = 0;
    for (size_t i = 0; i < round->num_objects; i++) {
        const c4pi_coll_t *coll = c4pi_coll_find(rt, round->objects[i].ref.coll);
        if (coll && coll->ndims > most)
            most = coll->ndims;
    }
    return most;
}

static void
put_coords(c4p_rt_t *rt, c4p_ref_t ref, double *to)
{
    const c4pi_coll_t *coll = c4pi_coll_find(rt, ref.coll);
    c4p_index_t index;
    if (!coll)
        return;
    c4p_index_unpack(ref.key, coll->ndims, &index);
    for (int d = 0; d < coll->ndims; d++)
        to[d] = (double)index.at[d];
}

static void
arrays_new(c4p_rt_t *rt, arrays_t *a)
{
    const c4pi_round_t *round = rt->round;
    size_t n = round->num_objects, p = (size_t)rt->num_ranks;
    a->num_coords = most_dims(rt);
    a->node = need(rt, p, sizeof *a->node);
    a->rank = need(rt, n, sizeof *a->rank);
    a->plan = need(rt, n, sizeof *a->plan);
    a->load = need(rt, n, sizeof *a->load);
    a->bytes = need(rt, n, sizeof *a->bytes);
    a->coords = need(rt, n * (size_t)a->num_coords, sizeof *a->coords);
    for (int r = 0; r < rt->num_ranks; r++)
        a->node[r] = c4pi_hosts_of(&c4pi_flow_comm(rt->flow)->hosts, r);
    for (size_t i = 0; i < n; i++) {
        const object_t *object = &round->objects[i];
        a->rank[i] = a->plan[i] = object->rank;
        a->load[i] = (double)object->load_ns * 1e-9;
        a->bytes[i] = object->bytes;
        put_coords(rt, object->ref, a->coords + i * (size_t)a->num_coords);
    }
}

static void
arrays_free(c4p_rt_t *rt, arrays_t *a)
{
    size_t n = rt->round->num_objects, p = (size_t)rt->num_ranks;
    release(rt, a->node, p, sizeof *a->node);
    release(rt, a->rank, n, sizeof *a->rank);
    release(rt, a->plan, n, sizeof *a->plan);
    release(rt, a->load, n, sizeof *a->load);
    release(rt, a->bytes, n, sizeof *a->bytes);
    release(rt, a->coords, n * (size_t)a->num_coords, sizeof *a->coords);
}

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

/* Does the plan promise more than it costs? Strategies that make no promise are not asked. */
static bool
pays_back(const c4pi_round_t *round)
{
    const c4p_lb_worth_t *worth = &round->report.worth;
    const use_t *use = use_now(round);
    if (use->own || c4pi_lb_just_moves(use->builtin))
        return true;
    double each = round->moved ? round->moving_s / (double)round->moved : GUESS_S_PER_OBJECT;
    double cost = (double)worth->moved * each + (double)worth->moved_bytes * GUESS_S_PER_BYTE;
    double rounds = round->number > HORIZON ? (double)round->number : HORIZON;
    return (worth->max_before - worth->max_after) * rounds > cost;
}

/* Tell each rank what to send away, and how much comes. */
static void
send_plan(c4p_rt_t *rt, const arrays_t *a)
{
    const c4pi_round_t *round = rt->round;
    size_t p = (size_t)rt->num_ranks;
    plan_head_t *heads = need(rt, p, sizeof *heads);
    c4p_msg_t **msgs = need(rt, p, sizeof *msgs);
    for (size_t i = 0; i < round->num_objects; i++)
        if (a->plan[i] != a->rank[i]) {
            heads[a->rank[i]].count++;
            heads[a->plan[i]].expected++;
        }
    for (size_t r = 0; r < p; r++) {
        msgs[r] = c4pi_msg_or_die(rt, sizeof heads[r] + heads[r].count * sizeof(plan_item_t));
        memcpy(c4pi_msg_payload(msgs[r]), &heads[r], sizeof heads[r]);
        heads[r].count = 0;
    }
    for (size_t i = 0; i < round->num_objects; i++) {
        if (a->plan[i] == a->rank[i])
            continue;
        plan_item_t item = {round->objects[i].ref, (uint64_t)a->plan[i]};
        uint8_t *items = (uint8_t *)c4pi_msg_payload(msgs[a->rank[i]]) + sizeof(plan_head_t);
        memcpy(items + heads[a->rank[i]].count++ * sizeof item, &item, sizeof item);
    }
    for (int r = rt->num_ranks - 1; r >= 0; r--)
        c4pi_send_stage(rt, r, C4PI_BALANCE, STAGE_PLAN, msgs[r]);
    release(rt, heads, p, sizeof *heads);
    release(rt, msgs, p, sizeof *msgs);
}

static void
finish(c4p_rt_t *rt)
{
    c4pi_round_t *round = rt->round;
    c4p_lb_round_t *report = &round->report;
    report->seconds = (double)(c4pi_now_ns(rt->port) - round->start_ns) * 1e-9;
    if (report->worth.moved > 0 && !report->skipped) {
        round->moving_s += report->seconds;
        round->moved += report->worth.moved;
    }
    round->number++;
    c4pi_free(rt->port, round->objects, round->cap_objects * sizeof(object_t));
    round->objects = NULL;
    round->num_objects = round->cap_objects = 0;
    if (round->hear)
        round->hear(rt, report, round->hear_ctx);
    c4pi_sync_resume(rt);
}

/* To who keeps a record. */
static void
show(c4p_rt_t *rt, const c4p_lb_view_t *view)
{
    c4pi_round_t *round = rt->round;
    c4p_ref_t *refs = need(rt, view->num_objects, sizeof *refs);
    for (size_t i = 0; i < view->num_objects; i++)
        refs[i] = round->objects[i].ref;
    round->look(rt, view, refs, round->look_ctx);
    release(rt, refs, view->num_objects, sizeof *refs);
}

static void
decide(c4p_rt_t *rt)
{
    c4pi_round_t *round = rt->round;
    arrays_t a;
    sort_objects(rt, round->objects, round->num_objects);
    arrays_new(rt, &a);
    c4p_lb_view_t view = {.struct_size = sizeof view,
                          .seed = round->number + 1,
                          .round = round->number,
                          .num_ranks = rt->num_ranks,
                          .num_nodes = c4pi_flow_comm(rt->flow)->hosts.num_hosts,
                          .node = a.node,
                          .background = round->background,
                          .num_objects = round->num_objects,
                          .load = a.load,
                          .rank = a.rank,
                          .bytes = a.bytes,
                          .num_coords = a.num_coords,
                          .coords = a.num_coords ? a.coords : NULL};
    round->report = (c4p_lb_round_t){.number = round->number, .num_objects = round->num_objects};
    if (round->look)
        show(rt, &view);
    bool usable = ask_strategy(rt, &view, a.plan);
    round->report.skipped = !usable || !pays_back(round);
    round->missing = rt->num_ranks;
    if (!round->report.skipped && round->report.worth.moved > 0)
        send_plan(rt, &a);
    arrays_free(rt, &a);
    if (round->report.skipped || round->report.worth.moved == 0)
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
    c4pi_coll_t *coll = c4pi_coll_find(rt, item->ref.coll);
    c4pi_elem_t *elem = coll ? c4pi_elem_find(coll, item->ref.key) : NULL;
    int rank = (int)item->rank;
    if (!elem || !is_movable(elem) || c4pi_migrate_balanced(elem, rank) != C4P_OK)
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
        on_gather(rt);
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
    if (!round->num_uses || rt->num_ranks == 1) {
        c4pi_sync_resume(rt);
        return;
    }
    round->start_ns = c4pi_now_ns(rt->port);
    round->missing = rt->num_ranks;
    if (!round->background)
        round->background = need(rt, (size_t)rt->num_ranks, sizeof *round->background);
    on_gather(rt);
}

/* ---- what is to be done ----------------------------------------------------------------------- */

static const own_t *
find_own(const c4pi_round_t *round, const char *name)
{
    const own_t *own = round->owns;
    while (own && strcmp(own->name, name) != 0)
        own = own->next;
    return own;
}

c4p_status_t
c4pi_round_add(c4p_rt_t *rt, const char *name, c4p_lb_fn_t fn, void *ctx)
{
    c4pi_round_t *round = rt->round;
    if (find_own(round, name) || c4pi_lb_find(name))
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
    char name[80];
    if (len == 0 || len >= sizeof name)
        return C4P_ERR_NOT_FOUND;
    memcpy(name, from, len);
    name[len] = '\0';
    *use_out = (use_t){c4pi_lb_find(name), find_own(round, name)};
    return use_out->builtin || use_out->own ? C4P_OK : C4P_ERR_NOT_FOUND;
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
    if (num)
        return c4pi_load_on(rt);
    c4pi_load_off(rt);
    return C4P_OK;
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
    rt->on_kind[C4PI_BALANCE] = on_balance;
    rt->on_sync = on_sync;
    rt->on_balanced_comes = on_comes;
    rt->on_balanced_stays = on_stays;
    return rt->round ? C4P_OK : C4P_ERR_NOMEM;
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
    c4pi_free(rt->port, round->objects, round->cap_objects * sizeof(object_t));
    if (round->background)
        release(rt, round->background, (size_t)rt->num_ranks, sizeof *round->background);
    c4pi_free(rt->port, round, sizeof *round);
    rt->round = NULL;
}
