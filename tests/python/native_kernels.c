/* SPDX-License-Identifier: Apache-2.0 */
/* native_kernels.c: the functions that native.py has as methods of its chares. */
#include <c4p/c4p.h>
#include <string.h>

#define KERNEL __attribute__((visibility("default")))

/* As native.py declares it. */
typedef struct cell {
    double x[10];
    int32_t calls;
    int64_t self;
    double floats[3];
    int64_t whole[9];
    char text[32];
    c4p_ref_t other;
} cell_t;

typedef struct point {
    int32_t id;
    double at[2];
} point_t;

KERNEL void add(c4p_rt_t *rt, cell_t *cell, double dt, int n, const double *x);
KERNEL void place(c4p_rt_t *rt, cell_t *cell);
KERNEL void scalars(c4p_rt_t *rt, cell_t *cell, bool b, char c, int i, unsigned u, long l,
                    uint8_t u8, int16_t i16, uint64_t u64, float f, double d);
KERNEL void few(c4p_rt_t *rt, cell_t *cell, int8_t i8, float f, uint64_t u64, double d);
KERNEL void note(c4p_rt_t *rt, cell_t *cell, const char *text, const int16_t *numbers,
                 const bool *flags, const char *word);
KERNEL void point(c4p_rt_t *rt, cell_t *cell, int n, const point_t *points);
KERNEL void meet(c4p_rt_t *rt, cell_t *cell, const c4p_ref_t *other);
KERNEL void bounce(c4p_rt_t *rt, cell_t *cell, int left);
KERNEL void look(c4p_rt_t *rt, const void *state);

KERNEL void
add(c4p_rt_t *rt, cell_t *cell, double dt, int n, const double *x)
{
    (void)rt;
    for (int i = 0; i < n; i++)
        cell->x[i] += dt * x[i];
    cell->calls++;
}

KERNEL void
place(c4p_rt_t *rt, cell_t *cell)
{
    (void)rt;
    cell->self = (int64_t)(intptr_t)cell;
}

KERNEL void
scalars(c4p_rt_t *rt, cell_t *cell, bool b, char c, int i, unsigned u, long l, uint8_t u8,
        int16_t i16, uint64_t u64, float f, double d)
{
    const int64_t whole[] = {b, c, i, u, l, u8, i16, (int64_t)u64};
    const double floats[] = {(double)f, d};
    (void)rt;
    memcpy(cell->whole, whole, sizeof whole);
    memcpy(cell->floats, floats, sizeof floats);
}

KERNEL void
few(c4p_rt_t *rt, cell_t *cell, int8_t i8, float f, uint64_t u64, double d)
{
    (void)rt;
    cell->whole[0] = i8;
    cell->whole[1] = (int64_t)u64;
    cell->floats[0] = (double)f;
    cell->floats[1] = d;
}

KERNEL void
note(c4p_rt_t *rt, cell_t *cell, const char *text, const int16_t *numbers, const bool *flags,
     const char *word)
{
    (void)rt;
    strncpy(cell->text, text, sizeof cell->text - 1);
    for (int i = 0; i < 3; i++)
        cell->whole[i] = numbers[i];
    cell->whole[3] = flags[0] * 2 + flags[1];
    cell->whole[4] = word[0] * 256 + word[1];
}

KERNEL void
point(c4p_rt_t *rt, cell_t *cell, int n, const point_t *points)
{
    (void)rt;
    cell->whole[0] = n;
    cell->whole[1] = n > 0 ? points[n - 1].id : -1;
    cell->floats[0] = n > 0 ? points[n - 1].at[1] : -1;
}

KERNEL void
meet(c4p_rt_t *rt, cell_t *cell, const c4p_ref_t *other)
{
    (void)rt;
    cell->other = *other;
}

/* Call a method in Python that has no parameters. */
static void
call_python(c4p_rt_t *rt, const char *name)
{
    const c4p_ref_t self = c4p_self(rt);
    c4p_coll_info_t info;
    c4p_entry_t entry;
    c4p_msg_t *msg;
    if (c4p_coll_info(rt, self.coll, &info) != C4P_OK ||
        c4p_entry_find(rt, info.type, name, &entry) != C4P_OK || c4p_msg_new(rt, 0, &msg) != C4P_OK)
        c4p_abort(rt, 70, "no such method");
    if (c4p_send(rt, self, entry, msg) != C4P_OK)
        c4p_abort(rt, 70, "the method cannot be called");
}

/* To and fro between two chares, without Python. */
KERNEL void
bounce(c4p_rt_t *rt, cell_t *cell, int left)
{
    c4p_typed_t typed;
    cell->calls++;
    if (left == 0)
        call_python(rt, "finished");
    else if (c4p_typed_find(rt, cell->other, "bounce", &typed) != C4P_OK ||
             c4p_send_typed(rt, cell->other, typed, left - 1) != C4P_OK)
        c4p_abort(rt, 70, "the other cell cannot be called");
}

/* A class without native state. */
KERNEL void
look(c4p_rt_t *rt, const void *state)
{
    call_python(rt, state ? "saw_something" : "saw_nothing");
}

