/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/bcast.h"

#include "core/route.h"
#include "svc/bcast_state.h"
#include "svc/grow.h"
#include "svc/section.h"

enum { PASS_BUDGET = 256, FIRST_LOG_CAP = 4 };
static const uint64_t max_log_bytes = 4 << 20;

/* What a queued pass over the local elements is: its envelope's fields. */
enum { PASS_ALL = 0, PASS_ONE = 1 };

c4p_status_t
c4pi_bcast_new(c4pi_coll_t *coll)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_bcast_t *b = c4pi_calloc(rt->port, sizeof *b);
    if (!b)
        return C4P_ERR_NOMEM;
    b->base = b->have = b->next = rt->opts.counter_base;
    b->floor_since = UINT64_MAX;
    b->log_limit = rt->opts.bcast_log;
    c4pi_list_init(&b->awaits);
    coll->bcast = b;
    return C4P_OK;
}

void
c4pi_bcast_free(c4pi_coll_t *coll)
{
    c4pi_bcast_t *b = coll->bcast;
    c4pi_port_t *port = coll->rt->port;
    if (!b)
        return;
    while (!c4pi_list_empty(&b->awaits))
        c4pi_await_free(coll, C4PI_CONTAINER(b->awaits.next, c4pi_await_t, link));
    c4pi_bcast_prune(coll, b->have);
    c4pi_free(port, b->log, b->log_cap * sizeof *b->log);
    c4pi_free(port, b->departures, b->cap_departures * sizeof *b->departures);
    c4pi_free(port, b, sizeof *b);
    coll->bcast = NULL;
}

void
c4pi_bcast_begin(c4pi_coll_t *coll, uint64_t have)
{
    c4pi_bcast_t *b = coll->bcast;
    b->base = b->have = b->next = have;
}

uint64_t
c4pi_bcast_first(const c4pi_coll_t *coll)
{
    return coll->bcast->have;
}

/* ---- the log ---------------------------------------------------------------------------------- */

static void
log_append(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    c4pi_bcast_t *b = coll->bcast;
    c4p_rt_t *rt = coll->rt;
    uint32_t used = (uint32_t)(b->have - b->base);
    if (used == b->log_cap) {
        uint32_t cap = b->log_cap ? 2 * b->log_cap : FIRST_LOG_CAP;
        c4p_msg_t **log = c4pi_alloc(rt->port, cap * sizeof *log);
        if (!log)
            c4pi_die(rt, C4P_ERR_NOMEM, "no memory to keep %u broadcasts", cap);
        for (uint32_t i = 0; i < used; i++)
            log[i] = b->log[(b->log_head + i) & (b->log_cap - 1)];
        c4pi_free(rt->port, b->log, b->log_cap * sizeof *b->log);
        b->log = log;
        b->log_cap = cap;
        b->log_head = 0;
    }
    b->log[(b->log_head + used) & (b->log_cap - 1)] = msg;
    b->log_bytes += msg->env.len;
    b->have++;
}

void
c4pi_bcast_prune(c4pi_coll_t *coll, uint64_t min)
{
    c4pi_bcast_t *b = coll->bcast;
    while (b->base < b->have && b->base < min) {
        c4p_msg_t *msg = b->log[b->log_head];
        b->log_head = (b->log_head + 1) & (b->log_cap - 1);
        b->base++;
        b->log_bytes -= msg->env.len;
        c4pi_msg_drop(msg);
    }
}

uint64_t
c4pi_bcast_local_min(const c4pi_coll_t *coll)
{
    uint64_t min = coll->bcast->have;
    for (uint32_t i = 0; i < coll->count; i++)
        if (coll->vec[i]->bcast_next < min)
            min = coll->vec[i]->bcast_next;
    return min;
}

/* ---- down the tree ---------------------------------------------------------------------------- */

static void
queue_pass(c4pi_coll_t *coll, int32_t priority, uint16_t sort, c4p_key_t key)
{
    c4p_rt_t *rt = coll->rt;
    c4p_msg_t *item = c4pi_msg_or_die(rt, 0);
    item->env.kind = C4PI_BCAST_DOWN;
    item->env.coll = coll->id;
    item->env.reference = coll->bcast->have;
    item->env.entry = sort;
    item->env.key = key;
    item->env.priority = priority;
    c4pi_enqueue_new(rt, item);
}

