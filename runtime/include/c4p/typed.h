/* SPDX-License-Identifier: Apache-2.0 */
/* typed.h: entry methods with parameters. A signature says what a plain C function takes; the
 * runtime lays the arguments out in a message, and calls the function with them where the chare is.
 *
 *     static void push(c4p_rt_t *rt, void *cell, double dt, int n, const double *force);
 *
 *     c4p_entry_add_typed(rt, type, "push", "double dt, int n, double force[3*n]",
 *                         (c4p_any_fn_t)push, &push_entry);
 *     c4p_send_typed(rt, to, push_entry, 0.5, n, force);
 *
 * A signature is a list of parameters, `TYPE NAME` or `TYPE NAME[LENGTH]`, with commas between
 * them; "" has none. At most C4P_MAX_PARAMS.
 *
 *     TYPE    in the signature                       the function's parameter
 *     scalar  bool, char, int, unsigned, long,       by value
 *             size_t, int8_t .. uint64_t, float,
 *             double
 *     text    str                                    const char *, ends with NUL
 *     ref     ref                                    const c4p_ref_t *
 *     struct  {double x[3], int id}                  const pointer; scalars and arrays of fixed
 *                                                    length, laid out as C does
 *     array   TYPE NAME[LENGTH] of any but str       const TYPE *, aligned as its elements
 *
 * LENGTH is a product of numbers and names of integer parameters of the same signature: 3, n, 3*n,
 * rows*cols. Pointers point into the message, which is lent to the function until it returns. */
#ifndef C4P_TYPED_H
#define C4P_TYPED_H

#include <limits.h>

#include <c4p/chare.h>

