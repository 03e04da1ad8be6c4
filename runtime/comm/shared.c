/* SPDX-License-Identifier: Apache-2.0 */
/* shared.c: see shared.h.
 *
 * A pool is a head of one page, a lane to each rank of the host, then blocks, each of a class: a
 * power of two and a page. A block starts with a line that says whose it is and links it, then
 * comes the message as everywhere else: local part, envelope, payload. The owner carves blocks from
 * the pool's end or takes them from its free lists; whoever drops a received message pushes the
 * block to the list `returned` of its pool, from where the owner takes them all at once (Treiber,
 * "Systems Programming: Coping with Parallelism", 1986; taking all leaves no ABA problem). */
#define _GNU_SOURCE
#include "comm/shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"

enum {
    HEAD_BYTES = 4096, /* a page */
    FIRST_CLASS = 8192,
    SLACK = 4096,
    CLASSES = 20,
    LARGEST_PART = 4,   /* a message takes at most this part of a pool */
    LARGER_CLASSES = 3, /* so much larger a block may be than it need be, before there is no room */
    BLOCK_LINE = 64,
    LANES_PART = 4, /* of a pool are lanes, at most */
    /* Lanes that a rank reads do not all begin alike in their pages: their first lines would all go
     * to the same few places of the cache. */
    LANE_SHIFTS = 32,
    MAX_CALLERS = 1024
};
/* A lane is not made larger than the first, and gets memory by the second, or by more if few
 * messages would fit into that. */
static const uint64_t MOST_LANE_BYTES = (uint64_t)1 << 20, LANE_STEP = (uint64_t)1 << 16;

/* The first page of a pool. */
typedef struct pool_head {
    uint64_t secret;
    _Atomic(uint64_t) reported; /* in the pool of the host's first rank: somebody reports */
    _Alignas(64) _Atomic(uint64_t) returned; /* place of a block; 0: none */
    /* Which ranks of the host send to this pool's through their lanes, a bit for each; and whether
     * one wanted to and could not. */
    _Alignas(64) _Atomic(uint64_t) callers[MAX_CALLERS / 64];
    _Atomic(uint64_t) strays;
} pool_head_t;
_Static_assert(sizeof(pool_head_t) <= HEAD_BYTES, "the head is a page");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "a lock would be each process's own");

/* The first line of a block. */
typedef struct block {
    uint64_t next; /* place of another block in the same list; 0: none */
    uint32_t cls;
    uint32_t owner;  /* which of the host's ranks */
    uint64_t backed; /* owner: bytes that surely have memory */
    /* While the message lives: its receiver's. */
    struct block *newer, *older;
    bool detached; /* memory of the receiver alone lies here, see c4pi_shared_before_fork() */
} block_t;
_Static_assert(sizeof(block_t) <= BLOCK_LINE, "the message starts the second line of a block");

typedef struct pool {
    char *base;
    c4pi_shared_id_t id;
} pool_t;

struct c4pi_shared {
    c4pi_msgs_t *msgs;
    int fd;
    c4pi_shared_id_t id;
    char *base;          /* of this rank's pool */
    uint64_t lane_bytes; /* of each lane; 0: there are none */
    uint64_t lane_step;  /* what a lane gets at a time, as far as there is so much */
    uint64_t known_callers[MAX_CALLERS / 64];
    uint64_t first, top, free[CLASSES]; /* first: where blocks begin */
    uint64_t out;                       /* blocks that are not in a free list */
    block_t *guests; /* with messages of other ranks that are alive here, newest first */
    pool_t *pools;   /* of all ranks of this host; NULL until opened */
    int count, me;
    c4pi_map_t places; /* rank -> its pool */
};

static void give_back(void *ctx, c4p_msg_t *msg);

/* ---- pools ------------------------------------------------------------------------------------ */

static void *
map(int fd, uint64_t bytes)
{
    void *base = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED)
        return NULL;
    (void)madvise(base, (size_t)bytes, MADV_DONTDUMP);
    return base;
}

/* A file of this size would be a signal, and not an error. */
static bool
may_be_so_large(uint64_t bytes)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) == 0 && bytes <= limit.rlim_cur;
}

static uint64_t
whole_pages(uint64_t bytes)
{
    return (bytes + HEAD_BYTES - 1) & ~(uint64_t)(HEAD_BYTES - 1);
}

