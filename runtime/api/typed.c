/* SPDX-License-Identifier: Apache-2.0 */
/* typed.c: c4p/typed.h: arguments into messages, and out of them into calls. */
#include <c4p/typed.h>

#include <ffi.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <c4p/send.h>

#include "api/direct.h"
#include "core/registry.h"
#include "core/rt.h"
#include "msg/msg.h"
#include "msg/signature.h"

/* How an argument gets into its register. */
typedef enum travel { AS_WORD, AS_INT, AS_INTEGER, AS_DOUBLE, AS_FLOAT, AS_POINTER } travel_t;

/* The context of a typed entry method; behind it the text of its signature. */
typedef struct typed {
    c4p_any_fn_t fn;
    c4p_entry_fn_t around; /* NULL, or what runs in its place, with */
    void *around_ctx;
    char who[96]; /* Type.method, for messages */
    c4pi_signature_t sig;
    bool direct; /* see direct.h */
    uint8_t travels[C4P_MAX_PARAMS];
    bool padded;       /* there are bytes between arguments */
    bool has_pointers; /* some parameters are */
    ffi_cif cif;
    ffi_type *types[C4P_MAX_PARAMS + 2];
    char text[];
} typed_t;

/* ---- calling ----------------------------------------------------------------------------------- */

/* Where what stands behind the fixed part begins. False: the message is not of this signature. */
static bool
find_tails(const c4pi_signature_t *sig, char *data, size_t len, void **pointers)
{
    int64_t values[C4P_MAX_PARAMS] = {0};
    size_t at = sig->fixed, bytes;
    for (uint32_t k = 0; k < sig->num_params; k++)
        if (sig->params[k].sort == C4PI_PARAM_SCALAR || sig->params[k].sort == C4PI_PARAM_TEXT)
            values[k] = c4pi_signature_value(&sig->params[k], data);
    for (uint32_t k = 0; k < sig->num_params; k++) {
        const c4pi_param_sort_t sort = sig->params[k].sort;
        if (sort != C4PI_PARAM_ARRAY && sort != C4PI_PARAM_TEXT)
            continue;
        at = c4pi_arg_align(at, C4PI_ARG_ALIGN);
        if (!c4pi_signature_bytes(sig, k, values, &bytes) || at > len || bytes > len - at)
            return false;
        pointers[k] = data + at;
        at += bytes;
        if (sort == C4PI_PARAM_TEXT && data[at - 1] != '\0')
            return false;
    }
    return at == len;
}

/* What the registers hold when the method is called. */
static inline __attribute__((always_inline)) void
fill_registers(const typed_t *typed, char *data, void *const *pointers, c4pi_direct_t *args)
{
    const c4pi_signature_t *sig = &typed->sig;
    uint32_t integers = 0, floats = 0;
    for (uint32_t k = 0; k < sig->num_params; k++) {
        const c4pi_param_t *param = &sig->params[k];
        int32_t value;
        switch (typed->travels[k]) {
        case AS_WORD:
            memcpy(&args->integers[integers++], data + param->offset, sizeof(uint64_t));
            break;
        case AS_INT:
            memcpy(&value, data + param->offset, sizeof value);
            args->integers[integers++] = (uint64_t)(int64_t)value;
            break;
        case AS_DOUBLE:
            memcpy(&args->floats[floats++], data + param->offset, sizeof(double));
            break;
        case AS_FLOAT:
            memcpy(&args->floats[floats++], data + param->offset, sizeof(float));
            break;
        case AS_INTEGER:
            args->integers[integers++] = (uint64_t)c4pi_signature_value(param, data);
            break;
        case AS_POINTER:
            args->integers[integers++] = (uintptr_t)pointers[k];
            break;
        }
    }
}

/* What libffi takes: where each argument lies. `values` has room for two more. */
static void
fill_values(const typed_t *typed, c4p_rt_t **rt, void **object, char *data, void **pointers,
            void **values)
{
    const c4pi_signature_t *sig = &typed->sig;
    values[0] = (void *)rt;
    values[1] = (void *)object;
    for (uint32_t k = 0; k < sig->num_params; k++)
        values[k + 2] = sig->params[k].sort == C4PI_PARAM_SCALAR
                            ? (void *)(data + sig->params[k].offset)
                            : (void *)&pointers[k];
}

