/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim_driver.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/assemble.h"
#include "base/map.h"
#include "core/pump.h"
#include "svc/start.h"

enum { FAILED_STATUS = 255, DEFAULT_MAX_EVENTS = 200000, LOG_TAIL = 4000 };

static const char *const mode_names[] = {
    [C4PI_SIM_RANDOM] = "random", [C4PI_SIM_PCT] = "pct",         [C4PI_SIM_STARVE] = "starve",
    [C4PI_SIM_BURST] = "burst",   [C4PI_SIM_SWIZZLE] = "swizzle", [C4PI_SIM_TIMED] = "timed",
};

const char *
sim_mode_name(c4pi_sim_mode_t mode)
{
    return mode_names[mode];
}

int
sim_mode_find(const char *name)
{
    for (int i = 0; i < (int)(sizeof mode_names / sizeof *mode_names); i++)
        if (strcmp(mode_names[i], name) == 0)
            return i;
    return -1;
}

/* ---- for scenarios ---------------------------------------------------------------------------- */

uint32_t
sim_choose(sim_job_t *job, uint32_t n)
{
    return c4pi_simnet_choose(job->net, n);
}

bool
sim_chance(sim_job_t *job, uint32_t chance)
{
    return chance && sim_choose(job, 256) >= 256 - chance;
}

uint64_t
sim_now(const sim_job_t *job)
{
    return c4pi_simnet_world(job->net)->now_ns;
}

void *
sim_memory(sim_job_t *job, size_t len)
{
    void **block = c4pi_sim_memory(sizeof(max_align_t) + len);
    *block = job->memory;
    job->memory = block;
    return (char *)block + sizeof(max_align_t);
}

void
sim_fail(sim_job_t *job, const char *property, const char *fmt, ...)
{
    sim_outcome_t *outcome = job->outcome;
    if (!outcome->failed) {
        va_list args;
        outcome->failed = true;
        outcome->what = fmt;
        snprintf(outcome->property, sizeof outcome->property, "%s", property);
        va_start(args, fmt);
        vsnprintf(outcome->text, sizeof outcome->text, fmt, args);
        va_end(args);
    }
    c4pi_simworld_die(c4pi_simnet_world(job->net), -1, FAILED_STATUS);
}

void
sim_ok(sim_job_t *job, c4p_rt_t *rt, c4p_status_t st, const char *what)
{
    if (st == C4P_OK)
        return;
    if (st == C4P_ERR_NOMEM && job->config.fail_alloc) {
        job->out_of_memory = true;
        c4p_abort(rt, c4p_exit_status(st), "out of memory in the scenario");
    }
    sim_fail(job, "call", "%s on rank %d answers %s", what, c4p_rank(rt), c4p_status_name(st));
}

/* ---- for who reads a replay --------------------------------------------------------------------- */

void
sim_say(sim_job_t *job, int rank, const char *fmt, ...)
{
    char line[300];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    printf("%10.3f us rank %d: %s\n", (double)sim_now(job) * 1e-3, rank, line);
}

/* The handlers of the runtime while a replay is shown; they are the same on all ranks. */
static sim_job_t *shown_job;
static c4pi_kind_fn_t shown_handlers[C4PI_NUM_KINDS];

static void
show_and_handle(c4p_rt_t *rt, c4p_msg_t *msg)
{
    const c4pi_env_t *env = &msg->env;
    sim_say(shown_job, rt->rank,
            "%s from %d: coll %d:%d key %lld,%lld entry %u flags %u ref %lld hint %u.%u hops %u, "
            "%u bytes",
            c4pi_kind_name(env->kind), (int)env->source, (int)(env->coll >> 40),
            (int)(env->coll & 0xffffff), (long long)env->key.w[0], (long long)env->key.w[1],
            env->entry, env->flags, (long long)env->reference, env->hint_nonce, env->hint_epoch,
            env->hops, (unsigned)env->len);
    shown_handlers[env->kind](rt, msg);
}

