/* SPDX-License-Identifier: Apache-2.0 */
#include "kernel.h"

#include <stdbool.h>
#include <string.h>

#include "kernel_isa.h"

typedef struct isa {
    const char *name;
    leanmd_forces_fn_t forces;
    bool (*here)(void);
} isa_t;

static bool
always(void)
{
    return true;
}

#if defined LEANMD_X86
static bool
has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq");
}

static bool
has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

static const isa_t isas[] = {
#if defined LEANMD_X86
    {"avx512", leanmd_forces_avx512, has_avx512},
    {"avx2", leanmd_forces_avx2, has_avx2},
#endif
    {"baseline", leanmd_forces_baseline, always},
};

static const isa_t *chosen;

static const isa_t *
choose(void)
{
    if (!chosen)
        leanmd_set_isa(NULL);
    return chosen;
}

int
leanmd_set_isa(const char *name)
{
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++)
        if ((!name || strcmp(name, isas[i].name) == 0) && isas[i].here()) {
            chosen = &isas[i];
            return 0;
        }
    return -1;
}

const char *
leanmd_isa(void)
{
    return choose()->name;
}

void
leanmd_pair(const leanmd_law_t *law, const double *pos, size_t n, const double shift[3],
            const double *other, size_t m, double *force, double *other_force, leanmd_sums_t *sums)
{
    choose()->forces(law, pos, n, shift, other, m, force, other_force, sums);
}

void
leanmd_self(const leanmd_law_t *law, const double *pos, size_t n, double *force,
            leanmd_sums_t *sums)
{
    choose()->forces(law, pos, n, NULL, pos, n, force, force, sums);
}
