/* SPDX-License-Identifier: Apache-2.0 */
/* director.c: rank 0's part: creation, energies, progress, checkpoints, the end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "leanmd.h"
#include "report.h"

enum { EXIT_REQUEUE = 85 };

struct leanmd_director {
    leanmd_report_t report;
    int num_motions, num_works; /* of the energies, how many of each part came */
    double shown_s;             /* when the last line of progress was printed */
    int shown_step;
    double begun_s, saved_s; /* this run; its last checkpoint */
    bool leave;              /* after this checkpoint */
};

/* ---- energies ---------------------------------------------------------------------------------- */

static leanmd_energy_t *
energy_at(leanmd_t *md, int k)
{
    leanmd_report_t *report = &md->director->report;
    if (k == report->num_energies) {
        int step = k ? report->energies[k - 1].step + 1 : 1;
        while (!leanmd_wants_energy(&md->opt, step))
            step++;
        void *grown = realloc(report->energies, (size_t)(k + 1) * sizeof *report->energies);
        leanmd_check(md, grown ? C4P_OK : C4P_ERR_NOMEM, "keep energies");
        report->energies = grown;
        report->energies[k] = (leanmd_energy_t){.step = step};
        report->num_energies++;
    }
    return &report->energies[k];
}

/* Both parts of an energy are there. */
static void
energy_known(leanmd_t *md, const leanmd_energy_t *energy)
{
    leanmd_report_energy(&md->opt, energy);
    if (energy->step < md->opt.steps)
        return;
    leanmd_report_end(&md->opt, &md->director->report, md->rt);
    leanmd_check(md, c4p_exit(md->rt, 0), "end");
}

static void
read_sums(leanmd_t *md, c4p_msg_t *msg, void *sums, size_t len, uint64_t *members_out)
{
    c4p_result_t result;
    leanmd_check(md, c4p_result_get(msg, &result), "read energies");
    memcpy(sums, result.data, len);
    *members_out = result.contributors;
}

static void
on_motion(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    leanmd_t *md = ctx;
    uint64_t cells;
    (void)rt;
    leanmd_energy_t *energy = energy_at(md, md->director->num_motions++);
    read_sums(md, msg, &energy->progress, sizeof energy->progress, &cells);
    if (md->director->num_motions <= md->director->num_works)
        energy_known(md, energy);
}

static void
on_potential(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    leanmd_t *md = ctx;
    (void)rt;
    leanmd_energy_t *energy = energy_at(md, md->director->num_works++);
    read_sums(md, msg, &energy->work, sizeof energy->work, &md->director->report.computes);
    if (md->director->num_works <= md->director->num_motions)
        energy_known(md, energy);
}

/* ---- steps ------------------------------------------------------------------------------------- */

static void
show_progress(leanmd_t *md, int step, double now_s)
{
    leanmd_director_t *director = md->director;
    if (!leanmd_every(step, md->opt.progress))
        return;
    fprintf(stderr, "step %d of %d: %.3f ms/step\n", step, md->opt.steps,
            (now_s - director->shown_s) / (step - director->shown_step) * 1e3);
    director->shown_s = now_s;
    director->shown_step = step;
}

void
leanmd_director_stepped(leanmd_t *md, int step)
{
    leanmd_report_t *report = &md->director->report;
    const double now_s = c4p_time_s(md->rt);
    if (report->num_steps == report->cap_steps) {
        size_t cap = report->cap_steps ? 2 * report->cap_steps : 1024;
        void *grown = realloc(report->ended_s, cap * sizeof(double));
        leanmd_check(md, grown ? C4P_OK : C4P_ERR_NOMEM, "keep times");
        report->ended_s = grown;
        report->cap_steps = cap;
    }
    report->ended_s[report->num_steps++] = now_s;
    show_progress(md, step, now_s);
}

const leanmd_rounds_t *
leanmd_director_rounds(const leanmd_director_t *director)
{
    return &director->report.rounds;
}

