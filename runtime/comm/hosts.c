/* SPDX-License-Identifier: Apache-2.0 */
#include "comm/hosts.h"

void
c4pi_hosts_init(c4pi_hosts_t *hosts, int num_ranks, int num_hosts, int block)
{
    *hosts = (c4pi_hosts_t){.num_ranks = num_ranks, .num_hosts = num_hosts, .block = block};
}

c4p_status_t
c4pi_hosts_init_list(c4pi_hosts_t *hosts, c4pi_port_t *port, int num_ranks, int num_hosts,
                     const int *host_of)
{
    c4pi_hosts_init(hosts, num_ranks, num_hosts, 0);
    int runs = 1;
    for (int r = 1; r < num_ranks; r++)
        runs += host_of[r] != host_of[r - 1];
    hosts->first = c4pi_alloc(port, 2 * (size_t)runs * sizeof *hosts->first);
    if (!hosts->first)
        return C4P_ERR_NOMEM;
    hosts->run_host = hosts->first + runs;
    for (int r = 0; r < num_ranks; r++) {
        if (r > 0 && host_of[r] == host_of[r - 1])
            continue;
        hosts->first[hosts->num_runs] = r;
        hosts->run_host[hosts->num_runs++] = host_of[r];
    }
    return C4P_OK;
}

void
c4pi_hosts_fini(c4pi_hosts_t *hosts, c4pi_port_t *port)
{
    c4pi_free(port, hosts->first, 2 * (size_t)hosts->num_runs * sizeof *hosts->first);
    hosts->first = hosts->run_host = NULL;
}

/* The run in which a rank is. */
static int
run_of(const c4pi_hosts_t *hosts, int rank)
{
    int low = 0, high = hosts->num_runs; /* first[low] <= rank, and no run from high on starts
                                            before it */
    while (high - low > 1) {
        int middle = low + (high - low) / 2;
        if (hosts->first[middle] <= rank)
            low = middle;
        else
            high = middle;
    }
    return low;
}

int
c4pi_hosts_of(const c4pi_hosts_t *hosts, int rank)
{
    if (hosts->block)
        return rank / hosts->block % hosts->num_hosts;
    return hosts->run_host[run_of(hosts, rank)];
}

/* In a regular placement: the first rank of the host's next block. */
static int64_t
next_block(const c4pi_hosts_t *hosts, int host, int rank)
{
    int64_t here = rank / hosts->block, n = hosts->num_hosts;
    int64_t block = here - here % n + host;
    return (block < here ? block + n : block) * hosts->block;
}

int
c4pi_hosts_next(const c4pi_hosts_t *hosts, int host, int after)
{
    int rank = after + 1;
    if (rank >= hosts->num_ranks || host < 0 || host >= hosts->num_hosts)
        return -1;
    if (c4pi_hosts_of(hosts, rank) == host)
        return rank;
    if (hosts->block) {
        int64_t first = next_block(hosts, host, rank);
        return first < hosts->num_ranks ? (int)first : -1;
    }
    for (int run = run_of(hosts, rank) + 1; run < hosts->num_runs; run++)
        if (hosts->run_host[run] == host)
            return hosts->first[run];
    return -1;
}
