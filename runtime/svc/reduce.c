/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/reduce.h"

#include <string.h>

#include "core/route.h"
#include "svc/accum_format.h"
#include "svc/bcast.h"
#include "svc/future.h"

/* One reduction that is not closed, at one rank. */
typedef struct round {
    struct round *next; /* by number */
    uint64_t number;
    uint64_t n_old, n_new, births, deaths;
    uint64_t contributors;
    uint64_t inserted; /* root: insertions seen of elements that start with this one */
    uint32_t past;     /* local elements that owe it nothing any more */
    uint32_t children; /* which children have reported */
    bool any;          /* holds something that the parent does not know */
    c4p_target_t target;
    c4pi_accum_t *accum;
    uint64_t since_ns;
} round_t;

typedef struct c4pi_redn {
    round_t *rounds; /* open here, ascending */
    round_t *hot;    /* the one used last */
    uint64_t first;
    uint64_t sent_below; /* partials of smaller numbers go straight up */
    uint64_t max_next;   /* no local element has a larger redn_next */
    uint32_t active;     /* children whose sub-trees have elements */
    bool told_active;    /* the parent believes that this sub-tree has elements */
    bool static_active;  /* no notices: every sub-tree has elements from the start */
    /* Root. */
    bool known;
    uint64_t population;
    uint64_t open; /* the number to close next */
} c4pi_redn_t;

static c4p_combine_fn_t
custom_reducer(c4p_rt_t *rt, uint32_t number, void **ctx_out)
{
    const c4pi_named_t *reducer = c4pi_registry_named(rt->registry, C4PI_REDUCERS, number);
    *ctx_out = reducer ? reducer->ctx : NULL;
    return reducer ? reducer->fn.combine : NULL;
}

void
c4pi_reduce_env(c4pi_coll_t *coll, c4pi_accum_env_t *env_out)
{
    c4p_rt_t *rt = coll->rt;
    *env_out = (c4pi_accum_env_t){rt->port, &rt->msgs, rt, custom_reducer, coll->ndims};
}

static C4P_NORETURN void
die_nomem(c4pi_coll_t *coll)
{
    c4pi_die(coll->rt, C4P_ERR_NOMEM, "no memory for a reduction over %s", c4pi_coll_label(coll));
}

/* Contributions cannot be combined; a reducer of the program's has said why. */
static C4P_NORETURN void
die_combining(c4pi_coll_t *coll, c4p_status_t st)
{
    if (st == C4P_ERR_NOMEM)
        die_nomem(coll);
    c4pi_die(coll->rt, st, "the contributions to a reduction over %s cannot be combined: %s",
             c4pi_coll_label(coll), c4p_strerror(st));
}

/* ---- set-up ----------------------------------------------------------------------------------- */

c4p_status_t
c4pi_reduce_new(c4pi_coll_t *coll)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_redn_t *redn = c4pi_calloc(rt->port, sizeof *redn);
    if (!redn)
        return C4P_ERR_NOMEM;
    redn->first = redn->open = redn->sent_below = redn->max_next = rt->opts.counter_base;
    const bool section = coll->kind == C4P_KIND_SECTION;
    redn->static_active =
        coll->kind == C4P_KIND_GROUP ||
        (!section && coll->dense && !coll->map && coll->num_static >= (uint64_t)rt->num_ranks);
    if (redn->static_active || section) {
        int children[C4PI_TREE_ARITY];
        int n = c4pi_coll_children(coll, children);
        redn->active = (1u << n) - 1;
        redn->told_active = true;
    }
    coll->redn = redn;
    return C4P_OK;
}

static void
free_round(c4pi_coll_t *coll, round_t *round)
{
    c4pi_accum_free(round->accum);
    c4pi_free(coll->rt->port, round, sizeof *round);
}

void
c4pi_reduce_free(c4pi_coll_t *coll)
{
    c4pi_redn_t *redn = coll->redn;
    if (!redn)
        return;
    for (round_t *round = redn->rounds, *next; round; round = next) {
        next = round->next;
        free_round(coll, round);
    }
    c4pi_free(coll->rt->port, redn, sizeof *redn);
    coll->redn = NULL;
}

void
c4pi_reduce_begin_idle(c4pi_coll_t *coll)
{
    coll->redn->told_active = false;
}

uint64_t
c4pi_reduce_first(const c4pi_coll_t *coll)
{
    return coll->redn->first;
}

