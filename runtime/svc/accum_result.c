/* SPDX-License-Identifier: Apache-2.0 */
/* accum_result.c: the end of a reduction: custom reducers are called, lists sorted, and the result
 * message is made. */
#include "svc/accum_list.h"
#include "svc/accum_private.h"
#include "svc/accum_tuple.h"

/* ---- custom reducers ------------------------------------------------------------------------- */

static c4p_status_t
call_custom(c4pi_accum_t *a, const c4p_blob_t *blobs, c4p_msg_t **out)
{
    void *ctx = NULL;
    c4p_combine_fn_t fn = a->env.custom ? a->env.custom(a->env.rt, a->custom, &ctx) : NULL;
    c4p_msg_t *msg = NULL;

    if (!fn) {
        c4pi_log(a->env.port, C4P_LOG_ERROR,
                 "reduction with reducer %u, which is not registered on this rank",
                 (unsigned)a->custom);
        return C4P_ERR_NOT_FOUND;
    }
    c4p_status_t st = fn(a->env.rt, blobs, (size_t)a->parts, ctx, &msg);
    if (st != C4P_OK)
        return st;
    if (!msg || msg->object) {
        c4pi_log(a->env.port, C4P_LOG_ERROR,
                 "reducer %u succeeded without giving a message of bytes", (unsigned)a->custom);
        c4p_msg_free(msg);
        return C4P_ERR_USER;
    }
    if ((st = c4pi_msg_flatten(&msg)) != C4P_OK) {
        c4pi_msg_drop(msg);
        return st;
    }
    *out = msg;
    return C4P_OK;
}

/* All blobs, at least two, to one new message. */
static c4p_status_t
combine_blobs(c4pi_accum_t *a, c4p_msg_t **out)
{
    const size_t bytes = (size_t)a->parts * sizeof(c4p_blob_t); /* each has a longer head in the
                                                                   image */
    c4p_blob_t *blobs = c4pi_alloc(a->env.port, bytes);
    c4pi_part_head_t head;
    const uint8_t *data;
    size_t at = 0, n = 0;

    if (!blobs)
        return C4P_ERR_NOMEM;
    while (c4pi_part_next(a->image, a->used, &at, &head, &data))
        blobs[n++] = (c4p_blob_t){data, (size_t)head.len};
    c4p_status_t st = call_custom(a, blobs, out);
    c4pi_free(a->env.port, blobs, bytes);
    return st;
}

c4p_status_t
c4pi_accum_last_blob(c4pi_accum_t *a, const void **data_out, size_t *len_out, c4p_msg_t **owner_out)
{
    c4pi_part_head_t head = {.len = 0};
    const uint8_t *data = a->image;
    size_t at = 0;

    *owner_out = NULL;
    if (a->parts > 1) {
        c4p_status_t st = combine_blobs(a, owner_out);
        if (st != C4P_OK)
            return st;
        *data_out = c4pi_msg_payload(*owner_out);
        *len_out = (size_t)(*owner_out)->env.len;
        return C4P_OK;
    }
    c4pi_part_next(a->image, a->used, &at, &head, &data);
    *data_out = data;
    *len_out = (size_t)head.len;
    return C4P_OK;
}

/* ---- results --------------------------------------------------------------------------------- */

/* What a result is made of: len bytes already stand behind the head's place in msg, which has room
 * for the meta bytes too. */
typedef struct outcome {
    c4p_msg_t *msg;
    size_t len;
    c4p_dtype_t dtype;
} outcome_t;

static c4p_status_t
fresh_outcome(c4pi_accum_t *a, size_t len, outcome_t *o)
{
    o->len = len;
    o->msg = c4pi_accum_new_store(a, c4pi_accum_room(a, len));
    return o->msg ? C4P_OK : C4P_ERR_NOMEM;
}

/* The store itself, whose first len bytes will be the result. */
static c4p_status_t
store_outcome(c4pi_accum_t *a, size_t len, outcome_t *o)
{
    c4p_status_t st = c4pi_accum_reserve(a, c4pi_accum_room(a, c4pi_pad16(len)));

    if (st != C4P_OK)
        return st;
    o->len = len;
    o->msg = a->store;
    return C4P_OK;
}

static c4p_status_t
finish_typed(c4pi_accum_t *a, outcome_t *o)
{
    c4p_status_t st = store_outcome(a, a->items * a->typed->result_item, o);

    if (st != C4P_OK)
        return st;
    if (a->typed->finish)
        a->typed->finish(a->image, a->items);
    o->dtype = (c4p_dtype_t)a->typed->result_dtype;
    return C4P_OK;
}

