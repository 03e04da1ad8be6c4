/* SPDX-License-Identifier: Apache-2.0 */
/* msg.c: the calls of c4p/msg.h that need the runtime; the others are in msg/msg.c. */
#include "core/rt.h"

c4p_status_t
c4p_msg_new(c4p_rt_t *rt, size_t len, c4p_msg_t **msg_out)
{
    if (!rt || !msg_out)
        return C4P_ERR_ARG;
    c4p_msg_t *msg = c4pi_msg_alloc(&rt->msgs, len);
    if (!msg)
        return C4P_ERR_NOMEM;
    *msg_out = msg;
    return C4P_OK;
}

c4p_status_t
c4p_msg_new_object(c4p_rt_t *rt, void *object, const c4p_object_ops_t *ops, c4p_msg_t **msg_out)
{
    if (!rt || !ops || !ops->flatten || !ops->drop || !msg_out)
        return C4P_ERR_ARG;
    c4p_msg_t *msg = c4pi_msg_alloc(&rt->msgs, 0);
    if (!msg)
        return C4P_ERR_NOMEM;
    msg->object = object;
    msg->object_ops = ops;
    *msg_out = msg;
    return C4P_OK;
}