static round_t *
new_round(c4pi_coll_t *coll, uint64_t number)
{
    c4pi_redn_t *redn = coll->redn;
    c4pi_port_t *port = coll->rt->port;
    round_t *round = c4pi_calloc(port, sizeof *round);
    c4pi_accum_env_t env;
    c4pi_reduce_env(coll, &env);
    if (!round || c4pi_accum_new(&env, &round->accum) != C4P_OK)
        die_nomem(coll);
    round->number = number;
    round->since_ns = c4pi_now_ns(port);
    for (uint32_t i = 0; redn->max_next > number && i < coll->count; i++)
        round->past += coll->vec[i]->redn_next > number;
    return round;
}

static round_t *
need_round(c4pi_coll_t *coll, uint64_t number)
{
    c4pi_redn_t *redn = coll->redn;
    if (redn->hot && redn->hot->number == number)
        return redn->hot;
    /* mostly the one after the one used last: an element may be thousands ahead of others */
    round_t **at = redn->hot && redn->hot->number < number ? &redn->hot->next : &redn->rounds;
    while (*at && (*at)->number < number)
        at = &(*at)->next;
    if (!*at || (*at)->number != number) {
        round_t *round = new_round(coll, number);
        round->next = *at;
        *at = round;
    }
    return redn->hot = *at;
}

static void
drop_round(c4pi_coll_t *coll, round_t *round)
{
    c4pi_redn_t *redn = coll->redn;
    round_t **at = &redn->rounds;
    while (*at != round)
        at = &(*at)->next;
    *at = round->next;
    if (redn->hot == round)
        redn->hot = NULL;
    free_round(coll, round);
}

/* ---- results ---------------------------------------------------------------------------------- */

void
c4pi_target_deliver(c4p_rt_t *rt, const c4p_target_t *target, c4p_msg_t *value)
{
    if (target->kind == C4P_TARGET_NONE) {
        c4p_msg_free(value);
        return;
    }
    if (target->kind == C4P_TARGET_FUTURE) {
        c4pi_future_deliver(rt, target->number, value, false);
        return;
    }
    if (!value) {
        value = c4pi_msg_or_die(rt, 0);
        value->env.flags |= C4PI_FLAG_EMPTY;
    }
    value->env.source = (uint32_t)rt->rank & 0xffffff;
    value->env.entry = target->entry;
    value->env.tag = target->flags;
    value->env.coll = target->ref.coll;
    if (target->kind == C4P_TARGET_ELEMENT) {
        value->env.kind = C4PI_USER;
        value->env.key = target->ref.key;
        value->env.reference = 0;
        c4pi_route_new(rt, value);
    } else if (target->kind == C4P_TARGET_BROADCAST) {
        c4pi_bcast_set_waiter(value, 0, C4P_BCAST_NO_REPLY);
        c4pi_bcast_send(rt, value);
    } else {
        value->env.kind = C4PI_HANDLER;
        value->env.reference = target->number & UINT32_MAX;
        c4pi_send_to(rt, (int)(target->number >> 32), value);
    }
}

/* Root: close what can be closed, in order. */
static void
close_rounds(c4pi_coll_t *coll)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_redn_t *redn = coll->redn;
    for (;;) {
        round_t *round = redn->rounds;
        if (!redn->known || !round || round->number != redn->open ||
            round->n_old != redn->population || round->n_new != round->births ||
            round->inserted != round->births || round->n_old + round->n_new == 0)
            return;
        redn->population += round->births - round->deaths;
        redn->open++;
        c4p_target_t target = round->target;
        c4p_msg_t *result = NULL;
        bool deliver = round->contributors > 0;
        if (deliver) {
            c4p_status_t st =
                c4pi_accum_finish(round->accum, round->number, round->contributors, &result);
            if (st != C4P_OK)
                die_combining(coll, st);
        }
        if (result)
            c4pi_result_set_coll(result, coll->id);
        drop_round(coll, round);
        if (deliver)
            c4pi_target_deliver(rt, &target, result);
    }
}

/* ---- towards the root ------------------------------------------------------------------------- */

static void
send_up(c4pi_coll_t *coll, round_t *round)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_redn_t *redn = coll->redn;
    c4p_pup_t p;
    c4p_msg_t *msg;
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_put_u64(&p, round->n_old);
    c4p_put_u64(&p, round->n_new);
    c4p_put_u64(&p, round->births);
    c4p_put_u64(&p, round->deaths);
    c4p_put_u64(&p, round->contributors);
    c4p_put_bytes(&p, &round->target, sizeof round->target);
    c4p_status_t st = c4pi_accum_pack(round->accum, &p);
    if (st != C4P_OK)
        die_combining(coll, st);
    if (c4pi_pup_pack_finish(&p, &msg) != C4P_OK)
        die_nomem(coll);
    msg->env.kind = C4PI_REDUCE;
    msg->env.coll = coll->id;
    msg->env.reference = round->number;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    if (round->number >= redn->sent_below)
        redn->sent_below = round->number + 1;
    drop_round(coll, round);
    c4pi_send_to(rt, c4pi_coll_parent(coll), msg);
}

