/* SPDX-License-Identifier: Apache-2.0 */
#include "yardstick.h"

#include <mpi.h>
#include <stdlib.h>

enum { TAG = 4711 };

double
c4p_yardstick_pingpong(size_t bytes, int reps)
{
    int rank;
    char *out = calloc(1, bytes + 1), *in = calloc(1, bytes + 1);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    double start = 0;
    for (int i = -(reps / 10 + 1); i < reps; i++) { /* the first tenth only warms up */
        if (i == 0)
            start = MPI_Wtime();
        if (rank == 0) {
            MPI_Send(out, (int)bytes, MPI_BYTE, 1, TAG, MPI_COMM_WORLD);
            MPI_Recv(in, (int)bytes, MPI_BYTE, 1, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
        } else {
            MPI_Recv(in, (int)bytes, MPI_BYTE, 0, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
            MPI_Send(out, (int)bytes, MPI_BYTE, 0, TAG, MPI_COMM_WORLD);
        }
    }
    double seconds = rank == 0 ? (MPI_Wtime() - start) / reps : 0.0;
    free(out);
    free(in);
    return seconds;
}
