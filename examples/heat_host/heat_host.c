/* SPDX-License-Identifier: Apache-2.0 */
/* heat_host.c: a heat solver on MPI that lets a chare in Python look at its memory between its own
 * time steps, and do as it says: go on, with a smaller time step, or stop (watch.py).
 *
 * Usage: heat_host [--size ROWS COLUMNS] [--steps N] [--dt D] [--every N] [--enough T]
 * --every 0: the solver alone, without the runtime and Python. */
#include <mpi.h>

#include <c4p/mpi.h>
#include <c4p/python.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef HEAT_HOST_FOLDER
#define HEAT_HOST_FOLDER "." /* where watch.py is */
#endif

/* ---- the solver: nothing here knows of chares ----------------------------------------------------- */

typedef struct heat {
    MPI_Comm comm;
    int rank, ranks;
    int64_t rows, columns; /* of the whole plate, inside its cold edges */
    int64_t first, mine;   /* this rank's first row, and how many it has */
    double dt;             /* in units of h*h/k: stable up to 0.25 */
    double *u, *next;      /* (mine + 2) x (columns + 2): with the neighbours' rows and the edges */
} heat_t;

static double *
row_of(const heat_t *heat, double *u, int64_t row)
{
    return u + row * (heat->columns + 2);
}

/* A hot disc in the middle. */
static void
begin(heat_t *heat)
{
    const double r = 0.2 * (double)heat->rows;
    for (int64_t i = 1; i <= heat->mine; i++)
        for (int64_t j = 1; j <= heat->columns; j++) {
            const double y = (double)(heat->first + i - 1) - (double)heat->rows / 2;
            const double x = (double)(j - 1) - (double)heat->columns / 2;
            row_of(heat, heat->u, i)[j] = x * x + y * y < r * r ? 100 : 0;
        }
}

static int
make(heat_t *heat)
{
    const int64_t share = heat->rows / heat->ranks, more = heat->rows % heat->ranks;
    heat->mine = share + (heat->rank < more);
    heat->first = heat->rank * share + (heat->rank < more ? heat->rank : more);
    const size_t cells = (size_t)(heat->mine + 2) * (size_t)(heat->columns + 2);
    heat->u = calloc(cells, sizeof *heat->u);
    heat->next = calloc(cells, sizeof *heat->next);
    if (!heat->u || !heat->next)
        return -1;
    begin(heat);
    return 0;
}

static void
exchange(heat_t *heat)
{
    const int n = (int)heat->columns + 2;
    const int up = heat->rank > 0 ? heat->rank - 1 : MPI_PROC_NULL;
    const int down = heat->rank < heat->ranks - 1 ? heat->rank + 1 : MPI_PROC_NULL;
    MPI_Sendrecv(row_of(heat, heat->u, 1), n, MPI_DOUBLE, up, 0,
                 row_of(heat, heat->u, heat->mine + 1), n, MPI_DOUBLE, down, 0, heat->comm,
                 MPI_STATUS_IGNORE);
    MPI_Sendrecv(row_of(heat, heat->u, heat->mine), n, MPI_DOUBLE, down, 1,
                 row_of(heat, heat->u, 0), n, MPI_DOUBLE, up, 1, heat->comm, MPI_STATUS_IGNORE);
}

static void
step(heat_t *heat)
{
    exchange(heat);
    for (int64_t i = 1; i <= heat->mine; i++) {
        const double *above = row_of(heat, heat->u, i - 1), *here = row_of(heat, heat->u, i),
                     *below = row_of(heat, heat->u, i + 1);
        double *next = row_of(heat, heat->next, i);
        for (int64_t j = 1; j <= heat->columns; j++)
            next[j] = here[j] +
                      heat->dt * (above[j] + below[j] + here[j - 1] + here[j + 1] - 4 * here[j]);
    }
    double *swapped = heat->u;
    heat->u = heat->next;
    heat->next = swapped;
}