static void
show_messages(sim_job_t *job, c4p_rt_t *rt)
{
    shown_job = job;
    for (int kind = 0; kind < C4PI_NUM_KINDS; kind++) {
        if (!rt->on_kind[kind])
            continue;
        shown_handlers[kind] = rt->on_kind[kind];
        rt->on_kind[kind] = show_and_handle;
    }
}

/* ---- set-up ----------------------------------------------------------------------------------- */

/* Choices that are part of every scenario: boring is what users have. */
static void
draw_options(sim_job_t *job)
{
    static const uint64_t bases[] = {0,
                                     (UINT64_C(1) << 31) - 3,
                                     (UINT64_C(1) << 32) - 3,
                                     (UINT64_C(1) << 63) - 3,
                                     (UINT64_C(1) << 32) - 1,
                                     (UINT64_C(1) << 31) - 1,
                                     (UINT64_C(1) << 40) - 2};
    static const uint32_t caches[] = {65536, 0, 1, 2}, logs[] = {64, 1, 4},
                          smalls[] = {4032, 192, 512};
    static const uint32_t credits[] = {8 << 20, 1, 4096}, batches[] = {256, 0, 64};
    static const uint32_t turns[] = {16, 1, 2, 5};
    c4p_opts_t *opts = &job->opts;
    *opts = (c4p_opts_t){.struct_size = sizeof *opts,
                         .log_level = C4P_LOG_WARN,
                         .stall_after_ms = 500,
                         .ring_slots = 64};
    opts->counter_base = bases[sim_choose(job, 7)];
    opts->loc_cache = caches[sim_choose(job, 4)];
    opts->bcast_log = logs[sim_choose(job, 3)];
    opts->small_bytes = smalls[sim_choose(job, 3)];
    opts->credit_bytes = credits[sim_choose(job, 3)];
    opts->batch_bytes = batches[sim_choose(job, 3)];
    job->batch = turns[sim_choose(job, 4)];
    if (sim_choose(job, 4) >= 2) {
        job->chaos.on = true;
        job->chaos.forget_cache = sim_choose(job, 3) * 8192;
        job->chaos.flush_early = sim_choose(job, 3) * 8192;
        job->chaos.wave_now = sim_choose(job, 3) * 8192;
    }
}

static bool
make_rank(sim_job_t *job, int rank)
{
    c4pi_comm_t *comm;
    c4p_rt_t *rt;
    c4p_status_t st = c4pi_rt_new(c4pi_simnet_port(job->net, rank), &job->opts, &rt);
    if (st != C4P_OK)
        return false;
    job->rts[rank] = rt;
    st = c4pi_simnet_comm_new(job->net, rank, &rt->msgs, &comm);
    if (st == C4P_OK) {
        comm->small_bytes = job->opts.small_bytes;
        st = c4pi_rt_attach(rt, comm);
    }
    if (st != C4P_OK)
        return false;
    rt->chaos = job->chaos;
    if (job->config.echo)
        show_messages(job, rt);
    if (job->scenario->add)
        job->scenario->add(job, rt);
    return true;
}

static bool
make_ranks(sim_job_t *job)
{
    for (int i = 0; i < job->ranks; i++)
        if (!make_rank(job, i)) {
            SIM_CHECK(job, "start", job->config.fail_alloc, "rank %d could not be made", i);
            return false;
        }
    return true;
}

/* ---- the loop --------------------------------------------------------------------------------- */

static void
look_at_phase(sim_job_t *job, int rank)
{
    c4pi_phase_t now = job->rts[rank]->phase, *seen = &job->phases[rank];
    job->in_phase[*seen]--;
    job->in_phase[now]++;
    *seen = now;
}

/* One turn of a rank. Returns whether it can go on at once. */
static bool
turn(sim_job_t *job, c4p_rt_t *rt)
{
    uint32_t did = 0;
    if (rt->phase == C4PI_PHASE_STARTING || rt->phase == C4PI_PHASE_NEW) {
        did = (uint32_t)c4pi_flow_poll(rt->flow, 16);
        c4pi_flow_flush(rt->flow);
        return did > 0;
    }
    if (rt->phase == C4PI_PHASE_ENDED)
        return false;
    sim_ok(job, rt, c4p_step(rt, job->batch, &did), "c4p_step");
    if (job->scenario->turn)
        job->scenario->turn(job, rt);
    return did > 0 || (c4pi_queue_count(&rt->queue) > 0 && !rt->gate_closed);
}

