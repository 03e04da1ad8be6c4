/* SPDX-License-Identifier: Apache-2.0 */
/* runtime.c: c4p/runtime.h: init, start, scheduler calls, exit, timers and hooks. */
#include <c4p/runtime.h>
#include <stdio.h>
#include <string.h>

#include "api/assemble.h"
#include "api/init.h"
#include "base/env.h"
#include "core/load.h"
#include "core/pump.h"
#include "svc/handler.h"
#include "svc/start.h"
#include "svc/wave.h"

extern char **environ;

/* ---- begin and end ---------------------------------------------------------------------------- */

static void
free_runtime(c4p_rt_t *rt)
{
    rt->freeing = true;
    /* A rank that ends with a status other than 0 makes mpirun kill the others, perhaps before they
     * wrote out their last lines; so that is done before anybody can end. */
    if (rt->port->ops->flush)
        rt->port->ops->flush(rt->port);
    if (rt->phase == C4PI_PHASE_ENDED || rt->phase == C4PI_PHASE_NEW)
        (void)c4pi_flow_finish(rt->flow);
    c4pi_rt_free(rt);
}

void
c4p_free(c4p_rt_t *rt)
{
    if (!rt || c4pi_comm_mpi_over()) /* MPI_Finalize() has freed it */
        return;
    if (rt->in_scheduler)
        c4pi_die(rt, C4P_ERR_STATE,
                 "c4p_free() was called from inside the scheduler, or after an exception of C++ or "
                 "a longjmp() that left an entry method");
    if (rt->freeing)
        c4pi_die(rt, C4P_ERR_STATE,
                 "c4p_free() was called by the destroy function of a type, which c4p_free() runs");
    free_runtime(rt);
}

/* The host called MPI_Finalize(). */
static void
on_orphaned(void *ctx)
{
    c4p_rt_t *rt = ctx;
    if (rt->in_scheduler)
        c4pi_die(rt, C4P_ERR_STATE, "MPI_Finalize() was called from inside the scheduler");
    free_runtime(rt);
}

c4p_status_t
c4pi_init_on(const void *host_comm, const c4p_opts_t *user_opts, c4p_rt_t **rt_out)
{
    c4p_opts_t opts;
    c4pi_port_t *port;
    c4pi_comm_t *comm;
    c4p_rt_t *rt;
    c4p_status_t st;
    if (!rt_out)
        return C4P_ERR_ARG;
    if ((st = c4pi_opts_copy(user_opts, &opts)) != C4P_OK)
        return st;
    if ((st = c4pi_port_real_new(&opts, &port)) != C4P_OK)
        return st;
    st = c4pi_env_check_names(port, environ);
    if (st != C4P_OK || (st = c4pi_env_read(port, &opts)) != C4P_OK) {
        c4pi_port_free(port);
        return st;
    }
    if ((st = c4pi_rt_new(port, &opts, &rt)) != C4P_OK)
        return st;
    st = c4pi_comm_mpi_new(port, &rt->msgs, &rt->opts, host_comm, &comm);
    if (st == C4P_OK)
        st = c4pi_rt_attach(rt, comm);
    if (st != C4P_OK) {
        c4pi_rt_free(rt);
        return st;
    }
    comm->orphaned = on_orphaned;
    comm->orphaned_ctx = rt;
    *rt_out = rt;
    return C4P_OK;
}

c4p_status_t
c4p_init(const c4p_opts_t *opts, c4p_rt_t **rt_out)
{
    return c4pi_init_on(NULL, opts, rt_out);
}

c4p_status_t
c4p_start(c4p_rt_t *rt)
{
    if (!rt)
        return C4P_ERR_ARG;
    c4p_status_t st = c4pi_start_begin(rt);
    if (st != C4P_OK)
        return st;
    while (rt->phase == C4PI_PHASE_STARTING) {
        if (!c4pi_flow_poll(rt->flow, 16) && c4pi_flow_comm(rt->flow)->oversubscribed)
            rt->port->ops->yield(rt->port);
        c4pi_flow_flush(rt->flow);
    }
    return c4pi_start_result(rt);
}

c4p_status_t
c4p_before_fork(c4p_rt_t *rt)
{
    return rt ? c4pi_flow_before_fork(rt->flow) : C4P_ERR_ARG;
}

/* ---- scheduler -------------------------------------------------------------------------------- */

static c4p_status_t
may_schedule(const c4p_rt_t *rt)
{
    if (!rt)
        return C4P_ERR_ARG;
    if (rt->in_scheduler || rt->phase == C4PI_PHASE_NEW || rt->phase == C4PI_PHASE_STARTING)
        return C4P_ERR_STATE;
    return C4P_OK;
}

c4p_status_t
c4p_run(c4p_rt_t *rt, int *exit_code_out)
{
    c4p_status_t st = may_schedule(rt);
    if (st != C4P_OK)
        return st;
    rt->in_scheduler = rt->until_exit = true;
    rt->stop = false;
    while (rt->phase != C4PI_PHASE_ENDED) {
        (void)c4pi_pump_run(rt, UINT64_MAX);
        rt->stop = false; /* a stop that was meant for somebody else */
    }
    rt->in_scheduler = rt->until_exit = false;
    if (rt->end_status == C4P_OK && exit_code_out)
        *exit_code_out = rt->exit_code;
    return rt->end_status;
}

