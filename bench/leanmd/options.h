/* SPDX-License-Identifier: Apache-2.0 */
/* options.h: LeanMD's command line. */
#ifndef LEANMD_OPTIONS_H
#define LEANMD_OPTIONS_H

#include <stdbool.h>

#include "model.h"

typedef enum leanmd_placement { LEANMD_ROUND_ROBIN, LEANMD_BLOCK, LEANMD_BAD } leanmd_placement_t;

/** Steps count from 1; a period of 0 means never. */
typedef struct leanmd_options {
    leanmd_model_t model;
    int steps, exchange, energies, progress;
    leanmd_placement_t placement;
    const char *balancer; /**< NULL: none */
    int lb_first, lb_period;
    const char *checkpoint; /**< directory, or NULL */
    int checkpoint_period;
    double every_s, walltime_s; /**< 0: not */
    const char *restart;        /**< directory, or NULL */
    const char *record;         /**< file, "-": standard output, or NULL */
    bool ordered, counted, barrier;
} leanmd_options_t;

/** Read the command line on every rank; `talk`: this one prints. Returns true to go on; false, with
 * the program's exit status, after --help and for what is wrong, which is said on standard error.
 */
bool leanmd_options_parse(int argc, char **argv, bool talk, leanmd_options_t *opt, int *status_out);

const char *leanmd_variant_name(leanmd_variant_t variant);
const char *leanmd_placement_name(leanmd_placement_t placement);

#endif
