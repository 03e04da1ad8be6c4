/* SPDX-License-Identifier: Apache-2.0 */
/* sim_tape.h: tapes as files (one line of facts, then hexadecimal bytes), and making failing ones
 * short: chunks are cut out and bytes set to 0, the boring choice, as long as the same property
 * fails. */
#ifndef C4PT_SIM_TAPE_H
#define C4PT_SIM_TAPE_H

#include "sim/sim_driver.h"

typedef struct sim_tape {
    char scenario[32];
    c4pi_sim_mode_t mode;
    int ranks;
    uint64_t fail_alloc;
    uint8_t *bytes; /* malloc */
    size_t len;
} sim_tape_t;

/* NULL, or what is wrong with the file. sim_tape_fini() after success. */
const char *sim_tape_read(const char *path, sim_tape_t *tape);
bool sim_tape_write(const sim_tape_t *tape, const char *path);
void sim_tape_fini(sim_tape_t *tape);
/* Replace the tape by the shortest found; false if it does not fail at all. */
bool sim_tape_shrink(sim_tape_t *tape, const sim_config_t *config);

#endif
