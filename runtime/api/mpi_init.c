/* SPDX-License-Identifier: Apache-2.0 */
/* mpi_init.c: c4p/mpi.h. */
#include <c4p/mpi.h>

#include "api/init.h"

static bool
mpi_is_up(void)
{
    int initialised = 0, finalised = 0;
    return MPI_Initialized(&initialised) == MPI_SUCCESS &&
           MPI_Finalized(&finalised) == MPI_SUCCESS && initialised && !finalised;
}

c4p_status_t
c4p_init_comm_f(MPI_Fint comm, const c4p_opts_t *opts, c4p_rt_t **rt_out)
{
    return mpi_is_up() ? c4p_init_comm(MPI_Comm_f2c(comm), opts, rt_out) : C4P_ERR_STATE;
}

c4p_status_t
c4p_init_comm(MPI_Comm comm, const c4p_opts_t *opts, c4p_rt_t **rt_out)
{
    if (!mpi_is_up())
        return C4P_ERR_STATE;
    if (comm == MPI_COMM_NULL)
        return C4P_ERR_ARG;
    return c4pi_init_on(&comm, opts, rt_out);
}