static void
loop(sim_job_t *job)
{
    uint64_t most = job->scenario->max_events;
    c4pi_simnet_stats_t stats;
    most = most ? most : DEFAULT_MAX_EVENTS;
    while (job->in_phase[C4PI_PHASE_ENDED] < job->ranks) {
        c4pi_simnet_stats(job->net, &stats);
        SIM_CHECK(job, "P13", stats.events < most,
                  "the job does not end: %llu events, %.3f s, %llu messages under way",
                  (unsigned long long)stats.events, (double)sim_now(job) * 1e-9,
                  (unsigned long long)stats.in_flight);
        if (!job->began && job->in_phase[C4PI_PHASE_ACTIVE] == job->ranks) {
            job->began = true;
            if (job->scenario->begin)
                job->scenario->begin(job);
            for (int i = 0; i < job->ranks; i++)
                c4pi_flow_flush(job->rts[i]->flow);
        }
        int rank = c4pi_simnet_step(job->net);
        if (rank < 0)
            continue;
        job->running = rank;
        bool busy = turn(job, job->rts[rank]);
        look_at_phase(job, rank);
        uint64_t next = c4pi_timers_next(job->rts[rank]);
        c4pi_simnet_ran(job->net, rank, busy, next == UINT64_MAX ? 0 : next);
    }
}

/* After the end: a settled network, equal exit codes, no memory left. */
static void
finish(sim_job_t *job)
{
    c4pi_simnet_stats_t stats;
    int code = job->rts[0]->exit_code;
    if (job->scenario->end)
        job->scenario->end(job);
    for (int i = 0; i < job->ranks; i++) {
        SIM_CHECK(job, "P12", job->rts[i]->exit_code == code,
                  "rank %d ended with code %d, rank 0 with %d", i, job->rts[i]->exit_code, code);
        c4p_free(job->rts[i]);
        job->rts[i] = NULL;
    }
    c4pi_simnet_stats(job->net, &stats);
    SIM_CHECK(job, "P12", stats.broken == 0, "the transport was misused, see the log");
    c4pi_simworld_t *world = c4pi_simnet_world(job->net);
    SIM_CHECK(job, "leak", world->live_blocks == 0, "%llu blocks of memory were not freed",
              (unsigned long long)world->live_blocks);
}

static void
whole_job(void *ctx)
{
    sim_job_t *job = ctx;
    job->rts = sim_memory(job, (size_t)job->ranks * sizeof *job->rts);
    job->phases = sim_memory(job, (size_t)job->ranks * sizeof *job->phases);
    job->in_phase[C4PI_PHASE_NEW] = job->ranks;
    draw_options(job);
    if (job->scenario->options)
        job->scenario->options(job, &job->opts);
    if (!make_ranks(job)) {
        job->out_of_memory = true;
        for (int i = 0; i < job->ranks; i++)
            c4pi_rt_free(job->rts[i]);
        c4pi_simworld_t *world = c4pi_simnet_world(job->net);
        SIM_CHECK(job, "leak", world->live_blocks == 0,
                  "%llu blocks of memory were not freed after a failed start",
                  (unsigned long long)world->live_blocks);
        return;
    }
    for (int i = 0; i < job->ranks; i++) {
        sim_ok(job, job->rts[i], c4pi_start_begin(job->rts[i]), "start");
        look_at_phase(job, i);
    }
    loop(job);
    finish(job);
}

/* ---- one run ---------------------------------------------------------------------------------- */

