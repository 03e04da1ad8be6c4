/* SPDX-License-Identifier: Apache-2.0 */
/* balance_job.c: c4p/balance.h: the part about a running job. */
#include <c4p/balance.h>

#include <math.h>
#include <string.h>

#include "core/load.h"
#include "lb/round.h"
#include "lb/talk.h"

c4p_status_t
c4p_lb_add(c4p_rt_t *rt, const char *name, c4p_lb_fn_t fn, void *ctx)
{
    if (!rt || !name || !name[0] || strchr(name, ',') || !fn)
        return C4P_ERR_ARG;
    return c4pi_round_add(rt, name, fn, ctx);
}

c4p_status_t
c4p_lb_use(c4p_rt_t *rt, const char *names)
{
    return rt ? c4pi_round_use(rt, names) : C4P_ERR_ARG;
}

c4p_status_t
c4p_lb_measure(c4p_rt_t *rt, bool on)
{
    if (!rt)
        return C4P_ERR_ARG;
    if (on)
        return c4pi_load_on(rt);
    c4pi_load_off(rt);
    return C4P_OK;
}

c4p_status_t
c4p_lb_graph(c4p_rt_t *rt, bool on)
{
    if (!rt)
        return C4P_ERR_ARG;
    if (on)
        return c4pi_talk_on(rt);
    c4pi_talk_off(rt);
    return C4P_OK;
}

c4p_status_t
c4p_lb_set_load(c4p_rt_t *rt, c4p_ref_t self, double seconds)
{
    c4pi_elem_t *elem = rt ? c4pi_elem_local(rt, self) : NULL;
    if (!elem)
        return rt ? C4P_ERR_NOT_FOUND : C4P_ERR_ARG;
    if (!(isfinite(seconds) && seconds >= 0))
        return C4P_ERR_ARG;
    c4pi_work_t *work = &c4pi_elem_need_extra(elem)->work;
    work->given = 1;
    work->given_s = seconds;
    return C4P_OK;
}

c4p_status_t
c4p_lb_predict(c4p_rt_t *rt, const char *predictor)
{
    return rt && predictor ? c4pi_round_predict(rt, predictor) : C4P_ERR_ARG;
}

c4p_status_t
c4p_lb_period(c4p_rt_t *rt, uint64_t points)
{
    if (!rt)
        return C4P_ERR_ARG;
    c4pi_round_period(rt, points);
    return C4P_OK;
}

c4p_status_t
c4p_lb_speed(c4p_rt_t *rt, double speed)
{
    if (!rt || !(speed == 0 || (speed >= 1e-6 && speed <= 1e6)))
        return C4P_ERR_ARG;
    c4pi_round_speed(rt, speed);
    return C4P_OK;
}

c4p_status_t
c4p_set_movable(c4p_rt_t *rt, c4p_ref_t self, bool movable)
{
    c4pi_elem_t *elem = rt ? c4pi_elem_local(rt, self) : NULL;
    if (!elem)
        return rt ? C4P_ERR_NOT_FOUND : C4P_ERR_ARG;
    c4pi_elem_need_extra(elem)->fixed = !movable;
    return C4P_OK;
}

c4p_status_t
c4p_lb_on_view(c4p_rt_t *rt, c4p_lb_view_fn_t fn, void *ctx)
{
    if (!rt)
        return C4P_ERR_ARG;
    c4pi_round_look(rt, fn, ctx);
    return C4P_OK;
}

c4p_status_t
c4p_lb_on_round(c4p_rt_t *rt, c4p_lb_round_fn_t fn, void *ctx)
{
    if (!rt)
        return C4P_ERR_ARG;
    c4pi_round_hear(rt, fn, ctx);
    return C4P_OK;
}