static void
send_down(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    c4p_rt_t *rt = coll->rt;
    int children[C4PI_TREE_ARITY];
    int n = c4pi_coll_children(coll, children);
    if (n == 0)
        return;
    c4p_msg_t *bytes = c4pi_msg_as_bytes(rt, c4pi_msg_keep(msg));
    for (int i = 0; i < n; i++)
        c4pi_send_to(rt, children[i], c4pi_msg_keep(bytes));
    c4pi_msg_drop(bytes);
}

/* A numbered broadcast is here: log it and let the local elements run it. Takes over one owner. */
static void
take(c4pi_coll_t *coll, c4p_msg_t *msg)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_bcast_t *b = coll->bcast;
    if (msg->env.reference != b->have)
        c4pi_die(rt, C4P_ERR_INTERNAL, "broadcast %llu of %s came when %llu was due",
                 (unsigned long long)msg->env.reference, c4pi_type_shown(coll->type),
                 (unsigned long long)b->have);
    c4pi_await_t *await = NULL;
    if (msg->env.key.w[0])
        await = c4pi_await_need(coll, msg->env.reference, msg->env.key.w[0],
                                (c4p_bcast_reply_t)msg->env.key.w[1]);
    int32_t priority = msg->env.priority;
    log_append(coll, msg);
    if (coll->count) {
        queue_pass(coll, priority, PASS_ALL, (c4p_key_t){{0, coll->removals}});
    } else {
        if (c4pi_coll_is_fixed(coll))
            c4pi_bcast_prune(coll, b->have);
        if (await) {
            await->passed = true;
            c4pi_await_check(coll, await);
        }
    }
    if (!c4pi_coll_is_fixed(coll) &&
        (b->have - b->base > b->log_limit || b->log_bytes > max_log_bytes ||
         (rt->chaos.on && c4pi_chaos(rt, rt->chaos.wave_now))))
        c4pi_wave_ask(coll);
}

static void
on_down(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    send_down(coll, msg);
    take(coll, msg);
    c4pi_count_processed(rt);
}

/* The root numbers it. */
static void
on_up(c4p_rt_t *rt, c4p_msg_t *msg)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (!coll) {
        c4pi_park_stranger(rt, msg);
        return;
    }
    msg->env.kind = C4PI_BCAST_DOWN;
    msg->env.reference = coll->bcast->next++;
    on_down(rt, msg);
}

void
c4pi_bcast_send(c4p_rt_t *rt, c4p_msg_t *msg)
{
    int root = c4pi_coll_root(rt, msg->env.coll);
    msg->env.kind = C4PI_BCAST_UP;
    c4pi_send_to(rt, root, root == rt->rank ? msg : c4pi_msg_as_bytes(rt, msg));
}

/* ---- running ---------------------------------------------------------------------------------- */

/* Run the element's next broadcast. The element may be gone afterwards: look at coll->removals. */
static void
run_next(c4pi_coll_t *coll, c4pi_elem_t *elem)
{
    uint64_t number = elem->bcast_next++;
    c4p_msg_t *msg = c4pi_bcast_at(coll->bcast, number);
    c4pi_entry_t *entry = c4pi_type_entry(coll->type, msg->env.entry);
    if (!entry)
        c4pi_die(coll->rt, C4P_ERR_NOT_FOUND,
                 "%s has no entry method number %u (broadcast from rank %d)",
                 c4pi_type_shown(coll->type), (unsigned)msg->env.entry, (int)msg->env.source);
    c4p_reply_t reply = {0};
    if (msg->env.key.w[0]) {
        c4p_bcast_reply_t how = (c4p_bcast_reply_t)msg->env.key.w[1];
        c4pi_await_need(coll, number, msg->env.key.w[0], how)->started++;
        reply.kind = C4PI_REPLY_BCAST;
        reply.flags = how == C4P_BCAST_GATHER ? C4PI_FLAG_WANTS : 0;
        reply.number = number;
        reply.member = c4pi_elem_ref(elem);
    }
    coll->rt->work_done++;
    c4pi_msg_keep(msg); /* the log may be pruned meanwhile */
    if (coll->section)
        c4pi_section_run(elem, number - coll->rt->opts.counter_base, msg, &reply);
    else
        c4pi_run_entry(elem, entry, msg, &reply);
    c4pi_msg_drop(msg);
}

