/* SPDX-License-Identifier: Apache-2.0 */
/* runtime.h: life of a runtime: options, start, the scheduler, exit. */
#ifndef C4P_RUNTIME_H
#define C4P_RUNTIME_H

#include <c4p/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How much a line of the log matters. */
typedef enum c4p_log_level {
    C4P_LOG_DEFAULT, /**< of options: C4P_LOG_WARN */
    C4P_LOG_ERROR,   /**< something failed */
    C4P_LOG_WARN,    /**< something is probably not as it was meant */
    C4P_LOG_INFO,    /**< what the runtime does, seldom */
    C4P_LOG_DEBUG    /**< for who looks into the runtime */
} c4p_log_level_t;
/** What happens when all is quiet while something still waits. */
typedef enum c4p_stall_mode {
    C4P_STALL_ABORT, /**< a report, then the job ends with status 75 */
    C4P_STALL_WARN,  /**< a report */
    C4P_STALL_OFF    /**< nobody looks */
} c4p_stall_mode_t;
/** How a rank without work waits. */
typedef enum c4p_idle_mode {
    C4P_IDLE_AUTO, /**< spins for 1 ms, then yields, after 1 s sleeps; with more ranks than cores it
                      yields at once */
    C4P_IDLE_SPIN, /**< keeps its core */
    C4P_IDLE_YIELD, /**< gives the core to others between two polls */
    C4P_IDLE_SLEEP  /**< up to 1 ms at a time */
} c4p_idle_mode_t;

/** Options; start from C4P_OPTS_INIT. Each can also be set by the environment variable named beside
 * it, which wins over the struct. */
typedef struct c4p_opts {
    size_t struct_size;        /**< sizeof(c4p_opts_t) of the caller */
    c4p_log_level_t log_level; /**< C4PY_LOG=error|warn|info|debug; default warn */
    /** Gets each line of the log and of reports, without newline, instead of standard error (NULL).
     * Must not call the runtime; of a report that ends the job it hears just before that. */
    void (*log_fn)(void *ctx, c4p_log_level_t level, const char *line);
    void *log_ctx;           /**< first argument of log_fn */
    c4p_stall_mode_t stall;  /**< C4PY_STALL=abort|warn|off; default abort */
    uint32_t stall_after_ms; /**< C4PY_STALL_AFTER_MS; quiet time before the job is examined;
                                default 500 */
    c4p_idle_mode_t idle;    /**< C4PY_IDLE=auto|spin|yield|sleep; default auto */
    uint64_t credit_bytes;   /**< C4PY_CREDIT_BYTES; unprocessed bytes of small messages per pair of
                                ranks; default 8 MiB */
    uint32_t small_bytes;    /**< C4PY_SMALL_BYTES; largest message, with envelope, that goes by the
                                eager path; default 4032 */
    uint32_t ring_slots;     /**< C4PY_RING; preposted receives; default 64 */
    uint32_t batch_bytes; /**< C4PY_BATCH_BYTES; messages up to this size are batched; default 256;
                             C4PY_BATCH_BYTES=0 switches batching off */
    uint32_t loc_cache;   /**< C4PY_LOC_CACHE; entries of the location cache per rank; default 65536
                           */
    uint64_t counter_base; /**< C4PY_TEST_COUNTER_BASE; first value of every sequence counter, for
                              tests; default 0 */
    uint32_t bcast_log;    /**< C4PY_BCAST_LOG; broadcasts kept per collection before a release is
                              negotiated; default 64 */
    uint64_t shared_bytes; /**< C4PY_SHARED_BYTES; memory per rank through which messages reach
                              ranks of the same host; taken as it is used; default 128 MiB;
                              C4PY_SHARED_BYTES=0 sends them through MPI */
    uint64_t test_hosts;   /**< C4PY_TEST_HOSTS; for tests, 0: off. Rank r behaves as if it were on
                              the host named by decimal digit r mod n of the n digits: 1122, 12 */
} c4p_opts_t;

