/* SPDX-License-Identifier: Apache-2.0 */
/* mpi_init.c: c4p/mpi.h. */
#include <c4p/mpi.h>

#include "api/init.h"

c4p_status_t
c4p_init_comm(MPI_Comm comm, const c4p_opts_t *opts, c4p_rt_t **rt_out)
{
    int initialised = 0, finalised = 0;
    if (MPI_Initialized(&initialised) != MPI_SUCCESS || MPI_Finalized(&finalised) != MPI_SUCCESS ||
        !initialised || finalised)
        return C4P_ERR_STATE;
    if (comm == MPI_COMM_NULL)
        return C4P_ERR_ARG;
    return c4pi_init_on(&comm, opts, rt_out);
}
