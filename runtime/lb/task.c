/* SPDX-License-Identifier: Apache-2.0 */
#include "lb/task.h"

#include <string.h>

/* ---- memory ------------------------------------------------------------------------------------ */

struct c4pi_lb_block {
    c4pi_lb_block_t *next;
    size_t len; /* with this header */
};

enum { HEADER = 64 }; /* keeps what follows aligned */

void *
c4pi_lb_new(c4pi_lb_task_t *task, size_t count, size_t size)
{
    size_t len;
    if (__builtin_mul_overflow(count, size, &len) || __builtin_add_overflow(len, HEADER, &len))
        return NULL;
    c4pi_lb_block_t *block = c4pi_alloc(task->port, len);
    if (!block)
        return NULL;
    *block = (c4pi_lb_block_t){*task->blocks, len};
    *task->blocks = block;
    return (char *)block + HEADER;
}

void *
c4pi_lb_zeroed(c4pi_lb_task_t *task, size_t count, size_t size)
{
    void *p = c4pi_lb_new(task, count, size);
    if (p)
        memset(p, 0, count * size);
    return p;
}

void
c4pi_lb_release(c4pi_lb_task_t *task)
{
    while (*task->blocks) {
        c4pi_lb_block_t *block = *task->blocks;
        *task->blocks = block->next;
        c4pi_free(task->port, block, block->len);
    }
}

/* ---- random numbers ---------------------------------------------------------------------------- */

uint64_t
c4pi_lb_random(c4pi_lb_task_t *task)
{
    uint64_t z = (task->random += 0x9e3779b97f4a7c15u); /* splitmix64 (Vigna) */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

double
c4pi_lb_random_unit(c4pi_lb_task_t *task)
{
    return (double)(c4pi_lb_random(task) >> 11) * 0x1p-53;
}

size_t
c4pi_lb_random_below(c4pi_lb_task_t *task, size_t n)
{
    return (size_t)(c4pi_lb_random(task) % n); /* n < 2^32: the bias is below 2^-32 */
}

/* ---- times ------------------------------------------------------------------------------------- */

void
c4pi_lb_set_ideal(c4pi_lb_task_t *task)
{
    double work = 0, speed = 0;
    for (size_t i = 0; i < task->n; i++)
        work += task->load[i];
    for (int r = 0; r < task->num_ranks; r++) {
        work += task->background[r];
        speed += 1 / task->slowness[r];
    }
    task->ideal = work / speed;
}

double
c4pi_lb_times(const c4pi_lb_task_t *task, const int *place, double *time_out)
{
    double most = 0;
    memcpy(time_out, task->background, (size_t)task->num_ranks * sizeof(double));
    for (size_t i = 0; i < task->n; i++) {
        if (place[i] >= 0)
            time_out[place[i]] += task->load[i];
    }
    for (int r = 0; r < task->num_ranks; r++) {
        time_out[r] *= task->slowness[r];
        if (time_out[r] > most)
            most = time_out[r];
    }
    return most;
}

/* ---- sorting ----------------------------------------------------------------------------------- */

enum { DIGIT_BITS = 11, DIGITS = 6, VALUES = 1 << DIGIT_BITS };

typedef struct keyed {
    uint64_t key;
    uint32_t index;
} keyed_t;

static unsigned
digit(uint64_t key, int d)
{
    return (unsigned)(key >> (d * DIGIT_BITS)) & (VALUES - 1);
}

/* One pass of the radix sort; false if all have the same digit, so that nothing was to do. */
static bool
sort_by_digit(const keyed_t *in, keyed_t *out, size_t n, int d, size_t *count)
{
    size_t at = 0;
    if (count[digit(in[0].key, d)] == n)
        return false;
    for (int v = 0; v < VALUES; v++) {
        size_t here = count[v];
        count[v] = at;
        at += here;
    }
    for (size_t i = 0; i < n; i++)
        out[count[digit(in[i].key, d)]++] = in[i];
    return true;
}

uint32_t *
c4pi_lb_sort(c4pi_lb_task_t *task, const uint64_t *keys, size_t n)
{
    keyed_t *items = c4pi_lb_new(task, n, sizeof(*items));
    keyed_t *other = c4pi_lb_new(task, n, sizeof(*other));
    size_t *counts = c4pi_lb_zeroed(task, (size_t)DIGITS * VALUES, sizeof(*counts));
    uint32_t *order = c4pi_lb_new(task, n, sizeof(*order));
    if (!items || !other || !counts || !order)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        items[i] = (keyed_t){keys[i], (uint32_t)i};
        for (int d = 0; d < DIGITS; d++)
            counts[d * VALUES + (int)digit(keys[i], d)]++;
    }
    for (int d = 0; n && d < DIGITS; d++) {
        if (sort_by_digit(items, other, n, d, counts + (size_t)d * VALUES)) {
            keyed_t *sorted = other;
            other = items;
            items = sorted;
        }
    }
    for (size_t i = 0; i < n; i++)
        order[i] = items[i].index;
    return order;
}

uint32_t *
c4pi_lb_heaviest_first(c4pi_lb_task_t *task)
{
    uint64_t *keys = c4pi_lb_new(task, task->n, sizeof(*keys));
    if (!keys)
        return NULL;
    for (size_t i = 0; i < task->n; i++) {
        memcpy(&keys[i], &task->load[i], sizeof(*keys)); /* ordered like the numbers: none is
                                                            negative */
        keys[i] = ~keys[i];
    }
    return c4pi_lb_sort(task, keys, task->n);
}

c4p_status_t
c4pi_lb_lists_new(c4pi_lb_task_t *task, const int *place, const uint32_t *order,
                  c4pi_lb_lists_t *lists_out)
{
    size_t ranks = (size_t)task->num_ranks;
    size_t *first = c4pi_lb_zeroed(task, ranks + 2, sizeof(*first));
    uint32_t *item = c4pi_lb_new(task, task->n, sizeof(*item));
    if (!first || !item)
        return C4P_ERR_NOMEM;
    /* Counted two places up, begun one place up: filling leaves each where its list begins. */
    for (size_t i = 0; i < task->n; i++) {
        if (place[i] >= 0)
            first[place[i] + 2]++;
    }
    for (size_t r = 1; r < ranks + 2; r++)
        first[r] += first[r - 1];
    for (size_t i = 0; i < task->n; i++) {
        uint32_t object = order ? order[i] : (uint32_t)i;
        if (place[object] >= 0)
            item[first[place[object] + 1]++] = object;
    }
    *lists_out = (c4pi_lb_lists_t){first, item};
    return C4P_OK;
}