/** Defaults for everything: zero means "the default" in each field. */
#define C4P_OPTS_INIT                                                                              \
    {                                                                                              \
        .struct_size = sizeof(c4p_opts_t)                                                          \
    }

/**
 * Create the runtime of this rank on all ranks of MPI_COMM_WORLD's job. Initialises MPI (FUNNELED)
 * unless the host did; then c4p_free() finalises it too. Collective. c4p/mpi.h has the variant for
 * a communicator of the host's. Ownership: the caller's, until c4p_free(). Returns: C4P_OK;
 * C4P_ERR_ARG, without a word, for rt_out NULL and options whose struct_size is none;
 * C4P_ERR_OPTION (environment), C4P_ERR_SINGLETON, C4P_ERR_MPI, C4P_ERR_NOMEM; the cause is logged.
 */
C4P_API c4p_status_t c4p_init(const c4p_opts_t *opts, c4p_rt_t **rt_out);

/**
 * Check that all ranks registered the same types, entries, handlers, maps and reducers, in any
 * order of time but the same order of calls. Collective; after it chares may be created. Types
 * added later must be added in the same order on all ranks. Returns: C4P_OK; C4P_ERR_MISMATCH on
 * all ranks, with one report from rank 0 that names the first difference; C4P_ERR_STATE.
 */
C4P_API c4p_status_t c4p_start(c4p_rt_t *rt);

/**
 * Run the scheduler until the job exits (c4p_exit() on any rank). Collective in the sense that all
 * ranks must be inside a scheduler call for the job to make progress. Returns C4P_OK with the exit
 * code; C4P_ERR_STATE when called from inside an entry method or before c4p_start(); the status
 * that ended the job otherwise.
 */
C4P_API c4p_status_t c4p_run(c4p_rt_t *rt, int *exit_code_out);

/** Run until the whole job is quiescent or exits. Collective. Sets *exited_out (may be NULL) when
 * the job exits. Returns as c4p_run_for(). */
C4P_API c4p_status_t c4p_run_until_quiescent(c4p_rt_t *rt, bool *exited_out);

/**
 * Run the scheduler for a while: until `max_msgs` messages have run on this rank, `max_us`
 * microseconds have passed, or the job exits; 0: no limit of that kind. What runs, counts: entry
 * methods, values of futures, posted functions. An entry method in progress is not interrupted;
 * without work it waits, as c4p_run() does. Not collective: other ranks may be in any scheduler
 * call, or outside. With max_us the stall detector knows that the host will go on by itself. Sets
 * *exited_out (may be NULL) when the job exits. Returns C4P_OK; C4P_ERR_ARG without any limit;
 * C4P_ERR_STATE when called from inside an entry method or before c4p_start(); C4P_ERR_NOMEM; the
 * status that ended the job.
 */
C4P_API c4p_status_t c4p_run_for(c4p_rt_t *rt, uint64_t max_msgs, uint64_t max_us,
                                 bool *exited_out);

/**
 * Poll the network and run at most `max_msgs` entry methods; does not wait. *did_out (may be NULL):
 * how many messages arrived or ran, 0 if there was nothing to do. A host that steps is not known to
 * the stall detector: if it may send or contribute later of its own accord, it sets C4P_STALL_OFF.
 * Returns C4P_OK; C4P_ERR_STATE when called from inside an entry method or after exit.
 */
C4P_API c4p_status_t c4p_step(c4p_rt_t *rt, uint32_t max_msgs, uint32_t *did_out);

/** From inside a long computation: move messages of the network, run protocol messages, never an
 * entry method. Takes 16 messages at most. */
C4P_API void c4p_poll(c4p_rt_t *rt);

/**
 * Ask for an orderly end of the job with this exit code. Returns at once; no further entry method
 * runs on any rank once its turn is decided, and c4p_run() returns on all. Of several requests the
 * one of the smallest rank that reached rank 0 first wins. Any rank, inside or outside entries.
 * Returns: C4P_OK; C4P_ERR_STATE before c4p_start().
 */
C4P_API c4p_status_t c4p_exit(c4p_rt_t *rt, int exit_code);