/* A number made of the bits of all cells and their places, the same on any number of ranks. */
static uint64_t
fingerprint(const heat_t *heat)
{
    uint64_t sum = 0, all = 0, bits;
    for (int64_t i = 1; i <= heat->mine; i++)
        for (int64_t j = 1; j <= heat->columns; j++) {
            memcpy(&bits, &row_of(heat, heat->u, i)[j], sizeof bits);
            bits ^= (uint64_t)((heat->first + i) * heat->columns + j) * 0x9e3779b97f4a7c15u;
            sum += (bits ^ bits >> 29) * 0xbf58476d1ce4e5b9u;
        }
    MPI_Reduce(&sum, &all, 1, MPI_UINT64_T, MPI_SUM, 0, heat->comm);
    return all;
}

/* ---- the watch: what was added to it -------------------------------------------------------------- */

typedef struct watch {
    c4p_rt_t *rt;
    c4p_python_t *py;
    c4p_proxy_t mine; /* this rank's member of a group of chares */
    int64_t every;    /* steps */
    int64_t looks;    /* how many there were, and how long they took together */
    double looks_s;
} watch_t;

static void
check(const watch_t *watch, c4p_status_t st, const char *what)
{
    const c4p_python_error_t error = c4p_python_error(watch->py);
    if (st == C4P_OK)
        return;
    fprintf(stderr, "heat_host: %s: %s\n%s", what, c4p_strerror(st),
            st == C4P_ERR_USER ? error.traceback : "");
    MPI_Abort(MPI_COMM_WORLD, c4p_exit_status(st));
}

static void
attach(watch_t *watch, const heat_t *heat, double enough)
{
    c4p_python_opts_t opts = C4P_PYTHON_OPTS_INIT;
    const c4p_index_t here = {1, {heat->rank}};
    const c4p_pyval_t args[] = {c4p_py_float(enough)};
    c4p_proxy_t group;

    opts.path = HEAT_HOST_FOLDER; /* where watch.py is */
    check(watch, c4p_init_comm(heat->comm, NULL, &watch->rt), "c4p_init_comm");
    check(watch, c4p_python_init(watch->rt, &opts, &watch->py), "c4p_python_init");
    check(watch, c4p_python_import(watch->py, "watch"), "import watch");
    check(watch, c4p_python_start(watch->py), "c4p_python_start");
    if (heat->rank == 0)
        check(watch, c4p_python_group_new(watch->py, "Watch", args, 1, &group), "Watch");
    MPI_Bcast(&group, sizeof group, MPI_BYTE, 0, heat->comm); /* plain data */
    check(watch, c4p_proxy_at(&group, &here, &watch->mine), "this rank's Watch");
}

/* All ranks. Python sees the inside of this rank's rows, where they are. False: it is enough. */
static int
ask(watch_t *watch, heat_t *heat, int64_t now)
{
    const int64_t dims[] = {heat->mine, heat->columns};
    const int64_t strides[] = {(heat->columns + 2) * (int64_t)sizeof(double), sizeof(double)};
    const c4p_pyval_t u = c4p_py_view(row_of(heat, heat->u, 1) + 1, C4P_FLOAT64, 2, dims);
    const c4p_pyval_t args[] = {c4p_py_int(now), c4p_py_float(heat->dt), c4p_py_int(heat->first),
                                c4p_py_strided(u, strides)};
    c4p_pyval_t answer = c4p_py_none();

    check(watch, c4p_python_ask_all(watch->py, &watch->mine, "look", args, 4, &answer), "look");
    const int go_on = answer.kind != C4P_PY_STR;
    if (answer.kind == C4P_PY_FLOAT)
        heat->dt = answer.v.f;
    else if (!go_on && heat->rank == 0)
        printf("stopped after step %lld: %s\n", (long long)now, answer.v.text.data);
    c4p_python_release(watch->py, &answer);
    return go_on;
}

