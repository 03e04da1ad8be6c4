/* SPDX-License-Identifier: Apache-2.0 */
#include "core/newborn.h"

void
c4pi_newborn_expect(c4pi_coll_t *coll, c4p_key_t key)
{
    c4p_rt_t *rt = coll->rt;
    c4pi_newborn_t *newborn = c4pi_alloc(rt->port, sizeof *newborn);
    if (newborn)
        *newborn = (c4pi_newborn_t){.key = key};
    if (!newborn || c4pi_keymap_add(&coll->newborns, newborn) != C4P_OK) {
        c4pi_free(rt->port, newborn, sizeof *newborn);
        c4pi_die(rt, C4P_ERR_NOMEM, "no memory for one more insertion into an array of %s",
                 coll->type->desc.name);
    }
    c4pi_coll_guard(coll);
}

void
c4pi_newborn_forget(c4pi_coll_t *coll, c4pi_newborn_t *newborn)
{
    c4pi_keymap_remove(&coll->newborns, newborn->key);
    c4pi_free(coll->rt->port, newborn, sizeof *newborn);
    c4pi_coll_guard(coll);
}

void
c4pi_newborn_free_all(c4pi_coll_t *coll)
{
    size_t at = 0;
    void *object;
    while (c4pi_keymap_next(&coll->newborns, &at, &object)) {
        c4pi_newborn_t *newborn = object;
        for (c4p_msg_t *msg; (msg = c4pi_fifo_pop(&newborn->held)) != NULL;)
            c4pi_msg_drop(msg);
        c4pi_free(coll->rt->port, newborn, sizeof *newborn);
    }
    c4pi_keymap_fini(&coll->newborns);
    c4pi_keymap_init(&coll->newborns, coll->rt->port);
}