/* ---- reducers ------------------------------------------------------------------------------------ */

/* As native_reduce.py declares it. */
typedef struct span {
    double lowest, highest;
    int64_t count;
} span_t;

KERNEL void merge(span_t *into, const span_t *from, size_t n);
KERNEL void keep(void *into, const void *from, size_t n);
KERNEL void larger(int32_t *into, const int32_t *from, size_t n);
KERNEL void give(c4p_rt_t *rt, void *state, int n, const int32_t *values);

KERNEL void
merge(span_t *into, const span_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (from[i].lowest < into[i].lowest)
            into[i].lowest = from[i].lowest;
        if (from[i].highest > into[i].highest)
            into[i].highest = from[i].highest;
        into[i].count += from[i].count;
    }
}

/* All elements are the same. */
KERNEL void
keep(void *into, const void *from, size_t n)
{
    (void)into, (void)from, (void)n;
}

/* By absolute value. */
KERNEL void
larger(int32_t *into, const int32_t *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((from[i] < 0 ? -from[i] : from[i]) > (into[i] < 0 ? -into[i] : into[i]))
            into[i] = from[i];
}

/* Contribute; the result goes to the method `taken` of the first element. */
KERNEL void
give(c4p_rt_t *rt, void *state, int n, const int32_t *values)
{
    const c4p_ref_t self = c4p_self(rt);
    c4p_reduce_t how = {.op = C4P_OP_CUSTOM};
    c4p_target_t target = {.kind = C4P_TARGET_ELEMENT, .ref = {.coll = self.coll}};
    c4p_coll_info_t info;
    (void)state;
    if (c4p_reducer_find(rt, "larger", &how.custom) != C4P_OK ||
        c4p_coll_info(rt, self.coll, &info) != C4P_OK ||
        c4p_entry_find(rt, info.type, "taken", &target.entry) != C4P_OK ||
        c4p_contribute(rt, self, &how, values, (size_t)n * sizeof *values, &target, NULL) != C4P_OK)
        c4p_abort(rt, 70, "no contribution");
}

/* ---- conditions ---------------------------------------------------------------------------------- */

/* As native_when.py declares it. */
typedef struct taker {
    int step, num;
    int steps[64];
    double values[64];
} taker_t;

KERNEL bool is_next(c4p_rt_t *rt, const taker_t *taker, int step);
KERNEL bool is_open(c4p_rt_t *rt, const taker_t *taker);
KERNEL bool sums_up(c4p_rt_t *rt, const taker_t *taker, int a, int b, int c, int d, int e, int n,
                    const double *x);
KERNEL void take(c4p_rt_t *rt, taker_t *taker, int step, int n, const double *x);
KERNEL void take_open(c4p_rt_t *rt, taker_t *taker, const char *text);
KERNEL void
take_many(c4p_rt_t *rt, taker_t *taker, int a, int b, int c, int d, int e, int n, const double *x);
KERNEL void set_step(c4p_rt_t *rt, taker_t *taker, int step);
KERNEL void hold(c4p_rt_t *rt, taker_t *taker, int step);
KERNEL void let_go(c4p_rt_t *rt, taker_t *taker);

KERNEL bool
is_next(c4p_rt_t *rt, const taker_t *taker, int step)
{
    (void)rt;
    return step == taker->step;
}

KERNEL bool
is_open(c4p_rt_t *rt, const taker_t *taker)
{
    (void)rt;
    return taker->step < 0;
}

KERNEL bool
sums_up(c4p_rt_t *rt, const taker_t *taker, int a, int b, int c, int d, int e, int n,
        const double *x)
{
    (void)rt;
    return n > 0 && a + b + c + d + e + (int)x[n - 1] == taker->step;
}

static void
note_taken(taker_t *taker, int step, double value)
{
    if (taker->num < 64) {
        taker->steps[taker->num] = step;
        taker->values[taker->num++] = value;
    }
}

KERNEL void
take(c4p_rt_t *rt, taker_t *taker, int step, int n, const double *x)
{
    (void)rt;
    note_taken(taker, step, n > 0 ? x[n - 1] : 0);
    taker->step++;
}

KERNEL void
take_open(c4p_rt_t *rt, taker_t *taker, const char *text)
{
    (void)rt;
    note_taken(taker, (int)strlen(text), text[0]);
}

KERNEL void
take_many(c4p_rt_t *rt, taker_t *taker, int a, int b, int c, int d, int e, int n, const double *x)
{
    (void)rt;
    note_taken(taker, 10000 * a + 1000 * b + 100 * c + 10 * d + e, x[n - 1]);
}

KERNEL void
set_step(c4p_rt_t *rt, taker_t *taker, int step)
{
    (void)rt;
    taker->step = step;
}

/* Who waits for hold(), until let_go(). */
static c4p_reply_t held;

KERNEL void
hold(c4p_rt_t *rt, taker_t *taker, int step)
{
    taker->num = c4p_reply_take(rt, NULL, &held) == C4P_OK ? step : -step;
}

KERNEL void
let_go(c4p_rt_t *rt, taker_t *taker)
{
    taker->num = 0;
    (void)c4p_reply_send(rt, &held, NULL, false);
}
