/* SPDX-License-Identifier: Apache-2.0 */
/* accum_private.h: an accumulator from inside, for accum.c (taking in), accum_wire.c (between
 * ranks) and accum_result.c (the end). What is accumulated lies behind the place of a result head
 * in a message, so that most results are finished without copying, and memory comes from the
 * message pools.
 *
 *   typed, tuple   the image (accum_typed.h, accum_tuple.h)
 *   list, blobs    parts one after another (accum_format.h): gather and ordered sum; custom
 * reducers */
#ifndef C4PI_ACCUM_PRIVATE_H
#define C4PI_ACCUM_PRIVATE_H

#include "svc/accum.h"
#include "svc/accum_format.h"
#include "svc/accum_typed.h"

typedef enum c4pi_form {
    C4PI_FORM_EMPTY,
    C4PI_FORM_NONE,
    C4PI_FORM_TYPED,
    C4PI_FORM_LIST,
    C4PI_FORM_BLOBS,
    C4PI_FORM_TUPLE
} c4pi_form_t;

struct c4pi_accum {
    c4pi_form_t form;
    c4p_op_t op;
    c4p_dtype_t dtype;
    uint32_t custom;
    size_t each;               /* typed, ordered sum: bytes of every contribution */
    size_t items;              /* typed, ordered sum: the same in items */
    const c4pi_typed_t *typed; /* typed, ordered sum */
    uint8_t *image;            /* in store, behind the room for the head */
    size_t used, room;         /* bytes at image */
    uint64_t parts;            /* list, blobs */
    c4p_msg_t *store;          /* NULL while nothing needs memory */
    size_t meta_len;
    uint8_t *meta; /* C4PI_META_MAX bytes, kept once allocated */
    c4pi_accum_env_t env;
    char why[400];
};

/* What comes in: one contribution, or what another accumulator packed. */
typedef struct c4pi_incoming {
    c4p_op_t op;
    c4p_dtype_t dtype;
    uint32_t custom;
    bool packed;
    bool is_error; /* contributions to lists */
    c4p_key_t member;
    size_t each;
    uint64_t parts; /* packed lists */
    const uint8_t *data;
    size_t len;
    const void *meta;
    size_t meta_len;
} c4pi_incoming_t;

enum { C4PI_RESULT_HEAD = sizeof(c4pi_result_head_t) };

static inline c4pi_form_t
c4pi_form_of(c4p_op_t op)
{
    switch (op) {
    case C4P_OP_NOP:
        return C4PI_FORM_NONE;
    case C4P_OP_GATHER:
    case C4P_OP_SUM_ORDERED:
        return C4PI_FORM_LIST;
    case C4P_OP_CUSTOM:
        return C4PI_FORM_BLOBS;
    case C4P_OP_TUPLE:
        return C4PI_FORM_TUPLE;
    default:
        return C4PI_FORM_TYPED;
    }
}

static inline bool
c4pi_op_is_typed(c4p_op_t op)
{
    return c4pi_form_of(op) == C4PI_FORM_TYPED || op == C4P_OP_SUM_ORDERED;
}

/* A message with room for a head and len more bytes; NULL when out of memory. */
static inline c4p_msg_t *
c4pi_accum_new_store(c4pi_accum_t *a, size_t len)
{
    return len <= SIZE_MAX / 2 ? c4pi_msg_alloc(a->env.msgs, C4PI_RESULT_HEAD + len) : NULL;
}

static inline uint8_t *
c4pi_accum_image_of(c4p_msg_t *store)
{
    return (uint8_t *)c4pi_msg_payload(store) + C4PI_RESULT_HEAD;
}

/* Bytes of data and, if there are any, meta bytes behind. */
static inline size_t
c4pi_accum_room(const c4pi_accum_t *a, size_t len)
{
    return a->meta_len ? c4pi_pad16(len) + a->meta_len : len;
}

/* Make room for `need` bytes at image in all. */
c4p_status_t c4pi_accum_reserve(c4pi_accum_t *a, size_t need);
/* Empty it, ready for another reduction. */
void c4pi_accum_reset(c4pi_accum_t *a);
/* The common way in. Nothing has changed after a failure. */
c4p_status_t c4pi_accum_take_in(c4pi_accum_t *a, const c4pi_incoming_t *in, const char **why_out);
/* The one blob that is left of a custom reduction: calls the reducer if there are several.
 * *owner_out must be dropped after use; it is NULL if the blob still lies in the image. The reducer
 * must not add to this accumulator. */
c4p_status_t c4pi_accum_last_blob(c4pi_accum_t *a, const void **data_out, size_t *len_out,
                                  c4p_msg_t **owner_out);

#endif
