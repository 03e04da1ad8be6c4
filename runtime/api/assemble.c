/* SPDX-License-Identifier: Apache-2.0 */
#include "api/assemble.h"

#include <stdio.h>
#include <string.h>

#include "api/init.h"
#include "core/collection.h"
#include "core/dispatch.h"
#include "core/load.h"
#include "core/location.h"
#include "core/pump.h"
#include "core/route.h"
#include "lb/round.h"
#include "svc/bcast.h"
#include "svc/chaos.h"
#include "svc/checkpoint.h"
#include "svc/future.h"
#include "svc/grow.h"
#include "svc/handler.h"
#include "svc/migrate.h"
#include "svc/reduce.h"
#include "svc/section.h"
#include "svc/stall.h"
#include "svc/start.h"
#include "svc/sync.h"
#include "svc/wave.h"

c4p_status_t
c4pi_rt_new(c4pi_port_t *port, const c4p_opts_t *opts, c4p_rt_t **rt_out)
{
    c4p_rt_t *rt = c4pi_calloc(port, sizeof *rt);
    if (!rt) {
        c4pi_port_free(port);
        return C4P_ERR_NOMEM;
    }
    rt->port = port;
    rt->opts = *opts;
    c4pi_msgs_init(&rt->msgs, port, rt);
    c4pi_queue_init(&rt->queue, port);
    c4pi_map_init(&rt->colls, port);
    c4pi_map_init(&rt->strangers, port);
    c4pi_map_init(&rt->aways, port);
    c4pi_pool_init(&rt->elem_pool, port, sizeof(c4pi_elem_t), 64);
    c4pi_pool_init(&rt->loc_pool, port, sizeof(c4pi_loc_t), 64);
    c4pi_list_init(&rt->loc_caches);
    c4pi_list_init(&rt->distants);
    /* 40 bits wide */
    rt->next_coll = (opts->counter_base < UINT64_C(1) << 39 ? opts->counter_base : 0) + 1;
    rt->start_ns = rt->last_work_ns = c4pi_now_ns(port);
    c4p_status_t st;
    if ((st = c4pi_registry_new(port, &rt->registry)) != C4P_OK ||
        (st = c4pi_timers_new(port, &rt->timers)) != C4P_OK ||
        (st = c4pi_futures_new(rt)) != C4P_OK || (st = c4pi_waves_new(rt)) != C4P_OK ||
        (st = c4pi_sync_new(rt)) != C4P_OK || (st = c4pi_round_new(rt)) != C4P_OK) {
        c4pi_rt_free(rt);
        return st;
    }
    c4pi_named_t quiet = {.name = (char *)(uintptr_t) "c4p: quiescent",
                          .fn.handler = c4pi_quiet_everywhere};
    st = c4pi_registry_add_named(rt->registry, C4PI_HANDLERS, &quiet, &rt->quiet_handler);
    if (st != C4P_OK) {
        c4pi_rt_free(rt);
        return st;
    }
    c4pi_route_init(rt);
    c4pi_dispatch_init(rt);
    c4pi_handler_init(rt);
    c4pi_bcast_init(rt);
    c4pi_reduce_init(rt);
    c4pi_grow_init(rt);
    c4pi_section_init(rt);
    c4pi_migrate_init(rt);
    c4pi_stall_init(rt);
    c4pi_ckpt_init(rt);
    *rt_out = rt;
    return C4P_OK;
}

c4p_status_t
c4pi_rt_attach(c4p_rt_t *rt, c4pi_comm_t *comm)
{
    rt->rank = comm->rank;
    rt->num_ranks = rt->num_creators = comm->num_ranks;
    c4p_status_t st = c4pi_flow_new(rt->port, &rt->msgs, comm, &rt->opts, &rt->flow);
    if (st != C4P_OK) {
        comm->ops->free_comm(comm);
        return st;
    }
    c4pi_flow_set_deliver(rt->flow, c4pi_pump_deliver, rt);
    c4pi_start_init(rt);
    c4pi_sync_attach(rt);
    return c4pi_chaos_init(rt);
}

static void
free_collections(c4p_rt_t *rt)
{
    size_t at = 0;
    uint64_t id;
    void *value;
    while (c4pi_map_next(&rt->colls, &at, &id, &value)) {
        c4pi_coll_t *coll = value;
        c4pi_bcast_free(coll);
        c4pi_reduce_free(coll);
        c4pi_grow_free(coll);
        c4pi_section_free(coll);
        c4pi_coll_free(coll);
        at = 0;
    }
}

