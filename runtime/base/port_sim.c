/* SPDX-License-Identifier: Apache-2.0 */
/* port_sim.c: see port_sim.h. The only file besides port_real.c that calls the libc functions that
 * ports wrap. */
#include "base/port_sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_LOG = 4 << 20, /* what comes later is counted, not kept */
    MAX_FILL = 1 << 20
};

/* Head of every block, at its start; the user's part follows, aligned to 64. */
typedef struct block {
    struct block *prev, *next;
    size_t len;
    c4pi_simworld_t *world;
} block_t;
enum { BLOCK_HEAD = 64 };

typedef struct sim_port {
    c4pi_port_t base;
    struct sim_port *next;
    c4pi_simworld_t *world;
    uint64_t cpu_ns;
    double speed;
} sim_port_t;

/* The harness's own memory, which never fails in a run that is to be repeated. */
static void *
own_memory(void *old, size_t len)
{
    void *p = realloc(old, len);
    if (!p) {
        fputs("the simulator is out of memory\n", stderr);
        abort();
    }
    return p;
}

void *
c4pi_sim_memory(size_t len)
{
    return memset(own_memory(NULL, len), 0, len);
}

void
c4pi_sim_memory_free(void *p)
{
    free(p);
}

/* ---- the tape ----------------------------------------------------------------------------------- */

void
c4pi_tape_from_seed(c4pi_tape_t *tape, uint64_t seed)
{
    c4pi_tape_fini(tape);
    tape->prng = seed;
}

void
c4pi_tape_from_bytes(c4pi_tape_t *tape, const uint8_t *bytes, size_t len)
{
    c4pi_tape_fini(tape);
    tape->explicit_bytes = true;
    tape->bytes = bytes;
    tape->len = len;
}

void
c4pi_tape_fini(c4pi_tape_t *tape)
{
    free(tape->record);
    *tape = (c4pi_tape_t){0};
}

static uint8_t
seeded_byte(c4pi_tape_t *tape)
{
    uint64_t z = (tape->prng += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint8_t)(z >> 56);
}

uint8_t
c4pi_tape_byte(c4pi_tape_t *tape)
{
    uint8_t byte = 0;
    if (!tape->explicit_bytes)
        byte = seeded_byte(tape);
    else if (tape->used < tape->len)
        byte = tape->bytes[tape->used];
    if (tape->used == tape->record_cap) {
        tape->record_cap = tape->record_cap ? 2 * tape->record_cap : 1024;
        tape->record = own_memory(tape->record, tape->record_cap);
    }
    tape->record[tape->used++] = byte;
    return byte;
}

uint32_t
c4pi_tape_choose(c4pi_tape_t *tape, uint32_t n)
{
    if (n <= 1)
        return 0;
    int bytes = n <= 256 ? 1 : n <= 65536 ? 2 : 4;
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | c4pi_tape_byte(tape);
    return value % n;
}

/* ---- dying ---------------------------------------------------------------------------------------- */

bool
c4pi_simworld_run(c4pi_simworld_t *world, void (*fn)(void *ctx), void *ctx)
{
    jmp_buf landing;
    world->landing = &landing;
    bool returned = setjmp(landing) == 0;
    if (returned)
        fn(ctx);
    world->landing = NULL;
    return returned;
}

void
c4pi_simworld_die(c4pi_simworld_t *world, int rank, int exit_status)
{
    if (!world->dead) {
        world->dead = true;
        world->exit_status = exit_status;
        world->dead_rank = rank;
    }
    if (world->landing)
        longjmp(*world->landing, 1);
    fprintf(stderr, "rank %d ended the simulated job with status %d outside a step:\n%s", rank,
            exit_status, world->log ? world->log : "");
    abort();
}

/* ---- the world ------------------------------------------------------------------------------------ */

void
c4pi_simworld_init(c4pi_simworld_t *world, const c4pi_simworld_opts_t *opts)
{
    *world = (c4pi_simworld_t){.dead_rank = -1};
    if (opts)
        world->opts = *opts;
    if (world->opts.log_level == C4P_LOG_DEFAULT)
        world->opts.log_level = C4P_LOG_WARN;
    world->now_ns = world->opts.start_ns;
    c4pi_tape_from_bytes(&world->tape, NULL, 0);
}

void
c4pi_simworld_fini(c4pi_simworld_t *world)
{
    block_t *block = world->blocks;
    while (block) {
        block_t *next = block->next;
        free(block);
        block = next;
    }
    sim_port_t *port = world->ports;
    while (port) {
        sim_port_t *next = port->next;
        free(port);
        port = next;
    }
    free(world->log);
    c4pi_simdisk_fini(&world->disk);
    c4pi_tape_fini(&world->tape);
    *world = (c4pi_simworld_t){.dead_rank = -1};
}

static void
log_append(c4pi_simworld_t *world, const char *text, size_t len)
{
    if (world->opts.echo)
        fwrite(text, 1, len, stderr);
    if (world->log_len + len + 1 > MAX_LOG)
        return;
    if (world->log_len + len + 1 > world->log_cap) {
        world->log_cap = 2 * (world->log_len + len + 1);
        world->log = own_memory(world->log, world->log_cap);
    }
    memcpy(world->log + world->log_len, text, len);
    world->log_len += len;
    world->log[world->log_len] = 0;
}

