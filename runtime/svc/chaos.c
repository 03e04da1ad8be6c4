/* SPDX-License-Identifier: Apache-2.0 */
#include "svc/chaos.h"

#include <stdio.h>
#include <string.h>

#include "base/env.h"
#include "core/collection.h"
#include "svc/migrate.h"

enum { ONE = 65536, WINDOW = 32 };

/* ---- reading ---------------------------------------------------------------------------------- */

/* "0.25" as a chance in 65536. */
static bool
read_chance(const char *text, size_t len, uint32_t *chance_out)
{
    uint64_t value = 0, scale = 1;
    bool point = false, digits = false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '.' && !point) {
            point = true;
        } else if (text[i] >= '0' && text[i] <= '9' && scale < 1000000000 && value < 1000000000) {
            value = value * 10 + (uint64_t)(text[i] - '0');
            scale *= point ? 10 : 1;
            digits = true;
        } else {
            return false;
        }
    }
    if (!digits || value > scale)
        return false;
    *chance_out = (uint32_t)(value * ONE / scale);
    if (value && !*chance_out)
        *chance_out = 1;
    return true;
}

/* "0.01" or "0.01:500us", the longest pause. */
static bool
read_delay(const char *text, size_t len, c4pi_chaos_t *chaos)
{
    static const struct unit {
        const char *name;
        uint64_t ns;
    } units[] = {{"ns", 1}, {"us", 1000}, {"ms", 1000000}};
    const char *colon = memchr(text, ':', len);
    chaos->delay_ns = 200000;
    if (!read_chance(text, colon ? (size_t)(colon - text) : len, &chaos->delay))
        return false;
    if (!colon)
        return true;
    const char *at = colon + 1;
    uint64_t value = 0;
    for (; at < text + len && *at >= '0' && *at <= '9' && value < 1000000; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if ((size_t)(text + len - at) != 2 || memcmp(at, units[i].name, 2) != 0 || !value)
            continue;
        chaos->delay_ns = value * units[i].ns;
        return chaos->delay_ns <= 1000000000;
    }
    return false;
}

static bool
read_queue(const char *text, size_t len, c4pi_chaos_t *chaos)
{
    static const char *const words[] = {"fifo", "random", "lifo"};
    for (int i = 0; i < 3; i++)
        if (strlen(words[i]) == len && memcmp(words[i], text, len) == 0) {
            chaos->queue = (c4pi_chaos_queue_t)i;
            return true;
        }
    return false;
}

static bool
read_seed(const char *text, size_t len, c4pi_chaos_t *chaos)
{
    char number[40];
    if (!len || len >= sizeof number)
        return false;
    memcpy(number, text, len);
    number[len] = 0;
    return c4pi_env_number(number, &chaos->seed);
}

enum { SEED, MIGRATE, QUEUE, DELAY, DROPCACHE, FLUSH, WAVE, NUM_KEYS };
static const char *const keys[NUM_KEYS + 1] = {"seed",      "migrate", "queue", "delay",
                                               "dropcache", "flush",   "wave",  NULL};
static const char *const values[NUM_KEYS] = {"a number",
                                             "a chance from 0 to 1",
                                             "fifo, random or lifo",
                                             "a chance, as 0.01, 0.01:500us (1s at most)",
                                             "a chance from 0 to 1",
                                             "a chance from 0 to 1",
                                             "a chance from 0 to 1"};

static bool
read_value(int key, const char *text, size_t len, c4pi_chaos_t *chaos)
{
    switch (key) {
    case SEED:
        return read_seed(text, len, chaos);
    case MIGRATE:
        return read_chance(text, len, &chaos->migrate);
    case QUEUE:
        return read_queue(text, len, chaos);
    case DELAY:
        return read_delay(text, len, chaos);
    case DROPCACHE:
        return read_chance(text, len, &chaos->forget_cache);
    case FLUSH:
        return read_chance(text, len, &chaos->flush_early);
    default:
        return read_chance(text, len, &chaos->wave_now);
    }
}