static void
free_strangers(c4p_rt_t *rt)
{
    size_t at = 0;
    uint64_t id;
    void *value;
    while (c4pi_map_next(&rt->strangers, &at, &id, &value)) {
        c4pi_fifo_t *held = value;
        for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(held)) != NULL;)
            c4pi_msg_drop(msg);
        c4pi_free(rt->port, held, sizeof *held);
    }
}

void
c4pi_rt_free(c4p_rt_t *rt)
{
    if (!rt)
        return;
    c4pi_port_t *port = rt->port;
    for (c4p_msg_t *msg; (msg = c4pi_queue_pop(&rt->queue)) != NULL;)
        c4pi_dispatch_drop(msg);
    c4pi_queue_fini(&rt->queue);
    for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&rt->before_start)) != NULL;)
        c4pi_msg_drop(msg);
    c4pi_ckpt_free(rt);
    free_collections(rt);
    free_strangers(rt);
    c4pi_start_free(rt);
    c4pi_waves_free(rt);
    c4pi_sync_free(rt);
    c4pi_round_free(rt);
    c4pi_load_off(rt);
    c4pi_futures_free(rt);
    c4pi_timers_free(rt->timers);
    c4pi_registry_free(rt->registry);
    c4pi_flow_free(rt->flow);
    c4pi_section_fini(rt);
    c4pi_bcast_fini(rt);
    c4pi_map_fini(&rt->strangers);
    c4pi_map_fini(&rt->colls);
    c4pi_pool_fini(&rt->loc_pool);
    c4pi_pool_fini(&rt->elem_pool);
    c4pi_msgs_fini(&rt->msgs);
    c4pi_free(port, rt, sizeof *rt);
    c4pi_port_free(port);
}

/* ---- dying ------------------------------------------------------------------------------------ */

enum { EXIT_USAGE = 2 };
static const uint64_t END_LOOK_NS = 100000000, END_PATIENCE_NS = 10000000000;

/* Somebody else has reported already, and this process will be ended; if not, it goes on. */
static void
await_end(c4p_rt_t *rt, const char *report)
{
    const char *text = strchr(report, '\n'); /* the first line says which rank */
    text = text ? text + 1 + strspn(text + 1, " ") : report;
    c4pi_log(rt->port, C4P_LOG_INFO, "failed, too: %.*s", (int)strcspn(text, "\n"), text);
    const uint64_t end_ns = c4pi_now_ns(rt->port) + END_PATIENCE_NS;
    while (c4pi_now_ns(rt->port) < end_ns)
        rt->port->ops->sleep_ns(rt->port, END_LOOK_NS);
}

void
c4pi_end_job(c4p_rt_t *rt, int exit_status, const char *report, size_t report_len)
{
    c4pi_comm_t *comm = rt->flow ? c4pi_flow_comm(rt->flow) : NULL;
    if (!rt->ending) { /* else the host's log function, given a report, ends the job itself */
        rt->ending = exit_status;
        if (comm && comm->ops->claim_report && !comm->ops->claim_report(comm))
            await_end(rt, report);
        rt->port->ops->write_report(rt->port, report, report_len);
    }
    if (rt->flow)
        c4pi_flow_abort(rt->flow, rt->ending);
    for (;;)
        rt->port->ops->die(rt->port, rt->ending);
}

void
c4pi_die(c4p_rt_t *rt, c4p_status_t status, const char *fmt, ...)
{
    char text[700], report[1200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    int exit_status = c4p_exit_status(status);
    if (exit_status == EXIT_USAGE && rt->phase != C4PI_PHASE_NEW &&
        rt->phase != C4PI_PHASE_STARTING)
        exit_status = c4p_exit_status(C4P_ERR_USER); /* a mistake of a program that runs already */
    int n = snprintf(report, sizeof report,
                     "c4py: error[C4P-E%d] rank %d/%d t=%.3fs\n  %s\n  cause: %s\n%s"
                     "c4py: exit %d\n",
                     (int)status, rt->rank, rt->num_ranks, c4p_time_s(rt), text,
                     c4p_strerror(status), rt->chaos.said, exit_status);
    rt->end_status = status;
    c4pi_end_job(rt, exit_status, report, n < (int)sizeof report ? (size_t)n : sizeof report - 1);
}

c4p_msg_t *
c4pi_msg_or_die(c4p_rt_t *rt, size_t payload_len)
{
    c4p_msg_t *msg = c4pi_msg_alloc(&rt->msgs, payload_len);
    if (!msg)
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for a message of %zu bytes", payload_len);
    return msg;
}
