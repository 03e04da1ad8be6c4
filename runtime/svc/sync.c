/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/sync.h"

#include <string.h>

#include "core/load.h"
#include "core/route.h"
#include "svc/stall.h"

typedef struct c4pi_sync {
    uint64_t step;             /* the point that comes next */
    uint64_t passed_wave;      /* the wave that decided about the one before */
    uint64_t members, waiting; /* participants here; those of them that wait for it */
    /* Participants that moved away from here or were asked for, and that moved to here or were
     * made, ever. */
    uint64_t left, arrived;
    int num_children, children[C4PI_TREE_ARITY];

    /* Since the last wave, or since the start: which sub-trees were not ready, and which have given
     * a hint since (the number of the wave they had answered last). */
    bool asked, hinted;
    bool told_members; /* the rank above believes that there are some here or below */
    bool late[C4PI_TREE_ARITY], has_members[C4PI_TREE_ARITY];
    uint64_t hint_wave[C4PI_TREE_ARITY];

    /* the wave in progress */
    uint64_t wave;
    int missing;
    bool all_ready;
    uint64_t sum_members, sum_left, sum_arrived;
    uint64_t sum_load_ns, max_load_ns; /* of the ranks, since the last point */

    /* rank 0 */
    bool busy; /* from the first wave to the end of the point, or to a wave that failed */
    bool confirming;
    uint64_t last_left, last_arrived;
} c4pi_sync_t;

enum { STAGE_HINT, STAGE_ASK, STAGE_ANSWER, STAGE_RESUME };

typedef struct sync_sums {
    uint64_t ready, members, left, arrived, load_ns, max_load_ns;
} sync_sums_t;

/* ---- messages --------------------------------------------------------------------------------- */

static void
send_stage(c4p_rt_t *rt, int rank, uint16_t stage, uint64_t number, const sync_sums_t *sums)
{
    c4p_msg_t *msg = c4pi_msg_or_die(rt, sums ? sizeof *sums : 0);
    if (sums)
        memcpy(c4pi_msg_payload(msg), sums, sizeof *sums);
    msg->env.reference = number;
    c4pi_send_stage(rt, rank, C4PI_SYNC, stage, msg);
}

static int
child_place(const c4pi_sync_t *sync, int rank)
{
    int i = 0;
    while (sync->children[i] != rank)
        i++;
    return i;
}

/* ---- hints ------------------------------------------------------------------------------------ */

static bool
ready_here(const c4pi_sync_t *sync)
{
    return sync->waiting == sync->members;
}

static void start_wave(c4p_rt_t *rt);

static void
give_hint(c4p_rt_t *rt)
{
    c4pi_sync_t *sync = rt->sync;
    sync->hinted = sync->told_members = true;
    if (rt->rank != 0) {
        send_stage(rt, c4pi_tree_parent(rt->rank, 0, rt->num_ranks), STAGE_HINT, sync->wave, NULL);
    } else if (!sync->busy) {
        sync->busy = true;
        sync->confirming = false;
        start_wave(rt);
    }
}

/* Something has become ready: pass it on when there is nothing more to wait for. */
static void
check(c4p_rt_t *rt)
{
    c4pi_sync_t *sync = rt->sync;
    if (sync->hinted || sync->missing)
        return;
    bool ready = ready_here(sync);
    for (int i = 0; sync->asked && ready && i < sync->num_children; i++)
        ready = !sync->late[i];
    if (ready)
        give_hint(rt);
}

static void
on_hint(c4p_rt_t *rt, int from, uint64_t wave)
{
    c4pi_sync_t *sync = rt->sync;
    int i = child_place(sync, from);
    sync->hint_wave[i] = wave + 1;
    if (wave >= sync->wave) {
        sync->late[i] = false;
        sync->hinted = false; /* somebody has arrived there since the answer: that has to be told */
    }
    sync->has_members[i] = true;
    check(rt);
}

/* ---- waves ------------------------------------------------------------------------------------ */

static void wave_over(c4p_rt_t *rt);

