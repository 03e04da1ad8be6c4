/* SPDX-License-Identifier: Apache-2.0 */
#include "core/load.h"

enum { WINDOW_ITEMS = 32, WINDOW_NS = 200000 };

typedef struct charge {
    c4pi_elem_t *elem;
    uint64_t ns;
} charge_t;

typedef struct c4pi_load {
    c4pi_elem_t *now; /* whose time it is; NULL: nobody's */
    uint64_t since_ns;
    uint64_t wall_ns, cpu_ns; /* the clocks when the window began */
    uint64_t rank_ns;         /* of all elements since the last synchronization point */
    uint32_t num_charges;
    charge_t charges[WINDOW_ITEMS];
} c4pi_load_t;

/* Sends are counted, or not, from now on. */
static void
guard_all(c4p_rt_t *rt)
{
    size_t at = 0;
    uint64_t id;
    void *coll;
    while (c4pi_map_next(&rt->colls, &at, &id, &coll))
        c4pi_coll_guard(coll);
}

c4p_status_t
c4pi_load_on(c4p_rt_t *rt)
{
    if (rt->load)
        return C4P_OK;
    rt->load = c4pi_calloc(rt->port, sizeof *rt->load);
    if (!rt->load)
        return C4P_ERR_NOMEM;
    rt->load->now = rt->running;
    c4pi_load_resume(rt);
    guard_all(rt);
    return C4P_OK;
}

void
c4pi_load_off(c4p_rt_t *rt)
{
    if (!rt->load)
        return;
    c4pi_free(rt->port, rt->load, sizeof *rt->load);
    rt->load = NULL;
    guard_all(rt);
}

/* Take what was lost in this window off its charges, from each its share, and begin a new one. */
static void
settle(c4p_rt_t *rt, uint64_t now_ns)
{
    c4pi_load_t *load = rt->load;
    uint64_t cpu_ns = rt->port->ops->cpu_ns(rt->port);
    uint64_t wall = now_ns - load->wall_ns, cpu = cpu_ns - load->cpu_ns;
    double lost = wall > cpu ? (double)(wall - cpu) / (double)wall : 0;
    for (uint32_t i = 0; i < load->num_charges; i++) {
        const charge_t *charge = &load->charges[i];
        uint64_t share = (uint64_t)((double)charge->ns * lost);
        charge->elem->extra->work.ns -= share;
        load->rank_ns -= share;
    }
    load->num_charges = 0;
    load->wall_ns = now_ns;
    load->cpu_ns = cpu_ns;
}

static void
charge(c4p_rt_t *rt, c4pi_elem_t *elem, uint64_t ns, uint64_t now_ns)
{
    c4pi_load_t *load = rt->load;
    c4pi_elem_need_extra(elem)->work.ns += ns;
    load->rank_ns += ns;
    load->charges[load->num_charges++] = (charge_t){elem, ns};
    if (load->num_charges == WINDOW_ITEMS || now_ns - load->wall_ns > WINDOW_NS)
        settle(rt, now_ns);
}

void
c4pi_load_switch(c4p_rt_t *rt, c4pi_elem_t *elem)
{
    c4pi_load_t *load = rt->load;
    uint64_t now_ns = c4pi_now_ns(rt->port);
    if (load->now)
        charge(rt, load->now, now_ns - load->since_ns, now_ns);
    load->now = elem;
    load->since_ns = now_ns;
}

void
c4pi_load_pause(c4p_rt_t *rt)
{
    if (rt->load->num_charges)
        settle(rt, c4pi_now_ns(rt->port));
}

void
c4pi_load_resume(c4p_rt_t *rt)
{
    c4pi_load_t *load = rt->load;
    load->since_ns = load->wall_ns = c4pi_now_ns(rt->port);
    load->cpu_ns = rt->port->ops->cpu_ns(rt->port);
}

void
c4pi_load_forget(c4p_rt_t *rt, c4pi_elem_t *elem)
{
    c4pi_load_t *load = rt->load;
    if (load->now == elem)
        c4pi_load_switch(rt, NULL);
    for (uint32_t i = 0; i < load->num_charges; i++)
        if (load->charges[i].elem == elem) {
            settle(rt, c4pi_now_ns(rt->port));
            return;
        }
}

c4pi_work_t
c4pi_load_take(c4pi_elem_t *elem)
{
    if (!elem->extra)
        return (c4pi_work_t){0};
    c4p_rt_t *rt = elem->coll->rt;
    if (rt->load)
        c4pi_load_forget(rt, elem);
    c4pi_work_t work = elem->extra->work;
    elem->extra->work = (c4pi_work_t){0};
    return work;
}

uint64_t
c4pi_load_of_rank(c4p_rt_t *rt)
{
    if (!rt->load)
        return 0;
    if (rt->load->num_charges)
        settle(rt, c4pi_now_ns(rt->port));
    return rt->load->rank_ns;
}

void
c4pi_load_next_point(c4p_rt_t *rt)
{
    if (c4pi_load_of_rank(rt)) /* no charge is open any more */
        rt->load->rank_ns = 0;
}
