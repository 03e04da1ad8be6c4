/* SPDX-License-Identifier: Apache-2.0 */
/* bcast_await.c: completions of awaited broadcasts and creations. Every rank reports once when all
 * it had is finished and all its children have reported, and again whenever more finishes later;
 * the root adds up. */
#include <string.h>

#include "core/route.h"
#include "svc/bcast_state.h"
#include "svc/future.h"
#include "svc/grow.h"
#include "svc/reduce.h"

c4pi_await_t *
c4pi_await_find(c4pi_coll_t *coll, uint64_t number)
{
    c4pi_link_t *head = &coll->bcast->awaits;
    for (c4pi_link_t *link = head->prev; link != head; link = link->prev) {
        c4pi_await_t *await = C4PI_CONTAINER(link, c4pi_await_t, link);
        if (await->number == number)
            return await;
    }
    return NULL;
}

c4pi_await_t *
c4pi_await_need(c4pi_coll_t *coll, uint64_t number, c4p_future_t future, c4p_bcast_reply_t how)
{
    c4pi_await_t *await = c4pi_await_find(coll, number);
    if (await)
        return await;
    c4p_rt_t *rt = coll->rt;
    await = c4pi_calloc(rt->port, sizeof *await);
    if (!await)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for an awaited broadcast");
    await->number = number;
    await->future = future;
    await->how = how;
    await->since_ns = c4pi_now_ns(rt->port);
    c4pi_list_push(&coll->bcast->awaits, &await->link);
    return await;
}

void
c4pi_await_free(c4pi_coll_t *coll, c4pi_await_t *await)
{
    c4pi_list_remove(&await->link);
    c4pi_accum_free(await->values);
    c4pi_free(coll->rt->port, await, sizeof *await);
}

static c4pi_accum_t *
values_of(c4pi_coll_t *coll, c4pi_await_t *await)
{
    c4pi_accum_env_t env;
    c4pi_reduce_env(coll, &env);
    if (!await->values && c4pi_accum_new(&env, &await->values) != C4P_OK)
        c4pi_die(coll->rt, C4P_ERR_NOMEM, "no memory for the values of a broadcast");
    return await->values;
}

/* ---- at the root ------------------------------------------------------------------------------ */

/* DONE: nothing, or the first error in index order. */
static c4p_msg_t *
first_error(c4p_rt_t *rt, c4p_msg_t *gathered)
{
    size_t cursor = 0;
    c4p_gathered_t part;
    while (gathered && c4p_gathered_next(gathered, &cursor, &part)) {
        if (!part.is_error)
            continue;
        c4p_msg_t *error = c4pi_msg_or_die(rt, part.len);
        memcpy(c4pi_msg_payload(error), part.data, part.len);
        return error;
    }
    return NULL;
}

static void
complete(c4pi_coll_t *coll, c4pi_await_t *await)
{
    c4p_rt_t *rt = coll->rt;
    c4p_future_t future = await->future;
    bool gather = await->how == C4P_BCAST_GATHER, is_error = false;
    c4p_msg_t *value = NULL;
    if (gather || await->values) {
        if (gather)
            (void)values_of(coll, await);
        if (c4pi_accum_finish(await->values, await->number, await->finished + await->below,
                              &value) != C4P_OK)
            c4pi_die(rt, C4P_ERR_NOMEM, "no memory for the values of a broadcast");
    }
    if (!gather && value) {
        c4p_msg_t *error = first_error(rt, value);
        c4pi_msg_drop(value);
        value = error;
        is_error = error != NULL;
    }
    c4pi_await_free(coll, await);
    c4pi_future_deliver(rt, future, value, is_error);
}

static void
judge(c4pi_coll_t *coll, c4pi_await_t *await)
{
    uint64_t finished = await->finished + await->below;
    bool is_static = await->number == C4PI_REPLY_CREATION || !c4pi_grow_dynamic(coll);
    if (!await->reported)
        return;
    if (await->known ? finished == await->expected : is_static && finished == coll->num_static)
        complete(coll, await);
    else if (!await->known && !is_static)
        c4pi_wave_start(coll);
}

uint64_t
c4pi_await_query(const c4pi_coll_t *coll)
{
    uint64_t least = C4PI_REPLY_CREATION;
    const c4pi_link_t *head = &coll->bcast->awaits;
    for (const c4pi_link_t *link = head->next; link != head; link = link->next) {
        const c4pi_await_t *await = C4PI_CONTAINER(link, const c4pi_await_t, link);
        if (await->reported && !await->known && await->number < least)
            least = await->number;
    }
    return least;
}

void
c4pi_await_collect(c4pi_coll_t *coll, uint64_t min, uint64_t query, uint64_t started)
{
    c4pi_link_t *head = &coll->bcast->awaits;
    for (c4pi_link_t *link = head->next; link != head; link = link->next) {
        c4pi_await_t *await = C4PI_CONTAINER(link, c4pi_await_t, link);
        if (await->known || await->number >= min)
            continue;
        if (!c4pi_grow_dynamic(coll) || await->number == query) {
            await->known = true;
            await->expected = await->number == query ? started : coll->num_static;
        }
    }
}