/* Bring one element up to `upto`. False if it is gone now or the job ends. */
static bool
catch_up(c4pi_coll_t *coll, c4pi_elem_t *elem, uint64_t upto)
{
    while (elem->state == C4PI_ELEM_LIVE && elem->bcast_next < upto) {
        uint32_t removals = coll->removals;
        run_next(coll, elem);
        if (coll->rt->phase >= C4PI_PHASE_EXITING || coll->removals != removals)
            return false;
    }
    return true;
}

static void
passed(c4pi_coll_t *coll, uint64_t upto)
{
    c4pi_link_t *link, *next;
    for (link = coll->bcast->awaits.next; link != &coll->bcast->awaits; link = next) {
        c4pi_await_t *await = C4PI_CONTAINER(link, c4pi_await_t, link);
        next = link->next;
        if (!await->passed && await->number < upto) {
            await->passed = true;
            c4pi_await_check(coll, await);
        }
    }
    if (c4pi_coll_is_fixed(coll))
        c4pi_bcast_prune(coll, c4pi_bcast_local_min(coll));
    else
        c4pi_wave_caught_up(coll);
}

void
c4pi_bcast_gone(c4pi_coll_t *coll)
{
    c4pi_link_t *link, *next;
    for (link = coll->bcast->awaits.next; link != &coll->bcast->awaits; link = next) {
        next = link->next;
        c4pi_await_check(coll, C4PI_CONTAINER(link, c4pi_await_t, link));
    }
    c4pi_bcast_prune(coll, c4pi_bcast_local_min(coll));
}

void
c4pi_bcast_adopted(c4pi_coll_t *coll, int bit)
{
    c4pi_link_t *head = &coll->bcast->awaits;
    for (c4pi_link_t *link = head->next; link != head; link = link->next)
        C4PI_CONTAINER(link, c4pi_await_t, link)->children |= 1u << bit;
}

/* One turn of a pass over all elements; goes back to the front of the queue until it is through.
 * Its envelope keeps where it is and how many removals it has seen: after one the elements have
 * changed places, and it starts again, which costs little since those who are done are skipped. */
static void
run_pass_all(c4pi_coll_t *coll, c4p_msg_t *item)
{
    c4p_rt_t *rt = coll->rt;
    uint64_t upto = item->env.reference;
    uint32_t i = (uint32_t)item->env.key.w[0];
    int budget = PASS_BUDGET;
    while (rt->phase < C4PI_PHASE_EXITING) {
        if (coll->removals != (uint32_t)item->env.key.w[1]) {
            item->env.key.w[1] = coll->removals;
            i = 0;
        }
        if (i >= coll->count)
            break;
        c4pi_elem_t *elem = coll->vec[i];
        if (elem->bcast_next >= upto || elem->state != C4PI_ELEM_LIVE) {
            i++;
        } else if (budget-- == 0) {
            item->env.key.w[0] = i;
            c4pi_queue_push_front(&rt->queue, item);
            return;
        } else if (catch_up(coll, elem, upto)) {
            i++;
        }
    }
    c4pi_msg_drop(item);
    passed(coll, upto);
    c4pi_count_processed(rt);
}

static void
run_pass(c4p_rt_t *rt, c4p_msg_t *item)
{
    c4pi_coll_t *coll = c4pi_coll_find(rt, item->env.coll);
    if (item->env.entry == PASS_ALL) {
        run_pass_all(coll, item);
        return;
    }
    c4pi_elem_t *elem;
    while (rt->phase < C4PI_PHASE_EXITING && (elem = c4pi_elem_find(coll, item->env.key)) != NULL &&
           !catch_up(coll, elem, item->env.reference))
        ; /* some element went meanwhile, perhaps this one */
    c4pi_msg_drop(item);
    c4pi_wave_caught_up(coll);
    c4pi_count_processed(rt);
}

