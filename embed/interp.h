/* SPDX-License-Identifier: Apache-2.0 */
/* interp.h: the embedded interpreter: which one, configured how, and what it runs. */
#ifndef C4PE_INTERP_H
#define C4PE_INTERP_H

#include <stdbool.h>

/* What the launcher was asked to run, as python's own command line says it. Pointers are borrowed.
 */
typedef struct c4pe_program {
    const char *script;  /* a file, a folder or zip file with __main__.py; NULL: none */
    const char *module;  /* -m */
    const char *command; /* -c */
    bool from_stdin;     /* - */
    int argc;            /* arguments of the program, without its name */
    char **argv;
    /* Python inside somebody else's program: it runs nothing, and leaves signals alone. */
    bool hosted;
    const char *name; /* hosted: sys.argv[0] */
    const char *home; /* the folder of the launcher or library; NULL: that of the running program */
    void (*say)(void *ctx, const char *line); /* gets what there is to say; NULL: as
                                                 c4pe_interp_say() */
    void *say_ctx;
} c4pe_program_t;

/*
 * Start the interpreter that the launcher was built for, in the active virtual environment if there
 * is one, with the package importable. 0; otherwise an exit status, and one line has said why.
 */
int c4pe_interp_start(const c4pe_program_t *program);
/* Run the program as python would; its exit status. Ends the interpreter. */
int c4pe_interp_run(void);
/* Print versions of what is used, for --info. Ends the interpreter. */
int c4pe_interp_info(void);
/* Is this the rank that prints what all ranks would print? True without MPI. */
bool c4pe_interp_is_first(void);
/* One line on standard error, from the first rank only. */
void c4pe_interp_say(const char *fmt, ...);

#endif