#ifdef __cplusplus
extern "C" {
#endif

#define C4P_MAX_PARAMS 16 /**< of a signature */

/** Any function; cast the method to it. It is called as
 * void method(c4p_rt_t *rt, void *object, parameters...). */
typedef void (*c4p_any_fn_t)(void);

/** A typed entry method: its type and its place there. */
typedef struct c4p_typed {
    c4p_type_t type;   /**< of the chare */
    c4p_entry_t entry; /**< for c4p_send() and c4p_bcast() */
} c4p_typed_t;

/**
 * As c4p_entry_add(), for a function with the parameters that `signature` describes. What the ranks
 * register must agree in the signatures, too (c4p_start()).
 * Returns also C4P_ERR_ARG for a signature that is not valid; the log says where and why. Cost:
 * O(length of the signature), once; a message is then called directly if its arguments fit the
 * registers, else by libffi.
 */
C4P_API c4p_status_t c4p_entry_add_typed(c4p_rt_t *rt, c4p_type_t type, const char *name,
                                         const char *signature, c4p_any_fn_t fn,
                                         c4p_typed_t *typed_out);

/** The typed entry method of this name of whatever `to` refers to: of a collection that this rank
 * has heard of, see c4p_coll_info(). Returns C4P_ERR_NOT_FOUND also for an entry method that is not
 * typed.
 */
C4P_API c4p_status_t c4p_typed_find(const c4p_rt_t *rt, c4p_ref_t to, const char *name,
                                    c4p_typed_t *typed_out);

/* ---- arguments -------------------------------------------------------------------------------- */

/** What an argument is: a number, or where elements of some type lie. */
typedef enum c4p_arg_kind {
    C4P_ARG_SIGNED,   /**< an integer, in value.i */
    C4P_ARG_UNSIGNED, /**< an integer, in value.u */
    C4P_ARG_FLOATING, /**< a number, in value.f */
    C4P_ARG_POINTER,  /**< to elements of `of`, or of a struct: C4P_ARG_OF_ANY */
    C4P_ARG_CHAR = CHAR_MIN < 0 ? C4P_ARG_SIGNED : C4P_ARG_UNSIGNED /**< one of these */
} c4p_arg_kind_t;

/** The types of arguments: X(name, C type, kind, member of the value). */
#define C4P_ARG_LIST(X)                                                                            \
    X(bool, bool, UNSIGNED, u)                                                                     \
    X(char, char, CHAR, i)                                                                         \
    X(schar, signed char, SIGNED, i)                                                               \
    X(uchar, unsigned char, UNSIGNED, u)                                                           \
    X(short, short, SIGNED, i)                                                                     \
    X(ushort, unsigned short, UNSIGNED, u)                                                         \
    X(int, int, SIGNED, i)                                                                         \
    X(uint, unsigned int, UNSIGNED, u)                                                             \
    X(long, long, SIGNED, i)                                                                       \
    X(ulong, unsigned long, UNSIGNED, u)                                                           \
    X(llong, long long, SIGNED, i)                                                                 \
    X(ullong, unsigned long long, UNSIGNED, u)                                                     \
    X(float, float, FLOATING, f)                                                                   \
    X(double, double, FLOATING, f)

/** Types by number, for pointers: C4P_ARG_OF_ANY, and C4P_ARG_OF_ with each name of #C4P_ARG_LIST.
 */
typedef enum c4p_arg_of {
    C4P_ARG_OF_ANY, /**< not known, or a struct */
/** @cond */
#define C4P_ARG_OF(name, type, kind, member) C4P_ARG_OF_##name,
    C4P_ARG_LIST(C4P_ARG_OF)
#undef C4P_ARG_OF
    /** @endcond */
} c4p_arg_of_t;

/** One argument as the caller gives it. Made by c4p_send_typed() and c4p_msg_typed(), or by hand.
 */
typedef struct c4p_arg {
    c4p_arg_kind_t kind; /**< which member of value counts */
    c4p_arg_of_t of;     /**< of a number: its type, likewise */
    union {
        int64_t i;     /**< C4P_ARG_SIGNED */
        uint64_t u;    /**< C4P_ARG_UNSIGNED */
        double f;      /**< C4P_ARG_FLOATING */
        const void *p; /**< C4P_ARG_POINTER */
    } value;           /**< by kind */
} c4p_arg_t;

/**
 * Make a message of arguments, which are copied. They must fit the signature: as many, numbers for
 * scalars (an integer where its value fits, or where a floating-point number is wanted), pointers
 * to elements of the right type for arrays, structs and texts (a pointer to a struct or void is
 * taken as it is); lengths are those of the parameters that the signature names.
 * Ownership: the message is the caller's, and may be sent, broadcast, or be given a priority like
 * any other, to `typed.entry`. Returns: C4P_OK; C4P_ERR_TYPE, C4P_ERR_RANGE (a number that does not
 * fit, a negative length), C4P_ERR_ARG (a NULL for what has a length, too few or too many), the log
 * says of which argument; C4P_ERR_NOT_FOUND for an entry that is not typed; C4P_ERR_NOMEM.
 */
C4P_API c4p_status_t c4p_msg_args(c4p_rt_t *rt, c4p_typed_t typed, const c4p_arg_t *args,
                                  size_t num_args, c4p_msg_t **msg_out);

/** c4p_msg_args() and c4p_send(), with the statuses of both; nothing is left to free after an
 * error. */
C4P_API c4p_status_t c4p_send_args(c4p_rt_t *rt, c4p_ref_t to, c4p_typed_t typed,
                                   const c4p_arg_t *args, size_t num_args);

/* ---- for languages whose programs have methods in C ------------------------------------------- */

/** What a parameter is. */
typedef enum c4p_param_sort {
    C4P_PARAM_NUMBER, /**< by value; the others by pointer */
    C4P_PARAM_ARRAY,  /**< of numbers */
    C4P_PARAM_TEXT,   /**< of UTF-8, ends with NUL */
    C4P_PARAM_REF,    /**< references: one, or an array of them */
    C4P_PARAM_STRUCT  /**< likewise */
} c4p_param_sort_t;

/** One parameter of a signature. */
typedef struct c4p_param {
    char name[32];         /**< as in the signature */
    c4p_param_sort_t sort; /**< decides what the others mean */
    c4p_arg_kind_t kind;   /**< of a number, or of the numbers in an array; else C4P_ARG_POINTER */
    c4p_arg_of_t of;       /**< likewise; else C4P_ARG_OF_ANY */
    size_t size;           /**< bytes of one element */
    uint64_t count;        /**< elements: this, times the values */
    uint32_t num_factors;  /**< how many values */
    uint8_t factors[4];    /**< of the parameters with these numbers */
} c4p_param_t;

/** What a signature says; `params` has room for C4P_MAX_PARAMS. Returns C4P_ERR_ARG for one that is
 * not valid: *why_out is a static text, *at_out the character where, from 0. Any thread, any time.
 */
C4P_API c4p_status_t c4p_signature_read(const char *signature, c4p_param_t *params,
                                        uint32_t *num_out, const char **why_out, size_t *at_out);

/**
 * As c4p_entry_add_typed(), where the objects of the type are not what the method takes: `around`
 * is the entry method, with ctx, and calls the method by c4p_typed_run(), or does not. Returns the
 * same statuses.
 */
C4P_API c4p_status_t c4p_entry_add_typed_around(c4p_rt_t *rt, c4p_type_t type, const char *name,
                                                const char *signature, c4p_any_fn_t fn,
                                                c4p_entry_fn_t around, void *ctx,
                                                c4p_typed_t *typed_out);
/** Call the method with this object, which may be NULL, and the arguments in a message that was
 * made for `typed`; any other message ends the job with a report. `reply`: who waits for this call,
 * if its message came earlier and the caller took the reply then; afterwards its kind is 0 if the
 * method has taken the duty to answer over. NULL: who waits for the entry method that runs now. */
C4P_API void
c4p_typed_run(c4p_rt_t *rt, c4p_typed_t typed, void *object, c4p_msg_t *msg, c4p_reply_t *reply);
/** Ask whether the method may run: what `test` returns, which is called as the method would be,
 * with the first `num_params` arguments: bool test(c4p_rt_t *rt, void *object, parameters...). A
 * message that was not made for `typed`, and more parameters than the method has, end the job with
 * a report. */
C4P_API bool c4p_typed_test(c4p_rt_t *rt, c4p_typed_t typed, c4p_any_fn_t test, uint32_t num_params,
                            void *object, c4p_msg_t *msg);

#ifdef __cplusplus
} /* extern "C" */
#endif