/* Where what the parameters point to lies in the message; any other message ends the job. */
static inline __attribute__((always_inline)) void
find_pointers(c4p_rt_t *rt, const typed_t *typed, c4p_msg_t *msg, void **pointers)
{
    const c4pi_signature_t *sig = &typed->sig;
    char *data = c4pi_msg_payload(msg);
    const size_t len = c4pi_msg_inline_len(msg);
    if (sig->num_tails ? len < sig->fixed || !find_tails(sig, data, len, pointers)
                       : len != sig->fixed)
        c4pi_die(rt, C4P_ERR_DATA,
                 "%s(%s) was sent a message of %zu bytes that does not hold such arguments: use "
                 "c4p_send_typed()",
                 typed->who, typed->text, len);
    for (uint32_t k = 0; typed->has_pointers && k < sig->num_params; k++)
        if (sig->params[k].sort == C4PI_PARAM_FIXED)
            pointers[k] = data + sig->params[k].offset;
}

static void
run_method(c4p_rt_t *rt, typed_t *typed, void *object, c4p_msg_t *msg)
{
    void *pointers[C4P_MAX_PARAMS], *values[C4P_MAX_PARAMS + 2];
    find_pointers(rt, typed, msg, pointers);
    if (typed->direct) {
        c4pi_direct_t args = {{0}, {0}};
        fill_registers(typed, c4pi_msg_payload(msg), pointers, &args);
        c4pi_direct_call(typed->fn, rt, object, &args);
    } else {
        fill_values(typed, &rt, &object, c4pi_msg_payload(msg), pointers, values);
        ffi_call(&typed->cif, typed->fn, NULL, values);
    }
}

/* A function that answers, and may have fewer parameters. */
static bool
ask_by_ffi(c4p_rt_t *rt, typed_t *typed, c4p_any_fn_t test, uint32_t num_params, void **values)
{
    ffi_cif cif;
    ffi_arg answer = 0;
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, num_params + 2, &ffi_type_uint8, typed->types) !=
        FFI_OK)
        c4pi_die(rt, C4P_ERR_INTERNAL, "%s(%s): libffi cannot call a condition", typed->who,
                 typed->text);
    ffi_call(&cif, test, &answer, values);
    return (uint8_t)answer != 0;
}

/* The entry methods that the scheduler calls. */
static void
run_typed(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    run_method(rt, ctx, object, msg);
}

static void
run_around(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    typed_t *typed = ctx;
    typed->around(rt, object, msg, typed->around_ctx);
}

/* ---- registration ------------------------------------------------------------------------------ */

static ffi_type *
ffi_type_of(const c4pi_param_t *param)
{
    const c4pi_scalar_t *scalar = c4pi_scalar(param->of);
    if (param->sort != C4PI_PARAM_SCALAR)
        return &ffi_type_pointer;
    if (scalar->kind == C4P_ARG_FLOATING)
        return scalar->size == sizeof(float) ? &ffi_type_float : &ffi_type_double;
    const bool is_signed = scalar->kind == C4P_ARG_SIGNED;
    switch (scalar->size) {
    case 1:
        return is_signed ? &ffi_type_sint8 : &ffi_type_uint8;
    case 2:
        return is_signed ? &ffi_type_sint16 : &ffi_type_uint16;
    case 4:
        return is_signed ? &ffi_type_sint32 : &ffi_type_uint32;
    default:
        return is_signed ? &ffi_type_sint64 : &ffi_type_uint64;
    }
}

static travel_t
travel_of(const c4pi_param_t *param)
{
    if (param->sort != C4PI_PARAM_SCALAR)
        return AS_POINTER;
    if (c4pi_scalar(param->of)->kind == C4P_ARG_FLOATING)
        return param->size == sizeof(float) ? AS_FLOAT : AS_DOUBLE;
    if (param->size == sizeof(int32_t) && c4pi_scalar(param->of)->kind == C4P_ARG_SIGNED)
        return AS_INT;
    return param->size == sizeof(uint64_t) ? AS_WORD : AS_INTEGER;
}