/* How far behind its place the lane of the n-th rank of the host begins. */
static uint64_t
shift_of_lane(int n)
{
    return (uint64_t)(n % LANE_SHIFTS) * C4PI_LANE_LINE;
}

/* The largest number of whole pages, at most what a lane may have, that leaves the rest of the pool
 * to blocks. */
static uint64_t
size_of_lanes(uint64_t bytes, int count, size_t largest)
{
    uint64_t each = bytes / LANES_PART / (uint64_t)count & ~(uint64_t)(HEAD_BYTES - 1);
    if (each > MOST_LANE_BYTES)
        each = MOST_LANE_BYTES;
    return each >= C4PI_LANE_LEAST * (uint64_t)largest + shift_of_lane(LANE_SHIFTS - 1) ? each : 0;
}

c4pi_shared_t *
c4pi_shared_new(c4pi_msgs_t *msgs, int rank, int count, uint64_t bytes, size_t largest)
{
    c4pi_shared_t *shared = c4pi_calloc(msgs->port, sizeof *shared);
    if (!shared)
        return NULL;
    *shared =
        (c4pi_shared_t){.msgs = msgs, .fd = -1, .lane_bytes = size_of_lanes(bytes, count, largest)};
    shared->lane_step = whole_pages(C4PI_LANE_LEAST * (uint64_t)largest);
    if (shared->lane_step < LANE_STEP)
        shared->lane_step = LANE_STEP;
    shared->first = shared->top = HEAD_BYTES + (uint64_t)count * shared->lane_bytes;
    shared->id = (c4pi_shared_id_t){
        .secret = msgs->port->ops->random_u64(msgs->port) ^ c4pi_now_ns(msgs->port),
        .bytes = bytes < HEAD_BYTES ? HEAD_BYTES : bytes & ~(uint64_t)(HEAD_BYTES - 1),
        .rank = rank,
        .pid = (int32_t)getpid()};
    c4pi_map_init(&shared->places, msgs->port);
    if (may_be_so_large(shared->id.bytes))
        shared->fd = shared->id.fd = memfd_create("c4py", MFD_CLOEXEC);
    if (shared->fd >= 0 && ftruncate(shared->fd, (off_t)shared->id.bytes) == 0)
        shared->base = map(shared->fd, shared->id.bytes);
    if (!shared->base) {
        c4pi_shared_free(shared);
        return NULL;
    }
    pool_head_t *head = (pool_head_t *)(void *)shared->base;
    head->secret = shared->id.secret;
    atomic_init(&head->returned, 0);
    atomic_init(&head->reported, 0);
    atomic_init(&head->strays, 0);
    for (int i = 0; i < MAX_CALLERS / 64; i++)
        atomic_init(&head->callers[i], 0);
    return shared;
}

void
c4pi_shared_id(const c4pi_shared_t *shared, c4pi_shared_id_t *id_out)
{
    *id_out = shared->id;
}

/* The file behind another rank's pool, while that rank lives; -1: it cannot be opened. */
static int
open_file(const c4pi_shared_id_t *id)
{
    char path[64];
    struct stat info;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)id->pid, (int)id->fd);
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd >= 0 && (fstat(fd, &info) != 0 || (uint64_t)info.st_size != id->bytes)) {
        close(fd);
        return -1;
    }
    return fd;
}

static char *
open_pool(const c4pi_shared_id_t *id)
{
    int fd = open_file(id);
    if (fd < 0)
        return NULL;
    char *base = map(fd, id->bytes);
    close(fd);
    if (base && ((const pool_head_t *)(void *)base)->secret != id->secret) {
        munmap(base, (size_t)id->bytes); /* another process of this number, in another container */
        return NULL;
    }
    return base;
}

bool
c4pi_shared_open(c4pi_shared_t *shared, const c4pi_shared_id_t *ids, int count)
{
    shared->pools = c4pi_calloc(shared->msgs->port, (size_t)count * sizeof *shared->pools);
    if (!shared->pools)
        return false;
    shared->count = count;
    for (int i = 0; i < count; i++) {
        bool mine = ids[i].rank == shared->id.rank;
        if (mine)
            shared->me = i;
        if (ids[i].bytes < HEAD_BYTES)
            return false;
        shared->pools[i] = (pool_t){.base = mine ? shared->base : open_pool(&ids[i]), .id = ids[i]};
        if (!shared->pools[i].base ||
            c4pi_map_put(&shared->places, (uint64_t)ids[i].rank, &shared->pools[i]) != C4P_OK)
            return false;
    }
    shared->msgs->give_back = give_back;
    shared->msgs->give_back_ctx = shared;
    return true;
}

