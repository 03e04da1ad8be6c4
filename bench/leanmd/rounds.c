/* SPDX-License-Identifier: Apache-2.0 */
#include "rounds.h"

#include <stdlib.h>

static int
by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double
leanmd_median_step_s(const double *ended_s, size_t from, size_t to)
{
    from = from ? from : 1;
    double *each = to > from ? malloc((to - from) * sizeof *each) : NULL;
    if (!each)
        return 0;
    for (size_t i = from; i < to; i++)
        each[i - from] = ended_s[i] - ended_s[i - 1];
    qsort(each, to - from, sizeof *each, by_size);
    const double median = each[(to - from) / 2];
    free(each);
    return median;
}

/* ---- one round ---------------------------------------------------------------------------------- */

/* Pairs that a compute tests, with the particles that its cells had at first. */
static double
tests_of(const leanmd_model_t *model, c4p_key_t key)
{
    int at[6], first[3], second[3];
    double shift[3];
    c4p_index_t index;
    c4p_index_unpack(key, 6, &index);
    for (int d = 0; d < 6; d++)
        at[d] = (int)index.at[d];
    leanmd_compute_cells(model, at, first, second, shift);
    return leanmd_tests(leanmd_compute_is_self(at),
                        leanmd_cell_particles(model, leanmd_cell_id(model, first)),
                        leanmd_cell_particles(model, leanmd_cell_id(model, second)));
}

bool
leanmd_rounds_look(leanmd_rounds_t *rounds, const c4p_lb_view_t *view, const c4p_ref_t *refs,
                   c4p_coll_t computes)
{
    if (rounds->num == rounds->cap) {
        const size_t cap = rounds->cap ? 2 * rounds->cap : 16;
        void *grown = realloc(rounds->list, cap * sizeof *rounds->list);
        if (!grown)
            return false;
        rounds->list = grown;
        rounds->cap = cap;
    }
    leanmd_round_t *round = &rounds->list[rounds->num];
    *round = (leanmd_round_t){.tests = calloc((size_t)view->num_ranks, sizeof(double))};
    if (!round->tests)
        return false;
    rounds->ranks = view->num_ranks;
    for (size_t i = 0; i < view->num_objects; i++) {
        if (refs[i].coll == computes)
            round->tests[view->rank[i]] += tests_of(rounds->model, refs[i].key);
    }
    return true;
}

/* A line for people. */
static void
say(const leanmd_round_t *round)
{
    const c4p_lb_round_t *was = &round->was;
    const c4p_lb_worth_t *w = &was->worth;
    const double mean = w->mean > 0 ? w->mean : 1;
    fprintf(stderr, "balanced with %s: max/avg %.3f", was->strategy, w->max_before / mean);
    if (was->skipped) {
        fprintf(stderr, " stays, a plan would not pay back\n");
        return;
    }
    if (w->moved == 0) {
        fprintf(stderr, "; nothing to move\n");
        return;
    }
    fprintf(stderr, ", expected %.3f; ", w->max_after / mean);
    if (round->step_s > 0 && round->expected_s > 0)
        fprintf(stderr, "%.3f ms/step, expected %.3f; ", round->step_s * 1e3,
                round->expected_s * 1e3);
    fprintf(stderr, "%zu of %zu moved in %.2f ms\n", w->moved - was->refused, was->num_objects,
            was->seconds * 1e3);
}

void
leanmd_rounds_hear(leanmd_rounds_t *rounds, const c4p_lb_round_t *was, const double *ended_s,
                   size_t num_steps)
{
    leanmd_round_t *round = &rounds->list[rounds->num];
    const size_t begun = rounds->num ? round[-1].step : 0;
    round->was = *was;
    round->step = num_steps;
    /* the first step of all computes energies, the first one after a round has its time */
    round->step_s = leanmd_median_step_s(ended_s, begun + 1, num_steps);
    if (round->step_s > 0 && was->expected_s > 0)
        round->expected_s =
            round->step_s - (was->point_s - was->expected_s) / (double)(num_steps - begun);
    rounds->num++;
    say(round);
}

/* ---- the record --------------------------------------------------------------------------------- */

static void
write_round(const leanmd_round_t *round, int ranks, FILE *file)
{
    const c4p_lb_round_t *was = &round->was;
    const c4p_lb_worth_t *w = &was->worth;
    fprintf(file,
            "{\"step\": %zu, \"strategy\": \"%s\", \"max_before\": %.6g, \"max_after\": %.6g, "
            "\"mean\": %.6g, \"moved\": %zu, \"skipped\": %s, \"seconds\": %.4g, "
            "\"ms_per_step\": %.6g, \"expected_ms_per_step\": %.6g, \"tests\": [",
            round->step, was->strategy, w->max_before, w->max_after, w->mean, w->moved,
            was->skipped ? "true" : "false", was->seconds, round->step_s * 1e3,
            round->expected_s * 1e3);
    for (int r = 0; r < ranks; r++)
        fprintf(file, "%s%.0f", r ? ", " : "", round->tests[r]);
    fprintf(file, "]}");
}

void
leanmd_rounds_write(const leanmd_rounds_t *rounds, FILE *file)
{
    fputc('[', file);
    for (size_t k = 0; k < rounds->num; k++) {
        fputs(k ? ", " : "", file);
        write_round(&rounds->list[k], rounds->ranks, file);
    }
    fputc(']', file);
}

void
leanmd_rounds_free(leanmd_rounds_t *rounds)
{
    for (size_t k = 0; k < rounds->num; k++)
        free(rounds->list[k].tests);
    free(rounds->list);
}
