/* SPDX-License-Identifier: Apache-2.0 */
/* A program in C++ outside the project, which uses MPI itself, before c4p/mpi.h does. */
#include <mpi.h>

#include <c4p/mpi.h>

#include <cstdio>

int
main()
{
    MPI_Init(nullptr, nullptr);
    c4p_rt_t *rt = nullptr;
    c4p_status_t st = c4p_init_comm(MPI_COMM_WORLD, nullptr, &rt);
    if (st == C4P_OK) {
        int sum = 0, mine = c4p_rank(rt) + 1;
        MPI_Reduce(&mine, &sum, 1, MPI_INT, MPI_SUM, 0, MPI_COMM_WORLD);
        if (mine == 1)
            std::printf("the sum over %d ranks is %d\n", c4p_num_ranks(rt), sum);
        c4p_free(rt);
    }
    MPI_Finalize();
    return c4p_exit_status(st);
}