bool
c4pi_shared_claim_report(c4pi_shared_t *shared)
{
    pool_head_t *head = (pool_head_t *)(void *)shared->pools[0].base;
    return atomic_exchange(&head->reported, 1) == 0;
}

void
c4pi_shared_free(c4pi_shared_t *shared)
{
    if (!shared)
        return;
    c4pi_port_t *port = shared->msgs->port;
    if (shared->fd >= 0)
        close(shared->fd);
    for (int i = 0; i < shared->count && !shared->guests; i++)
        if (shared->pools[i].base && shared->pools[i].base != shared->base)
            munmap(shared->pools[i].base, (size_t)shared->pools[i].id.bytes);
    if (shared->base && !shared->guests)
        munmap(shared->base, (size_t)shared->id.bytes);
    if (shared->msgs->give_back_ctx == shared)
        shared->msgs->give_back = NULL;
    c4pi_map_fini(&shared->places);
    c4pi_free(port, shared->pools, (size_t)shared->count * sizeof *shared->pools);
    c4pi_free(port, shared, sizeof *shared);
}

/* ---- blocks of one's own ---------------------------------------------------------------------- */

static inline block_t *
block_at(char *base, uint64_t place)
{
    return (block_t *)(void *)(base + place);
}

static inline c4p_msg_t *
block_msg(block_t *block)
{
    return (c4p_msg_t *)(void *)((char *)block + BLOCK_LINE);
}

static uint64_t
class_bytes(uint32_t cls)
{
    return ((uint64_t)FIRST_CLASS << cls) + SLACK;
}

static uint32_t
class_of(uint64_t bytes)
{
    return bytes <= class_bytes(0) ? 0 : 64 - (uint32_t)__builtin_clzll(bytes - SLACK - 1) - 13;
}
_Static_assert(FIRST_CLASS == 1 << 13, "class_of() knows the smallest class");

/* What others have given back is free again. */
static void
collect_returned(c4pi_shared_t *shared)
{
    pool_head_t *head = (pool_head_t *)(void *)shared->base;
    uint64_t place = atomic_exchange_explicit(&head->returned, 0, memory_order_acquire);
    while (place) {
        block_t *block = block_at(shared->base, place);
        uint64_t next = block->next;
        block->next = shared->free[block->cls];
        shared->free[block->cls] = place;
        shared->out--;
        place = next;
    }
}

/* From the list of a class; 0: empty. */
static uint64_t
take_free(c4pi_shared_t *shared, uint32_t cls)
{
    uint64_t place = shared->free[cls];
    if (place)
        shared->free[cls] = block_at(shared->base, place)->next;
    return place;
}

/* Memory for the first `bytes` of a block, so that writing there cannot fail. */
static bool
back(c4pi_shared_t *shared, uint64_t place, uint64_t backed, uint64_t bytes)
{
    int rc = 0;
    if (bytes <= backed)
        return true;
    do {
        rc = fallocate(shared->fd, 0, (off_t)place, (off_t)bytes);
    } while (rc != 0 && errno == EINTR);
    return rc == 0 || errno == EOPNOTSUPP || errno == ENOSYS;
}

/* A new block from the end of the pool; 0: no room. What was cut up for other sizes is one again
 * when all of it is free. */
static uint64_t
carve(c4pi_shared_t *shared, uint32_t cls, uint64_t bytes)
{
    uint64_t cap = class_bytes(cls);
    if (cap > shared->id.bytes - shared->top && shared->out == 0) {
        shared->top = shared->first;
        memset(shared->free, 0, sizeof shared->free);
    }
    uint64_t place = shared->top;
    if (cap > shared->id.bytes - place || !back(shared, place, 0, bytes))
        return 0;
    shared->top += cap;
    *block_at(shared->base, place) =
        (block_t){.cls = cls, .owner = (uint32_t)shared->me, .backed = bytes};
    return place;
}

