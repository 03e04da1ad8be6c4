/* SPDX-License-Identifier: Apache-2.0 */
/* checkpoint.c: c4p/checkpoint.h. */
#include "svc/checkpoint.h"

#include <string.h>

#include "api/collective.h"
#include "core/pump.h"

c4p_status_t
c4p_checkpoint(c4p_rt_t *rt, const char *dir, c4p_ref_t waits, const c4p_target_t *done)
{
    if (!rt || !dir || !dir[0] || !done)
        return C4P_ERR_ARG;
    if (rt->phase != C4PI_PHASE_ACTIVE)
        return C4P_ERR_STATE;
    if (strlen(dir) >= C4PI_DIR_MAX)
        return C4P_ERR_LIMIT;
    c4p_status_t st = c4pi_check_target(rt, done);
    if (st == C4P_OK)
        c4pi_ckpt_ask(rt, dir, waits, done);
    return st;
}

c4p_status_t
c4p_checkpoint_result(const c4p_msg_t *msg, c4p_checkpoint_result_t *result_out)
{
    c4p_checkpoint_result_t result;
    c4p_pup_t p;
    size_t len;
    if (!msg || !result_out)
        return C4P_ERR_ARG;
    c4pi_pup_unpack_init(&p, c4p_msg_data((c4p_msg_t *)(uintptr_t)msg), c4p_msg_len(msg));
    result.status = (c4p_status_t)c4p_get_u32(&p);
    result.generation = c4p_get_u64(&p);
    result.elements = c4p_get_u64(&p);
    result.bytes = c4p_get_u64(&p);
    result.why = c4p_get_blob(&p, &len);
    if (c4p_pup_status(&p) != C4P_OK || !len || result.why[len - 1])
        return C4P_ERR_DATA;
    *result_out = result;
    return C4P_OK;
}

c4p_status_t
c4p_restart(c4p_rt_t *rt, const char *dir)
{
    if (!rt || !dir || !dir[0])
        return C4P_ERR_ARG;
    if (rt->phase != C4PI_PHASE_ACTIVE || rt->in_scheduler || rt->colls.count)
        return C4P_ERR_STATE;
    if (strlen(dir) >= C4PI_DIR_MAX)
        return C4P_ERR_LIMIT;
    c4pi_ckpt_t *ckpt = c4pi_ckpt_need(rt);
    rt->in_scheduler = true;
    rt->stop = false;
    c4pi_restart_begin(rt, dir);
    while (!ckpt->over) {
        rt->stop = false;
        (void)c4pi_pump_run(rt, UINT64_MAX);
    }
    rt->stop = false;
    c4pi_flow_flush(rt->flow);
    rt->in_scheduler = false;
    return ckpt->result;
}

c4p_status_t
c4p_checkpoint_set_key(c4p_rt_t *rt, const char *path)
{
    char why[C4PI_WHY_MAX];
    if (!rt || !path || !path[0])
        return C4P_ERR_ARG;
    if (rt->rank != 0)
        return C4P_OK;
    c4p_status_t st = c4pi_ckpt_key_read(rt, path, why, sizeof why);
    if (st != C4P_OK)
        c4pi_log(rt->port, C4P_LOG_ERROR, "error[C4P-E%d] %s", (int)st, why);
    return st;
}

c4p_status_t
c4p_checkpoint_set_hooks(c4p_rt_t *rt, const c4p_checkpoint_hooks_t *hooks)
{
    if (!rt || !hooks || hooks->struct_size < sizeof *hooks)
        return C4P_ERR_ARG;
    c4pi_ckpt_need(rt)->hooks = *hooks;
    return C4P_OK;
}

bool
c4p_checkpointing(const c4p_rt_t *rt)
{
    return rt && rt->frozen;
}
