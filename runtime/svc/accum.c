/* SPDX-License-Identifier: Apache-2.0 */
/* accum.c: see accum.h: life of accumulators, and what is taken in. */
#include "svc/accum_private.h"

#include <stdarg.h>
#include <stdio.h>

#include "svc/accum_tuple.h"

enum { LIST_ROOM = 896 /* with head and envelope: a pooled message */ };

c4p_status_t
c4pi_accum_check(const c4p_reduce_t *how, const void *data, size_t len)
{
    if (!how || (!data && len) || (!how->meta && how->meta_len))
        return C4P_ERR_ARG;
    if ((unsigned)how->op > C4P_OP_CUSTOM)
        return C4P_ERR_ARG;
    if (how->meta_len > C4PI_META_MAX || len > SIZE_MAX / 4)
        return C4P_ERR_RANGE;
    if (c4pi_op_is_typed(how->op)) {
        const c4pi_typed_t *typed = c4pi_typed_get(how->op, how->dtype);
        return typed && len % typed->item == 0 ? C4P_OK : C4P_ERR_TYPE;
    }
    if (how->op == C4P_OP_NOP)
        return len ? C4P_ERR_TYPE : C4P_OK;
    if (how->op == C4P_OP_TUPLE)
        return c4pi_tuple_check(data, len, false) ? C4P_OK : C4P_ERR_TYPE;
    return C4P_OK;
}

c4p_status_t
c4pi_accum_new(const c4pi_accum_env_t *env, c4pi_accum_t **accum_out)
{
    if (env->ndims < 1 || env->ndims > C4P_MAX_DIMS)
        return C4P_ERR_ARG;
    c4pi_accum_t *a = c4pi_calloc(env->port, sizeof(*a));
    if (!a)
        return C4P_ERR_NOMEM;
    a->env = *env;
    *accum_out = a;
    return C4P_OK;
}

void
c4pi_accum_reset(c4pi_accum_t *a)
{
    if (a->store)
        c4pi_msg_drop(a->store);
    a->store = NULL;
    a->image = NULL;
    a->used = a->room = a->meta_len = 0;
    a->parts = 0;
    a->form = C4PI_FORM_EMPTY;
    a->typed = NULL;
}

