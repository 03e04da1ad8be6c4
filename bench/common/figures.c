/* SPDX-License-Identifier: Apache-2.0 */
#include "figures.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* How far the middle half of the ratios lies apart, of their median. */
static double
spread(const double *seconds, const double *yardsticks, int n)
{
    double *ratios = malloc((size_t)n * sizeof *ratios);
    if (!ratios)
        return 0;
    for (int i = 0; i < n; i++)
        ratios[i] = seconds[i] / yardsticks[i];
    qsort(ratios, (size_t)n, sizeof *ratios, by_value);
    double apart = (ratios[3 * n / 4] - ratios[n / 4]) / ratios[n / 2];
    free(ratios);
    return apart;
}

void
bench_report(const char *row, double *seconds, double *yardsticks, int n)
{
    double apart = spread(seconds, yardsticks, n);
    qsort(seconds, (size_t)n, sizeof *seconds, by_value);
    qsort(yardsticks, (size_t)n, sizeof *yardsticks, by_value);
    printf("BENCH {\"row\": \"%s\", \"seconds\": %.4g, \"yardstick\": %.4g, \"ratio\": %.4g, "
           "\"best_seconds\": %.4g, \"best_yardstick\": %.4g, \"best_ratio\": %.4g, "
           "\"spread\": %.4g, \"repetitions\": %d}\n",
           row, seconds[n / 2], yardsticks[n / 2], seconds[n / 2] / yardsticks[n / 2], seconds[0],
           yardsticks[0], seconds[0] / yardsticks[0], apart, n);
    fflush(stdout);
}

bool
bench_wants(const char *row)
{
    const char *wanted = getenv("BENCH_ROWS");
    const size_t length = strlen(row);
    if (!wanted || !*wanted)
        return true;
    for (const char *at = wanted; (at = strstr(at, row)) != NULL; at += length)
        if ((at == wanted || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}
