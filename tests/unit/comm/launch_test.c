/* SPDX-License-Identifier: Apache-2.0 */
/* launch_test.c: a process that MPI believes to be alone: was it meant to be? */
#define _GNU_SOURCE

#include "comm/launch.h"

#include <dlfcn.h>

#include "base/port_sim.h"
#include "support/test.h"

/* What the check says in this environment; the log stays in world. */
static c4p_status_t
check_in(c4pi_simworld_t *world, const char *const *env)
{
    c4pi_simworld_init(world, &(c4pi_simworld_opts_t){.env = env});
    return c4pi_launch_check_alone(c4pi_port_sim_new(world, -1, 1), "Some MPI 1.2");
}

#define ENV(...) ((const char *const[]){__VA_ARGS__, NULL})

static void
check_fine(const char *const *env)
{
    c4pi_simworld_t world;
    CHECK_OK(check_in(&world, env));
    CHECK(world.log == NULL);
    c4pi_simworld_fini(&world);
}

static void
check_refused(const char *const *env, const char *variable)
{
    c4pi_simworld_t world;
    CHECK_STATUS(C4P_ERR_SINGLETON, check_in(&world, env));
    CHECK_STR_HAS(variable, world.log);
    CHECK_STR_HAS("Some MPI 1.2", world.log);
    c4pi_simworld_fini(&world);
}

static void
a_program_started_by_itself_is_fine(void)
{
    check_fine(ENV("HOME=/root"));
    check_fine(ENV("OMPI_COMM_WORLD_SIZE=1", "OMPI_COMM_WORLD_RANK=0"));
    check_fine(ENV("PMI_SIZE=1", "PMI_RANK=0"));
}

static void
a_batch_script_of_many_tasks_may_start_it_alone(void)
{
    /* sbatch -n 8: the script itself runs once, with the size of the allocation in its environment.
     */
    check_fine(ENV("SLURM_JOB_ID=5", "SLURM_NTASKS=8", "SLURM_PROCID=0", "SLURM_NPROCS=8"));
    check_fine(
        ENV("SLURM_JOB_ID=5", "SLURM_NTASKS=8", "SLURM_PROCID=0", "SLURM_STEP_ID=4294967291"));
    check_fine(ENV("SLURM_JOB_ID=5", "SLURM_NTASKS=8", "SLURM_PROCID=0", "SLURM_STEP_ID=4294967290",
                   "SLURM_STEP_NUM_TASKS=1"));
    /* mpirun -n 1 inside, on a node that mpirun reached through a step of its own. */
    check_fine(ENV("SLURM_STEP_ID=0", "SLURM_PROCID=1", "SLURM_STEP_NUM_TASKS=2",
                   "OMPI_COMM_WORLD_SIZE=1"));
    /* srun -n 1 in an allocation of many. */
    check_fine(
        ENV("SLURM_STEP_ID=3", "SLURM_PROCID=0", "SLURM_NTASKS=8", "SLURM_STEP_NUM_TASKS=1"));
}

static void
ranks_that_do_not_know_of_each_other_are_refused(void)
{
    check_refused(ENV("OMPI_COMM_WORLD_SIZE=4", "OMPI_COMM_WORLD_RANK=0"),
                  "OMPI_COMM_WORLD_SIZE=4");
    check_refused(ENV("PMI_SIZE=3", "PMI_RANK=0"), "PMI_SIZE=3");
    check_refused(ENV("SLURM_STEP_ID=0", "SLURM_PROCID=0", "SLURM_STEP_NUM_TASKS=6"),
                  "srun --mpi=pmix");
    check_refused(ENV("SLURM_STEP_ID=0", "SLURM_PROCID=0", "SLURM_NTASKS=6"), "SLURM_NTASKS=6");
}

static void
only_the_first_of_them_says_so(void)
{
    c4pi_simworld_t world;
    CHECK_STATUS(C4P_ERR_SINGLETON, check_in(&world, ENV("PMI_SIZE=3", "PMI_RANK=2")));
    CHECK(world.log == NULL);
    c4pi_simworld_fini(&world);
}

/* text: what is said before MPI_Init in this environment; NULL: nothing. */
static void
check_warning(const char *library, const char *const *env, const char *text)
{
    c4pi_simworld_t world;
    c4pi_simworld_init(&world, &(c4pi_simworld_opts_t){.env = env});
    c4pi_launch_warn(c4pi_port_sim_new(&world, -1, 1), library);
    if (text)
        CHECK_STR_HAS(text, world.log);
    else
        CHECK(world.log == NULL);
    c4pi_simworld_fini(&world);
}