static bool
prepare_call(typed_t *typed)
{
    const uint32_t num = typed->sig.num_params;
    uint32_t floats = 0, filled = 0;
    for (uint32_t k = 0; k < num; k++) {
        const c4pi_param_t *param = &typed->sig.params[k];
        const travel_t travel = travel_of(param);
        typed->travels[k] = (uint8_t)travel;
        floats += travel == AS_FLOAT || travel == AS_DOUBLE;
        filled += travel == AS_POINTER ? 0 : param->size;
        typed->has_pointers |= travel == AS_POINTER;
    }
    typed->direct =
        C4PI_DIRECT_CALLS && floats <= C4PI_DIRECT_FLOATS && num - floats <= C4PI_DIRECT_INTEGERS;
    typed->padded = filled != typed->sig.fixed;
    typed->types[0] = typed->types[1] = &ffi_type_pointer;
    for (uint32_t k = 0; k < num; k++)
        typed->types[k + 2] = ffi_type_of(&typed->sig.params[k]);
    return ffi_prep_cif(&typed->cif, FFI_DEFAULT_ABI, num + 2, &ffi_type_void, typed->types) ==
           FFI_OK;
}

static c4p_status_t
read_signature(c4p_rt_t *rt, const c4pi_type_t *type, const char *name, const char *text,
               c4pi_signature_t *sig_out)
{
    const char *why = NULL;
    size_t at = 0;
    if (c4pi_signature_parse(text, sig_out, &why, &at))
        return C4P_OK;
    c4pi_log(rt->port, C4P_LOG_ERROR, "%s.%s: signature \"%s\", at \"%.20s\": %s", type->desc.name,
             name, text, text + at, why);
    return C4P_ERR_ARG;
}

c4p_status_t
c4p_entry_add_typed(c4p_rt_t *rt, c4p_type_t type, const char *name, const char *signature,
                    c4p_any_fn_t fn, c4p_typed_t *typed_out)
{
    return c4p_entry_add_typed_around(rt, type, name, signature, fn, NULL, NULL, typed_out);
}

c4p_status_t
c4p_entry_add_typed_around(c4p_rt_t *rt, c4p_type_t type_id, const char *name,
                           const char *signature, c4p_any_fn_t fn, c4p_entry_fn_t around, void *ctx,
                           c4p_typed_t *typed_out)
{
    c4pi_signature_t sig;
    if (!rt || !name || !signature || !fn || !typed_out)
        return C4P_ERR_ARG;
    const c4pi_type_t *type = c4pi_registry_type(rt->registry, type_id);
    if (!type)
        return C4P_ERR_NOT_FOUND;
    c4p_status_t st = read_signature(rt, type, name, signature, &sig);
    if (st != C4P_OK)
        return st;
    const size_t text_len = strlen(signature) + 1, len = sizeof(typed_t) + text_len;
    typed_t *typed = c4pi_calloc(rt->port, len);
    if (!typed)
        return C4P_ERR_NOMEM;
    typed->fn = fn;
    typed->around = around;
    typed->around_ctx = ctx;
    typed->sig = sig;
    memcpy(typed->text, signature, text_len);
    snprintf(typed->who, sizeof typed->who, "%s.%s", c4pi_type_shown(type), name);
    const c4pi_entry_t entry = {.fn = around ? run_around : run_typed,
                                .ctx = typed,
                                .name = (char *)(uintptr_t)name,
                                .own_len = len,
                                .signature = typed->text};
    c4p_typed_t out = {.type = type_id};
    st = prepare_call(typed) ? c4pi_registry_add_entry(rt->registry, type_id, &entry, &out.entry)
                             : C4P_ERR_INTERNAL;
    if (st != C4P_OK) {
        c4pi_free(rt->port, typed, len);
        return st;
    }
    *typed_out = out;
    return C4P_OK;
}

/* NULL: not a typed entry method. */
static typed_t *
find_typed(const c4p_rt_t *rt, c4p_typed_t which)
{
    const c4pi_type_t *type = c4pi_registry_type(rt->registry, which.type);
    const c4pi_entry_t *entry = type ? c4pi_type_entry(type, which.entry) : NULL;
    return entry && entry->signature ? entry->ctx : NULL;
}

c4p_status_t
c4p_typed_find(const c4p_rt_t *rt, c4p_ref_t to, const char *name, c4p_typed_t *typed_out)
{
    c4p_coll_info_t info;
    c4p_typed_t typed;
    if (!rt || !name || !typed_out)
        return C4P_ERR_ARG;
    c4p_status_t st = c4p_coll_info(rt, to.coll, &info);
    if (st == C4P_OK)
        st = c4p_entry_find(rt, typed.type = info.type, name, &typed.entry);
    if (st == C4P_OK && !find_typed(rt, typed))
        st = C4P_ERR_NOT_FOUND;
    if (st == C4P_OK)
        *typed_out = typed;
    return st;
}