static void
wave_begins(c4p_rt_t *rt, uint64_t wave)
{
    c4pi_sync_t *sync = rt->sync;
    sync->wave = wave;
    sync->missing = sync->num_children;
    sync->all_ready = true;
    sync->sum_members = sync->sum_left = sync->sum_arrived = 0;
    sync->sum_load_ns = sync->max_load_ns = 0;
    for (int i = 0; i < sync->num_children; i++)
        send_stage(rt, sync->children[i], STAGE_ASK, wave, NULL);
    if (!sync->missing)
        wave_over(rt);
}

static void
start_wave(c4p_rt_t *rt)
{
    wave_begins(rt, rt->sync->wave + 1);
}

/* Has a sub-tree given a hint since it answered the last wave? */
static bool
hint_came(const c4pi_sync_t *sync)
{
    bool came = false;
    for (int i = 0; i < sync->num_children; i++)
        came |= sync->hint_wave[i] > sync->wave;
    return came;
}

/* Rank 0: the wave is back. */
static void
decide(c4p_rt_t *rt)
{
    c4pi_sync_t *sync = rt->sync;
    if (sync->sum_left < sync->last_arrived) /* waves do not overlap */
        c4pi_die(rt, C4P_ERR_INTERNAL, "%llu participants had arrived of %llu that left",
                 (unsigned long long)sync->last_arrived, (unsigned long long)sync->sum_left);
    sync->last_arrived = sync->sum_arrived;
    if (!sync->all_ready || !sync->sum_members) {
        sync->busy = false;
        return;
    }
    bool settled = sync->sum_left == sync->sum_arrived;
    if (settled && sync->confirming && sync->last_left == sync->sum_left) {
        if (rt->on_sync)
            rt->on_sync(rt);
        else
            c4pi_sync_resume(rt);
        return;
    }
    sync->confirming = settled;
    sync->last_left = sync->sum_left;
    if (sync->sum_left > sync->sum_arrived)
        sync->busy = false; /* somebody is under way: there will be a hint from where it arrives */
    else
        start_wave(rt);
}

static void
add_load(c4pi_sync_t *sync, uint64_t sum_ns, uint64_t max_ns)
{
    sync->sum_load_ns += sum_ns;
    if (max_ns > sync->max_load_ns)
        sync->max_load_ns = max_ns;
}

/* All below have answered. */
static void
wave_over(c4p_rt_t *rt)
{
    c4pi_sync_t *sync = rt->sync;
    uint64_t load_ns = c4pi_load_of_rank(rt);
    add_load(sync, load_ns, load_ns);
    sync->all_ready = sync->all_ready && ready_here(sync);
    sync->sum_members += sync->members;
    sync->sum_left += sync->left;
    sync->sum_arrived += sync->arrived;
    sync->asked = true;
    sync->told_members = sync->sum_members > 0;
    bool again = !sync->all_ready || hint_came(sync);
    sync->hinted = !again; /* said it with this answer */
    if (rt->rank == 0) {
        uint64_t wave = sync->wave;
        decide(rt);
        if (again && wave == sync->wave)
            check(rt);
        return;
    }
    sync_sums_t sums = {sync->all_ready,   sync->sum_members, sync->sum_left,
                        sync->sum_arrived, sync->sum_load_ns, sync->max_load_ns};
    send_stage(rt, c4pi_tree_parent(rt->rank, 0, rt->num_ranks), STAGE_ANSWER, sync->wave, &sums);
    if (again)
        check(rt);
}

static void
on_answer(c4p_rt_t *rt, int from, uint64_t wave, const sync_sums_t *sums)
{
    c4pi_sync_t *sync = rt->sync;
    int i = child_place(sync, from);
    sync->has_members[i] = sums->members > 0;
    sync->late[i] = !sums->ready && sync->hint_wave[i] <= wave;
    sync->all_ready = sync->all_ready && sums->ready;
    sync->sum_members += sums->members;
    sync->sum_left += sums->left;
    sync->sum_arrived += sums->arrived;
    add_load(sync, sums->load_ns, sums->max_load_ns);
    if (--sync->missing == 0)
        wave_over(rt);
}

/* ---- going on --------------------------------------------------------------------------------- */

/* The point for which the element waits has been passed. */
static void
go_on(c4pi_elem_t *elem)
{
    c4p_rt_t *rt = elem->coll->rt;
    c4p_msg_t *msg = c4pi_msg_or_die(rt, 0);
    elem->extra->sync_waits = false;
    elem->extra->sync_step++;
    msg->env.kind = C4PI_USER;
    msg->env.flags = C4PI_FLAG_EMPTY;
    msg->env.entry = elem->extra->sync_entry;
    msg->env.coll = elem->coll->id;
    msg->env.key = elem->key;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_route_new(rt, msg);
}

