/* SPDX-License-Identifier: Apache-2.0 */
/* options.h: the command line. */
#ifndef NBODY_OPTIONS_H
#define NBODY_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

typedef struct options {
    int particles, cells, steps, period;
    double dt, reach;
    const char *strategy; /* its proper name */
    const char *output;   /* NULL: none */
    bool counted;
} options_t;

typedef enum options_answer { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_WRONG } options_answer_t;

/* Defaults, then what argv says. If something is wrong, a line on `err` says what (NULL: silence).
 */
options_answer_t options_read(int argc, char **argv, FILE *err, options_t *options_out);
void options_help(FILE *out);

#endif