/* The place of a block for so many bytes; 0: no room. */
static uint64_t
block_get(c4pi_shared_t *shared, uint64_t bytes)
{
    uint32_t cls = class_of(bytes);
    if (cls >= CLASSES || class_bytes(cls) > shared->id.bytes / LARGEST_PART + SLACK)
        return 0;
    if (!shared->free[cls])
        collect_returned(shared);
    uint64_t place = take_free(shared, cls);
    if (!place)
        place = carve(shared, cls, bytes);
    for (uint32_t more = cls + 1; !place && more <= cls + LARGER_CLASSES && more < CLASSES; more++)
        place = take_free(shared, more);
    if (!place)
        return 0;
    block_t *block = block_at(shared->base, place);
    shared->out++;
    if (!back(shared, place, block->backed, bytes)) {
        block->next = shared->free[block->cls];
        shared->free[block->cls] = place;
        shared->out--;
        return 0;
    }
    if (bytes > block->backed)
        block->backed = bytes;
    return place;
}

/* ---- lanes ------------------------------------------------------------------------------------ */

/* Where the lane from one rank of the host to another begins in the first one's pool. */
static uint64_t
lane_place(const c4pi_shared_t *shared, int from, int to)
{
    return HEAD_BYTES + (uint64_t)to * shared->lane_bytes + shift_of_lane(from);
}

static uint64_t
lane_length(const c4pi_shared_t *shared, int from)
{
    return shared->lane_bytes - shift_of_lane(from);
}

/* How much of this rank's lanes can be used after so much of one. */
static uint64_t
next_usable(const c4pi_shared_t *shared, uint64_t usable)
{
    uint64_t left = lane_length(shared, shared->me) - usable;
    return usable + (left < shared->lane_step ? left : shared->lane_step);
}

/* c4pi_lane_out_t.extend */
static void
lane_extend(void *ctx, c4pi_lane_out_t *out)
{
    c4pi_shared_t *shared = ctx;
    const uint64_t usable = out->end + C4PI_LANE_LINE, more = next_usable(shared, usable);
    const uint64_t place = (uint64_t)(out->ring - C4PI_LANE_LINE - shared->base);
    if (more > usable && back(shared, place + usable, 0, more - usable))
        out->end += more - usable;
    else
        out->extend = NULL;
}

bool
c4pi_shared_has_lanes(const c4pi_shared_t *shared)
{
    return shared->lane_bytes > 0;
}

bool
c4pi_shared_lane_to(c4pi_shared_t *shared, int i, c4pi_lane_out_t *out)
{
    pool_head_t *head = (pool_head_t *)(void *)shared->pools[i].base;
    const uint64_t place = lane_place(shared, shared->me, i), usable = next_usable(shared, 0);
    if (!shared->lane_bytes || shared->me >= MAX_CALLERS || !back(shared, place, 0, usable)) {
        atomic_store_explicit(&head->strays, 1, memory_order_relaxed);
        return false;
    }
    c4pi_lane_out_init(out, shared->base + place, usable);
    out->extend = lane_extend;
    out->ctx = shared;
    atomic_fetch_or(&head->callers[shared->me / 64], (uint64_t)1 << shared->me % 64);
    return true;
}

int
c4pi_shared_next_caller(c4pi_shared_t *shared)
{
    pool_head_t *head = (pool_head_t *)(void *)shared->base;
    for (int i = 0; i < MAX_CALLERS / 64 && i * 64 < shared->count; i++) {
        uint64_t fresh = atomic_load_explicit(&head->callers[i], memory_order_acquire) &
                         ~shared->known_callers[i];
        if (fresh) {
            int bit = __builtin_ctzll(fresh);
            shared->known_callers[i] |= (uint64_t)1 << bit;
            return 64 * i + bit < shared->count ? 64 * i + bit : -1;
        }
    }
    return -1;
}

void
c4pi_shared_lane_from(const c4pi_shared_t *shared, int i, c4pi_lane_in_t *in)
{
    c4pi_lane_in_init(in, shared->pools[i].base + lane_place(shared, i, shared->me),
                      lane_length(shared, i));
}

bool
c4pi_shared_has_strays(const c4pi_shared_t *shared)
{
    const pool_head_t *head = (const pool_head_t *)(const void *)shared->base;
    return atomic_load_explicit(&head->strays, memory_order_relaxed) != 0;
}

int
c4pi_shared_count(const c4pi_shared_t *shared)
{
    return shared->count;
}

int
c4pi_shared_index(const c4pi_shared_t *shared, int rank)
{
    const pool_t *pool = c4pi_map_get(&shared->places, (uint64_t)rank);
    return pool ? (int)(pool - shared->pools) : -1;
}

int
c4pi_shared_rank(const c4pi_shared_t *shared, int i)
{
    return shared->pools[i].id.rank;
}