static int
look(watch_t *watch, heat_t *heat, int64_t now)
{
    const double start = MPI_Wtime();
    const int go_on = ask(watch, heat, now);
    watch->looks_s += MPI_Wtime() - start;
    watch->looks++;
    return go_on;
}

static void
detach(watch_t *watch, const heat_t *heat)
{
    int code;
    if (heat->rank == 0)
        check(watch, c4p_exit(watch->rt, 0), "c4p_exit");
    check(watch, c4p_run(watch->rt, &code), "c4p_run");
    c4p_python_free(watch->py); /* and the runtime */
}

/* ---- both ----------------------------------------------------------------------------------------- */

static int64_t
run(heat_t *heat, watch_t *watch, int64_t steps)
{
    int64_t now = 0;
    if (watch->every && !look(watch, heat, now))
        return now;
    while (now < steps) {
        step(heat);
        now++;
        if (watch->every && now % watch->every == 0 && !look(watch, heat, now))
            break;
    }
    return now;
}

static int
parse(int argc, char **argv, heat_t *heat, watch_t *watch, int64_t *steps, double *enough)
{
    for (int i = 1; i < argc; i++) {
        const int left = argc - 1 - i;
        if (strcmp(argv[i], "--size") == 0 && left >= 2) {
            heat->rows = atoll(argv[++i]);
            heat->columns = atoll(argv[++i]);
        } else if (strcmp(argv[i], "--steps") == 0 && left >= 1) {
            *steps = atoll(argv[++i]);
        } else if (strcmp(argv[i], "--every") == 0 && left >= 1) {
            watch->every = atoll(argv[++i]);
        } else if (strcmp(argv[i], "--dt") == 0 && left >= 1) {
            heat->dt = atof(argv[++i]);
        } else if (strcmp(argv[i], "--enough") == 0 && left >= 1) {
            *enough = atof(argv[++i]);
        } else {
            return -1;
        }
    }
    return heat->rows >= heat->ranks && heat->columns >= 1 && *steps >= 1 && watch->every >= 0 ? 0
                                                                                               : -1;
}

int
main(int argc, char **argv)
{
    heat_t heat = {.rows = 96, .columns = 96, .dt = 0.2};
    watch_t watch = {.every = 100};
    int64_t steps = 1000;
    double enough = 0;

    MPI_Init(&argc, &argv);
    MPI_Comm_dup(MPI_COMM_WORLD, &heat.comm);
    MPI_Comm_rank(heat.comm, &heat.rank);
    MPI_Comm_size(heat.comm, &heat.ranks);
    if (parse(argc, argv, &heat, &watch, &steps, &enough) < 0 || make(&heat) < 0) {
        if (heat.rank == 0)
            fprintf(stderr,
                    "usage: heat_host [--size ROWS COLUMNS] [--steps N] [--dt D] [--every N] "
                    "[--enough T]\n");
        MPI_Finalize();
        return 2;
    }
    if (watch.every)
        attach(&watch, &heat, enough);
    MPI_Barrier(heat.comm);
    const double start = MPI_Wtime();
    const int64_t done = run(&heat, &watch, steps);
    const double run_s = MPI_Wtime() - start, own_s = run_s - watch.looks_s;
    const uint64_t print = fingerprint(&heat);
    if (watch.every)
        detach(&watch, &heat);
    if (heat.rank == 0)
        printf("%lld steps of %lld x %lld on %d ranks: %.6f ms a step, %.6f ms a look, dt %g, "
               "fingerprint %016llx\n",
               (long long)done, (long long)heat.rows, (long long)heat.columns, heat.ranks,
               own_s / (double)(done ? done : 1) * 1e3,
               watch.looks ? watch.looks_s / (double)watch.looks * 1e3 : 0.0, heat.dt,
               (unsigned long long)print);
    free(heat.u);
    free(heat.next);
    MPI_Comm_free(&heat.comm);
    MPI_Finalize();
    return 0;
}
