/* SPDX-License-Identifier: Apache-2.0 */
/* balance.c: c4p/balance.h: the part that needs no runtime. */
#include <c4p/balance.h>

#include "lb/lb.h"

bool
c4p_lb_builtin(int i, const char **name_out, const char **what_out)
{
    const c4pi_lb_builtin_t *strategy = c4pi_lb_builtin(i);
    if (!strategy)
        return false;
    if (name_out)
        *name_out = c4pi_lb_name(strategy);
    if (what_out)
        *what_out = c4pi_lb_what(strategy);
    return true;
}

const char *
c4p_lb_find(const char *name)
{
    const c4pi_lb_builtin_t *strategy = c4pi_lb_find(name);
    return strategy ? c4pi_lb_name(strategy) : NULL;
}

c4p_status_t
c4p_lb_check(const char *name, const c4p_lb_view_t *view, const char **why_out)
{
    const char *why;
    const c4pi_lb_builtin_t *strategy = c4pi_lb_find(name);
    if (!strategy && name) {
        if (why_out)
            *why_out = "no built-in strategy has this name";
        return C4P_ERR_NOT_FOUND;
    }
    return c4pi_lb_check(strategy, view, why_out ? why_out : &why);
}

c4p_status_t
c4p_lb_run(const char *name, const c4p_lb_view_t *view, int *plan)
{
    c4pi_port_t *port;
    const c4pi_lb_builtin_t *strategy = c4pi_lb_find(name);
    if (!strategy)
        return C4P_ERR_NOT_FOUND;
    if (!view || (!plan && view->num_objects))
        return C4P_ERR_ARG;
    c4p_status_t st = c4pi_port_real_new(NULL, &port);
    if (st != C4P_OK)
        return st;
    st = c4pi_lb_run(port, strategy, view, plan);
    c4pi_port_free(port);
    return st;
}

c4p_status_t
c4p_lb_judge(const c4p_lb_view_t *view, const int *plan, c4p_lb_worth_t *worth_out)
{
    const char *why;
    c4pi_port_t *port;
    c4p_status_t st = c4pi_lb_check(NULL, view, &why);
    if (st != C4P_OK)
        return st;
    if ((!plan && view->num_objects) || !worth_out)
        return C4P_ERR_ARG;
    if ((st = c4pi_port_real_new(NULL, &port)) != C4P_OK)
        return st;
    st = c4pi_lb_judge(port, view, plan, worth_out);
    c4pi_port_free(port);
    return st;
}
