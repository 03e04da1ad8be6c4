/* SPDX-License-Identifier: Apache-2.0 */
/* figures.h: what a benchmark in C prints of a row: one line of JSON, as bench/python/measure.py
 * does. */
#ifndef C4P_FIGURES_H
#define C4P_FIGURES_H

#include <stdbool.h>

/** The row of that name, measured n times, its yardstick before each: the ratio of the medians,
 * that of the best times, which says more on a machine that others use too, and the spread (the
 * middle half) of the single ratios. Sorts both arrays. */
void bench_report(const char *row, double *seconds, double *yardsticks, int n);

/** Whether the user asked for this row. */
bool bench_wants(const char *row);

#endif