static c4p_status_t
unknown_key(c4p_rt_t *rt, const char *text, size_t len)
{
    char name[40] = "";
    memcpy(name, text, len < sizeof name ? len : sizeof name - 1);
    const char *nearest = c4pi_nearest(name, keys);
    c4pi_log(rt->port, C4P_LOG_ERROR,
             "C4PY_CHAOS has no key '%s'%s%s%s; the keys are seed, migrate, queue, delay, "
             "dropcache, flush, wave",
             name, nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return C4P_ERR_OPTION;
}

/* One "key=value". */
static c4p_status_t
read_item(c4p_rt_t *rt, const char *item, size_t len)
{
    const char *equals = memchr(item, '=', len);
    size_t name = equals ? (size_t)(equals - item) : len;
    int key = 0;
    while (key < NUM_KEYS && (strlen(keys[key]) != name || memcmp(keys[key], item, name) != 0))
        key++;
    if (key == NUM_KEYS)
        return unknown_key(rt, item, name);
    if (equals && read_value(key, equals + 1, len - name - 1, &rt->chaos))
        return C4P_OK;
    c4pi_log(rt->port, C4P_LOG_ERROR, "C4PY_CHAOS has '%.*s'; %s takes %s", (int)len, item,
             keys[key], values[key]);
    return C4P_ERR_OPTION;
}

/* ---- what happens ----------------------------------------------------------------------------- */

static uint64_t
draw(c4p_rt_t *rt)
{
    return c4pi_hash_u64(rt->chaos.state++);
}

static bool
chance(c4p_rt_t *rt, uint32_t p)
{
    return p && (draw(rt) & 0xffff) < p;
}

/* The element that a queued message is for; NULL: it is none of this sort. */
static const c4pi_elem_t *
elem_of(const c4p_msg_t *msg)
{
    bool to_element = msg->env.kind == C4PI_USER || msg->env.kind == C4PI_DESTROY ||
                      msg->env.kind == C4PI_SECTION_CALL;
    return to_element ? msg->where : NULL;
}

/* Some element that has just run, if `msg` runs any: the one called, or one of a broadcast's. */
static c4p_ref_t
who_runs(c4p_rt_t *rt, const c4p_msg_t *msg)
{
    const c4pi_elem_t *elem = elem_of(msg);
    if (elem)
        return c4pi_elem_ref(elem);
    c4pi_coll_t *coll = c4pi_coll_find(rt, msg->env.coll);
    if (msg->env.kind != C4PI_BCAST_DOWN || !coll || !coll->count)
        return (c4p_ref_t){0};
    return c4pi_elem_ref(coll->vec[draw(rt) % coll->count]);
}

static void
move_some(c4p_rt_t *rt, c4p_ref_t who)
{
    c4pi_coll_t *coll = who.coll ? c4pi_coll_find(rt, who.coll) : NULL;
    if (!coll || coll->kind != C4P_KIND_ARRAY || !chance(rt, rt->chaos.migrate))
        return;
    int rank = (int)(draw(rt) % (uint64_t)rt->num_ranks);
    c4pi_elem_t *elem = c4pi_elem_find(coll, who.key);
    const c4p_type_desc_t *desc = &coll->type->desc;
    if (elem && elem->object && (!desc->movable || desc->movable(rt, elem->object, desc->ctx)))
        (void)c4pi_migrate(elem, rank, NULL); /* unless it cannot just now */
}

/* Calls of one rank to one element stay in order, and so does all that is not a call to an element.
 * Nothing overtakes what is being made. */
static bool
must_follow(const c4p_msg_t *msg, const c4p_msg_t *before)
{
    const c4pi_elem_t *elem = elem_of(msg), *other = elem_of(before);
    uint8_t kind = before->env.kind;
    if (kind == C4PI_COLL_NEW || kind == C4PI_CONSTRUCT || kind == C4PI_INSERT_DO)
        return true;
    if (!elem || !other)
        return !elem && !other;
    return elem == other && (msg->env.source & 0xffffff) == (before->env.source & 0xffffff);
}

static bool
may_be_next(const c4p_msg_t *first, const c4p_msg_t *msg)
{
    const c4pi_elem_t *elem = elem_of(msg);
    if (elem && elem->state == C4PI_ELEM_NEW) /* not before the constructor */
        return false;
    for (const c4p_msg_t *before = first; before != msg; before = before->next)
        if (must_follow(msg, before))
            return false;
    return true;
}

/* Bring another message of those that wait to the front. */
static void
reorder(c4p_rt_t *rt)
{
    c4pi_fifo_t *fifo = &rt->queue.fifo;
    uint64_t count = fifo->count < WINDOW ? fifo->count : WINDOW;
    if (count < 2)
        return;
    uint64_t skip = rt->chaos.queue == C4PI_CHAOS_LIFO ? count - 1 : draw(rt) % count;
    c4p_msg_t *chosen = NULL, *before = NULL, *prev = NULL;
    for (c4p_msg_t *msg = fifo->head; skip > 0; skip--) {
        prev = msg;
        msg = msg->next;
        if (may_be_next(fifo->head, msg)) {
            chosen = msg;
            before = prev;
        }
    }
    if (!chosen)
        return;
    before->next = chosen->next;
    if (fifo->tail == chosen)
        fifo->tail = before;
    fifo->count--;
    c4pi_queue_push_front(&rt->queue, chosen);
}

/* The next message to run; before that, what may happen after the last one. */
static c4p_msg_t *
take(c4p_rt_t *rt)
{
    if (rt->phase < C4PI_PHASE_EXITING) {
        c4p_ref_t ran = rt->chaos.ran;
        rt->chaos.ran = (c4p_ref_t){0};
        move_some(rt, ran);
        if (chance(rt, rt->chaos.delay))
            rt->port->ops->sleep_ns(rt->port, draw(rt) % rt->chaos.delay_ns);
        if (rt->chaos.queue)
            reorder(rt);
    }
    c4p_msg_t *msg = c4pi_queue_pop(&rt->queue);
    if (msg && rt->chaos.migrate)
        rt->chaos.ran = who_runs(rt, msg);
    return msg;
}

/* ---- start ------------------------------------------------------------------------------------- */

c4p_status_t
c4pi_chaos_init(c4p_rt_t *rt)
{
    const char *text = rt->port->ops->getenv(rt->port, "C4PY_CHAOS");
    c4p_status_t st = C4P_OK;
    if (!text || !*text)
        return C4P_OK;
    for (const char *item = text; st == C4P_OK; item++) {
        size_t len = strcspn(item, ",");
        st = read_item(rt, item, len);
        item += len;
        if (!*item)
            break;
    }
    if (st != C4P_OK)
        return st;
    rt->chaos.on = true;
    rt->chaos.state = c4pi_hash_u64(rt->chaos.seed ^ c4pi_hash_u64((uint64_t)rt->rank + 1));
    rt->take = take;
    snprintf(rt->chaos.said, sizeof rt->chaos.said, "  chaos: C4PY_CHAOS=%.200s\n", text);
    if (rt->rank == 0)
        c4pi_log(rt->port, C4P_LOG_WARN, "chaos is on, with seed %llu: C4PY_CHAOS=%s",
                 (unsigned long long)rt->chaos.seed, text);
    return C4P_OK;
}