/* Has everything come that can be expected here? */
static bool
is_complete(const c4pi_coll_t *coll, const round_t *round)
{
    const c4pi_redn_t *redn = coll->redn;
    return round->number < redn->sent_below ||
           (round->past >= coll->count && (redn->active & ~round->children) == 0);
}

static void
check_round(c4pi_coll_t *coll, round_t *round)
{
    c4p_rt_t *rt = coll->rt;
    if (rt->rank == coll->root)
        close_rounds(coll);
    else if (round->any &&
             (is_complete(coll, round) || (rt->chaos.on && c4pi_chaos(rt, rt->chaos.flush_early))))
        send_up(coll, round);
    else if (round->any)
        rt->reductions_held = true;
}

void
c4pi_reduce_contribute(c4pi_elem_t *elem, const c4p_reduce_t *how, const void *data, size_t len,
                       const c4p_target_t *target)
{
    c4pi_coll_t *coll = elem->coll;
    c4pi_redn_t *redn = coll->redn;
    round_t *round = need_round(coll, elem->redn_next);
    const char *why = NULL;
    c4p_status_t st = c4pi_accum_add(round->accum, elem->key, how, data, len, &why);
    if (st != C4P_OK) {
        char who[160];
        c4pi_die(coll->rt, st, "reduction %llu of %s: the members disagree: %s",
                 (unsigned long long)round->number, c4pi_ref_text(coll, elem->key, who, sizeof who),
                 why ? why : c4p_strerror(st));
    }
    if (elem->flags & C4PI_ELEM_BORN)
        round->n_new++;
    else
        round->n_old++;
    elem->flags &= (uint8_t)~C4PI_ELEM_BORN;
    round->births += elem->births;
    elem->births = 0;
    round->contributors++;
    round->past++;
    round->any = true;
    round->target = *target;
    if (++elem->redn_next > redn->max_next)
        redn->max_next = elem->redn_next;
    if (coll->rt->rank == coll->root || round->past >= coll->count || coll->rt->chaos.on ||
        round->number < redn->sent_below)
        check_round(coll, round);
    else
        coll->rt->reductions_held = true;
}

void
c4pi_reduce_death(c4pi_elem_t *elem)
{
    c4pi_coll_t *coll = elem->coll;
    round_t *round = need_round(coll, elem->redn_next);
    if (elem->flags & C4PI_ELEM_BORN)
        round->n_new++;
    else
        round->n_old++;
    round->births += elem->births;
    round->deaths++;
    round->any = true;
    c4pi_reduce_leaving(elem);
}

void
c4pi_reduce_arrived(c4pi_elem_t *elem)
{
    c4pi_redn_t *redn = elem->coll->redn;
    if (elem->redn_next > redn->max_next)
        redn->max_next = elem->redn_next;
    for (round_t *round = redn->rounds; round && round->number < elem->redn_next;
         round = round->next)
        round->past++;
}

void
c4pi_reduce_leaving(c4pi_elem_t *elem)
{
    c4pi_redn_t *redn = elem->coll->redn;
    for (round_t *round = redn->rounds; round && round->number < elem->redn_next;
         round = round->next)
        round->past--;
}

static void
tell_activity(c4pi_coll_t *coll)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_redn_t *redn = coll->redn;
    bool active = coll->count > 0 || redn->active;
    if (active == redn->told_active || rt->rank == coll->root || redn->static_active)
        return;
    redn->told_active = active;
    c4p_msg_t *msg = c4pi_msg_or_die(rt, 0);
    msg->env.kind = C4PI_REDUCE_HINT;
    msg->env.coll = coll->id;
    msg->env.entry = active;
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, c4pi_coll_parent(coll), msg);
}

void
c4pi_reduce_settle(c4pi_coll_t *coll)
{
    tell_activity(coll);
    if (coll->rt->rank == coll->root) {
        close_rounds(coll);
        return;
    }
    for (round_t *round = coll->redn->rounds, *next; round; round = next) {
        next = round->next;
        check_round(coll, round);
    }
}

