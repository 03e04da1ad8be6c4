/* SPDX-License-Identifier: Apache-2.0 */
/* main.c: LeanMD on libc4pyrt; see leanmd.h and README.md. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "leanmd.h"

static volatile sig_atomic_t usr2;

static void
on_usr2(int number)
{
    (void)number;
    usr2 = 1;
}

bool
leanmd_signalled(void)
{
    const bool was = usr2;
    usr2 = 0;
    return was;
}

void
leanmd_check(leanmd_t *md, c4p_status_t status, const char *what)
{
    char text[160];
    if (status == C4P_OK)
        return;
    snprintf(text, sizeof text, "leanmd: %s: %s", what, c4p_strerror(status));
    c4p_abort(md->rt, c4p_exit_status(status), text);
}

static c4p_status_t
set_up(leanmd_t *md)
{
    c4p_status_t st = leanmd_cell_types(md);
    if (st == C4P_OK)
        st = leanmd_compute_types(md);
    if (st == C4P_OK)
        st = leanmd_director_new(md);
    if (st == C4P_OK && md->opt.balancer) {
        st = c4p_lb_use(md->rt, md->opt.balancer);
        if (st != C4P_OK && c4p_rank(md->rt) == 0)
            fprintf(stderr, "leanmd: --balancer %s: %s\n", md->opt.balancer, c4p_strerror(st));
    }
    return st == C4P_OK ? c4p_start(md->rt) : st;
}

/* The directory to go on from, or NULL. */
static const char *
restart_from(const leanmd_options_t *opt)
{
    char path[4096];
    if (!opt->restart || strcmp(opt->restart, "auto") != 0)
        return opt->restart;
    snprintf(path, sizeof path, "%s/manifest", opt->checkpoint);
    return access(path, F_OK) == 0 ? opt->checkpoint : NULL;
}

static c4p_status_t
run(leanmd_t *md, int *exit_code_out)
{
    const char *from = restart_from(&md->opt);
    c4p_status_t st = set_up(md);
    if (st == C4P_OK && from)
        st = c4p_restart(md->rt, from);
    if (st != C4P_OK)
        return st;
    signal(SIGUSR2, on_usr2);
    if (md->director && from)
        leanmd_director_resume(md);
    else if (md->director)
        leanmd_director_begin(md);
    return c4p_run(md->rt, exit_code_out);
}

int
main(int argc, char **argv)
{
    leanmd_t md = {0};
    int status = 0;
    c4p_status_t st = c4p_init(NULL, &md.rt);
    if (st != C4P_OK)
        return c4p_exit_status(st);
    if (leanmd_options_parse(argc, argv, c4p_rank(md.rt) == 0, &md.opt, &status)) {
        st = run(&md, &status);
        status = st == C4P_OK ? status : c4p_exit_status(st);
    }
    leanmd_director_t *director = md.director;
    c4p_free(md.rt);
    leanmd_director_free(director);
    free(md.room);
    return status;
}
