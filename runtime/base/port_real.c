/* SPDX-License-Identifier: Apache-2.0 */
/* port_real.c: the port of real runs, on libc and Linux. The only file of the runtime that calls
 * the functions it wraps. */
#define _GNU_SOURCE

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/env.h"
#include "base/port.h"

#if defined(__SANITIZE_ADDRESS__)
#define UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNDER_ASAN 1
#endif
#endif
#ifndef UNDER_ASAN
#define UNDER_ASAN 0
#endif

/* Blocks from MAP_FROM on get mappings of their own, aligned so that huge pages fit. */
#define HUGE_PAGE  ((size_t)2 << 20)
#define SMALL_PAGE ((size_t)4096)
#define MAP_FROM   ((size_t)1 << 20)

typedef struct real_port {
    c4pi_port_t base;
    void (*log_fn)(void *ctx, c4p_log_level_t level, const char *line);
    void *log_ctx;
    uint64_t random_state[4];
    bool seeded;
    int seeded_rank;     /* the stream starts anew when the rank becomes known */
    uint64_t fail_alloc; /* which allocation fails, counted from 1; 0: none */
    uint64_t num_allocs;
} real_port_t;

static uint64_t
clock_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t
real_now_ns(c4pi_port_t *port)
{
    (void)port;
    return clock_ns(CLOCK_MONOTONIC);
}