void
c4p_typed_run(c4p_rt_t *rt, c4p_typed_t which, void *object, c4p_msg_t *msg, c4p_reply_t *reply)
{
    typed_t *typed = find_typed(rt, which);
    if (!typed)
        c4pi_die(rt, C4P_ERR_NOT_FOUND, "c4p_typed_run(): entry method %u of type %u is not typed",
                 (unsigned)which.entry, (unsigned)which.type);
    if (!reply) {
        run_method(rt, typed, object, msg);
        return;
    }
    const c4p_reply_t outer = rt->reply;
    rt->reply = *reply;
    run_method(rt, typed, object, msg);
    *reply = rt->reply;
    rt->reply = outer;
}

bool
c4p_typed_test(c4p_rt_t *rt, c4p_typed_t which, c4p_any_fn_t test, uint32_t num_params,
               void *object, c4p_msg_t *msg)
{
    void *pointers[C4P_MAX_PARAMS], *values[C4P_MAX_PARAMS + 2];
    typed_t *typed = find_typed(rt, which);
    if (!typed || num_params > typed->sig.num_params)
        c4pi_die(rt, C4P_ERR_NOT_FOUND,
                 "c4p_typed_test(): entry method %u of type %u is not typed, or has fewer than %u "
                 "parameters",
                 (unsigned)which.entry, (unsigned)which.type, (unsigned)num_params);
    find_pointers(rt, typed, msg, pointers);
    if (typed->direct) {
        c4pi_direct_t args = {{0}, {0}};
        fill_registers(typed, c4pi_msg_payload(msg), pointers, &args);
        return c4pi_direct_ask(test, rt, object, &args);
    }
    fill_values(typed, &rt, &object, c4pi_msg_payload(msg), pointers, values);
    return ask_by_ffi(rt, typed, test, num_params, values);
}

static c4p_param_t
describe_param(const c4pi_param_t *param)
{
    c4p_param_t out = {.kind = c4pi_scalar(param->of)->kind,
                       .of = param->of,
                       .size = param->size,
                       .count = param->count,
                       .num_factors = param->num_factors};
    out.sort = param->sort == C4PI_PARAM_SCALAR ? C4P_PARAM_NUMBER
               : param->sort == C4PI_PARAM_TEXT ? C4P_PARAM_TEXT
               : param->of != C4P_ARG_OF_ANY    ? C4P_PARAM_ARRAY
               : param->is_ref                  ? C4P_PARAM_REF
                                                : C4P_PARAM_STRUCT;
    memcpy(out.name, param->name, sizeof out.name);
    memcpy(out.factors, param->factors, sizeof out.factors);
    return out;
}

c4p_status_t
c4p_signature_read(const char *signature, c4p_param_t *params, uint32_t *num_out,
                   const char **why_out, size_t *at_out)
{
    c4pi_signature_t sig;
    if (!signature || !params || !num_out || !why_out || !at_out)
        return C4P_ERR_ARG;
    if (!c4pi_signature_parse(signature, &sig, why_out, at_out))
        return C4P_ERR_ARG;
    for (uint32_t k = 0; k < sig.num_params; k++)
        params[k] = describe_param(&sig.params[k]);
    *num_out = sig.num_params;
    return C4P_OK;
}

/* ---- arguments --------------------------------------------------------------------------------- */

static c4p_status_t
refuse(c4p_rt_t *rt, const typed_t *typed, uint32_t k, c4p_status_t status, const char *why)
{
    c4pi_log(rt->port, C4P_LOG_ERROR, "%s(%s): argument %u, %s, %s", typed->who, typed->text, k + 1,
             typed->sig.params[k].name, why);
    return status;
}

/* Whether a number of this kind is in the range of an integer type. */
static bool
fits(const c4p_arg_t *arg, const c4pi_scalar_t *scalar, c4p_arg_of_t of)
{
    const unsigned bits = scalar->size * 8 - (scalar->kind == C4P_ARG_SIGNED);
    const uint64_t most = of == C4P_ARG_OF_bool ? 1 : UINT64_MAX >> (64 - bits);
    if (arg->kind == C4P_ARG_UNSIGNED || arg->value.i >= 0)
        return arg->value.u <= most;
    return scalar->kind == C4P_ARG_SIGNED && (uint64_t) - (arg->value.i + 1) <= most;
}