void
c4pi_accum_free(c4pi_accum_t *a)
{
    if (!a)
        return;
    c4pi_accum_reset(a);
    c4pi_free(a->env.port, a->meta, a->meta ? C4PI_META_MAX : 0);
    c4pi_free(a->env.port, a, sizeof(*a));
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void
replace_store(c4pi_accum_t *a, c4p_msg_t *store, size_t room, size_t used)
{
    if (a->store)
        c4pi_msg_drop(a->store);
    a->store = store;
    a->image = c4pi_accum_image_of(store);
    a->room = room;
    a->used = used;
}

c4p_status_t
c4pi_accum_reserve(c4pi_accum_t *a, size_t need)
{
    if (a->store && need <= a->room)
        return C4P_OK;
    const size_t doubled = a->room <= SIZE_MAX / 4 ? 2 * a->room : need;
    const size_t room = need > doubled ? need : doubled;
    c4p_msg_t *store = c4pi_accum_new_store(a, room);
    if (!store)
        return C4P_ERR_NOMEM;
    if (a->used)
        memcpy(c4pi_accum_image_of(store), a->image, a->used);
    replace_store(a, store, room, a->used);
    return C4P_OK;
}

static c4p_status_t
take_meta(c4pi_accum_t *a, const void *meta, size_t len)
{
    if (!a->meta && !(a->meta = c4pi_alloc(a->env.port, C4PI_META_MAX)))
        return C4P_ERR_NOMEM;
    memcpy(a->meta, meta, len);
    a->meta_len = len;
    return C4P_OK;
}

/* ---- what does not go together --------------------------------------------------------------- */

typedef struct text {
    char *at;
    size_t left;
} text_t;

static void say(text_t *text, const char *fmt, ...) C4P_PRINTF(2, 3);

static void
say(text_t *text, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    const int n = vsnprintf(text->at, text->left, fmt, args);
    va_end(args);
    const size_t used = n < 0 ? 0 : (size_t)n < text->left ? (size_t)n : text->left - 1;
    text->at += used;
    text->left -= used;
}

static void
say_tuple(text_t *text, const uint8_t *data, size_t len, bool is_image)
{
    c4pi_tuple_walk_t walk = {.base = data, .len = len, .is_image = is_image};
    const char *comma = "";

    say(text, "tuple (");
    for (; c4pi_tuple_step(&walk); comma = ", ")
        say(text, "%s%s of %zu %s", comma, c4pi_op_name((c4p_op_t)walk.head.op), walk.items,
            c4pi_dtype_name((c4p_dtype_t)walk.head.dtype));
    say(text, ")");
}

static void
say_simple(text_t *text, c4p_op_t op, c4p_dtype_t dtype, size_t each, uint32_t custom)
{
    const c4pi_typed_t *typed = c4pi_op_is_typed(op) ? c4pi_typed_get(op, dtype) : NULL;

    if (typed)
        say(text, "%s of %zu %s", c4pi_op_name(op), each / typed->item, c4pi_dtype_name(dtype));
    else if (op == C4P_OP_CUSTOM)
        say(text, "custom reducer %u", (unsigned)custom);
    else
        say(text, "%s", c4pi_op_name(op));
}

static const char *
explain(c4pi_accum_t *a, const c4pi_incoming_t *in)
{
    /* half the room each, so that a long tuple does not hide the other */
    text_t text = {a->why, sizeof(a->why) / 2};

    if (a->form == C4PI_FORM_TUPLE)
        say_tuple(&text, a->image, a->used, true);
    else
        say_simple(&text, a->op, a->dtype, a->each, a->custom);
    text.left = sizeof(a->why) - (size_t)(text.at - a->why);
    say(&text, " meets ");
    if (in->op == C4P_OP_TUPLE)
        say_tuple(&text, in->data, in->len, in->packed);
    else
        say_simple(&text, in->op, in->dtype, in->each, in->custom);
    return a->why;
}

static bool
same_shape(const c4pi_accum_t *a, const c4pi_incoming_t *in)
{
    if (in->op != a->op)
        return false;
    if (a->typed)
        return in->dtype == a->dtype && in->each == a->each;
    if (a->form == C4PI_FORM_BLOBS)
        return in->custom == a->custom;
    if (a->form == C4PI_FORM_TUPLE)
        return c4pi_tuple_same(a->image, a->used, in->data, in->len, in->packed);
    return true;
}

/* ---- taking in ------------------------------------------------------------------------------- */

static c4p_status_t
begin_typed(c4pi_accum_t *a, const c4pi_incoming_t *in)
{
    const size_t len = a->items * a->typed->image_item;
    c4p_status_t st = c4pi_accum_reserve(a, c4pi_accum_room(a, len));

    if (st != C4P_OK)
        return st;
    if (a->typed->take && !in->packed)
        a->typed->take(a->image, in->data, a->items);
    else
        memcpy(a->image, in->data, len);
    a->used = len;
    return C4P_OK;
}

static c4p_status_t
begin_tuple(c4pi_accum_t *a, const c4pi_incoming_t *in)
{
    const size_t len = in->packed ? in->len : c4pi_tuple_image_len(in->data, in->len, false);
    c4p_status_t st = c4pi_accum_reserve(a, c4pi_accum_room(a, len));

    if (st != C4P_OK)
        return st;
    if (in->packed)
        memcpy(a->image, in->data, len);
    else
        c4pi_tuple_take(a->image, in->data, in->len);
    a->used = len;
    return C4P_OK;
}

/* Room for `more` bytes behind what is there. */
static c4p_status_t
reserve_more(c4pi_accum_t *a, size_t more)
{
    if (more > SIZE_MAX / 2 - a->used)
        return C4P_ERR_NOMEM;
    const size_t need = a->used + more;
    return c4pi_accum_reserve(a, a->store || need > LIST_ROOM ? need : LIST_ROOM);
}

static c4p_status_t
append_part(c4pi_accum_t *a, const c4pi_incoming_t *in)
{
    const c4pi_part_head_t head = {.key = in->member, .len = in->len, .is_error = in->is_error};
    const size_t padded = c4pi_pad16(in->len);
    c4p_status_t st = reserve_more(a, sizeof(head) + padded);

    if (st != C4P_OK)
        return st;
    uint8_t *at = a->image + a->used;
    memcpy(at, &head, sizeof(head));
    memcpy(at + sizeof(head), in->data, in->len);
    memset(at + sizeof(head) + in->len, 0, padded - in->len);
    a->used += sizeof(head) + padded;
    a->parts++;
    return C4P_OK;
}

static c4p_status_t
append_list(c4pi_accum_t *a, const c4pi_incoming_t *in)
{
    c4p_status_t st = reserve_more(a, in->len);

    if (st != C4P_OK)
        return st;
    memcpy(a->image + a->used, in->data, in->len);
    a->used += in->len;
    a->parts += in->parts;
    return C4P_OK;
}

static c4p_status_t
combine(c4pi_accum_t *a, const c4pi_incoming_t *in, bool first)
{
    switch (a->form) {
    case C4PI_FORM_TYPED:
        if (first)
            return begin_typed(a, in);
        (in->packed ? a->typed->merge : a->typed->add)(a->image, in->data, a->items);
        return C4P_OK;
    case C4PI_FORM_TUPLE:
        if (first)
            return begin_tuple(a, in);
        c4pi_tuple_combine(a->image, a->used, in->data, in->len, in->packed);
        return C4P_OK;
    case C4PI_FORM_LIST:
        return in->packed ? append_list(a, in) : append_part(a, in);
    case C4PI_FORM_BLOBS:
        return append_part(a, in);
    default:
        return C4P_OK;
    }
}

static void
set_shape(c4pi_accum_t *a, const c4pi_incoming_t *in)
{
    a->form = c4pi_form_of(in->op);
    a->op = in->op;
    a->dtype = in->dtype;
    a->custom = in->custom;
    a->each = in->each;
    a->typed = c4pi_op_is_typed(in->op) ? c4pi_typed_get(in->op, in->dtype) : NULL;
    a->items = a->typed ? in->each / a->typed->item : 0;
}

c4p_status_t
c4pi_accum_take_in(c4pi_accum_t *a, const c4pi_incoming_t *in, const char **why_out)
{
    const bool first = a->form == C4PI_FORM_EMPTY;
    const bool with_meta = in->meta_len && !a->meta_len;
    c4p_status_t st = C4P_OK;

    if (!first && !same_shape(a, in)) {
        *why_out = explain(a, in);
        return C4P_ERR_TYPE;
    }
    if (with_meta && (st = take_meta(a, in->meta, in->meta_len)) != C4P_OK)
        return st;
    if (first)
        set_shape(a, in);
    st = combine(a, in, first);
    if (st != C4P_OK && with_meta)
        a->meta_len = 0;
    if (st != C4P_OK && first)
        c4pi_accum_reset(a);
    return st;
}

c4p_status_t
c4pi_accum_add(c4pi_accum_t *a, c4p_key_t member, const c4p_reduce_t *how, const void *data,
               size_t len, const char **why_out)
{
    if (a->form == C4PI_FORM_TYPED && how->op == a->op && how->dtype == a->dtype &&
        len == a->each && !(how->meta_len && !a->meta_len)) {
        a->typed->add(a->image, data, a->items);
        return C4P_OK;
    }
    const c4pi_incoming_t in = {
        .op = how->op,
        .dtype = how->dtype,
        .custom = how->custom,
        .member = member,
        .each = len,
        .data = len ? data : "",
        .len = len,
        .meta = how->meta,
        .meta_len = (size_t)how->meta_len,
    };
    return c4pi_accum_take_in(a, &in, why_out);
}

c4p_status_t
c4pi_accum_add_value(c4pi_accum_t *a, c4p_key_t member, bool is_error, const void *data, size_t len)
{
    const char *why;
    const c4pi_incoming_t in = {
        .op = C4P_OP_GATHER,
        .member = member,
        .is_error = is_error,
        .data = len ? data : "",
        .len = len,
    };
    return len <= SIZE_MAX / 4 ? c4pi_accum_take_in(a, &in, &why) : C4P_ERR_RANGE;
}