static void
on_view(c4p_rt_t *rt, const c4p_lb_view_t *view, const c4p_ref_t *refs, void *ctx)
{
    leanmd_t *md = ctx;
    (void)rt;
    bool kept = leanmd_rounds_look(&md->director->report.rounds, view, refs, md->computes);
    leanmd_check(md, kept ? C4P_OK : C4P_ERR_NOMEM, "keep a round of load balancing");
}

static void
on_round(c4p_rt_t *rt, const c4p_lb_round_t *round, void *ctx)
{
    leanmd_t *md = ctx;
    leanmd_report_t *report = &md->director->report;
    (void)rt;
    leanmd_rounds_hear(&report->rounds, round, report->ended_s, report->num_steps);
}

/* ---- checkpoints -------------------------------------------------------------------------------- */

static void
go(leanmd_t *md)
{
    c4p_msg_t *msg;
    leanmd_check(md, c4p_msg_new(md->rt, 0, &msg), "go on");
    leanmd_check(md, c4p_bcast(md->rt, md->cells, md->go, msg, C4P_BCAST_NO_REPLY, 0), "go on");
}

/* All cells have finished the same step, and wait. */
static void
on_safe(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    leanmd_t *md = ctx;
    leanmd_director_t *director = md->director;
    const leanmd_options_t *opt = &md->opt;
    const double now_s = c4p_time_s(rt);
    const bool late = opt->walltime_s > 0 && now_s - director->begun_s >= opt->walltime_s;
    const bool again = opt->every_s > 0 && now_s - director->saved_s >= opt->every_s;
    c4p_result_t result;
    int64_t step;
    leanmd_check(md, c4p_result_get(msg, &result), "read a step");
    memcpy(&step, result.data, sizeof step);
    director->leave = leanmd_signalled() || late;
    if (!director->leave && !again && !leanmd_every((int)step, opt->checkpoint_period)) {
        go(md);
        return;
    }
    leanmd_check(md, c4p_checkpoint(rt, opt->checkpoint, (c4p_ref_t){0}, &md->saved),
                 "write a checkpoint");
}

static void
on_saved(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    leanmd_t *md = ctx;
    leanmd_director_t *director = md->director;
    c4p_checkpoint_result_t result;
    leanmd_check(md, c4p_checkpoint_result(msg, &result), "read how the checkpoint went");
    const bool good = result.status == C4P_OK;
    director->saved_s = c4p_time_s(rt);
    if (good)
        fprintf(stderr, "checkpoint %llu in %s: %.1f MB\n", (unsigned long long)result.generation,
                md->opt.checkpoint, (double)result.bytes * 1e-6);
    else
        fprintf(stderr, "leanmd: no checkpoint was written: %s\n", result.why);
    if (good && director->leave) {
        fprintf(stderr, "leanmd: leaves with status %d, to be started again with --restart\n",
                EXIT_REQUEUE);
        leanmd_check(md, c4p_exit(rt, EXIT_REQUEUE), "end");
        return;
    }
    go(md);
}

/* What is kept besides the chares. */
static c4p_status_t
keep(c4p_rt_t *rt, c4p_pup_t *p, void *ctx)
{
    const leanmd_t *md = ctx;
    const leanmd_report_t *report = &md->director->report;
    (void)rt;
    c4p_put_bytes(p, &md->opt.model, sizeof md->opt.model);
    c4p_put_u64(p, md->cells);
    c4p_put_u64(p, md->computes);
    c4p_put_blob(p, report->energies, (size_t)report->num_energies * sizeof *report->energies);
    return c4p_pup_status(p);
}

