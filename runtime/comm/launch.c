/* SPDX-License-Identifier: Apache-2.0 */
/* launch.c: see launch.h. */
#define _GNU_SOURCE
#include "comm/launch.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

/* A number from the environment; -1: not set or no number. */
static int64_t
env_number(c4pi_port_t *port, const char *name)
{
    const char *text = port->ops->getenv(port, name);
    int64_t value = 0;
    if (!text || !*text)
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || value > INT32_MAX)
            return -1;
        value = 10 * value + (*text - '0');
    }
    return value;
}

void
c4pi_launch_cpus(uint64_t mask_out[C4PI_CPU_WORDS])
{
    cpu_set_t set;
    memset(mask_out, 0, C4PI_CPU_WORDS * sizeof(uint64_t));
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return;
    for (size_t cpu = 0; cpu < 64 * C4PI_CPU_WORDS && cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &set))
            mask_out[cpu / 64] |= (uint64_t)1 << (cpu % 64);
}

static int
count_cpus(void)
{
    uint64_t mask[C4PI_CPU_WORDS];
    int count = 0;
    c4pi_launch_cpus(mask);
    for (int i = 0; i < C4PI_CPU_WORDS; i++)
        count += __builtin_popcountll(mask[i]);
    return count;
}

/* More ranks on this host than CPUs? A rank that the launcher bound sees only its own CPUs, which
 * says nothing of the others. */
static bool
looks_oversubscribed(c4pi_port_t *port)
{
    int64_t ranks = env_number(port, "OMPI_COMM_WORLD_LOCAL_SIZE");
    return ranks > 1 && env_number(port, "OMPI_MCA_orte_bound_at_launch") < 1 &&
           ranks > count_cpus();
}

/* May this process read another's memory? Where the system call is filtered even reading one's own
 * fails. */
static bool
cross_memory_forbidden(void)
{
    char from = 1, to = 0;
    struct iovec local = {&to, 1}, remote = {&from, 1};
    return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) < 0 && errno == EPERM;
}

/* One of srun's processes? Its steps have small numbers; a batch script and an interactive
 * allocation have special ones or none, and are one process. */
static bool
is_srun_step(c4pi_port_t *port)
{
    int64_t step = env_number(port, "SLURM_STEP_ID");
    return step >= 0 && step < 0x7fffffff && env_number(port, "SLURM_PROCID") >= 0;
}

/* Is the handler of a signal one of the library that has this function? */
static bool
is_handled_by(int sig, void *function)
{
    struct sigaction now;
    Dl_info handler, library;
    if (sigaction(sig, NULL, &now) != 0 || now.sa_handler == SIG_DFL || now.sa_handler == SIG_IGN)
        return false;
    void *address;
    memcpy(&address, &now.sa_handler, sizeof address);
    return dladdr(address, &handler) && dladdr(function, &library) &&
           handler.dli_fbase == library.dli_fbase;
}

/* UCX, under MPICH and some builds of Open MPI. One that was loaded with the program has its
 * handlers already; for one that MPI_Init loads there is the environment, of which others warn. */
static void
no_handlers_of_ucx(c4pi_port_t *port)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    if (port->ops->getenv(port, "UCX_HANDLE_ERRORS"))
        return;
    void *found = dlsym(RTLD_DEFAULT, "ucs_debug_disable_signal");
    if (!found) {
        setenv("UCX_HANDLE_ERRORS", "none", 0);
        return;
    }
    void (*disable)(int sig);
    memcpy(&disable, &found, sizeof disable);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++)
        if (is_handled_by(faults[i], found))
            disable(faults[i]);
}

void
c4pi_launch_prepare(c4pi_port_t *port)
{
    /* These handlers allocate while they print a stack, and so hang on a damaged heap. */
    setenv("OMPI_MCA_opal_signal", "", 0);
    no_handlers_of_ucx(port);
    if (looks_oversubscribed(port))
        setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
    if (cross_memory_forbidden())
        setenv("OMPI_MCA_btl_vader_single_copy_mechanism", "none", 0);
}

void
c4pi_launch_keep_signals(c4pi_launch_signals_t *kept_out)
{
    sigaction(SIGUSR1, NULL, &kept_out->user1);
}

void
c4pi_launch_restore_signals(const c4pi_launch_signals_t *kept)
{
    sigaction(SIGUSR1, &kept->user1, NULL);
}

void
c4pi_launch_warn(c4pi_port_t *port, const char *library)
{
    if (strncmp(library, "Open MPI", strlen("Open MPI")) != 0 || !is_srun_step(port) ||
        port->ops->getenv(port, "PMIX_NAMESPACE") || env_number(port, "SLURM_PROCID") != 0)
        return;
    c4pi_log(port, C4P_LOG_WARN,
             "srun has started this without PMIx, which %s hardly ever does without. If it cannot "
             "start: srun --mpi=pmix (srun --mpi=list shows what is there), or mpirun.",
             library);
}

/* How many ranks were started, by whichever launcher left a trace; *name_out is the variable that
 * says so, *rank_out this one's place. */
static int64_t
ranks_started(c4pi_port_t *port, const char **name_out, int64_t *rank_out)
{
    static const struct {
        const char *size, *rank;
    } launchers[] = {
        {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
        {"PMIX_SIZE", "PMIX_RANK"},
        {"PMI_SIZE", "PMI_RANK"},
    };
    for (size_t i = 0; i < sizeof launchers / sizeof launchers[0]; i++) {
        int64_t size = env_number(port, launchers[i].size);
        if (size >= 1) { /* the innermost launcher's word; what stands around it does not count */
            *name_out = launchers[i].size;
            *rank_out = env_number(port, launchers[i].rank);
            return size;
        }
    }
    if (is_srun_step(port)) {
        *name_out = "SLURM_STEP_NUM_TASKS";
        *rank_out = env_number(port, "SLURM_PROCID");
        int64_t size = env_number(port, *name_out);
        if (size < 1) {
            *name_out = "SLURM_NTASKS";
            size = env_number(port, *name_out);
        }
        return size;
    }
    return 1;
}

c4p_status_t
c4pi_launch_check_alone(c4pi_port_t *port, const char *library)
{
    const char *name = NULL;
    int64_t rank = -1, size = ranks_started(port, &name, &rank);

    if (size <= 1)
        return C4P_OK;
    if (rank <= 0)
        c4pi_log(port, C4P_LOG_ERROR,
                 "%s=%lld says that %lld ranks were started, but each is alone in its own job: the "
                 "launcher does not belong to the MPI library "
                 "that this program runs with (%s). Start it with that library's own mpirun%s.",
                 name, (long long)size, (long long)size, library,
                 strncmp(name, "SLURM", 5) == 0
                     ? ", or with srun --mpi=pmix (srun --mpi=list shows what is there)"
                     : "");
    return C4P_ERR_SINGLETON;
}
