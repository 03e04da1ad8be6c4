/* SPDX-License-Identifier: Apache-2.0 */
/* direct.h: calls of functions whose arguments all travel in registers.
 *
 * In the calling conventions of x86-64 (System V ABI, 3.2.3) and of AArch64 (AAPCS64, 6.8.2) the
 * integer and the floating-point arguments are numbered apart, each kind has registers of its own,
 * and registers that a function does not know do not disturb it. So one call with all registers
 * filled serves all functions with at most so many parameters. libffi, which serves the others and
 * other machines, takes a thousand instructions to find out the same. Integers are extended to
 * their register; a float is in the lower half of its one. */
#ifndef C4PI_DIRECT_H
#define C4PI_DIRECT_H

#include <c4p/typed.h>

enum {
#if (defined(__x86_64__) && !defined(_WIN32) && !defined(__ILP32__)) ||                            \
    (defined(__aarch64__) && defined(__LP64__))
    C4PI_DIRECT_CALLS = 1,
#else
    C4PI_DIRECT_CALLS = 0, /* such calls must not be made */
#endif
    C4PI_DIRECT_INTEGERS = 4, /* after the runtime and the object */
    C4PI_DIRECT_FLOATS = 8
};

typedef struct c4pi_direct {
    uint64_t integers[C4PI_DIRECT_INTEGERS]; /* pointers, too */
    double floats[C4PI_DIRECT_FLOATS];
} c4pi_direct_t;

static inline void
c4pi_direct_call(c4p_any_fn_t fn, c4p_rt_t *rt, void *object, const c4pi_direct_t *args)
{
    const uint64_t *i = args->integers;
    const double *f = args->floats;
    ((void (*)(c4p_rt_t *, void *, uint64_t, uint64_t, uint64_t, uint64_t, double, double, double,
               double, double, double, double, double))fn)(
        rt, object, i[0], i[1], i[2], i[3], f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]);
}

/* The same of a function that answers. */
static inline bool
c4pi_direct_ask(c4p_any_fn_t fn, c4p_rt_t *rt, void *object, const c4pi_direct_t *args)
{
    const uint64_t *i = args->integers;
    const double *f = args->floats;
    return ((bool (*)(c4p_rt_t *, void *, uint64_t, uint64_t, uint64_t, uint64_t, double, double,
                      double, double, double, double, double, double))fn)(
        rt, object, i[0], i[1], i[2], i[3], f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7]);
}

#endif