static c4p_status_t
take_back(c4p_rt_t *rt, c4p_pup_t *p, void *ctx)
{
    leanmd_t *md = ctx;
    leanmd_model_t model;
    size_t len;
    (void)rt;
    c4p_get_bytes(p, &model, sizeof model);
    md->cells = c4p_get_u64(p);
    md->computes = c4p_get_u64(p);
    const void *energies = c4p_get_blob(p, &len);
    if (c4p_pup_status(p) == C4P_OK && memcmp(&model, &md->opt.model, sizeof model) != 0)
        c4p_pup_fail(p, "the checkpoint is of another variant, grid or number of particles", NULL);
    if (c4p_pup_status(p) != C4P_OK || !md->director)
        return c4p_pup_status(p);
    leanmd_report_t *report = &md->director->report;
    report->energies = malloc(len ? len : 1);
    if (!report->energies)
        return C4P_ERR_NOMEM;
    memcpy(report->energies, energies, len);
    report->num_energies = (int)(len / sizeof *report->energies);
    md->director->num_motions = md->director->num_works = report->num_energies;
    return C4P_OK;
}

/* ---- begin and end ------------------------------------------------------------------------------ */

/* All cells have made their computes. */
static void
on_created(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx)
{
    leanmd_t *md = ctx;
    (void)msg;
    leanmd_check(md, c4p_done_inserting(rt, md->computes), "end insertion");
    go(md);
}

void
leanmd_director_begin(leanmd_t *md)
{
    c4p_array_opts_t cells = C4P_ARRAY_OPTS_INIT, computes = C4P_ARRAY_OPTS_INIT;
    c4p_msg_t *msg;
    cells.ndims = 3;
    cells.dense = true;
    for (int d = 0; d < 3; d++)
        cells.dims[d] = md->opt.model.grid[d];
    cells.map = md->cell_map;
    computes.ndims = 6;
    computes.map = md->compute_map;
    cells.at_sync = computes.at_sync = true;
    leanmd_report_begin(&md->opt, md->rt);
    leanmd_check(md, c4p_array_new(md->rt, md->cell_type, &cells, NULL, &md->cells), "make cells");
    leanmd_check(md, c4p_array_new(md->rt, md->compute_type, &computes, NULL, &md->computes),
                 "make computes");
    const c4p_coll_t both[2] = {md->cells, md->computes};
    leanmd_check(md, c4p_msg_new(md->rt, sizeof both, &msg), "begin");
    memcpy(c4p_msg_data(msg), both, sizeof both);
    leanmd_check(md, c4p_bcast(md->rt, md->cells, md->create, msg, C4P_BCAST_NO_REPLY, 0), "begin");
}

void
leanmd_director_resume(leanmd_t *md)
{
    leanmd_report_begin(&md->opt, md->rt);
    go(md);
}

c4p_status_t
leanmd_director_new(leanmd_t *md)
{
    const struct {
        const char *name;
        c4p_handler_fn_t fn;
        c4p_target_t *target;
    } handlers[] = {{"created", on_created, &md->created},
                    {"motion", on_motion, &md->motion},
                    {"potential", on_potential, &md->potential},
                    {"safe", on_safe, &md->safe},
                    {"saved", on_saved, &md->saved}};
    const c4p_checkpoint_hooks_t hooks = {
        .struct_size = sizeof hooks, .pack = keep, .unpack = take_back, .ctx = md};
    c4p_status_t st = c4p_checkpoint_set_hooks(md->rt, &hooks);
    for (size_t i = 0; st == C4P_OK && i < sizeof handlers / sizeof handlers[0]; i++) {
        c4p_handler_t handler;
        st = c4p_handler_add(md->rt, handlers[i].name, handlers[i].fn, md, &handler);
        *handlers[i].target = (c4p_target_t){.kind = C4P_TARGET_HANDLER, .number = handler};
    }
    if (st != C4P_OK || c4p_rank(md->rt) != 0)
        return st;
    md->director = calloc(1, sizeof *md->director);
    if (!md->director)
        return C4P_ERR_NOMEM;
    md->director->begun_s = md->director->saved_s = md->director->shown_s = c4p_time_s(md->rt);
    md->director->report.rounds.model = &md->opt.model;
    st = c4p_lb_on_view(md->rt, on_view, md);
    return st == C4P_OK ? c4p_lb_on_round(md->rt, on_round, md) : st;
}

void
leanmd_director_free(leanmd_director_t *director)
{
    if (!director)
        return;
    leanmd_report_free(&director->report);
    free(director);
}