c4p_status_t
c4p_run_until_quiescent(c4p_rt_t *rt, bool *exited_out)
{
    c4p_status_t st = may_schedule(rt);
    if (st != C4P_OK)
        return st;
    if (rt->phase != C4PI_PHASE_ENDED) {
        if (rt->rank == 0) {
            c4p_target_t everybody = {.kind = C4P_TARGET_HANDLER, .number = rt->quiet_handler};
            c4pi_wave_request(rt, &everybody);
        }
        uint64_t want = ++rt->quiet_calls;
        rt->in_scheduler = true;
        rt->stop = false;
        while (rt->quiet_seen < want && rt->phase != C4PI_PHASE_ENDED) {
            (void)c4pi_pump_run(rt, UINT64_MAX);
            rt->stop = false;
        }
        c4pi_flow_flush(rt->flow);
        rt->in_scheduler = false;
    }
    if (exited_out)
        *exited_out = rt->phase == C4PI_PHASE_ENDED;
    return rt->end_status;
}

/* Quiescence reached rank 0: everybody leaves its run-until-quiescent. */
void
c4pi_quiet_everywhere(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    (void)ctx;
    if (msg->env.kind == C4PI_HANDLER) {
        c4p_msg_t *news = c4pi_msg_or_die(rt, 0);
        c4pi_handler_bcast(rt, rt->quiet_handler, news);
        return;
    }
    rt->quiet_seen++;
    rt->stop = true;
}

/* For ever is a hundred years. */
static uint64_t
us_to_ns(uint64_t us)
{
    const uint64_t most = UINT64_C(3155760000000000);
    return 1000 * (us < most ? us : most);
}

static void
time_is_up(c4p_rt_t *rt, void *ctx)
{
    *(bool *)ctx = true;
    rt->stop = true;
}

c4p_status_t
c4p_run_for(c4p_rt_t *rt, uint64_t max_msgs, uint64_t max_us, bool *exited_out)
{
    uint64_t left = max_msgs ? max_msgs : UINT64_MAX, timer = 0;
    bool over = false;
    c4p_status_t st = may_schedule(rt);
    if (st == C4P_OK && !max_msgs && !max_us)
        st = C4P_ERR_ARG;
    if (st == C4P_OK && max_us)
        st = c4pi_timer_add(rt, us_to_ns(max_us), true, time_is_up, &over, &timer);
    if (st != C4P_OK)
        return st;
    rt->in_scheduler = true;
    rt->short_visit = max_us != 0;
    rt->stop = false;
    while (left && !over && rt->phase != C4PI_PHASE_ENDED) {
        left -= c4pi_pump_run(rt, left);
        rt->stop = false; /* or a stop that was meant for somebody else */
    }
    if (max_us && !over)
        c4pi_timer_cancel(rt, timer);
    rt->in_scheduler = rt->short_visit = false;
    if (exited_out)
        *exited_out = rt->phase == C4PI_PHASE_ENDED;
    return rt->end_status;
}

c4p_status_t
c4p_step(c4p_rt_t *rt, uint32_t max_msgs, uint32_t *did_out)
{
    c4p_status_t st = may_schedule(rt);
    if (st != C4P_OK)
        return st;
    if (rt->phase == C4PI_PHASE_ENDED)
        return C4P_ERR_STATE;
    rt->in_scheduler = true;
    rt->stop = false;
    if (rt->load) /* what the host did since the last step was not taken from elements */
        c4pi_load_resume(rt);
    uint32_t ran, did = c4pi_pump_turn(rt, max_msgs, &ran);
    if (did == 0) {
        uint64_t now = c4pi_now_ns(rt->port);
        if (rt->work_done != rt->work_seen) {
            rt->work_seen = rt->work_done;
            rt->last_work_ns = now;
        }
        (void)rt->on_idle(rt, now);
    }
    if (rt->load)
        c4pi_load_pause(rt);
    rt->in_scheduler = false;
    if (did_out)
        *did_out = did;
    return C4P_OK;
}

void
c4p_poll(c4p_rt_t *rt)
{
    if (rt && rt->phase == C4PI_PHASE_ACTIVE) {
        (void)c4pi_flow_poll(rt->flow, 16);
        c4pi_flow_flush(rt->flow);
    }
}

c4p_status_t
c4p_exit(c4p_rt_t *rt, int exit_code)
{
    if (!rt)
        return C4P_ERR_ARG;
    if (rt->phase == C4PI_PHASE_NEW || rt->phase == C4PI_PHASE_STARTING)
        return C4P_ERR_STATE;
    c4pi_exit_ask(rt, exit_code);
    return C4P_OK;
}

bool
c4p_exiting(const c4p_rt_t *rt)
{
    return rt && rt->phase >= C4PI_PHASE_EXITING;
}