static c4p_status_t
finish_gather(c4pi_accum_t *a, outcome_t *o)
{
    c4pi_part_place_t *places;
    c4pi_part_head_t head;
    const uint8_t *data;

    if (c4pi_list_in_order(a->image, a->used, a->env.ndims))
        return store_outcome(a, a->used, o);
    c4p_status_t st = fresh_outcome(a, a->used, o);
    if (st != C4P_OK)
        return st;
    st = c4pi_list_places(a->env.port, a->image, a->used, a->parts, a->env.ndims, &places);
    if (st != C4P_OK) {
        c4pi_msg_drop(o->msg);
        return st;
    }
    uint8_t *to = c4pi_accum_image_of(o->msg);
    for (uint64_t i = 0; i < a->parts; i++) {
        size_t end = places[i].at;
        c4pi_part_next(a->image, a->used, &end, &head, &data);
        memcpy(to, a->image + places[i].at, end - places[i].at);
        to += end - places[i].at;
    }
    c4pi_list_places_free(a->env.port, places, a->parts);
    return C4P_OK;
}

static c4p_status_t
finish_ordered_sum(c4pi_accum_t *a, outcome_t *o)
{
    c4pi_part_place_t *places;
    c4p_status_t st = fresh_outcome(a, a->each, o);

    if (st != C4P_OK)
        return st;
    st = c4pi_list_places(a->env.port, a->image, a->used, a->parts, a->env.ndims, &places);
    if (st != C4P_OK) {
        c4pi_msg_drop(o->msg);
        return st;
    }
    uint8_t *sum = c4pi_accum_image_of(o->msg);
    memset(sum, 0, a->each);
    for (uint64_t i = 0; i < a->parts; i++) {
        const uint8_t *data = a->image + places[i].at + sizeof(c4pi_part_head_t);
        if (i)
            a->typed->add(sum, data, a->items);
        else
            memcpy(sum, data, a->each);
    }
    c4pi_list_places_free(a->env.port, places, a->parts);
    o->dtype = a->dtype;
    return C4P_OK;
}

static c4p_status_t
finish_tuple(c4pi_accum_t *a, outcome_t *o)
{
    c4p_status_t st = fresh_outcome(a, c4pi_tuple_result_len(a->image, a->used), o);

    if (st == C4P_OK)
        c4pi_tuple_finish(a->image, a->used, c4pi_accum_image_of(o->msg));
    return st;
}

static c4p_status_t
finish_custom(c4pi_accum_t *a, outcome_t *o)
{
    const void *data;
    size_t len;
    c4p_msg_t *owner;
    c4p_status_t st = c4pi_accum_last_blob(a, &data, &len, &owner);

    if (st != C4P_OK)
        return st;
    if ((st = fresh_outcome(a, len, o)) == C4P_OK)
        memcpy(c4pi_accum_image_of(o->msg), data, len);
    if (owner)
        c4pi_msg_drop(owner);
    return st;
}

static c4p_status_t
make_outcome(c4pi_accum_t *a, outcome_t *o)
{
    switch (a->form) {
    case C4PI_FORM_TYPED:
        return finish_typed(a, o);
    case C4PI_FORM_LIST:
        return a->op == C4P_OP_GATHER ? finish_gather(a, o) : finish_ordered_sum(a, o);
    case C4PI_FORM_TUPLE:
        return finish_tuple(a, o);
    case C4PI_FORM_BLOBS:
        return finish_custom(a, o);
    default:
        return fresh_outcome(a, 0, o);
    }
}

c4p_status_t
c4pi_accum_finish(c4pi_accum_t *a, uint64_t number, uint64_t contributors, c4p_msg_t **result_out)
{
    outcome_t o = {.dtype = (c4p_dtype_t)0};
    c4p_status_t st = make_outcome(a, &o);

    if (st != C4P_OK)
        return st;
    if (o.msg == a->store)
        a->store = NULL;
    const c4pi_result_head_t head = {
        .magic = C4PI_RESULT_MAGIC,
        .op = a->form == C4PI_FORM_EMPTY ? C4P_OP_NOP : (uint8_t)a->op,
        .dtype = (uint8_t)o.dtype,
        .ndims = (uint16_t)a->env.ndims,
        .custom = a->form == C4PI_FORM_BLOBS ? a->custom : 0,
        .number = number,
        .contributors = contributors,
        .len = o.len,
        .meta_len = a->meta_len,
    };
    memcpy(c4pi_msg_payload(o.msg), &head, sizeof(head));
    size_t total = o.len;
    if (a->meta_len) {
        uint8_t *image = c4pi_accum_image_of(o.msg);
        total = c4pi_pad16(o.len);
        memset(image + o.len, 0, total - o.len);
        memcpy(image + total, a->meta, a->meta_len);
        total += a->meta_len;
    }
    c4p_msg_trim(o.msg, C4PI_RESULT_HEAD + total);
    o.msg->env.flags |= C4PI_FLAG_RESULT;
    c4pi_accum_reset(a);
    *result_out = o.msg;
    return C4P_OK;
}
