/* SPDX-License-Identifier: Apache-2.0 */
/* result.c: the parts of c4p/collective.h that only look at bytes: reduction results, gathered
 * lists, tuples, element types. What arrived from elsewhere is checked, so that damaged bytes give
 * a status or an early end and never a read outside the message. */
#include "svc/accum_format.h"

#include "msg/msg.h"
#include "svc/accum_typed.h"

/* Head and contiguous payload of a result; false if the message is none or is damaged. */
static bool
read_head(c4p_msg_t *msg, c4pi_result_head_t *head_out)
{
    const size_t len = c4pi_msg_inline_len(msg);

    if (len < sizeof(*head_out))
        return false;
    memcpy(head_out, c4pi_msg_payload(msg), sizeof(*head_out));
    const size_t left = len - sizeof(*head_out);
    if (head_out->magic != C4PI_RESULT_MAGIC || head_out->len > left ||
        head_out->op > C4P_OP_CUSTOM)
        return false;
    if (!head_out->meta_len)
        return true;
    const size_t meta_at = c4pi_pad16((size_t)head_out->len);
    return head_out->meta_len <= C4PI_META_MAX && meta_at <= left &&
           head_out->meta_len <= left - meta_at;
}

static uint8_t *
data_of(c4p_msg_t *msg)
{
    return (uint8_t *)c4pi_msg_payload(msg) + sizeof(c4pi_result_head_t);
}

bool
c4p_msg_is_result(const c4p_msg_t *msg)
{
    return msg && !msg->object && (msg->env.flags & C4PI_FLAG_RESULT);
}

c4p_status_t
c4p_result_get(c4p_msg_t *msg, c4p_result_t *result_out)
{
    c4pi_result_head_t head;

    if (!c4p_msg_is_result(msg))
        return C4P_ERR_TYPE;
    if (!read_head(msg, &head))
        return C4P_ERR_DATA;
    if (head.dtype) { /* results of typed operations only */
        const bool placed = head.op == C4P_OP_MINLOC || head.op == C4P_OP_MAXLOC;
        const size_t item = placed ? 16 : c4p_dtype_size((c4p_dtype_t)head.dtype);
        if (!item || head.len % item)
            return C4P_ERR_DATA;
    }
    *result_out = (c4p_result_t){
        .op = (c4p_op_t)head.op,
        .dtype = (c4p_dtype_t)head.dtype,
        .custom = head.custom,
        .number = head.number,
        .contributors = head.contributors,
        .meta = head.meta_len ? data_of(msg) + c4pi_pad16((size_t)head.len) : NULL,
        .meta_len = head.meta_len,
        .data = data_of(msg),
        .len = head.len,
        .coll = head.coll,
    };
    return C4P_OK;
}

static bool
read_gathered(c4p_msg_t *msg, c4pi_result_head_t *head_out)
{
    return c4p_msg_is_result(msg) && read_head(msg, head_out) && head_out->op == C4P_OP_GATHER &&
           head_out->ndims >= 1 && head_out->ndims <= C4P_MAX_DIMS;
}

bool
c4p_gathered_next(c4p_msg_t *msg, size_t *cursor, c4p_gathered_t *part_out)
{
    c4pi_result_head_t head;
    c4pi_part_head_t part;
    const uint8_t *data;

    if (!read_gathered(msg, &head) ||
        !c4pi_part_next(data_of(msg), (size_t)head.len, cursor, &part, &data))
        return false;
    c4p_index_unpack(part.key, head.ndims, &part_out->index);
    part_out->is_error = part.is_error != 0;
    part_out->data = data;
    part_out->len = (size_t)part.len;
    return true;
}

uint64_t
c4p_gathered_count(c4p_msg_t *msg)
{
    c4pi_result_head_t head;
    c4pi_part_head_t part;
    const uint8_t *data;
    size_t at = 0;
    uint64_t count = 0;

    if (!read_gathered(msg, &head))
        return 0;
    while (c4pi_part_next(data_of(msg), (size_t)head.len, &at, &part, &data))
        count++;
    return count;
}

size_t
c4p_dtype_size(c4p_dtype_t dtype)
{
    static const uint8_t sizes[] = {
        [C4P_BOOL] = 1,        [C4P_INT8] = 1,    [C4P_UINT8] = 1,   [C4P_INT16] = 2,
        [C4P_UINT16] = 2,      [C4P_INT32] = 4,   [C4P_UINT32] = 4,  [C4P_INT64] = 8,
        [C4P_UINT64] = 8,      [C4P_FLOAT32] = 4, [C4P_FLOAT64] = 8, [C4P_COMPLEX64] = 8,
        [C4P_COMPLEX128] = 16,
    };
    return (unsigned)dtype < sizeof(sizes) ? sizes[dtype] : 0;
}

size_t
c4p_tuple_size(uint64_t len)
{
    const size_t most = SIZE_MAX - sizeof(c4pi_tuple_head_t) - 15;
    return len <= most ? sizeof(c4pi_tuple_head_t) + c4pi_pad16((size_t)len) : SIZE_MAX;
}

c4p_status_t
c4p_tuple_add(void *buf, size_t buf_len, size_t *at, c4p_op_t op, c4p_dtype_t dtype,
              const void *data, uint64_t len)
{
    const c4pi_typed_t *typed = op == C4P_OP_SUM_ORDERED ? NULL : c4pi_typed_get(op, dtype);

    if (!buf || !at || (!data && len))
        return C4P_ERR_ARG;
    if (!typed || len % typed->item)
        return C4P_ERR_TYPE;
    if (*at % 16 || !c4pi_format_fits(buf_len, *at, sizeof(c4pi_tuple_head_t), len))
        return C4P_ERR_RANGE;
    const c4pi_tuple_head_t head = {(uint32_t)op, (uint32_t)dtype, len};
    uint8_t *to = (uint8_t *)buf + *at;
    memcpy(to, &head, sizeof(head));
    if (len)
        memcpy(to + sizeof(head), data, (size_t)len);
    memset(to + sizeof(head) + len, 0, c4pi_pad16((size_t)len) - (size_t)len);
    *at += sizeof(head) + c4pi_pad16((size_t)len);
    return C4P_OK;
}

bool
c4p_tuple_next(const void *buf, size_t buf_len, size_t *at, c4p_op_t *op_out,
               c4p_dtype_t *dtype_out, const void **data_out, uint64_t *len_out)
{
    c4pi_tuple_head_t head;
    const uint8_t *data;

    if (!buf || !at || !op_out || !dtype_out || !data_out || !len_out ||
        !c4pi_tuple_next(buf, buf_len, at, &head, &data))
        return false;
    *op_out = (c4p_op_t)head.op;
    *dtype_out = (c4p_dtype_t)head.dtype;
    *data_out = data;
    *len_out = head.len;
    return true;
}