/** True once this rank knows that the job exits. */
C4P_API bool c4p_exiting(const c4p_rt_t *rt);

/** Report `text` (NULL: nothing) as the root cause and end all ranks at once with this exit status
 * (1..125; 1 for any other). Does not return. Collective in no sense: one rank is enough. Of
 * several ranks of a host that fail at once, the first one reports; another waits for its end, and
 * reports after 10 s if that has not come. */
C4P_API C4P_NORETURN void c4p_abort(c4p_rt_t *rt, int exit_status, const char *text);

/**
 * In a process that is about to fork: give received messages that are still held memory of this
 * process alone, so that parent and child do not see each other's changes. The child must not use
 * the runtime. Returns C4P_OK; C4P_ERR_NOMEM if some are still shared.
 */
C4P_API c4p_status_t c4p_before_fork(c4p_rt_t *rt);

/**
 * Destroy the runtime: after c4p_run() returned, or before c4p_start(), on all ranks. Collective.
 * Finalises MPI if this runtime's c4p_init() initialised it, so of several this one goes last. NULL
 * is fine. What it took of MPI is given back; not so the two communicators of a runtime that is
 * freed in the middle of its job, whose messages may be on their way: these stay until
 * MPI_Finalize(), which is the host's to call then, also after c4p_init(): a warning says so. From
 * inside the scheduler, or from a destroy function that it runs, it ends the job with a report.
 *
 * A host that forgets it: MPI_Finalize() frees what runtimes there are, with the destroy functions
 * of the objects that are left, as this function would. They must not be used then; c4p_free()
 * alone does nothing after MPI_Finalize().
 */
C4P_API void c4p_free(c4p_rt_t *rt);

/** This rank, counted from 0; -1 for NULL. */
C4P_API int c4p_rank(const c4p_rt_t *rt);
/** How many ranks the job has; 0 for NULL. */
C4P_API int c4p_num_ranks(const c4p_rt_t *rt);
/** How many ranks share this rank's memory (its host), this one included. */
C4P_API int c4p_host_ranks(const c4p_rt_t *rt);
/** This rank's place among those of its host, counted from 0. */
C4P_API int c4p_host_rank(const c4p_rt_t *rt);
/** How many hosts the job runs on. They are numbered from 0 in the order of their lowest ranks. */
C4P_API int c4p_num_hosts(const c4p_rt_t *rt);
/** The host of any rank; -1 if there is no such rank. Cost: O(1) where the ranks were placed
 * regularly, else O(log) of the runs of ranks on one host. */
C4P_API int c4p_host_of(const c4p_rt_t *rt, int rank);
/** The lowest rank of a host that is greater than `after` (-1: the lowest of all); -1 if there is
 * none. Cost: as c4p_host_of(), or O(runs) where the ranks were not placed regularly. */
C4P_API int c4p_host_next(const c4p_rt_t *rt, int host, int after);

/** Seconds since c4p_init() by a monotonic clock of this rank. */
C4P_API double c4p_time_s(const c4p_rt_t *rt);

/** Log one line through the runtime's log, with the rank in front; nothing if the level is not
 * wanted. */
C4P_API void c4p_log(c4p_rt_t *rt, c4p_log_level_t level, const char *fmt, ...) C4P_PRINTF(3, 4);

/* ---- timers and hooks ------------------------------------------------------------------------ */

struct c4p_report;

/** A function of the host's that the scheduler calls. `ctx` is what was given with it. */
typedef void (*c4p_fn_t)(c4p_rt_t *rt, void *ctx);

/** Call fn(rt, ctx) from the scheduler, once, after at least `delay_s` seconds, 0 to 1e9. No limit
 * on how many. *id_out (may be NULL) for cancelling. Does not count as work for quiescence. Cost:
 * O(log) of those that are set. Returns: C4P_OK; C4P_ERR_ARG; C4P_ERR_NOMEM. */
C4P_API c4p_status_t c4p_timer(c4p_rt_t *rt, double delay_s, c4p_fn_t fn, void *ctx,
                               uint64_t *id_out);