static void
srun_without_pmix_is_warned_of_before_open_mpi_gives_up(void)
{
    const char *const *none =
        ENV("SLURM_STEP_ID=0", "SLURM_PROCID=0", "SLURM_STEP_NUM_TASKS=4", "PMI_RANK=0");
    check_warning("Open MPI v4.1.4", none, "srun --mpi=pmix");
    check_warning("MPICH Version: 4.0.2", none, NULL);
    check_warning("Open MPI v4.1.4", ENV("SLURM_STEP_ID=0", "SLURM_PROCID=3"), NULL);
    check_warning("Open MPI v4.1.4",
                  ENV("SLURM_STEP_ID=0", "SLURM_PROCID=0", "PMIX_NAMESPACE=slurm.pmix.5.0"), NULL);
    check_warning("Open MPI v4.1.4", ENV("SLURM_JOB_ID=5", "SLURM_PROCID=0"), NULL);
}

static void
settings_of_the_user_are_kept(void)
{
    c4pi_simworld_t world;
    c4pi_simworld_init(&world, NULL);
    setenv("OMPI_MCA_opal_signal", "6,7", 1);
    unsetenv("OMPI_MCA_mpi_yield_when_idle");
    c4pi_launch_prepare(c4pi_port_sim_new(&world, -1, 1));
    CHECK_STR_EQ("6,7", getenv("OMPI_MCA_opal_signal"));
    unsetenv("OMPI_MCA_opal_signal");
    c4pi_launch_prepare(c4pi_port_sim_new(&world, -1, 1));
    CHECK_STR_EQ("", getenv("OMPI_MCA_opal_signal"));
    CHECK(getenv("OMPI_MCA_mpi_yield_when_idle") == NULL);
    c4pi_simworld_fini(&world);
}

static void
ucx_is_to_have_no_handlers_unless_the_user_wants_them(void)
{
    c4pi_simworld_t world;
    c4pi_simworld_init(&world, &(c4pi_simworld_opts_t){.env = ENV("UCX_HANDLE_ERRORS=bt")});
    unsetenv("UCX_HANDLE_ERRORS");
    c4pi_launch_prepare(c4pi_port_sim_new(&world, -1, 1));
    CHECK(getenv("UCX_HANDLE_ERRORS") == NULL);
    world.opts.env = ENV("HOME=/root");
    c4pi_launch_prepare(c4pi_port_sim_new(&world, -1, 1));
    if (dlsym(RTLD_DEFAULT, "ucs_debug_disable_signal")) /* with MPICH it has read its settings */
        CHECK(getenv("UCX_HANDLE_ERRORS") == NULL);
    else
        CHECK_STR_EQ("none", getenv("UCX_HANDLE_ERRORS"));
    unsetenv("UCX_HANDLE_ERRORS");
    c4pi_simworld_fini(&world);
}

static void
on_signal(int sig)
{
    (void)sig;
}

static void
the_program_gets_its_signals_back(void)
{
    c4pi_launch_signals_t kept;
    struct sigaction now, mine = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &mine, NULL);
    c4pi_launch_keep_signals(&kept);
    signal(SIGUSR1, SIG_IGN); /* as MPI_Init() may */
    c4pi_launch_restore_signals(&kept);
    sigaction(SIGUSR1, NULL, &now);
    CHECK(now.sa_handler == on_signal);
    CHECK_EQ(SA_RESTART, now.sa_flags & SA_RESTART);
    signal(SIGUSR1, SIG_DFL);
}

static void
more_ranks_than_cpus_make_waiting_ranks_yield(void)
{
    c4pi_simworld_t world;
    c4pi_simworld_init(&world,
                       &(c4pi_simworld_opts_t){.env = ENV("OMPI_COMM_WORLD_LOCAL_SIZE=5000",
                                                          "OMPI_MCA_orte_bound_at_launch=1")});
    unsetenv("OMPI_MCA_mpi_yield_when_idle");
    c4pi_launch_prepare(c4pi_port_sim_new(&world, -1, 1)); /* bound to a CPU each: this one's mask
                                                              says nothing */
    CHECK(getenv("OMPI_MCA_mpi_yield_when_idle") == NULL);
    world.opts.env = ENV("OMPI_COMM_WORLD_LOCAL_SIZE=5000");
    c4pi_launch_prepare(c4pi_port_sim_new(&world, -1, 1));
    CHECK_STR_EQ("1", getenv("OMPI_MCA_mpi_yield_when_idle"));
    unsetenv("OMPI_MCA_mpi_yield_when_idle");
    c4pi_simworld_fini(&world);
}

TEST_CASES(a_program_started_by_itself_is_fine, a_batch_script_of_many_tasks_may_start_it_alone,
           ranks_that_do_not_know_of_each_other_are_refused, only_the_first_of_them_says_so,
           srun_without_pmix_is_warned_of_before_open_mpi_gives_up, settings_of_the_user_are_kept,
           ucx_is_to_have_no_handlers_unless_the_user_wants_them, the_program_gets_its_signals_back,
           more_ranks_than_cpus_make_waiting_ranks_yield)