static bool
flush_coll(c4pi_coll_t *coll, bool all)
{
    bool sent = false;
    if (coll->rt->rank == coll->root)
        return false;
    for (round_t *round = coll->redn->rounds, *next; round; round = next) {
        next = round->next;
        if (!round->any)
            continue;
        if (all || round->past >= coll->count) {
            send_up(coll, round);
            sent = true;
        } else {
            coll->rt->reductions_owed = true;
        }
    }
    return sent;
}

bool
c4pi_reduce_flush(c4p_rt_t *rt, bool all)
{
    bool sent = false;
    if (!rt->reductions_held && !(all && rt->reductions_owed))
        return false;
    rt->reductions_held = rt->reductions_owed = false;
    size_t at = 0;
    uint64_t id;
    void *value;
    while (c4pi_map_next(&rt->colls, &at, &id, &value))
        sent |= flush_coll(value, all);
    return sent;
}

static uint32_t
child_bit(c4pi_coll_t *coll, int child)
{
    int children[C4PI_TREE_ARITY];
    int n = c4pi_coll_children(coll, children);
    for (int i = 0; i < n; i++)
        if (children[i] == child)
            return 1u << i;
    return 0;
}

static void
on_partial(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    const char *why = NULL;
    c4p_pup_t p;
    round_t *round = need_round(coll, msg->env.reference);
    c4pi_pup_unpack_init(&p, c4pi_msg_payload(msg), (size_t)msg->env.len);
    round->n_old += c4p_get_u64(&p);
    round->n_new += c4p_get_u64(&p);
    round->births += c4p_get_u64(&p);
    round->deaths += c4p_get_u64(&p);
    uint64_t contributors = c4p_get_u64(&p);
    c4p_target_t target;
    c4p_get_bytes(&p, &target, sizeof target);
    if (contributors)
        round->target = target;
    round->contributors += contributors;
    round->children |= child_bit(coll, (int)msg->env.source);
    round->any = true;
    c4p_status_t st = c4pi_accum_merge(round->accum, &p, &why);
    if (st != C4P_OK)
        c4pi_die(rt, st, "reduction %llu of %s: the members disagree: %s",
                 (unsigned long long)round->number, c4pi_coll_label(coll),
                 why ? why : c4p_strerror(st));
    c4pi_msg_drop(msg);
    check_round(coll, round);
    c4pi_count_processed(rt);
}

static void
on_hint(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    uint32_t bit = child_bit(coll, (int)msg->env.source);
    if (msg->env.entry)
        coll->redn->active |= bit;
    else
        coll->redn->active &= ~bit;
    c4pi_msg_drop(msg);
    c4pi_reduce_settle(coll);
    c4pi_count_processed(rt);
}

/* ---- root ------------------------------------------------------------------------------------- */

void
c4pi_reduce_open(c4pi_coll_t *coll, uint64_t population)
{
    coll->redn->known = true;
    coll->redn->population = population;
    close_rounds(coll);
}

bool
c4pi_reduce_is_open(const c4pi_coll_t *coll)
{
    return coll->redn->known;
}

uint64_t
c4pi_reduce_birth(c4pi_coll_t *coll)
{
    round_t *round = need_round(coll, coll->redn->open);
    round->births++;
    round->inserted++;
    return round->number;
}

void
c4pi_reduce_member_birth(c4pi_coll_t *coll, uint64_t number)
{
    need_round(coll, number)->inserted++;
}

uint64_t
c4pi_reduce_list(c4pi_coll_t *coll, struct c4p_report *report)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_redn_t *redn = coll->redn;
    uint64_t count = 0;
    if (rt->rank != coll->root)
        return 0;
    for (round_t *round = redn->rounds; round; round = round->next) {
        if (!round->contributors)
            continue;
        count++;
        if (!report)
            continue;
        double age = (double)(c4pi_now_ns(rt->port) - round->since_ns) * 1e-9;
        uint64_t due = redn->population + round->births;
        if (!redn->known)
            c4p_report_line(report,
                            "reduction %llu over %s: %llu contributed, but nobody has said that "
                            "inserting is done (ckDoneInserting), %.1f s",
                            (unsigned long long)round->number, c4pi_coll_label(coll),
                            (unsigned long long)round->contributors, age);
        else
            c4p_report_line(
                report, "reduction %llu over %s: %llu of %llu members have contributed, %.1f s",
                (unsigned long long)round->number, c4pi_coll_label(coll),
                (unsigned long long)(round->n_old + round->n_new), (unsigned long long)due, age);
    }
    return count;
}

void
c4pi_reduce_init(c4p_rt_t *rt)
{
    rt->on_kind[C4PI_REDUCE] = on_partial;
    rt->on_kind[C4PI_REDUCE_HINT] = on_hint;
}