/* ---- the port ------------------------------------------------------------------------------------- */

static inline c4pi_simworld_t *
world_of(c4pi_port_t *port)
{
    return ((sim_port_t *)port)->world;
}

static uint64_t
sim_now_ns(c4pi_port_t *port)
{
    return world_of(port)->now_ns++; /* so that waiting for the time to pass ends */
}

static uint64_t
sim_cpu_ns(c4pi_port_t *port)
{
    return ((sim_port_t *)port)->cpu_ns++;
}

static uint64_t
sim_random_u64(c4pi_port_t *port)
{
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | c4pi_tape_byte(&world_of(port)->tape);
    return value;
}

static void *
sim_alloc(c4pi_port_t *port, size_t len)
{
    c4pi_simworld_t *world = world_of(port);
    uint64_t n = ++world->allocs;
    size_t all;

    if (n == world->opts.fail_alloc || (world->opts.fail_from && n >= world->opts.fail_from))
        return NULL;
    if (__builtin_add_overflow(len, BLOCK_HEAD + 63, &all))
        return NULL;
    block_t *block = aligned_alloc(64, all & ~(size_t)63);
    if (!block)
        return NULL;
    block_t *first = world->blocks;
    *block = (block_t){.next = first, .len = len, .world = world};
    if (first)
        first->prev = block;
    world->blocks = block;
    world->live_blocks++;
    world->live_bytes += len;
    if (world->live_bytes > world->peak_bytes)
        world->peak_bytes = world->live_bytes;
    memset((char *)block + BLOCK_HEAD, 0xa5, len < MAX_FILL ? len : MAX_FILL); /* never zeroes, and
                                                                                  the same in every
                                                                                  run */
    return (char *)block + BLOCK_HEAD;
}

static void
sim_free(c4pi_port_t *port, void *p, size_t len)
{
    c4pi_simworld_t *world = world_of(port);
    if (!p)
        return;
    block_t *block = (block_t *)(void *)((char *)p - BLOCK_HEAD);
    if (block->len != len || block->world != world) {
        fprintf(stderr, "rank %d frees a block of %zu bytes as one of %zu\n", port->rank,
                block->len, len);
        abort();
    }
    if (block->prev)
        block->prev->next = block->next;
    else
        world->blocks = block->next;
    if (block->next)
        block->next->prev = block->prev;
    world->live_blocks--;
    world->live_bytes -= len;
    free(block);
}

static void
sim_sleep_ns(c4pi_port_t *port, uint64_t ns)
{
    world_of(port)->now_ns += ns;
}

static void
sim_yield(c4pi_port_t *port)
{
    (void)port;
}

static void
sim_write_log(c4pi_port_t *port, c4p_log_level_t level, const char *line)
{
    c4pi_simworld_t *world = world_of(port);
    world->num_log[level]++;
    log_append(world, line, strlen(line));
    log_append(world, "\n", 1);
}

static void
sim_write_report(c4pi_port_t *port, const char *text, size_t len)
{
    c4pi_simworld_t *world = world_of(port);
    world->num_reports++;
    log_append(world, text, len);
}

static const char *
sim_getenv(c4pi_port_t *port, const char *name)
{
    const char *const *env = world_of(port)->opts.env;
    size_t len = strlen(name);
    for (; env && *env; env++)
        if (strncmp(*env, name, len) == 0 && (*env)[len] == '=')
            return *env + len + 1;
    return NULL;
}

static void
sim_die(c4pi_port_t *port, int exit_status)
{
    c4pi_simworld_die(world_of(port), port->rank, exit_status);
}

static void
sim_free_port(c4pi_port_t *port)
{
    (void)port; /* the world's */
}

static const c4pi_port_ops_t sim_ops = {
    .now_ns = sim_now_ns,
    .cpu_ns = sim_cpu_ns,
    .random_u64 = sim_random_u64,
    .alloc = sim_alloc,
    .free = sim_free,
    .sleep_ns = sim_sleep_ns,
    .yield = sim_yield,
    .write_log = sim_write_log,
    .write_report = sim_write_report,
    .getenv = sim_getenv,
    .die = sim_die,
    .free_port = sim_free_port,
    .files = &c4pi_sim_files,
};

c4pi_port_t *
c4pi_port_sim_new(c4pi_simworld_t *world, int rank, int num_ranks)
{
    sim_port_t *port = own_memory(NULL, sizeof *port);
    *port = (sim_port_t){.next = world->ports,
                         .base = {.ops = &sim_ops,
                                  .log_level = world->opts.log_level,
                                  .rank = rank,
                                  .num_ranks = num_ranks},
                         .world = world,
                         .speed = 1};
    world->ports = port;
    return &port->base;
}

c4pi_simworld_t *
c4pi_port_sim_world(c4pi_port_t *port)
{
    return world_of(port);
}

void
c4pi_port_sim_burn(c4pi_port_t *port, uint64_t ns)
{
    sim_port_t *sim = (sim_port_t *)port;
    const uint64_t takes_ns = (uint64_t)((double)ns / sim->speed);
    sim->cpu_ns += takes_ns;
    sim->world->now_ns += takes_ns;
}

void
c4pi_port_sim_set_speed(c4pi_port_t *port, double speed)
{
    ((sim_port_t *)port)->speed = speed;
}
