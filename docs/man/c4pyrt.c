/* SPDX-License-Identifier: Apache-2.0 */
/* c4pyrt.c: the program of the manual page c4pyrt(3), which is made with this text. */
#include <c4p/c4p.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct cell {
    double sum;
} cell_t;

static void
check(c4p_rt_t *rt, c4p_status_t st)
{
    if (st != C4P_OK)
        c4p_abort(rt, c4p_exit_status(st), c4p_strerror(st));
}

static c4p_status_t
construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    (void)rt, (void)self, (void)args, (void)ctx;
    *object_out = calloc(1, sizeof(cell_t));
    return *object_out ? C4P_OK : C4P_ERR_NOMEM;
}

static void
destroy(c4p_rt_t *rt, void *object, void *ctx)
{
    (void)rt, (void)ctx;
    free(object);
}

/* An entry method: a plain function. It runs where the cell is. */
static void
add(c4p_rt_t *rt, void *object, const char *what, int n, const double *x)
{
    cell_t *cell = object;
    c4p_index_t index;

    for (int i = 0; i < n; i++)
        cell->sum += x[i];
    c4p_index_unpack(c4p_self(rt).key, 1, &index);
    printf("cell %d on rank %d: the sum of %d %s is %g\n", (int)index.at[0], c4p_rank(rt), n, what,
           cell->sum);
}

/* Make an array of eight cells, and send each its numbers. */
static void
begin(c4p_rt_t *rt, c4p_type_t type, c4p_typed_t add_entry)
{
    c4p_array_opts_t opts = C4P_ARRAY_OPTS_INIT;
    c4p_ref_t cell;

    opts.ndims = 1;
    opts.dense = true;
    opts.dims[0] = 8;
    check(rt, c4p_array_new(rt, type, &opts, NULL, &cell.coll));
    for (int i = 0; i < 8; i++) {
        const c4p_index_t index = {1, {i}};
        const double x[] = {1.0 * i, 2.0 * i, 3.0 * i};
        check(rt, c4p_index_pack(&index, &cell.key));
        check(rt, c4p_send_typed(rt, cell, add_entry, "numbers", 3, x));
    }
}

int
main(void)
{
    const c4p_type_desc_t desc = {
        .struct_size = sizeof desc, .name = "Cell", .construct = construct, .destroy = destroy};
    c4p_rt_t *rt;
    c4p_type_t type;
    c4p_typed_t add_entry;
    int exit_code = 1;
    c4p_status_t st = c4p_init(NULL, &rt);

    if (st != C4P_OK)
        return c4p_exit_status(st);
    check(rt, c4p_type_add(rt, &desc, &type));
    check(rt, c4p_entry_add_typed(rt, type, "add", "str what, int n, double x[n]",
                                  (c4p_any_fn_t)add, &add_entry));
    check(rt, c4p_start(rt));
    if (c4p_rank(rt) == 0)
        begin(rt, type, add_entry);
    check(rt, c4p_run_until_quiescent(rt, NULL));
    if (c4p_rank(rt) == 0)
        check(rt, c4p_exit(rt, 0));
    st = c4p_run(rt, &exit_code);
    c4p_free(rt);
    return st == C4P_OK ? exit_code : c4p_exit_status(st);
}