/* ---- guests: blocks of others, with messages that live here ----------------------------------- */

static void
guest_add(c4pi_shared_t *shared, block_t *block)
{
    block->detached = false;
    block->newer = NULL;
    block->older = shared->guests;
    if (block->older)
        block->older->newer = block;
    shared->guests = block;
}

static void
guest_remove(c4pi_shared_t *shared, block_t *block)
{
    if (block->newer)
        block->newer->older = block->older;
    else
        shared->guests = block->older;
    if (block->older)
        block->older->newer = block->newer;
}

/* Let the pool show through again where memory of this process lay. False in a child of the process
 * that took the message, or if the block's rank is gone: then it is lost to its pool. */
static bool
attach_again(const c4pi_shared_t *shared, const pool_t *pool, block_t *block)
{
    uint32_t cls = block->cls;
    uint64_t place = (uint64_t)((char *)block - pool->base);
    if (shared->id.pid != (int32_t)getpid())
        return false;
    int fd = pool->base == shared->base ? shared->fd : open_file(&pool->id);
    if (fd < 0)
        return false;
    void *at = mmap(block, (size_t)class_bytes(cls), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
                    fd, (off_t)place);
    if (fd != shared->fd)
        close(fd);
    return at != MAP_FAILED;
}

/* msgs->give_back: the last owner dropped a message that c4pi_shared_take() made. */
static void
give_back(void *ctx, c4p_msg_t *msg)
{
    c4pi_shared_t *shared = ctx;
    block_t *block = (block_t *)(void *)((char *)msg - BLOCK_LINE);
    const pool_t *pool = &shared->pools[block->owner];

    guest_remove(shared, block);
    if (block->detached && !attach_again(shared, pool, block))
        return;
    pool_head_t *head = (pool_head_t *)(void *)pool->base;
    uint64_t place = (uint64_t)((char *)block - pool->base);
    uint64_t first = atomic_load_explicit(&head->returned, memory_order_relaxed);
    do {
        block->next = first;
    } while (!atomic_compare_exchange_weak_explicit(&head->returned, &first, place,
                                                    memory_order_release, memory_order_relaxed));
}

/* Put memory of this process, with the same contents, where a block of a pool was. */
static bool
detach(c4pi_msgs_t *msgs, block_t *block)
{
    size_t used = BLOCK_LINE + sizeof(c4p_msg_t) + (size_t)block_msg(block)->env.len;
    void *copy = c4pi_alloc(msgs->port, used);
    if (!copy)
        return false;
    memcpy(copy, block, used);
    void *at = mmap(block, (size_t)class_bytes(block->cls), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (at != MAP_FAILED) {
        memcpy(block, copy, used);
        block->detached = true;
    }
    c4pi_free(msgs->port, copy, used);
    return at != MAP_FAILED;
}

bool
c4pi_shared_before_fork(c4pi_shared_t *shared)
{
    bool all = true;
    for (block_t *block = shared->guests; block; block = block->older)
        if (!block->detached && !detach(shared->msgs, block))
            all = false;
    return all;
}

/* ---- messages --------------------------------------------------------------------------------- */

bool
c4pi_shared_put(c4pi_shared_t *shared, int dest, const c4p_msg_t *msg, uint64_t *place_out)
{
    if (!c4pi_map_get(&shared->places, (uint64_t)dest) || msg->env.len > shared->id.bytes)
        return false;
    uint64_t place = block_get(shared, BLOCK_LINE + sizeof *msg + msg->env.len);
    if (!place)
        return false;
    c4p_msg_t *copy = block_msg(block_at(shared->base, place));
    copy->env = msg->env;
    c4pi_msg_copy_payload(copy + 1, msg);
    atomic_thread_fence(memory_order_release); /* before the announcement */
    *place_out = place;
    return true;
}

c4p_msg_t *
c4pi_shared_take(c4pi_shared_t *shared, int source, uint64_t place)
{
    const pool_t *pool = c4pi_map_get(&shared->places, (uint64_t)source);
    if (!pool || place < shared->first || place % HEAD_BYTES || place >= pool->id.bytes)
        return NULL;
    atomic_thread_fence(memory_order_acquire);
    block_t *block = block_at(pool->base, place);
    c4p_msg_t *msg = block_msg(block);
    if (msg->env.len > pool->id.bytes - place)
        return NULL;
    guest_add(shared, block);
    return c4pi_msg_adopt(shared->msgs, msg);
}
