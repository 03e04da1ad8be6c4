/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
leanmd_report_begin(const leanmd_options_t *opt, c4p_rt_t *rt)
{
    const leanmd_model_t *m = &opt->model;
    long long particles = 0;
    for (int64_t id = 0; id < leanmd_num_cells(m); id++)
        particles += (long long)leanmd_cell_particles(m, id);
    fprintf(stderr,
            "LeanMD, variant %s: %d x %d x %d cells of %g x %g x %g A, %lld particles, %d steps, "
            "on %d ranks (%s)\n",
            leanmd_variant_name(m->variant), m->grid[0], m->grid[1], m->grid[2], m->side[0],
            m->side[1], m->side[2], particles, opt->steps, c4p_num_ranks(rt), leanmd_isa());
}

/* What does not change if the integration is exact: without the steps that pairs make in the
 * potential when they come within reach or leave it. */
static double
conserved(const leanmd_options_t *opt, const leanmd_energy_t *e)
{
    const leanmd_law_t *law = &opt->model.law;
    const double y3 = pow(law->far2, -3), edge = (law->a * y3 - law->b) * y3;
    return e->progress.motion.kinetic + e->work.potential - e->work.inside * edge;
}

void
leanmd_report_energy(const leanmd_options_t *opt, const leanmd_energy_t *e)
{
    if (opt->model.variant == LEANMD_A)
        printf("step %d: sum of forces %.12e, clamped %.0f, sum of v^2 %.12e\n", e->step,
               e->progress.motion.abs_force, e->progress.motion.clamped, e->progress.motion.v2);
    else
        printf("step %d: kinetic %.11e potential %.11e conserved %.11e mJ\n", e->step,
               e->progress.motion.kinetic, e->work.potential, conserved(opt, e));
    fflush(stdout);
}

/* The median step from the 20th on (from the second, if there are not twice as many); 0 without
 * any. */
static double
median_step_s(const leanmd_report_t *report)
{
    const size_t n = report->num_steps;
    return leanmd_median_step_s(report->ended_s, n > 40 ? 20 : 1, n);
}

/* Of a count at the last step and one at the first. */
static double
per_step(const leanmd_report_t *report, double last, double first)
{
    const leanmd_energy_t *energies = report->energies;
    const int steps = energies[report->num_energies - 1].step - energies[0].step;
    return steps ? (last - first) / steps : 0;
}

static void
write_record(FILE *file, const leanmd_options_t *opt, const leanmd_report_t *report, c4p_rt_t *rt)
{
    const leanmd_model_t *m = &opt->model;
    const leanmd_energy_t *last = &report->energies[report->num_energies - 1];
    const double step_s = median_step_s(report);
    fprintf(file,
            "{\"program\": \"leanmd\", \"language\": \"C\", \"variant\": \"%s\", \"grid\": [%d, "
            "%d, %d], "
            "\"away\": [%d, %d, %d], \"ranks\": %d, \"hosts\": %d, \"isa\": \"%s\", \"steps\": %d, "
            "\"placement\": \"%s\", \"balancer\": \"%s\", \"ordered\": %s, \"barrier\": %s, "
            "\"computes\": %llu, \"tests\": %.0f, \"inside\": %.0f, \"ms_per_step\": %.6g, "
            "\"ns_per_test\": %.4g, \"messages_per_step\": %.6g, \"bytes_per_step\": %.6g, "
            "\"balancing\": ",
            leanmd_variant_name(m->variant), m->grid[0], m->grid[1], m->grid[2], m->away[0],
            m->away[1], m->away[2], c4p_num_ranks(rt), c4p_num_hosts(rt), leanmd_isa(), opt->steps,
            leanmd_placement_name(opt->placement), opt->balancer ? opt->balancer : "none",
            opt->ordered ? "true" : "false", opt->barrier ? "true" : "false",
            (unsigned long long)report->computes, last->work.tests, last->work.inside, step_s * 1e3,
            step_s / last->work.tests * 1e9,
            per_step(report, last->progress.messages, report->energies[0].progress.messages),
            per_step(report, last->progress.bytes, report->energies[0].progress.bytes));
    leanmd_rounds_write(&report->rounds, file);
    fprintf(file, ", \"energies\": [");
    for (int k = 0; k < report->num_energies; k++) {
        const leanmd_energy_t *e = &report->energies[k];
        fprintf(file,
                "%s{\"step\": %d, \"kinetic\": %.17g, \"potential\": %.17g, \"conserved\": %.17g, "
                "\"abs_force\": %.17g, \"v2\": %.17g, \"clamped\": %.0f}",
                k ? ", " : "", e->step, e->progress.motion.kinetic, e->work.potential,
                conserved(opt, e), e->progress.motion.abs_force, e->progress.motion.v2,
                e->progress.motion.clamped);
    }
    fprintf(file, "]}\n");
}

/* Messages on standard error do not end the run: the results are there already. */
static void
keep_record(const leanmd_options_t *opt, const leanmd_report_t *report, c4p_rt_t *rt)
{
    if (strcmp(opt->record, "-") == 0) {
        write_record(stdout, opt, report, rt);
        fflush(stdout);
        return;
    }
    FILE *file = fopen(opt->record, "a");
    if (file)
        write_record(file, opt, report, rt);
    if (!file || fclose(file) != 0)
        fprintf(stderr, "leanmd: record %s: %s\n", opt->record, strerror(errno));
}

void
leanmd_report_end(const leanmd_options_t *opt, const leanmd_report_t *report, c4p_rt_t *rt)
{
    const leanmd_energy_t *first = &report->energies[0];
    const leanmd_energy_t *last = &report->energies[report->num_energies - 1];
    const double step_s = median_step_s(report);
    if (opt->model.variant != LEANMD_A && opt->steps > 1) {
        const double change = conserved(opt, last) - conserved(opt, first);
        printf("energy changed by %.3g of the kinetic energy\n",
               change / first->progress.motion.kinetic);
    }
    printf("%.3f ms/step, %.0f pairs tested in each, %.3f ns per pair\n", step_s * 1e3,
           last->work.tests, step_s / last->work.tests * 1e9);
    fflush(stdout);
    if (opt->record)
        keep_record(opt, report, rt);
}

void
leanmd_report_free(leanmd_report_t *report)
{
    free(report->energies);
    free(report->ended_s);
    leanmd_rounds_free(&report->rounds);
}
