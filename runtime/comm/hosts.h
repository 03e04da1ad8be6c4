/* SPDX-License-Identifier: Apache-2.0 */
/* hosts.h: which rank is on which host, without a table where the ranks were placed regularly.
 * Hosts are numbered from 0 in the order of their lowest ranks. Placements by slot and by node, in
 * blocks of any size, follow one formula: host(r) = (r / block) mod num_hosts. All others are kept
 * as the runs of equal hosts. */
#ifndef C4PI_HOSTS_H
#define C4PI_HOSTS_H

#include "base/port.h"

typedef struct c4pi_hosts {
    int num_ranks, num_hosts;
    int block;     /* ranks in a row on one host; 0: not regular, see runs */
    int num_runs;  /* maximal runs of ranks on one host, ascending */
    int *first;    /* [num_runs] first rank of each */
    int *run_host; /* [num_runs] its host */
} c4pi_hosts_t;

/* A regular placement; block >= 1. */
void c4pi_hosts_init(c4pi_hosts_t *hosts, int num_ranks, int num_hosts, int block);
/* Any placement: host_of[num_ranks], numbered as above; not kept. C4P_ERR_NOMEM. */
c4p_status_t c4pi_hosts_init_list(c4pi_hosts_t *hosts, c4pi_port_t *port, int num_ranks,
                                  int num_hosts, const int *host_of);
void c4pi_hosts_fini(c4pi_hosts_t *hosts, c4pi_port_t *port);

/* The host of a rank 0 <= rank < num_ranks. */
int c4pi_hosts_of(const c4pi_hosts_t *hosts, int rank);
/* The lowest rank of this host that is greater than `after`, which may be -1; -1 if there is none.
 */
int c4pi_hosts_next(const c4pi_hosts_t *hosts, int host, int after);

#endif
