/* SPDX-License-Identifier: Apache-2.0 */
/* accum_wire.c: accumulators between ranks: packed, and merged from bytes that may be damaged. */
#include "svc/accum_list.h"
#include "svc/accum_private.h"
#include "svc/accum_tuple.h"

/* An empty accumulator is the byte 0; else: the byte 1 and
 *   u8 op, u8 dtype, u32 custom, u64 bytes of each contribution, blob meta, blob data */

c4p_status_t
c4pi_accum_pack(c4pi_accum_t *a, c4p_pup_t *p)
{
    const void *data = a->image;
    size_t len = a->used;
    c4p_msg_t *owner = NULL;
    c4p_status_t st;

    c4p_put_u8(p, a->form != C4PI_FORM_EMPTY);
    if (a->form == C4PI_FORM_EMPTY)
        return c4p_pup_status(p);
    if (a->form == C4PI_FORM_BLOBS && (st = c4pi_accum_last_blob(a, &data, &len, &owner)) != C4P_OK)
        return st;
    c4p_put_u8(p, (uint8_t)a->op);
    c4p_put_u8(p, (uint8_t)a->dtype);
    c4p_put_u32(p, a->custom);
    c4p_put_u64(p, a->each);
    c4p_put_blob(p, a->meta_len ? a->meta : (const void *)"", a->meta_len);
    c4p_put_blob(p, len ? data : "", len);
    if (owner)
        c4pi_msg_drop(owner);
    if ((st = c4p_pup_status(p)) == C4P_OK)
        c4pi_accum_reset(a);
    return st;
}

/* Are all bytes 0 or 1? */
static bool
all_bools(const uint8_t *data, size_t len)
{
    uint8_t bits = 0;

    for (size_t i = 0; i < len; i++)
        bits |= data[i];
    return bits <= 1;
}

static bool
packed_typed_ok(const c4pi_incoming_t *in)
{
    const c4pi_typed_t *typed = c4pi_typed_get(in->op, in->dtype);

    if (!typed || in->each > SIZE_MAX / 4 || in->each % typed->item)
        return false;
    if (in->len != in->each / typed->item * typed->image_item)
        return false;
    return typed->result_dtype != C4P_BOOL || all_bools(in->data, in->len);
}

static bool
packed_list_ok(c4pi_incoming_t *in)
{
    c4pi_part_head_t head;
    const uint8_t *data;
    size_t at = 0;

    if (!c4pi_list_check(in->data, in->len, &in->parts) || !in->parts)
        return false;
    if (in->op == C4P_OP_GATHER)
        return true;
    const c4pi_typed_t *typed = c4pi_typed_get(in->op, in->dtype);
    if (!typed || in->each % typed->item)
        return false;
    while (c4pi_part_next(in->data, in->len, &at, &head, &data))
        if (head.len != in->each)
            return false;
    return true;
}

static bool
packed_ok(c4pi_incoming_t *in)
{
    switch (c4pi_form_of(in->op)) {
    case C4PI_FORM_NONE:
        return in->len == 0;
    case C4PI_FORM_TYPED:
        return packed_typed_ok(in);
    case C4PI_FORM_TUPLE:
        return c4pi_tuple_check(in->data, in->len, true);
    case C4PI_FORM_LIST:
        return packed_list_ok(in);
    default:
        return true;
    }
}

c4p_status_t
c4pi_accum_merge(c4pi_accum_t *a, c4p_pup_t *p, const char **why_out)
{
    c4pi_incoming_t in = {.packed = true};
    const uint8_t present = c4p_get_u8(p);

    if (c4p_pup_status(p) != C4P_OK || present > 1)
        return C4P_ERR_DATA;
    if (!present)
        return C4P_OK;
    const unsigned op = c4p_get_u8(p), dtype = c4p_get_u8(p);
    in.op = (c4p_op_t)op;
    in.dtype = (c4p_dtype_t)dtype;
    in.custom = c4p_get_u32(p);
    const uint64_t each = c4p_get_u64(p);
    in.each = (size_t)each;
    in.meta = c4p_get_blob(p, &in.meta_len);
    in.data = c4p_get_blob(p, &in.len);
    if (c4p_pup_status(p) != C4P_OK || op > C4P_OP_CUSTOM || each > SIZE_MAX / 4 ||
        in.meta_len > C4PI_META_MAX || !packed_ok(&in))
        return C4P_ERR_DATA;
    return c4pi_accum_take_in(a, &in, why_out);
}
