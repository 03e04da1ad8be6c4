/* SPDX-License-Identifier: Apache-2.0 */
/* settings.c: the table of settings, for programs that print it. */
#include <c4p/runtime.h>

#include "base/env.h"

bool
c4p_setting_get(size_t n, c4p_setting_t *setting_out)
{
    const c4pi_setting_t *table = c4pi_env_table();
    for (size_t i = 0; i <= n; i++) {
        if (!table[i].name)
            return false;
    }
    if (!setting_out)
        return false;
    *setting_out = (c4p_setting_t){
        .name = table[n].name,
        .values = table[n].values,
        .default_value = table[n].deflt,
        .meaning = table[n].meaning,
    };
    return true;
}