static bool
waits_for(const c4pi_elem_t *elem, uint64_t step)
{
    return elem->flags & C4PI_ELEM_SYNC && elem->extra->sync_waits &&
           elem->extra->sync_step == step;
}

/* A participant that was counted when the last point was reached goes on. The point was not its own
 * if it began to take part too late for that: others that it may know of were not waited for. */
static void
catch_up(c4pi_elem_t *elem)
{
    c4pi_sync_t *sync = elem->coll->rt->sync;
    c4pi_elem_extra_t *extra = elem->extra;
    if ((int64_t)(extra->sync_step - sync->step) < 0) {
        if (extra->sync_waits && (int64_t)(extra->sync_since - sync->passed_wave) < 0) {
            go_on(elem);
            return;
        }
        extra->sync_step = sync->step;
    }
    sync->waiting += waits_for(elem, sync->step);
}

static void
resume_coll(c4pi_coll_t *coll)
{
    for (uint32_t i = 0; i < coll->count; i++)
        if (coll->vec[i]->flags & C4PI_ELEM_SYNC)
            catch_up(coll->vec[i]);
}

static void
on_resume(c4p_rt_t *rt, uint64_t step)
{
    c4pi_sync_t *sync = rt->sync;
    size_t at = 0;
    uint64_t id;
    void *coll;
    for (int i = 0; i < sync->num_children; i++) {
        send_stage(rt, sync->children[i], STAGE_RESUME, step, NULL);
        sync->late[i] = sync->has_members[i];
    }
    c4pi_load_next_point(rt);
    sync->step = step + 1;
    sync->passed_wave = sync->wave;
    sync->waiting = 0;
    sync->hinted = false;
    while (sync->members && c4pi_map_next(&rt->colls, &at, &id, &coll))
        resume_coll(coll);
    if (sync->members || sync->told_members)
        check(rt);
}

void
c4pi_sync_loads(const c4p_rt_t *rt, double *max_out, double *mean_out)
{
    *max_out = (double)rt->sync->max_load_ns * 1e-9;
    *mean_out = (double)rt->sync->sum_load_ns * 1e-9 / rt->num_ranks;
}

void
c4pi_sync_resume(c4p_rt_t *rt)
{
    rt->sync->busy = false;
    on_resume(rt, rt->sync->step);
}

static void
on_sync(c4p_rt_t *rt, c4p_msg_t *msg)
{
    int from = (int)msg->env.source;
    uint64_t number = msg->env.reference;
    switch (msg->env.entry) {
    case STAGE_HINT:
        on_hint(rt, from, number);
        break;
    case STAGE_ASK:
        wave_begins(rt, number);
        break;
    case STAGE_ANSWER: {
        sync_sums_t sums;
        memcpy(&sums, c4pi_msg_payload(msg), sizeof sums);
        on_answer(rt, from, number, &sums);
        break;
    }
    default:
        on_resume(rt, number);
    }
    c4pi_msg_drop(msg);
    c4pi_count_processed(rt);
}

/* ---- participants ----------------------------------------------------------------------------- */

void
c4pi_sync_made(c4p_rt_t *rt, uint64_t count)
{
    rt->sync->left += count;
}

void
c4pi_sync_not_made(c4p_rt_t *rt)
{
    rt->sync->arrived++;
    rt->sync->hinted = false; /* this may have been waited for */
    check(rt);
}

void
c4pi_sync_born(c4pi_elem_t *elem)
{
    elem->coll->rt->sync->arrived++;
    c4pi_sync_join(elem);
}

void
c4pi_sync_join(c4pi_elem_t *elem)
{
    c4pi_sync_t *sync = elem->coll->rt->sync;
    if (elem->flags & C4PI_ELEM_SYNC)
        return;
    elem->flags |= C4PI_ELEM_SYNC;
    c4pi_elem_need_extra(elem)->sync_step = sync->step;
    elem->extra->sync_since = sync->wave - (sync->missing > 0);
    sync->members++;
    sync->hinted = false; /* it has to say so when it is ready again */
}

