/* SPDX-License-Identifier: Apache-2.0 */
/* patterns.c: the patterns of yardstick.h that concern all ranks. */
#include <mpi.h>
#include <stdlib.h>
#include <string.h>

#include "yardstick.h"

enum { TAG = 4712 };

/* Who takes part, and two buffers with room for one message of or for each rank. */
typedef struct party {
    int rank, ranks, bytes;
    char *out, *in;
} party_t;

static void
stream(const party_t *p, int count)
{
    MPI_Request window[C4P_YARDSTICK_WINDOW];
    for (int sent = 0; sent < count && p->rank < 2; sent += C4P_YARDSTICK_WINDOW) {
        for (int i = 0; i < C4P_YARDSTICK_WINDOW; i++)
            if (p->rank == 0)
                MPI_Isend(p->out, p->bytes, MPI_BYTE, 1, TAG, MPI_COMM_WORLD, &window[i]);
            else
                MPI_Irecv(p->in, p->bytes, MPI_BYTE, 0, TAG, MPI_COMM_WORLD, &window[i]);
        MPI_Waitall(C4P_YARDSTICK_WINDOW, window, MPI_STATUSES_IGNORE);
        if (p->rank == 0)
            MPI_Recv(p->in, 1, MPI_BYTE, 1, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        else
            MPI_Send(p->out, 1, MPI_BYTE, 0, TAG, MPI_COMM_WORLD);
    }
}

static void
many_to_one(const party_t *p, int count)
{
    for (int i = p->rank == 0 ? 0 : p->rank - 1; i < count; i += p->rank == 0 ? 1 : p->ranks - 1)
        if (p->rank == 0)
            MPI_Recv(p->in, p->bytes, MPI_BYTE, MPI_ANY_SOURCE, TAG, MPI_COMM_WORLD,
                     MPI_STATUS_IGNORE);
        else
            MPI_Send(p->out, p->bytes, MPI_BYTE, 0, TAG, MPI_COMM_WORLD);
}

static void
all_to_all(const party_t *p, int count)
{
    for (int i = 0; i < count; i++)
        MPI_Alltoall(p->out, p->bytes, MPI_BYTE, p->in, p->bytes, MPI_BYTE, MPI_COMM_WORLD);
}

static void
bcast(const party_t *p, int count)
{
    for (int i = 0; i < count; i++) {
        MPI_Bcast(p->out, p->bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
        MPI_Barrier(MPI_COMM_WORLD);
    }
}

static void
reduce(const party_t *p, int count)
{
    for (int i = 0; i < count; i++)
        MPI_Reduce(p->out, p->in, p->bytes / 8, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
}

static void
allreduce(const party_t *p, int count)
{
    for (int i = 0; i < count; i++)
        MPI_Allreduce(p->out, p->in, p->bytes / 8, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
}

static void
barrier(const party_t *p, int count)
{
    (void)p;
    for (int i = 0; i < count; i++)
        MPI_Barrier(MPI_COMM_WORLD);
}

static const struct pattern {
    const char *name;
    void (*run)(const party_t *p, int count);
} patterns[] = {{"stream", stream},  {"many_to_one", many_to_one}, {"all_to_all", all_to_all},
                {"bcast", bcast},    {"reduce", reduce},           {"allreduce", allreduce},
                {"barrier", barrier}};

static double
measure(const struct pattern *pattern, size_t bytes, int count)
{
    party_t p = {.bytes = (int)bytes};
    MPI_Comm_rank(MPI_COMM_WORLD, &p.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &p.ranks);
    p.out = calloc((size_t)p.ranks, bytes + 1);
    p.in = calloc((size_t)p.ranks, bytes + 1);
    pattern->run(&p, count / 10 + 1); /* only warms up */
    MPI_Barrier(MPI_COMM_WORLD);
    double start = MPI_Wtime();
    pattern->run(&p, count);
    double seconds = p.rank == 0 ? (MPI_Wtime() - start) / count : 0.0;
    MPI_Barrier(MPI_COMM_WORLD); /* whoever is done first does not disturb the others */
    free(p.out);
    free(p.in);
    return seconds;
}

double
c4p_yardstick_pattern(const char *name, size_t bytes, int count)
{
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        if (strcmp(patterns[i].name, name) == 0)
            return measure(&patterns[i], bytes, count);
    return -1.0;
}