static uint64_t
real_cpu_ns(c4pi_port_t *port)
{
    (void)port;
    return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

/* ---- randomness: xoshiro256** (Blackman and Vigna), seeded through splitmix64 ---------------- */

static uint64_t
splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint64_t
rotate_left(uint64_t x, int by)
{
    return (x << by) | (x >> (64 - by));
}

static void
random_seed(real_port_t *port)
{
    uint64_t seed;
    const char *text = secure_getenv("C4PY_SEED");
    if (!text || !c4pi_env_number(text, &seed)) {
        seed = clock_ns(CLOCK_MONOTONIC) ^ (uint64_t)getpid() << 32;
        uint64_t entropy;
        if (getrandom(&entropy, sizeof(entropy), GRND_NONBLOCK) == (ssize_t)sizeof(entropy))
            seed ^= entropy;
    }
    uint64_t rank = (uint64_t)(int64_t)port->base.rank;
    uint64_t state = seed ^ splitmix(&rank);
    for (int i = 0; i < 4; i++)
        port->random_state[i] = splitmix(&state);
    port->seeded = true;
    port->seeded_rank = port->base.rank;
}

static uint64_t
real_random_u64(c4pi_port_t *base)
{
    real_port_t *port = (real_port_t *)base;
    if (!port->seeded || port->seeded_rank != base->rank)
        random_seed(port);
    uint64_t *s = port->random_state;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Bytes to map for a block: whole pages, and a last huge page that is at least half used is
 * completed. */
static size_t
map_len(size_t len)
{
    size_t tail = len % HUGE_PAGE;
    size_t unit = tail >= HUGE_PAGE / 2 ? HUGE_PAGE : SMALL_PAGE;
    return len > SIZE_MAX - 2 * HUGE_PAGE ? 0 : (len + unit - 1) & ~(unit - 1);
}

/* Map a block at a huge-page boundary: map too much, cut off both ends. */
static void *
map_block(size_t len)
{
    size_t want = map_len(len);
    if (!want)
        return NULL;
    size_t have = want + HUGE_PAGE - SMALL_PAGE;
    char *raw = mmap(NULL, have, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (raw == MAP_FAILED)
        return NULL;
    size_t before = (size_t)(-(uintptr_t)raw) & (HUGE_PAGE - 1);
    size_t after = have - before - want;
    if (before)
        munmap(raw, before);
    if (after)
        munmap(raw + before + want, after);
    /* Advice: a kernel without huge pages refuses it, which does no harm. */
    madvise(raw + before, want, MADV_HUGEPAGE);
    return raw + before;
}

static void *
real_alloc(c4pi_port_t *base, size_t len)
{
    real_port_t *port = (real_port_t *)base;
    if (++port->num_allocs == port->fail_alloc)
        return NULL;
    if (len >= MAP_FROM && !UNDER_ASAN)
        return map_block(len);
    void *p = NULL;
    return posix_memalign(&p, 64, len ? len : 1) == 0 ? p : NULL;
}

static void
real_free(c4pi_port_t *base, void *p, size_t len)
{
    (void)base;
    if (p && len >= MAP_FROM && !UNDER_ASAN)
        munmap(p, map_len(len));
    else
        free(p);
}

/* ---- waiting, writing ------------------------------------------------------------------------ */

static void
real_sleep_ns(c4pi_port_t *port, uint64_t ns)
{
    (void)port;
    struct timespec t = {.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
    nanosleep(&t, NULL);
}

static void
real_yield(c4pi_port_t *port)
{
    (void)port;
    sched_yield();
}

/* Write all parts, in one system call unless the system takes less. A reader that is gone or stuck
 * for a second loses text, not the job. */
static void
write_all(struct iovec *parts, int num_parts)
{
    while (num_parts > 0) {
        ssize_t n = writev(STDERR_FILENO, parts, num_parts);
        if (n < 0) {
            struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};
            if (errno == EINTR || (errno == EAGAIN && poll(&ready, 1, 1000) > 0))
                continue;
            return;
        }
        size_t done = (size_t)n;
        while (num_parts > 0 && done >= parts->iov_len) {
            done -= parts->iov_len;
            parts++;
            num_parts--;
        }
        if (num_parts > 0) {
            parts->iov_base = (char *)parts->iov_base + done;
            parts->iov_len -= done;
        }
    }
}

static void
real_write_log(c4pi_port_t *base, c4p_log_level_t level, const char *line)
{
    real_port_t *port = (real_port_t *)base;
    if (port->log_fn) {
        port->log_fn(port->log_ctx, level, line);
        return;
    }
    char newline[] = "\n";
    struct iovec parts[2] = {{.iov_base = (char *)(uintptr_t)line, .iov_len = strlen(line)},
                             {.iov_base = newline, .iov_len = 1}};
    write_all(parts, 2);
}

static void
real_flush(c4pi_port_t *port)
{
    (void)port;
    fflush(stdout);
}

/* Line by line, longer ones in pieces: memory may be what is lacking. */
static void
report_to_host(const real_port_t *port, const char *text, size_t len)
{
    char line[1000];
    while (len > 0) {
        const char *end = memchr(text, '\n', len);
        size_t n = end ? (size_t)(end - text) : len, skip = end != NULL;
        if (n > sizeof line - 1) {
            n = sizeof line - 1;
            skip = 0;
        }
        memcpy(line, text, n);
        line[n] = '\0';
        port->log_fn(port->log_ctx, C4P_LOG_ERROR, line);
        text += n + skip;
        len -= n + skip;
    }
}

static void
real_write_report(c4pi_port_t *base, const char *text, size_t len)
{
    real_port_t *port = (real_port_t *)base;
    if (port->log_fn) {
        report_to_host(port, text, len);
        return;
    }
    real_flush(base); /* what the program printed before comes before */
    struct iovec part = {.iov_base = (char *)(uintptr_t)text, .iov_len = len};
    write_all(&part, 1);
}

static bool
is_read(int fd)
{
    struct stat about;
    int unread = 0;
    return fstat(fd, &about) != 0 || !S_ISFIFO(about.st_mode) ||
           ioctl(fd, FIONREAD, &unread) != 0 || unread == 0;
}

static void
real_wait_for_readers(c4pi_port_t *port, uint64_t wait_ns)
{
    const uint64_t pause_ns = 200000, end_ns = real_now_ns(port) + wait_ns;
    while (!(is_read(STDOUT_FILENO) && is_read(STDERR_FILENO)) && real_now_ns(port) < end_ns)
        real_sleep_ns(port, pause_ns);
}

static const char *
real_getenv(c4pi_port_t *port, const char *name)
{
    (void)port;
    return secure_getenv(name);
}

static void
real_die(c4pi_port_t *port, int exit_status)
{
    (void)port;
    _exit(exit_status);
}

#ifdef __GLIBC__ /* others have no exit function that is told the status */
static void
on_end(int exit_status, void *wait_ns)
{
    const uint64_t begin_ns = real_now_ns(NULL), patience_ns = (uintptr_t)wait_ns;
    for (uint64_t past_ns = 0; past_ns < patience_ns; past_ns = real_now_ns(NULL) - begin_ns)
        real_sleep_ns(NULL, patience_ns - past_ns);
    _exit(exit_status);
}
#endif

/* The function that is registered last is called first, and does not return. */
static void
real_exit_is_end(c4pi_port_t *port, uint64_t wait_ns)
{
    (void)port;
#ifdef __GLIBC__
    (void)on_exit(on_end, (void *)(uintptr_t)wait_ns);
#else
    (void)wait_ns;
#endif
}

static void
real_free_port(c4pi_port_t *port)
{
    free(port);
}

static const c4pi_port_ops_t real_ops = {
    .now_ns = real_now_ns,
    .cpu_ns = real_cpu_ns,
    .random_u64 = real_random_u64,
    .alloc = real_alloc,
    .free = real_free,
    .sleep_ns = real_sleep_ns,
    .yield = real_yield,
    .write_log = real_write_log,
    .write_report = real_write_report,
    .flush = real_flush,
    .getenv = real_getenv,
    .die = real_die,
    .wait_for_readers = real_wait_for_readers,
    .exit_is_end = real_exit_is_end,
    .free_port = real_free_port,
    .files = &c4pi_real_files,
};

c4p_status_t
c4pi_port_real_new(const c4p_opts_t *opts, c4pi_port_t **port_out)
{
    c4p_opts_t own;
    c4p_status_t st = c4pi_opts_copy(opts, &own);
    if (st != C4P_OK)
        return st;
    real_port_t *port = calloc(1, sizeof(*port));
    if (!port)
        return C4P_ERR_NOMEM;
    port->base.ops = &real_ops;
    port->base.rank = -1;
    port->base.log_level = own.log_level ? own.log_level : C4P_LOG_WARN;
    port->log_fn = own.log_fn;
    port->log_ctx = own.log_ctx;
    const char *text = secure_getenv("C4PY_FAIL_ALLOC");
    if (!text || !c4pi_env_number(text, &port->fail_alloc))
        port->fail_alloc = 0;
    *port_out = &port->base;
    return C4P_OK;
}
