/* SPDX-License-Identifier: Apache-2.0 */
/* mpi.h: init on a communicator of the host's. The only public header that needs <mpi.h>. */
#ifndef C4P_MPI_H
#define C4P_MPI_H

#include <mpi.h>

#include <c4p/runtime.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * As c4p_init(), on the ranks of `comm`, which is duplicated and never used itself. MPI must be
 * initialised, at least FUNNELED, and is not finalised by c4p_free(). Collective over comm. Returns
 * also C4P_ERR_STATE if MPI is not initialised or already finalised.
 */
C4P_API c4p_status_t c4p_init_comm(MPI_Comm comm, const c4p_opts_t *opts, c4p_rt_t **rt_out);

#ifdef __cplusplus
}
#endif
#endif
