/* SPDX-License-Identifier: Apache-2.0 */
/* What fortran_host.f90 compares runtime/fortran/c4pyrt.f90 with: sizes, places of fields and
 * constants, as the compiler of C sees them. */
#include <c4p/c4p.h>
#include <stddef.h>

int c4p_test_layout(int64_t *out, int room);

#define SIZE(type)         (int64_t)sizeof(type)
#define PLACE(type, field) (int64_t) offsetof(type, field)

static const int64_t layout[] = {
    SIZE(c4p_key_t),
    SIZE(c4p_ref_t),
    PLACE(c4p_ref_t, key),
    SIZE(c4p_index_t),
    PLACE(c4p_index_t, at),
    SIZE(c4p_typed_t),
    PLACE(c4p_typed_t, entry),
    SIZE(c4p_array_opts_t),
    PLACE(c4p_array_opts_t, dense),
    PLACE(c4p_array_opts_t, dims),
    PLACE(c4p_array_opts_t, map),
    PLACE(c4p_array_opts_t, created),
    PLACE(c4p_array_opts_t, at_sync),
    SIZE(c4p_reduce_t),
    PLACE(c4p_reduce_t, custom),
    PLACE(c4p_reduce_t, meta),
    SIZE(c4p_target_t),
    PLACE(c4p_target_t, entry),
    PLACE(c4p_target_t, flags),
    PLACE(c4p_target_t, number),
    PLACE(c4p_target_t, ref),
    SIZE(c4p_result_t),
    PLACE(c4p_result_t, contributors),
    PLACE(c4p_result_t, meta),
    PLACE(c4p_result_t, data),
    PLACE(c4p_result_t, coll),
    SIZE(c4p_arg_t),
    PLACE(c4p_arg_t, of),
    PLACE(c4p_arg_t, value),
    SIZE(c4p_type_desc_t),
    PLACE(c4p_type_desc_t, unpack),
    PLACE(c4p_type_desc_t, ctx),
    PLACE(c4p_type_desc_t, regroup),
    C4P_MAX_DIMS,
#define VALUE(name, value, exit_status, text) C4P_##name,
    C4P_STATUS_LIST(VALUE)
#undef VALUE
        C4P_BOOL,
    C4P_INT8,
    C4P_UINT8,
    C4P_INT16,
    C4P_UINT16,
    C4P_INT32,
    C4P_UINT32,
    C4P_INT64,
    C4P_UINT64,
    C4P_FLOAT32,
    C4P_FLOAT64,
    C4P_COMPLEX64,
    C4P_COMPLEX128,
    C4P_OP_NOP,
    C4P_OP_SUM,
    C4P_OP_PRODUCT,
    C4P_OP_MIN,
    C4P_OP_MAX,
    C4P_OP_AND,
    C4P_OP_OR,
    C4P_OP_XOR,
    C4P_OP_BIT_AND,
    C4P_OP_BIT_OR,
    C4P_OP_BIT_XOR,
    C4P_OP_MINLOC,
    C4P_OP_MAXLOC,
    C4P_OP_GATHER,
    C4P_OP_SUM_ORDERED,
    C4P_OP_SUM_COMPENSATED,
    C4P_OP_TUPLE,
    C4P_OP_CUSTOM,
    C4P_TARGET_NONE,
    C4P_TARGET_FUTURE,
    C4P_TARGET_ELEMENT,
    C4P_TARGET_BROADCAST,
    C4P_TARGET_HANDLER,
    C4P_BCAST_NO_REPLY,
    C4P_BCAST_DONE,
    C4P_BCAST_GATHER,
};

/* Writes at most `room` of them; how many there are. */
int
c4p_test_layout(int64_t *out, int room)
{
    const int n = (int)(sizeof layout / sizeof layout[0]);
    for (int i = 0; i < n && i < room; i++)
        out[i] = layout[i];
    return n;
}