/* c4p_send_typed(rt, to, typed, arguments...) and c4p_msg_typed(rt, typed, msg_out, arguments...):
 * c4p_send_args() and c4p_msg_args() with 1 to C4P_MAX_PARAMS arguments written as in a call. */
#ifdef __cplusplus

#define C4P_ARG_MAKERS(name, type, kind_, member)                                                  \
    static inline c4p_arg_t c4p_arg(type x)                                                        \
    {                                                                                              \
        c4p_arg_t arg = c4p_arg_t();                                                               \
        arg.kind = C4P_ARG_##kind_;                                                                \
        arg.of = C4P_ARG_OF_##name;                                                                \
        arg.value.member = x;                                                                      \
        return arg;                                                                                \
    }                                                                                              \
    static inline c4p_arg_t c4p_arg(const type *p)                                                 \
    {                                                                                              \
        c4p_arg_t arg = c4p_arg_t();                                                               \
        arg.kind = C4P_ARG_POINTER;                                                                \
        arg.of = C4P_ARG_OF_##name;                                                                \
        arg.value.p = p;                                                                           \
        return arg;                                                                                \
    }
C4P_ARG_LIST(C4P_ARG_MAKERS)
#undef C4P_ARG_MAKERS
static inline c4p_arg_t
c4p_arg(const void *p)
{
    c4p_arg_t arg = c4p_arg_t();
    arg.kind = C4P_ARG_POINTER;
    arg.value.p = p;
    return arg;
}
template <class... Args>
static inline c4p_status_t
c4p_send_typed(c4p_rt_t *rt, c4p_ref_t to, c4p_typed_t typed, Args... args)
{
    const c4p_arg_t all[] = {c4p_arg(args)...};
    return c4p_send_args(rt, to, typed, all, sizeof...(Args));
}
template <class... Args>
static inline c4p_status_t
c4p_msg_typed(c4p_rt_t *rt, c4p_typed_t typed, c4p_msg_t **msg_out, Args... args)
{
    const c4p_arg_t all[] = {c4p_arg(args)...};
    return c4p_msg_args(rt, typed, all, sizeof...(Args), msg_out);
}

#else

/** @cond */