uint64_t
c4pi_await_keep(const c4pi_coll_t *coll)
{
    uint64_t least = C4PI_REPLY_CREATION;
    const c4pi_link_t *head = &coll->bcast->awaits;
    for (const c4pi_link_t *link = head->next; link != head; link = link->next) {
        const c4pi_await_t *await = C4PI_CONTAINER(link, const c4pi_await_t, link);
        if (!await->known && await->number < least)
            least = await->number;
    }
    return least;
}

void
c4pi_await_after_wave(c4pi_coll_t *coll)
{
    c4pi_link_t *link, *next;
    for (link = coll->bcast->awaits.next; link != &coll->bcast->awaits; link = next) {
        c4pi_await_t *await = C4PI_CONTAINER(link, c4pi_await_t, link);
        next = link->next;
        if (await->known && await->reported && await->finished + await->below == await->expected)
            complete(coll, await);
    }
    if (c4pi_await_query(coll) != C4PI_REPLY_CREATION)
        c4pi_wave_start(coll);
}

/* ---- at every rank ---------------------------------------------------------------------------- */

static void
report_up(c4pi_coll_t *coll, c4pi_await_t *await)
{
    c4p_rt_t *rt = coll->rt;
    uint64_t finished = await->finished + await->below;
    c4p_pup_t p;
    c4p_msg_t *msg;
    c4pi_pup_pack_init(&p, &rt->msgs);
    c4p_put_u64(&p, finished - await->told);
    c4p_put_u8(&p, await->values != NULL);
    c4p_put_u8(&p, await->inserting || c4pi_bcast_inserting(coll, await->number));
    if (await->values && c4pi_accum_pack(await->values, &p) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory to report a broadcast");
    if (c4pi_pup_pack_finish(&p, &msg) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory to report a broadcast");
    await->told = finished;
    await->reported = true;
    msg->env.kind = C4PI_BCAST_DONE;
    msg->env.coll = coll->id;
    msg->env.reference = await->number;
    c4pi_bcast_set_waiter(msg, await->future, await->how);
    msg->env.source = (uint32_t)rt->rank & 0xffffff;
    c4pi_send_to(rt, c4pi_coll_parent(coll), msg);
}

static bool
over_here(const c4pi_coll_t *coll, const c4pi_await_t *await)
{
    return await->reported && await->started == await->finished &&
           (await->released || c4pi_coll_is_fixed(coll) || await->number == C4PI_REPLY_CREATION);
}

void
c4pi_await_check(c4pi_coll_t *coll, c4pi_await_t *await)
{
    c4p_rt_t *rt = coll->rt;
    int children[C4PI_TREE_ARITY];
    int n = c4pi_coll_children(coll, children);
    bool first = !await->reported;
    if (!await->passed || await->started != await->finished)
        return;
    if (c4pi_coll_is_fixed(coll) && await->number != C4PI_REPLY_CREATION &&
        c4pi_bcast_local_min(coll) <= await->number)
        return; /* its element has yet to run it, after its constructor */
    if (first && await->children != (1u << n) - 1)
        return;
    if (rt->rank == coll->root) {
        uint64_t number = await->number;
        await->reported = true;
        if (number != C4PI_REPLY_CREATION &&
            (await->inserting || c4pi_bcast_inserting(coll, number))) {
            c4pi_grow_set_dynamic(coll); /* asks for a wave, which may end at once */
            await = c4pi_await_find(coll, number);
        }
        if (await)
            judge(coll, await);
        return;
    }
    if (first || await->finished + await->below != await->told)
        report_up(coll, await);
    if (over_here(coll, await))
        c4pi_await_free(coll, await);
}

/* A child's report. */
void
c4pi_await_on_done(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    const char *why = NULL;
    c4p_pup_t p;
    bool late =
        !c4pi_await_find(coll, msg->env.reference) && msg->env.reference < coll->bcast->released;
    c4pi_await_t *await = c4pi_await_need(coll, msg->env.reference, msg->env.key.w[0],
                                          (c4p_bcast_reply_t)msg->env.key.w[1]);
    if (late) /* done with it here: only pass the report on */
        await->passed = await->reported = await->released = true;
    c4pi_pup_unpack_init(&p, c4pi_msg_payload(msg), (size_t)msg->env.len);
    await->below += c4p_get_u64(&p);
    bool has_values = c4p_get_u8(&p);
    await->inserting |= c4p_get_u8(&p);
    c4p_status_t st = C4P_OK;
    if (has_values)
        st = c4pi_accum_merge(values_of(coll, await), &p, &why);
    if (st != C4P_OK)
        c4pi_die(rt, st, "the values of a broadcast from rank %d: %s", (int)msg->env.source,
                 why ? why : c4p_strerror(st));
    int children[C4PI_TREE_ARITY];
    int n = c4pi_coll_children(coll, children);
    for (int i = 0; i < n; i++)
        if (children[i] == (int)msg->env.source)
            await->children |= 1u << i;
    c4pi_msg_drop(msg);
    c4pi_await_check(coll, await);
    c4pi_count_processed(rt);
}

void
c4pi_bcast_finished(c4pi_coll_t *coll, uint64_t number, c4p_key_t member, c4p_msg_t *value,
                    bool is_error)
{
    c4pi_await_t *await = c4pi_await_find(coll, number);
    if (!await)
        c4pi_die(coll->rt, C4P_ERR_INTERNAL, "%s answers a broadcast that nobody awaits here",
                 c4pi_type_shown(coll->type));
    if ((await->how == C4P_BCAST_GATHER || is_error) &&
        c4pi_accum_add_value(values_of(coll, await), member, is_error,
                             value ? c4pi_msg_payload(value) : NULL,
                             value ? (size_t)value->env.len : 0) != C4P_OK)
        c4pi_die(coll->rt, C4P_ERR_NOMEM, "no memory for the values of a broadcast");
    await->finished++;
    c4pi_await_check(coll, await);
}

/* An execution of which a future of this rank hears. */
typedef struct distant {
    c4pi_link_t link; /* in rt->distants */
    c4p_coll_t coll;
    uint64_t number;
    c4p_key_t member;
} distant_t;

static void
on_distant(c4p_rt_t *rt, c4p_future_t id, c4p_msg_t *msg, bool is_error, bool last, void *ctx)
{
    distant_t *distant = ctx;
    (void)id;
    (void)last;
    c4p_msg_t *value = msg ? c4pi_msg_as_bytes(rt, c4pi_msg_keep(msg)) : NULL;
    if (value && c4pi_msg_flatten(&value) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for the value of a broadcast");
    c4pi_bcast_finished(c4pi_coll_find(rt, distant->coll), distant->number, distant->member, value,
                        is_error);
    c4p_msg_free(value);
    c4pi_list_remove(&distant->link);
    c4pi_free(rt->port, distant, sizeof *distant);
}

void
c4pi_bcast_fini(c4p_rt_t *rt)
{
    while (!c4pi_list_empty(&rt->distants)) { /* of calls that were never run */
        distant_t *distant = C4PI_CONTAINER(rt->distants.next, distant_t, link);
        c4pi_list_remove(&distant->link);
        c4pi_free(rt->port, distant, sizeof *distant);
    }
}

c4p_future_t
c4pi_bcast_hear(c4p_rt_t *rt, const c4p_reply_t *reply)
{
    distant_t *distant = c4pi_alloc(rt->port, sizeof *distant);
    c4p_future_t future;
    if (distant)
        *distant = (distant_t){
            .coll = reply->member.coll, .number = reply->number, .member = reply->member.key};
    if (!distant || c4p_future_new(rt, 1, on_distant, distant, &future) != C4P_OK)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for an awaited broadcast");
    c4pi_list_push(&rt->distants, &distant->link);
    return future;
}

void
c4pi_await_release(c4pi_coll_t *coll, uint64_t upto)
{
    c4pi_link_t *link, *next;
    if (upto > coll->bcast->released)
        coll->bcast->released = upto;
    for (link = coll->bcast->awaits.next; link != &coll->bcast->awaits; link = next) {
        c4pi_await_t *await = C4PI_CONTAINER(link, c4pi_await_t, link);
        next = link->next;
        if (await->number >= upto)
            continue;
        await->released = true;
        if (coll->rt->rank != coll->root && over_here(coll, await))
            c4pi_await_free(coll, await);
    }
}

/* ---- creation --------------------------------------------------------------------------------- */

void
c4pi_await_creation(c4pi_coll_t *coll, c4p_future_t future)
{
    (void)c4pi_await_need(coll, C4PI_REPLY_CREATION, future, C4P_BCAST_DONE);
}

void
c4pi_await_creation_started(c4pi_coll_t *coll, uint64_t count)
{
    c4pi_await_t *await = c4pi_await_find(coll, C4PI_REPLY_CREATION);
    if (!await)
        return;
    await->started = count;
    await->passed = true;
    c4pi_await_check(coll, await);
}

uint64_t
c4pi_bcast_list(c4pi_coll_t *coll, struct c4p_report *report)
{
    c4pi_link_t *head = &coll->bcast->awaits;
    uint64_t count = 0;
    for (c4pi_link_t *link = head->next; coll->rt->rank == coll->root && link != head;
         link = link->next) {
        c4pi_await_t *await = C4PI_CONTAINER(link, c4pi_await_t, link);
        double age = (double)(c4pi_now_ns(coll->rt->port) - await->since_ns) * 1e-9;
        count++;
        if (!report)
            continue;
        if (await->number == C4PI_REPLY_CREATION)
            c4p_report_line(report, "creation of %s: a constructor has not finished, %.1f s",
                            c4pi_type_shown(coll->type), age);
        else
            c4p_report_line(
                report, "awaited broadcast %llu to %s: %llu executions finished, not all, %.1f s",
                (unsigned long long)await->number, c4pi_coll_label(coll),
                (unsigned long long)(await->finished + await->below), age);
    }
    return count;
}
