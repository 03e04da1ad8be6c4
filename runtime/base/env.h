/* SPDX-License-Identifier: Apache-2.0 */
/* env.h: the one documented table of C4PY_* settings, read from the environment into c4p_opts_t. An
 * unknown C4PY_* variable or a bad value is an error that names the nearest known name or the
 * allowed values. A new setting is one line in env.c. */
#ifndef C4PI_ENV_H
#define C4PI_ENV_H

#include "base/port.h"

typedef struct c4pi_setting {
    const char *name;    /* "C4PY_STALL" */
    const char *values;  /* "abort|warn|off", or "bytes", "number", "ms", "text" */
    const char *deflt;   /* as text; "" for none */
    const char *meaning; /* one line */
    /* Private: the field of c4p_opts_t (size 0: read elsewhere), and which numbers are allowed. */
    size_t offset, size;
    uint64_t least, most;
} c4pi_setting_t;

/* All settings, ended by a NULL name; for --help and docs. Settings of the language layer and tests
 * stand here too. */
const c4pi_setting_t *c4pi_env_table(void);

/* A full copy of a caller's options, whose struct may be that of an older version: what it lacks is
 * zero. in == NULL: all zero. C4P_OK; C4P_ERR_ARG if struct_size is not set, or if a newer caller
 * sets options that this library does not know. */
c4p_status_t c4pi_opts_copy(const c4p_opts_t *in, c4p_opts_t *out);

/* Fill zero fields of *opts with defaults after applying the environment (which wins over the
 * struct), as far as opts->struct_size reaches; then set the port's log level. Also checks the
 * values of settings that are read elsewhere. Logs all that is wrong. C4P_OK or C4P_ERR_OPTION,
 * with *opts then half filled. Do it once: C4PY_BATCH_BYTES=0 becomes batch_bytes 0. */
c4p_status_t c4pi_env_read(c4pi_port_t *port, c4p_opts_t *opts);

/* Check that every C4PY_* name in envp (NULL-terminated) is known. Logs each that is not. C4P_OK or
 * C4P_ERR_OPTION. */
c4p_status_t c4pi_env_check_names(c4pi_port_t *port, char *const *envp);

/* A number as settings accept it: "64", "0x40", "64K", "8M", "1G", "2^31-5". False, with *value_out
 * untouched, for anything else. */
bool c4pi_env_number(const char *text, uint64_t *value_out);

/* The candidate most like `word` (edit distance at most a third of its length, at least 1), or
 * NULL. candidates end with NULL. */
const char *c4pi_nearest(const char *word, const char *const *candidates);

#endif