c4p_status_t
c4pi_sync_wait(c4pi_elem_t *elem, c4p_entry_t entry)
{
    c4p_rt_t *rt = elem->coll->rt;
    bool arriving = elem->state == C4PI_ELEM_NEW && elem->version.epoch > 0;
    if (!(elem->flags & C4PI_ELEM_SYNC) || arriving)
        return C4P_ERR_STATE;
    if (elem->extra->sync_waits)
        return C4P_ERR_BUSY;
    elem->extra->sync_waits = true;
    elem->extra->sync_entry = entry;
    if (elem->extra->sync_step == rt->sync->step)
        rt->sync->waiting++;
    check(rt);
    return C4P_OK;
}

void
c4pi_sync_put(const c4pi_elem_t *elem, c4p_pup_t *p)
{
    if (!(elem->flags & C4PI_ELEM_SYNC))
        return;
    c4p_put_u64(p, elem->extra->sync_step);
    c4p_put_u64(p, elem->extra->sync_since);
    c4p_put_u32(p, elem->extra->sync_entry);
    c4p_put_u8(p, elem->extra->sync_waits);
}

void
c4pi_sync_get(c4pi_elem_t *elem, c4p_pup_t *p)
{
    if (!(elem->flags & C4PI_ELEM_SYNC))
        return;
    c4pi_elem_extra_t *extra = c4pi_elem_need_extra(elem);
    extra->sync_step = c4p_get_u64(p);
    extra->sync_since = c4p_get_u64(p);
    extra->sync_entry = (c4p_entry_t)c4p_get_u32(p);
    extra->sync_waits = c4p_get_u8(p);
}

void
c4pi_sync_left(c4pi_elem_t *elem, bool moves)
{
    c4p_rt_t *rt = elem->coll->rt;
    c4pi_sync_t *sync = rt->sync;
    if (!(elem->flags & C4PI_ELEM_SYNC))
        return;
    sync->members--;
    sync->left += moves;
    if (waits_for(elem, sync->step))
        sync->waiting--;
    check(rt); /* also without members: the rank above may believe that it has to wait for this one
                */
}

void
c4pi_sync_arrived(c4pi_elem_t *elem)
{
    c4p_rt_t *rt = elem->coll->rt;
    c4pi_sync_t *sync = rt->sync;
    if (!(elem->flags & C4PI_ELEM_SYNC))
        return;
    sync->members++;
    sync->arrived++;
    sync->hinted = false;
    catch_up(elem); /* a point may have been passed while it was under way */
    check(rt);
}

void
c4pi_sync_passes(c4pi_elem_t *elem)
{
    c4pi_sync_t *sync = elem->coll->rt->sync;
    bool takes_part = elem->flags & C4PI_ELEM_SYNC;
    sync->arrived += takes_part;
    sync->left += takes_part;
}

uint64_t
c4pi_sync_list(c4p_rt_t *rt, struct c4p_report *report)
{
    const c4pi_sync_t *sync = rt->sync;
    if (sync->members && report)
        c4p_report_line(report,
                        "synchronization point %llu: %llu of %llu participants on rank %d are "
                        "ready; it takes all of them, of all collections",
                        (unsigned long long)(sync->step - rt->opts.counter_base),
                        (unsigned long long)sync->waiting, (unsigned long long)sync->members,
                        rt->rank);
    return sync->waiting;
}

/* ---- set-up ----------------------------------------------------------------------------------- */

c4p_status_t
c4pi_sync_new(c4p_rt_t *rt)
{
    rt->sync = c4pi_calloc(rt->port, sizeof *rt->sync);
    rt->on_kind[C4PI_SYNC] = on_sync;
    return rt->sync ? C4P_OK : C4P_ERR_NOMEM;
}

void
c4pi_sync_attach(c4p_rt_t *rt)
{
    c4pi_sync_t *sync = rt->sync;
    sync->step = sync->wave = rt->opts.counter_base;
    sync->num_children = c4pi_tree_children(rt->rank, 0, rt->num_ranks, sync->children);
}

void
c4pi_sync_free(c4p_rt_t *rt)
{
    c4pi_free(rt->port, rt->sync, sizeof *rt->sync);
    rt->sync = NULL;
}
