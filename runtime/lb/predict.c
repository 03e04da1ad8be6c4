/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/predict.h"

#include <stdlib.h>
#include <string.h>

#include "lb/need.h"

enum { DEFAULT_ROUNDS = 4 };

static const struct {
    const char *name;
    c4pi_predict_how_t how;
} names[] = {
    {"last", C4PI_PREDICT_LAST},
    {"mean", C4PI_PREDICT_MEAN},
    {"median", C4PI_PREDICT_MEDIAN},
    {"linear", C4PI_PREDICT_LINEAR},
};

c4p_status_t
c4pi_predictor_read(const char *text, c4pi_predictor_t *predictor_out)
{
    size_t len = strcspn(text, ":");
    unsigned long rounds = DEFAULT_ROUNDS;
    if (text[len]) {
        char *end;
        const char *digits = text + len + 1;
        rounds = strtoul(digits, &end, 10);
        if (digits[0] < '0' || digits[0] > '9' || *end || !rounds || rounds > C4PI_PREDICT_MOST)
            return C4P_ERR_RANGE;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i].name) == len && memcmp(names[i].name, text, len) == 0) {
            uint32_t used = names[i].how == C4PI_PREDICT_LAST ? 1 : (uint32_t)rounds;
            *predictor_out = (c4pi_predictor_t){names[i].how, used};
            return C4P_OK;
        }
    return C4P_ERR_NOT_FOUND;
}

/* ---- from values ------------------------------------------------------------------------------ */

static double
mean(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

static double
median(const double *values, size_t n)
{
    double sorted[C4PI_PREDICT_MOST];
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        for (; at > 0 && sorted[at - 1] > values[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = values[i];
    }
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static double
linear(const double *values, size_t n)
{
    double middle = (double)(n - 1) / 2, up = 0, across = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)i - middle;
        up += x * values[i];
        across += x * x;
    }
    double next = mean(values, n) + (n > 1 ? up / across * ((double)n - middle) : 0);
    return next > 0 ? next : 0;
}

double
c4pi_predict(c4pi_predict_how_t how, const double *values, size_t n)
{
    switch (how) {
    case C4PI_PREDICT_MEAN:
        return mean(values, n);
    case C4PI_PREDICT_MEDIAN:
        return median(values, n);
    case C4PI_PREDICT_LINEAR:
        return linear(values, n);
    default:
        return values[n - 1];
    }
}

/* ---- the rounds ------------------------------------------------------------------------------- */

bool
c4pi_ref_before(c4p_ref_t a, c4p_ref_t b)
{
    if (a.coll != b.coll)
        return a.coll < b.coll;
    if (a.key.w[0] != b.key.w[0])
        return a.key.w[0] < b.key.w[0];
    return a.key.w[1] < b.key.w[1];
}

static void
history_new(c4p_rt_t *rt, c4pi_history_t *history, size_t num, size_t depth)
{
    *history = (c4pi_history_t){.num = num, .depth = depth};
    history->refs = c4pi_need(rt, num, sizeof *history->refs);
    history->known = c4pi_need(rt, num, sizeof *history->known);
    history->values = c4pi_need(rt, num * depth, sizeof *history->values);
}

void
c4pi_history_clear(c4p_rt_t *rt, c4pi_history_t *history)
{
    c4pi_need_free(rt, history->refs, history->num, sizeof *history->refs);
    c4pi_need_free(rt, history->known, history->num, sizeof *history->known);
    c4pi_need_free(rt, history->values, history->num * history->depth, sizeof *history->values);
    *history = (c4pi_history_t){0};
}

/* The last values of an object, as many as there is room for beside one more; returns how many. */
static uint32_t
remember(const c4pi_history_t *old, size_t at, double *to, size_t depth)
{
    uint32_t known = old->known[at], kept = known < depth ? known : (uint32_t)depth - 1;
    memcpy(to, old->values + at * old->depth + (known - kept), kept * sizeof *to);
    return kept;
}

void
c4pi_history_add(c4p_rt_t *rt, c4pi_history_t *history, const c4pi_predictor_t *predictor,
                 const c4p_ref_t *refs, double *loads, size_t num)
{
    c4pi_history_t old = *history;
    size_t at = 0, depth = predictor->rounds;
    if (predictor->how == C4PI_PREDICT_LAST) {
        c4pi_history_clear(rt, history);
        return;
    }
    history_new(rt, history, num, depth);
    memcpy(history->refs, refs, num * sizeof *refs);
    for (size_t i = 0; i < num; i++) {
        double *values = history->values + i * depth;
        uint32_t known = 0;
        while (at < old.num && c4pi_ref_before(old.refs[at], refs[i]))
            at++;
        if (at < old.num && !c4pi_ref_before(refs[i], old.refs[at]))
            known = remember(&old, at, values, depth);
        values[known++] = loads[i];
        history->known[i] = known;
        loads[i] = c4pi_predict(predictor->how, values, known);
    }
    c4pi_history_clear(rt, &old);
}