static void
put_integer(char *to, uint32_t size, uint64_t u)
{
    const uint8_t u8 = (uint8_t)u;
    const uint16_t u16 = (uint16_t)u;
    const uint32_t u32 = (uint32_t)u;
    if (size == sizeof u)
        memcpy(to, &u, sizeof u);
    else if (size == sizeof u32)
        memcpy(to, &u32, sizeof u32);
    else if (size == sizeof u16)
        memcpy(to, &u16, sizeof u16);
    else
        memcpy(to, &u8, sizeof u8);
}

/* Is the argument a number that is in the message what it is in `value`? */
static bool
is_same(const c4pi_param_t *param, const c4p_arg_t *arg)
{
    return arg->of == param->of && arg->kind != C4P_ARG_POINTER &&
           param->sort == C4PI_PARAM_SCALAR && param->of != C4P_ARG_OF_float;
}

static double
as_double(const c4p_arg_t *arg)
{
    return arg->kind == C4P_ARG_FLOATING ? arg->value.f
           : arg->kind == C4P_ARG_SIGNED ? (double)arg->value.i
                                         : (double)arg->value.u;
}

/* NULL, or why not. */
static const char *
put_number(const c4pi_param_t *param, const c4p_arg_t *arg, char *fixed, c4p_status_t *status)
{
    const c4pi_scalar_t *scalar = c4pi_scalar(param->of);
    char *to = fixed + param->offset;
    *status = C4P_ERR_TYPE;
    if (arg->kind == C4P_ARG_POINTER)
        return "is a number: a pointer was given";
    if (scalar->kind != C4P_ARG_FLOATING) {
        if (arg->kind == C4P_ARG_FLOATING)
            return "is an integer: a floating-point number was given";
        *status = C4P_ERR_RANGE;
        if (!fits(arg, scalar, param->of))
            return "does not fit its type";
        put_integer(to, scalar->size, arg->value.u);
        return NULL;
    }
    const double x = as_double(arg);
    const float f = (float)x;
    *status = C4P_ERR_RANGE;
    if (scalar->size == sizeof f && isfinite(x) && !isfinite(f))
        return "does not fit its type";
    if (scalar->size == sizeof f)
        memcpy(to, &f, sizeof f);
    else
        memcpy(to, &x, sizeof x);
    return NULL;
}

/* NULL, or why not. */
static const char *
check_pointer(const c4pi_param_t *param, const c4p_arg_t *arg, size_t bytes, c4p_status_t *status)
{
    *status = C4P_ERR_TYPE;
    if (arg->kind != C4P_ARG_POINTER)
        return "is a pointer: a number was given";
    const c4pi_scalar_t *want = c4pi_scalar(param->of), *given = c4pi_scalar(arg->of);
    if (arg->of != C4P_ARG_OF_ANY && (want->kind != given->kind || want->size != given->size))
        return "points to elements of another type";
    *status = C4P_ERR_ARG;
    return arg->value.p || bytes == 0 ? NULL : "is NULL";
}

/* -1: larger than a length can be; 0 for what is no integer, which is refused later. */
static int64_t
integer_of(const c4p_arg_t *arg)
{
    if (arg->kind == C4P_ARG_UNSIGNED)
        return arg->value.u > INT64_MAX ? -1 : (int64_t)arg->value.u;
    return arg->kind == C4P_ARG_SIGNED ? arg->value.i : 0;
}

/* What the lengths of arrays and texts are made of. */
static c4p_status_t
find_values(c4p_rt_t *rt, const typed_t *typed, const c4p_arg_t *args, int64_t *values)
{
    for (uint32_t k = 0; k < typed->sig.num_params; k++) {
        const c4pi_param_t *param = &typed->sig.params[k];
        const c4p_arg_t *arg = &args[k];
        c4p_status_t status;
        if (param->sort == C4PI_PARAM_TEXT) {
            const char *why = check_pointer(param, arg, 1, &status);
            if (why)
                return refuse(rt, typed, k, status, why);
            values[k] = (int64_t)strlen(arg->value.p);
        } else {
            values[k] = integer_of(arg);
        }
    }
    return C4P_OK;
}