/* In one piece, since other ranks may be writing, too. A traceback may be long. */
C4P_NORETURN void
c4pi_end_with_text(c4p_rt_t *rt, int exit_status, const char *text)
{
    size_t size = strlen(text) + sizeof rt->chaos.said + 160;
    char small[1000], *report = c4pi_calloc(rt->port, size);
    if (!report) {
        report = small;
        size = sizeof small;
    }
    int n = snprintf(
        report, size, "c4py: error[C4P-E%d] rank %d/%d t=%.3fs\n  %s\n%sc4py: exit %d\n",
        C4P_ERR_USER, rt->rank, rt->num_ranks, c4p_time_s(rt), text, rt->chaos.said, exit_status);
    c4pi_end_job(rt, exit_status, report, n < (int)size ? (size_t)n : size - 1);
}

enum { MAX_EXIT_STATUS = 125 };

void
c4p_abort(c4p_rt_t *rt, int exit_status, const char *text)
{
    if (exit_status < 1 || exit_status > MAX_EXIT_STATUS) /* the shell might take it for success */
        exit_status = c4p_exit_status(C4P_ERR_USER);
    if (text)
        c4pi_end_with_text(rt, exit_status, text);
    c4pi_flow_abort(rt->flow, exit_status);
    for (;;)
        rt->port->ops->die(rt->port, exit_status);
}

/* ---- questions -------------------------------------------------------------------------------- */

int
c4p_rank(const c4p_rt_t *rt)
{
    return rt ? rt->rank : -1;
}

int
c4p_num_ranks(const c4p_rt_t *rt)
{
    return rt ? rt->num_ranks : 0;
}

int
c4p_host_ranks(const c4p_rt_t *rt)
{
    return rt ? c4pi_flow_comm(rt->flow)->host_ranks : 0;
}

int
c4p_host_rank(const c4p_rt_t *rt)
{
    return rt ? c4pi_flow_comm(rt->flow)->host_rank : -1;
}

int
c4p_num_hosts(const c4p_rt_t *rt)
{
    return rt ? c4pi_flow_comm(rt->flow)->hosts.num_hosts : 0;
}

int
c4p_host_of(const c4p_rt_t *rt, int rank)
{
    return rt && rank >= 0 && rank < rt->num_ranks
               ? c4pi_hosts_of(&c4pi_flow_comm(rt->flow)->hosts, rank)
               : -1;
}

int
c4p_host_next(const c4p_rt_t *rt, int host, int after)
{
    return rt && after >= -1 && after < rt->num_ranks
               ? c4pi_hosts_next(&c4pi_flow_comm(rt->flow)->hosts, host, after)
               : -1;
}

double
c4p_time_s(const c4p_rt_t *rt)
{
    return rt ? (double)(c4pi_now_ns(rt->port) - rt->start_ns) * 1e-9 : 0;
}

uint64_t
c4p_backlog_bytes(const c4p_rt_t *rt)
{
    c4pi_flow_counts_t counts;
    if (!rt)
        return 0;
    c4pi_flow_counts(rt->flow, &counts);
    return counts.backlog_bytes;
}

void
c4p_log(c4p_rt_t *rt, c4p_log_level_t level, const char *fmt, ...)
{
    va_list args;
    if (!rt)
        return;
    va_start(args, fmt);
    c4pi_vlog(rt->port, level, fmt, args);
    va_end(args);
}

/* ---- timers, posts, hooks --------------------------------------------------------------------- */

c4p_status_t
c4p_timer(c4p_rt_t *rt, double delay_s, c4p_fn_t fn, void *ctx, uint64_t *id_out)
{
    if (!rt || !fn || !(delay_s >= 0) || delay_s > 1e9)
        return C4P_ERR_ARG;
    return c4pi_timer_add(rt, (uint64_t)(delay_s * 1e9), false, fn, ctx, id_out);
}

c4p_status_t
c4p_timer_cancel(c4p_rt_t *rt, uint64_t id)
{
    if (!rt)
        return C4P_ERR_ARG;
    return c4pi_timer_cancel(rt, id) ? C4P_OK : C4P_ERR_NOT_FOUND;
}

c4p_status_t
c4p_post(c4p_rt_t *rt, c4p_fn_t fn, void *ctx)
{
    if (!rt || !fn)
        return C4P_ERR_ARG;
    c4pi_post(rt, fn, ctx);
    return C4P_OK;
}

c4p_status_t
c4p_set_hooks(c4p_rt_t *rt, const c4p_hooks_t *hooks)
{
    if (!rt || !hooks || hooks->struct_size < sizeof(size_t))
        return C4P_ERR_ARG;
    size_t size = hooks->struct_size < sizeof rt->hooks ? hooks->struct_size : sizeof rt->hooks;
    memset(&rt->hooks, 0, sizeof rt->hooks);
    memcpy(&rt->hooks, hooks, size);
    return C4P_OK;
}

void
c4p_gate(c4p_rt_t *rt, bool closed)
{
    if (rt)
        rt->gate_closed = closed;
}