void
c4pi_bcast_catch_up(c4pi_elem_t *elem)
{
    if (elem->bcast_next < elem->coll->bcast->have)
        queue_pass(elem->coll, 0, PASS_ONE, elem->key);
}

/* ---- elements on their way -------------------------------------------------------------------- */

void
c4pi_bcast_departed(c4pi_coll_t *coll, c4p_key_t key, c4pi_version_t version, uint64_t bcast_next)
{
    c4pi_bcast_t *b = coll->bcast;
    c4pi_departure_t *departures = c4pi_make_room(coll->rt->port, b->departures, b->num_departures,
                                                  1, &b->cap_departures, sizeof *departures);
    if (!departures)
        c4pi_die(coll->rt, C4P_ERR_NOMEM, "no memory for one more departure");
    b->departures = departures;
    b->departures[b->num_departures++] = (c4pi_departure_t){key, version, bcast_next};
}

static bool
is_departure(const c4pi_bcast_t *b, uint32_t at, c4p_key_t key, c4pi_version_t version)
{
    return at < b->num_departures && c4p_key_eq(b->departures[at].key, key) &&
           c4pi_version_eq(b->departures[at].version, version);
}

/* From where the last one was in both directions: they arrive about in the order in which they
 * departed, and the last of the list has taken the place of each one that has arrived. */
static c4pi_departure_t *
find_departure(c4pi_bcast_t *b, c4p_key_t key, c4pi_version_t version)
{
    const uint32_t from = b->last_arrived < b->num_departures ? b->last_arrived : b->num_departures;
    for (uint32_t away = 0; away <= b->num_departures; away++)
        for (int side = 0; side < 2; side++) {
            const uint32_t at = side ? from + away : from - away; /* below 0: larger than all */
            if (is_departure(b, at, key, version)) {
                b->last_arrived = at;
                return &b->departures[at];
            }
        }
    return NULL;
}

void
c4pi_bcast_arrived(c4pi_coll_t *coll, c4p_key_t key, c4pi_version_t version)
{
    c4pi_bcast_t *b = coll->bcast;
    c4pi_departure_t *departure = find_departure(b, key, version);
    if (!departure)
        return;
    if (departure->floor < b->floor_since)
        b->floor_since = departure->floor;
    *departure = b->departures[--b->num_departures];
    c4pi_wave_caught_up(coll);
}

bool
c4pi_bcast_inserting(const c4pi_coll_t *coll, uint64_t number)
{
    const c4pi_bcast_t *b = coll->bcast;
    for (uint32_t i = 0; i < b->num_departures; i++)
        if (b->departures[i].version.epoch == 0 && b->departures[i].floor <= number)
            return true;
    return false;
}

void
c4pi_bcast_died(c4pi_coll_t *coll)
{
    c4pi_wave_caught_up(coll);
}

void
c4pi_bcast_population_changed(c4pi_coll_t *coll)
{
    if (c4pi_await_query(coll) != C4PI_REPLY_CREATION)
        c4pi_wave_start(coll);
}

uint64_t
c4pi_bcast_kept(const c4pi_coll_t *coll, uint64_t *moving_io)
{
    const c4pi_bcast_t *b = coll->bcast;
    *moving_io += b->num_departures;
    return b->have - b->base;
}

void
c4pi_bcast_init(c4p_rt_t *rt)
{
    rt->on_kind[C4PI_BCAST_UP] = on_up;
    rt->on_kind[C4PI_BCAST_DOWN] = on_down;
    rt->on_kind[C4PI_BCAST_DONE] = c4pi_await_on_done;
    rt->on_kind[C4PI_BCAST_WAVE] = c4pi_wave_on_message;
    rt->run_kind[C4PI_BCAST_DOWN] = run_pass;
    rt->on_departure_known = c4pi_bcast_arrived;
}