/* Bytes of each pointer's target, and of all that stands behind the fixed part. */
static c4p_status_t
find_sizes(c4p_rt_t *rt, const typed_t *typed, const c4p_arg_t *args, size_t *bytes, size_t *len)
{
    const c4pi_signature_t *sig = &typed->sig;
    int64_t values[C4P_MAX_PARAMS] = {0};
    c4p_status_t st = find_values(rt, typed, args, values);
    for (uint32_t k = 0; st == C4P_OK && k < sig->num_params; k++) {
        const c4pi_param_sort_t sort = sig->params[k].sort;
        if (sort != C4PI_PARAM_ARRAY && sort != C4PI_PARAM_TEXT)
            continue;
        if (!c4pi_signature_bytes(sig, k, values, &bytes[k]) || bytes[k] > PTRDIFF_MAX - *len)
            return refuse(rt, typed, k, C4P_ERR_RANGE,
                          "has a length that is negative or too large");
        *len = c4pi_arg_align(*len, C4PI_ARG_ALIGN) + bytes[k];
    }
    return st;
}

static c4p_status_t
put_args(c4p_rt_t *rt, const typed_t *typed, const c4p_arg_t *args, const size_t *bytes, char *data)
{
    const c4pi_signature_t *sig = &typed->sig;
    size_t at = sig->fixed;
    for (uint32_t k = 0; k < sig->num_params; k++) {
        const c4pi_param_t *param = &sig->params[k];
        c4p_status_t status = C4P_OK;
        const char *why;
        char *to = data + param->offset;
        size_t len = param->size * param->count;
        if (is_same(param, &args[k])) {
            put_integer(to, param->size, args[k].value.u);
            continue;
        }
        if (param->sort == C4PI_PARAM_SCALAR) {
            if ((why = put_number(param, &args[k], data, &status)) != NULL)
                return refuse(rt, typed, k, status, why);
            continue;
        }
        if (param->sort != C4PI_PARAM_FIXED) {
            if (param->sort == C4PI_PARAM_TEXT)
                put_integer(to, sizeof(uint64_t), bytes[k] - 1);
            const size_t end = at; /* of the one before */
            at = c4pi_arg_align(end, C4PI_ARG_ALIGN);
            memset(data + end, 0, at - end);
            len = bytes[k];
            to = data + at;
            at += len;
        }
        if ((why = check_pointer(param, &args[k], len, &status)) != NULL)
            return refuse(rt, typed, k, status, why);
        if (len)
            memcpy(to, args[k].value.p, len);
    }
    return C4P_OK;
}

c4p_status_t
c4p_msg_args(c4p_rt_t *rt, c4p_typed_t which, const c4p_arg_t *args, size_t num_args,
             c4p_msg_t **msg_out)
{
    size_t bytes[C4P_MAX_PARAMS];
    c4p_msg_t *msg;
    if (!rt || (!args && num_args) || !msg_out)
        return C4P_ERR_ARG;
    const typed_t *typed = find_typed(rt, which);
    if (!typed)
        return C4P_ERR_NOT_FOUND;
    if (num_args != typed->sig.num_params) {
        c4pi_log(rt->port, C4P_LOG_ERROR, "%s(%s): %zu arguments were given instead of %u",
                 typed->who, typed->text, num_args, typed->sig.num_params);
        return C4P_ERR_ARG;
    }
    size_t len = typed->sig.fixed;
    c4p_status_t st = typed->sig.num_tails ? find_sizes(rt, typed, args, bytes, &len) : C4P_OK;
    if (st == C4P_OK)
        st = c4p_msg_new(rt, len, &msg);
    if (st != C4P_OK)
        return st;
    if (typed->padded)
        memset(c4p_msg_data(msg), 0, typed->sig.fixed);
    st = put_args(rt, typed, args, bytes, c4p_msg_data(msg));
    if (st != C4P_OK)
        c4p_msg_free(msg);
    else
        *msg_out = msg;
    return st;
}

c4p_status_t
c4p_send_args(c4p_rt_t *rt, c4p_ref_t to, c4p_typed_t typed, const c4p_arg_t *args, size_t num_args)
{
    c4p_msg_t *msg;
    c4p_status_t st = c4p_msg_args(rt, typed, args, num_args, &msg);
    if (st != C4P_OK)
        return st;
    st = c4p_send(rt, to, typed.entry, msg);
    if (st != C4P_OK)
        c4p_msg_free(msg);
    return st;
}