static void
note_abort(sim_job_t *job)
{
    const c4pi_simworld_t *world = c4pi_simnet_world(job->net);
    sim_outcome_t *outcome = job->outcome;
    outcome->exit_status = world->exit_status;
    if (outcome->failed)
        return;
    bool nomem = job->config.fail_alloc && world->exit_status == 71;
    if (nomem && (!world->log || !strstr(world->log, "memory"))) {
        outcome->failed = true;
        snprintf(outcome->property, sizeof outcome->property, "memory");
        snprintf(outcome->text, sizeof outcome->text, "the job ran out of memory without a word");
    } else if (!nomem && world->exit_status != job->expect_status) {
        outcome->failed = true;
        snprintf(outcome->property, sizeof outcome->property, "end");
        snprintf(outcome->text, sizeof outcome->text,
                 "rank %d ended the job with status %d, see the log", world->dead_rank,
                 world->exit_status);
    }
}

static void
check_aborted(void *ctx)
{
    sim_job_t *job = ctx;
    job->scenario->aborted(job);
}

static void
fill_outcome(sim_job_t *job)
{
    sim_outcome_t *outcome = job->outcome;
    c4pi_simworld_t *world = c4pi_simnet_world(job->net);
    c4pi_simnet_stats_t stats;
    c4pi_simnet_stats(job->net, &stats);
    outcome->hash = c4pi_simnet_trace_hash(job->net);
    outcome->events = stats.events;
    outcome->sent = stats.sent;
    outcome->now_ns = world->now_ns;
    outcome->allocs = world->allocs;
    if (!outcome->failed)
        return;
    outcome->tape_len = world->tape.used;
    outcome->tape = malloc(outcome->tape_len + 1);
    if (outcome->tape && outcome->tape_len)
        memcpy(outcome->tape, world->tape.record, outcome->tape_len);
    if (world->log) {
        size_t skip = world->log_len > LOG_TAIL ? world->log_len - LOG_TAIL : 0;
        outcome->log = malloc(world->log_len - skip + 1);
        if (outcome->log)
            memcpy(outcome->log, world->log + skip, world->log_len - skip + 1);
    }
}

static void
choose_shape(sim_job_t *job)
{
    const sim_scenario_t *s = job->scenario;
    uint64_t h = c4pi_hash_u64(job->config.seed * 2 + 1);
    job->outcome->mode =
        (c4pi_sim_mode_t)(job->config.mode >= 0 ? job->config.mode : (int)(h % C4PI_SIM_NUM_MODES));
    job->ranks = job->config.ranks;
    if (!job->ranks)
        job->ranks = s->min_ranks +
                     (int)(h / C4PI_SIM_NUM_MODES % (uint64_t)(s->max_ranks - s->min_ranks + 1));
    job->outcome->ranks = job->ranks;
}

void
sim_run(const sim_config_t *config, sim_outcome_t *outcome)
{
    sim_job_t job = {.scenario = config->scenario, .config = *config, .outcome = outcome};
    *outcome = (sim_outcome_t){0};
    choose_shape(&job);
    job.expect_status = config->scenario->exit_status;
    c4pi_simnet_opts_t net = {.num_ranks = job.ranks,
                              .mode = outcome->mode,
                              .seed = config->seed,
                              .bytes = config->tape,
                              .num_bytes = config->tape_len,
                              .event_ns = config->event_ns,
                              .latency_ns = config->latency_ns,
                              .world.fail_alloc = config->fail_alloc,
                              .world.echo = config->echo};
    job.net = c4pi_simnet_new(&net);
    if (!c4pi_simnet_call(job.net, whole_job, &job)) {
        note_abort(&job);
        if (!outcome->failed && job.scenario->aborted && !config->fail_alloc)
            (void)c4pi_simnet_call(job.net, check_aborted, &job);
    } else if (job.expect_status && !config->fail_alloc && !outcome->failed) {
        outcome->failed = true;
        snprintf(outcome->property, sizeof outcome->property, "end");
        snprintf(outcome->text, sizeof outcome->text, "the job ended normally, not with status %d",
                 job.expect_status);
    }
    fill_outcome(&job);
    c4pi_simnet_free(job.net);
    while (job.memory) {
        void **block = job.memory;
        job.memory = *block;
        c4pi_sim_memory_free(block);
    }
}

void
sim_outcome_fini(sim_outcome_t *outcome)
{
    free(outcome->tape);
    free(outcome->log);
    *outcome = (sim_outcome_t){0};
}
