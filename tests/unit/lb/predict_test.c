/* SPDX-License-Identifier: Apache-2.0 */
/* Predicted loads: names, values computed by hand, objects that come and go. */
#include "lb/predict.h"

#include "unit/core/core_world.h"

static void
names_and_numbers_of_rounds(void)
{
    c4pi_predictor_t p;
    CHECK_OK(c4pi_predictor_read("last", &p));
    CHECK_EQ(C4PI_PREDICT_LAST, p.how);
    CHECK_OK(c4pi_predictor_read("mean", &p));
    CHECK_EQ(C4PI_PREDICT_MEAN, p.how);
    CHECK_EQ(4, p.rounds);
    CHECK_OK(c4pi_predictor_read("median:64", &p));
    CHECK_EQ(C4PI_PREDICT_MEDIAN, p.how);
    CHECK_EQ(64, p.rounds);
    CHECK_OK(c4pi_predictor_read("linear:1", &p));
    CHECK_EQ(C4PI_PREDICT_LINEAR, p.how);
    static const char *const no_name[] = {"", "me", "means", "mean 3", "Last"};
    static const char *const no_number[] = {
        "mean:", "mean:0", "mean:65", "mean:-1", "mean:3x", "mean: 3", "mean:99999999999999999999"};
    for (size_t i = 0; i < sizeof no_name / sizeof no_name[0]; i++)
        CHECK_STATUS(C4P_ERR_NOT_FOUND, c4pi_predictor_read(no_name[i], &p));
    for (size_t i = 0; i < sizeof no_number / sizeof no_number[0]; i++)
        CHECK_STATUS(C4P_ERR_RANGE, c4pi_predictor_read(no_number[i], &p));
    CHECK_EQ(C4PI_PREDICT_LINEAR, p.how); /* as it was */
}

static void
values_by_hand(void)
{
    static const double rising[] = {1, 2, 3, 4}, mixed[] = {7, 1, 10, 2, 5}, falling[] = {4, 1};
    CHECK_EQ(4, c4pi_predict(C4PI_PREDICT_LAST, rising, 4));
    CHECK_EQ(2.5, c4pi_predict(C4PI_PREDICT_MEAN, rising, 4));
    CHECK_EQ(2.5, c4pi_predict(C4PI_PREDICT_MEDIAN, rising, 4));
    CHECK_EQ(5, c4pi_predict(C4PI_PREDICT_MEDIAN, mixed, 5));
    CHECK_NEAR(5, c4pi_predict(C4PI_PREDICT_LINEAR, rising, 4), 1e-12);
    /* mean 5, slope (-2*7 - 1 + 2 + 2*5) / 10 = -0.3: 5 - 0.3 * 3 */
    CHECK_NEAR(4.1, c4pi_predict(C4PI_PREDICT_LINEAR, mixed, 5), 1e-12);
    CHECK_EQ(0, c4pi_predict(C4PI_PREDICT_LINEAR, falling, 2)); /* not -2 */
    for (c4pi_predict_how_t how = C4PI_PREDICT_LAST; how <= C4PI_PREDICT_LINEAR; how++)
        CHECK_EQ(7, c4pi_predict(how, mixed, 1));
}

/* Objects by number, in order. */
static void
add(c4p_rt_t *rt, c4pi_history_t *history, const c4pi_predictor_t *predictor, const int *objects,
    double *loads, size_t n)
{
    c4p_ref_t refs[8];
    for (size_t i = 0; i < n; i++)
        refs[i] = (c4p_ref_t){1, {{(uint64_t)objects[i], 0}}};
    c4pi_history_add(rt, history, predictor, refs, loads, n);
}

static void
each_object_has_a_history_of_its_own(void)
{
    core_world_t w;
    core_world_begin(&w, 0, 4, 8, 0);
    const c4pi_predictor_t mean3 = {C4PI_PREDICT_MEAN, 3};
    c4pi_history_t history = {0};
    double a[] = {10, 20, 30}, b[] = {40, 11, 60}, c[] = {70, 13}, d[] = {100, 33};
    add(w.rt, &history, &mean3, (int[]){1, 2, 3}, a, 3);
    CHECK_EQ(20, a[1]);
    add(w.rt, &history, &mean3, (int[]){0, 1, 3}, b, 3); /* 0 is new, 2 has gone */
    CHECK_EQ(40, b[0]);
    CHECK_EQ(10.5, b[1]);
    CHECK_EQ(45, b[2]);
    add(w.rt, &history, &mean3, (int[]){0, 1}, c, 2);
    CHECK_EQ(55, c[0]);
    CHECK_NEAR(34. / 3, c[1], 1e-12);
    add(w.rt, &history, &mean3, (int[]){0, 1}, d, 2); /* of 1 the first is forgotten */
    CHECK_EQ(70, d[0]);
    CHECK_EQ(19, d[1]);
    c4pi_history_clear(w.rt, &history);
    core_world_end(&w);
}

static void
another_predictor_takes_over_what_fits(void)
{
    core_world_t w;
    core_world_begin(&w, 0, 4, 8, 0);
    const c4pi_predictor_t mean4 = {C4PI_PREDICT_MEAN, 4}, mean2 = {C4PI_PREDICT_MEAN, 2},
                           last = {C4PI_PREDICT_LAST, 1};
    c4pi_history_t history = {0};
    double load;
    for (int i = 1; i <= 4; i++)
        add(w.rt, &history, &mean4, (int[]){5}, (load = i, &load), 1);
    CHECK_EQ(2.5, load);
    add(w.rt, &history, &mean2, (int[]){5}, (load = 10, &load), 1);
    CHECK_EQ(7, load);
    add(w.rt, &history, &mean4, (int[]){5}, (load = 1, &load), 1);
    CHECK_EQ(5, load);
    add(w.rt, &history, &last, (int[]){5}, (load = 3, &load), 1);
    CHECK_EQ(3, load);
    CHECK_EQ(0, history.num);
    core_world_end(&w);
}

TEST_CASES(names_and_numbers_of_rounds, values_by_hand, each_object_has_a_history_of_its_own,
           another_predictor_takes_over_what_fits)