#define C4P_ARG_MAKERS(name, type, kind_, member)                                                  \
    static inline c4p_arg_t c4p_arg_##name(type x)                                                 \
    {                                                                                              \
        return (c4p_arg_t){.kind = C4P_ARG_##kind_, .of = C4P_ARG_OF_##name, .value.member = x};   \
    }                                                                                              \
    static inline c4p_arg_t c4p_arg_p_##name(const type *p)                                        \
    {                                                                                              \
        return (c4p_arg_t){.kind = C4P_ARG_POINTER, .of = C4P_ARG_OF_##name, .value.p = p};        \
    }
C4P_ARG_LIST(C4P_ARG_MAKERS)
#undef C4P_ARG_MAKERS
static inline c4p_arg_t
c4p_arg_p_any(const void *p)
{
    return (c4p_arg_t){.kind = C4P_ARG_POINTER, .of = C4P_ARG_OF_ANY, .value.p = p};
}
#define C4P_ARG_CHOICE(name, type, kind, member)                                                   \
    type:                                                                                          \
    c4p_arg_##name, type * : c4p_arg_p_##name, const type * : c4p_arg_p_##name,
#define C4P_ARG(x) _Generic((x), C4P_ARG_LIST(C4P_ARG_CHOICE) default : c4p_arg_p_any)(x)

#define C4P_ARGS_1(x)       C4P_ARG(x)
#define C4P_ARGS_2(x, ...)  C4P_ARG(x), C4P_ARGS_1(__VA_ARGS__)
#define C4P_ARGS_3(x, ...)  C4P_ARG(x), C4P_ARGS_2(__VA_ARGS__)
#define C4P_ARGS_4(x, ...)  C4P_ARG(x), C4P_ARGS_3(__VA_ARGS__)
#define C4P_ARGS_5(x, ...)  C4P_ARG(x), C4P_ARGS_4(__VA_ARGS__)
#define C4P_ARGS_6(x, ...)  C4P_ARG(x), C4P_ARGS_5(__VA_ARGS__)
#define C4P_ARGS_7(x, ...)  C4P_ARG(x), C4P_ARGS_6(__VA_ARGS__)
#define C4P_ARGS_8(x, ...)  C4P_ARG(x), C4P_ARGS_7(__VA_ARGS__)
#define C4P_ARGS_9(x, ...)  C4P_ARG(x), C4P_ARGS_8(__VA_ARGS__)
#define C4P_ARGS_10(x, ...) C4P_ARG(x), C4P_ARGS_9(__VA_ARGS__)
#define C4P_ARGS_11(x, ...) C4P_ARG(x), C4P_ARGS_10(__VA_ARGS__)
#define C4P_ARGS_12(x, ...) C4P_ARG(x), C4P_ARGS_11(__VA_ARGS__)
#define C4P_ARGS_13(x, ...) C4P_ARG(x), C4P_ARGS_12(__VA_ARGS__)
#define C4P_ARGS_14(x, ...) C4P_ARG(x), C4P_ARGS_13(__VA_ARGS__)
#define C4P_ARGS_15(x, ...) C4P_ARG(x), C4P_ARGS_14(__VA_ARGS__)
#define C4P_ARGS_16(x, ...) C4P_ARG(x), C4P_ARGS_15(__VA_ARGS__)
#define C4P_ARGS_CHOSEN(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16,     \
                        chosen, ...)                                                               \
    chosen
#define C4P_ARGS(...)                                                                              \
    C4P_ARGS_CHOSEN(__VA_ARGS__, C4P_ARGS_16, C4P_ARGS_15, C4P_ARGS_14, C4P_ARGS_13, C4P_ARGS_12,  \
                    C4P_ARGS_11, C4P_ARGS_10, C4P_ARGS_9, C4P_ARGS_8, C4P_ARGS_7, C4P_ARGS_6,      \
                    C4P_ARGS_5, C4P_ARGS_4, C4P_ARGS_3, C4P_ARGS_2, C4P_ARGS_1, 0)                 \
    (__VA_ARGS__)
#define C4P_ARG_ARRAY(...) ((const c4p_arg_t[]){C4P_ARGS(__VA_ARGS__)})
#define C4P_ARG_COUNT(...) (sizeof C4P_ARG_ARRAY(__VA_ARGS__) / sizeof(c4p_arg_t))

/** @endcond */
/** c4p_send_args() with 1 to C4P_MAX_PARAMS arguments written as in a call. In C++ a template. */
#define c4p_send_typed(rt, to, typed, ...)                                                         \
    c4p_send_args(rt, to, typed, C4P_ARG_ARRAY(__VA_ARGS__), C4P_ARG_COUNT(__VA_ARGS__))
/** c4p_msg_args() with 1 to C4P_MAX_PARAMS arguments written as in a call, behind `msg_out`. In C++
 * a template. */
#define c4p_msg_typed(rt, typed, msg_out, ...)                                                     \
    c4p_msg_args(rt, typed, C4P_ARG_ARRAY(__VA_ARGS__), C4P_ARG_COUNT(__VA_ARGS__), msg_out)

#endif
#endif