/** Forget a timer that has not fired. Returns: C4P_OK; C4P_ERR_NOT_FOUND if it has, or never was.
 */
C4P_API c4p_status_t c4p_timer_cancel(c4p_rt_t *rt, uint64_t id);

/** Run fn(rt, ctx) from the scheduler after what is queued already: first in, first out. Counts as
 * work for quiescence. Waits while the gate is closed. Returns: C4P_OK; C4P_ERR_ARG. */
C4P_API c4p_status_t c4p_post(c4p_rt_t *rt, c4p_fn_t fn, void *ctx);

/** Hooks of a language layer; each may be NULL. Set before c4p_start(). */
typedef struct c4p_hooks {
    size_t struct_size; /**< sizeof(c4p_hooks_t) of the caller */
    /** Called once in a while from the scheduler, idle or busy, at most every 10 ms: check for
     * signals. Return false to abort the job with status 130. */
    bool (*tick)(c4p_rt_t *rt, void *ctx);
    /** Around a sleep of the idle scheduler: release and take back an interpreter lock. */
    void (*idle_begin)(c4p_rt_t *rt, void *ctx);
    void (*idle_end)(c4p_rt_t *rt, void *ctx); /**< the sleep is over */
    /** How many coroutines, channel receives and the like wait on this rank; asked only when the
     * job has been quiet for a while. */
    uint64_t (*count_waiters)(c4p_rt_t *rt, void *ctx);
    /** Append one line per waiter with c4p_report_line(). */
    void (*list_waiters)(c4p_rt_t *rt, void *ctx, struct c4p_report *report);
    void *ctx; /**< second argument of each */
    /** Rank 0, at most once in a job, after about 2 s in which nothing happened on any rank:
     * nothing waits, no timer is set, no message is in flight, and nobody asked to exit. The job
     * goes on. Not with stall detection off. NULL: in c4p_run() a warning is logged. */
    void (*nothing_left)(c4p_rt_t *rt, void *ctx);
    /** Whether something outside of the job may bring work to this rank, such as the client of a
     * server that `tick` looks after: then what waits is no stall, and something is left to do.
     * Asked as count_waiters is. Quiescence does not care. */
    bool (*outside)(c4p_rt_t *rt, void *ctx);
    /** Between two entry methods, when C4PY_CHAOS says so (gc=): look for garbage now. */
    void (*collect)(c4p_rt_t *rt, void *ctx);
} c4p_hooks_t;
/** Take these hooks, instead of those before. They are copied. Returns: C4P_OK; C4P_ERR_ARG. */
C4P_API c4p_status_t c4p_set_hooks(c4p_rt_t *rt, const c4p_hooks_t *hooks);

/** One setting that the environment can change: its name there, what it takes ("abort|warn|off",
 * "bytes", "ms", ...), default and meaning. */
typedef struct c4p_setting {
    const char *name;          /**< of the environment variable */
    const char *values;        /**< what it takes */
    const char *default_value; /**< "" if there is none */
    const char *meaning;       /**< a line of text */
} c4p_setting_t;
/** The n-th setting, counted from 0; false after the last one. Strings are static. Any thread. */
C4P_API bool c4p_setting_get(size_t n, c4p_setting_t *setting_out);

/** Add one line, without newline, to a stall report: in the hook list_waiters only. */
C4P_API void c4p_report_line(struct c4p_report *report, const char *fmt, ...) C4P_PRINTF(2, 3);

/**
 * While the gate is closed, messages for chares are received and queued but none runs (constructors
 * included), nor what this rank has posted or sent to its own handlers. Protocol messages, handlers
 * called by other ranks and timers run. Used to hold ranks until rank 0 has published what they
 * need.
 */
C4P_API void c4p_gate(c4p_rt_t *rt, bool closed);

/** Bytes that wait in this rank's sender queues for credit of slow receivers. Above ~2x the credit
 * a polite sender suspends. */
C4P_API uint64_t c4p_backlog_bytes(const c4p_rt_t *rt);

#ifdef __cplusplus
}
#endif
#endif
