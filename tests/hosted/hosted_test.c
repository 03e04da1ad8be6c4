/* SPDX-License-Identifier: Apache-2.0 */
/* hosted_test.c: Python chares in a C program, through c4p/python.h. One case is one process, since
 * that has one interpreter in its life. The Python side is hosted.py. */
#include <mpi.h>

#include <signal.h>

#include <c4p/checkpoint.h>
#include <c4p/mpi.h>
#include <c4p/python.h>

#include "support/test.h"

typedef struct host {
    c4p_rt_t *rt;
    c4p_python_t *py;
    int rank, ranks, next; /* next: the rank after this one, round */
    c4p_proxy_t group;     /* of Mirror, on all ranks */
    c4p_proxy_t mine;
} host_t;

/* ---- life --------------------------------------------------------------------------------------- */

static void
open_python(host_t *host)
{
    c4p_python_opts_t opts = C4P_PYTHON_OPTS_INIT;
    opts.path = HOSTED_FOLDER;
    MPI_Init(NULL, NULL);
    MPI_Comm_rank(MPI_COMM_WORLD, &host->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &host->ranks);
    host->next = (host->rank + 1) % host->ranks;
    CHECK_OK(c4p_init_comm(MPI_COMM_WORLD, NULL, &host->rt));
    CHECK_OK(c4p_python_init(host->rt, &opts, &host->py));
    CHECK_OK(c4p_python_import(host->py, "hosted"));
}

static c4p_proxy_t
member(const host_t *host, int rank)
{
    const c4p_index_t index = {1, {rank}};
    c4p_proxy_t element;
    CHECK_OK(c4p_proxy_at(&host->group, &index, &element));
    return element;
}

static void
start_python(host_t *host)
{
    const c4p_pyval_t name = c4p_py_text("glass", 5);
    CHECK_OK(c4p_python_start(host->py));
    if (host->rank == 0)
        CHECK_OK(c4p_python_group_new(host->py, "hosted.Mirror", &name, 1, &host->group));
    MPI_Bcast(&host->group, sizeof host->group, MPI_BYTE, 0, MPI_COMM_WORLD);
    host->mine = member(host, host->rank);
}

static void
settle(host_t *host)
{
    bool exited = true;
    CHECK_OK(c4p_run_until_quiescent(host->rt, &exited));
    CHECK(!exited);
}

static void
close_python(host_t *host)
{
    int code = -1;
    MPI_Barrier(MPI_COMM_WORLD);
    if (host->rank == 0)
        CHECK_OK(c4p_exit(host->rt, 5));
    CHECK_OK(c4p_run(host->rt, &code));
    CHECK_EQ(5, code);
    c4p_python_free(host->py);
    MPI_Finalize();
}

/* This rank's chare. */
static c4p_pyval_t
ask(host_t *host, const char *method, const c4p_pyval_t *args, size_t num_args)
{
    c4p_pyval_t value = c4p_py_none();
    c4p_status_t st = c4p_python_ask(host->py, &host->mine, method, args, num_args, &value);
    if (st != C4P_OK)
        FAIL("%s: %s\n%s", method, c4p_status_name(st), c4p_python_error(host->py).traceback);
    return value;
}

static c4p_pyval_t
echo(host_t *host, c4p_pyval_t value)
{
    return ask(host, "echo", &value, 1);
}

static void
check_type(host_t *host, const char *expected, c4p_pyval_t value)
{
    c4p_pyval_t name = ask(host, "type_of", &value, 1);
    CHECK_EQ(C4P_PY_STR, name.kind);
    CHECK_STR_EQ(expected, name.v.text.data);
    c4p_python_release(host->py, &name);
}

/* ---- values ------------------------------------------------------------------------------------- */

static void
values_of_every_kind_come_back(void)
{
    host_t host = {0};
    c4p_pyval_t got;
    open_python(&host);
    start_python(&host);
    settle(&host);
    CHECK_EQ(C4P_PY_NONE, echo(&host, c4p_py_none()).kind);
    got = echo(&host, c4p_py_bool(true));
    CHECK(got.kind == C4P_PY_BOOL && got.v.truth);
    got = echo(&host, c4p_py_int(INT64_MIN));
    CHECK(got.kind == C4P_PY_INT && got.v.i == INT64_MIN);
    got = echo(&host, c4p_py_float(0.1));
    CHECK(got.kind == C4P_PY_FLOAT && got.v.f == 0.1);
    got = echo(&host, c4p_py_text("gr\xc3\xbc\xc3\x9f\0e", 8));
    CHECK(got.kind == C4P_PY_STR && got.v.text.len == 8);
    CHECK_MEM_EQ("gr\xc3\xbc\xc3\x9f\0e", got.v.text.data, 9);
    c4p_python_release(host.py, &got);
    CHECK_EQ(C4P_PY_NONE, got.kind);
    got = echo(&host, c4p_py_bytes("a\0b", 3));
    CHECK(got.kind == C4P_PY_BYTES && got.v.text.len == 3);
    CHECK_MEM_EQ("a\0b", got.v.text.data, 4);
    c4p_python_release(host.py, &got);
    got = echo(&host, c4p_py_proxy(host.group));
    CHECK(got.kind == C4P_PY_PROXY && memcmp(&got.v.proxy, &host.group, sizeof host.group) == 0);
    check_type(&host, "NoneType", c4p_py_none());
    check_type(&host, "bool", c4p_py_bool(false));
    check_type(&host, "int", c4p_py_int(0));
    check_type(&host, "float", c4p_py_float(0));
    check_type(&host, "str", c4p_py_text("", 0));
    check_type(&host, "bytes", c4p_py_bytes(NULL, 0));
    got = ask(&host, "told", NULL, 0); /* what the constructor got */
    CHECK_STR_EQ("glass", got.v.text.data);
    c4p_python_release(host.py, &got);
    close_python(&host);
}

static void
lists_and_arrays_are_read_in_place(void)
{
    host_t host = {0};
    c4p_pyval_t got, item, deep;
    open_python(&host);
    start_python(&host);
    settle(&host);
    got = ask(&host, "large", NULL, 0); /* columns 1 and 2 of 0..11 in 3 rows of 4 */
    CHECK_EQ(C4P_PY_ARRAY, got.kind);
    CHECK_EQ(C4P_INT32, got.v.array.dtype);
    CHECK(got.v.array.ndims == 2 && got.v.array.dims[0] == 3 && got.v.array.dims[1] == 2);
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 2; j++) {
            const char *at =
                (char *)got.v.array.data + i * got.v.array.strides[0] + j * got.v.array.strides[1];
            int32_t number;
            memcpy(&number, at, sizeof number);
            CHECK_EQ(4 * i + j + 1, number);
        }
    c4p_python_release(host.py, &got);
    got = ask(&host, "things", NULL, 0);
    CHECK(got.kind == C4P_PY_TUPLE && got.v.count == 5);
    CHECK_OK(c4p_python_item(host.py, &got, 0, &item));
    CHECK(item.kind == C4P_PY_TUPLE && item.v.count == 3);
    CHECK_OK(c4p_python_item(host.py, &item, 1, &deep));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_python_item(host.py, &item, 3, &deep));
    CHECK(deep.kind == C4P_PY_TUPLE && deep.v.count == 2);
    c4p_python_release(host.py, &deep);
    c4p_python_release(host.py, &item);
    CHECK_OK(c4p_python_item(host.py, &got, 1, &item));
    CHECK_EQ(C4P_PY_OTHER, item.kind);
    CHECK_STR_EQ("{'a': 1}", item.v.text.data);
    CHECK_STATUS(C4P_ERR_TYPE, c4p_python_item(host.py, &item, 0, &deep));
    c4p_python_release(host.py, &item);
    CHECK_OK(c4p_python_item(host.py, &got, 2, &item));
    CHECK_STR_EQ("1180591620717411303424", item.v.text.data); /* 2**70 has no room in C */
    c4p_python_release(host.py, &item);
    CHECK_OK(c4p_python_item(host.py, &got, 3, &item));
    CHECK(item.kind == C4P_PY_FLOAT && item.v.f == 1.5);
    CHECK_OK(c4p_python_item(host.py, &got, 4, &item));
    CHECK(item.kind == C4P_PY_INT && item.v.i == -3);
    c4p_python_release(host.py, &got);
    close_python(&host);
}

/* ---- views -------------------------------------------------------------------------------------- */

static void
count_release(void *ctx)
{
    ++*(int *)ctx;
}

static void
a_view_is_the_memory_itself(void)
{
    host_t host = {0};
    double u[4][5] = {{0}};
    const int64_t inside[] = {2, 3}, rows[] = {5 * sizeof(double), sizeof(double)};
    open_python(&host);
    start_python(&host);
    settle(&host);
    u[1][1] = 1, u[2][3] = 2, u[0][0] = u[3][4] = u[1][4] = 100; /* the halo */
    c4p_pyval_t view = c4p_py_strided(c4p_py_view(&u[1][1], C4P_FLOAT64, 2, inside), rows);
    c4p_pyval_t seen = ask(&host, "describe", &view, 1), item;
    CHECK_EQ(4, seen.v.count);
    CHECK_OK(c4p_python_item(host.py, &seen, 0, &item));
    CHECK_STR_EQ("float64", item.v.text.data);
    c4p_python_release(host.py, &item);
    CHECK_OK(c4p_python_item(host.py, &seen, 2, &item));
    CHECK_EQ(3, item.v.f); /* 1 + 2: nothing of the halo */
    CHECK_OK(c4p_python_item(host.py, &seen, 3, &item));
    CHECK_EQ((int64_t)(intptr_t)&u[1][1], item.v.i);
    c4p_python_release(host.py, &seen);
    int released = 0;
    c4p_pyval_t fill[] = {
        c4p_py_strided(c4p_py_writable_view(&u[1][1], C4P_FLOAT64, 2, inside), rows),
        c4p_py_float(7)};
    fill[0].v.array.release = count_release;
    fill[0].v.array.ctx = &released;
    ask(&host, "fill", fill, 2);
    CHECK_EQ(1, released);
    CHECK(u[1][1] == 7 && u[2][3] == 7 && u[1][2] == 7);
    CHECK(u[0][0] == 100 && u[1][0] == 0 && u[1][4] == 100 && u[3][3] == 0);
    close_python(&host);
}

static void
a_view_that_is_read_only_stays_so(void)
{
    host_t host = {0};
    double u[3] = {1, 2, 3};
    const int64_t dims[] = {3};
    const c4p_pyval_t fill[] = {c4p_py_view(u, C4P_FLOAT64, 1, dims), c4p_py_float(7)};
    open_python(&host);
    start_python(&host);
    settle(&host);
    CHECK_STATUS(C4P_ERR_USER, c4p_python_ask(host.py, &host.mine, "fill", fill, 2, NULL));
    CHECK_STR_EQ("ValueError", c4p_python_error(host.py).type);
    CHECK_STR_HAS("read-only", c4p_python_error(host.py).message);
    CHECK_STATUS(C4P_ERR_USER, c4p_python_ask(host.py, &host.mine, "open_up", fill, 1, NULL));
    CHECK(u[0] == 1 && u[1] == 2 && u[2] == 3);
    close_python(&host);
}

static void
memory_is_released_when_no_array_is_left(void)
{
    host_t host = {0};
    double u[3] = {1, 2, 3};
    const int64_t dims[] = {3};
    int released = 0;
    c4p_pyval_t view = c4p_py_view(u, C4P_FLOAT64, 1, dims), got;
    view.v.array.release = count_release;
    view.v.array.ctx = &released;
    open_python(&host);
    start_python(&host);
    settle(&host);
    CHECK_STATUS(C4P_ERR_NOT_FOUND,
                 c4p_python_ask(host.py, &host.mine, "no_such_method", &view, 1, NULL));
    const c4p_pyval_t bad[] = {view, c4p_py_text("\xff", 1)}; /* no UTF-8 */
    CHECK_STATUS(C4P_ERR_USER, c4p_python_ask(host.py, &host.mine, "fill", bad, 2, NULL));
    CHECK_STR_EQ("UnicodeDecodeError", c4p_python_error(host.py).type);
    CHECK_EQ(0, released); /* refused calls have done nothing */
    ask(&host, "keep", &view, 1);
    CHECK_EQ(0, released);
    u[1] = 22;
    got = ask(&host, "first_kept", NULL, 0);
    CHECK_EQ(22, got.v.f);
    ask(&host, "forget", NULL, 0);
    CHECK_EQ(1, released);
    close_python(&host);
}

static void
a_chare_elsewhere_gets_a_copy(void)
{
    host_t host = {0};
    double u[3];
    const int64_t dims[] = {3};
    int released = 0;
    open_python(&host);
    start_python(&host);
    settle(&host);
    for (int i = 0; i < 3; i++)
        u[i] = 10 * host.rank + i;
    c4p_pyval_t view = c4p_py_view(u, C4P_FLOAT64, 1, dims);
    const c4p_proxy_t next = member(&host, host.next);
    view.v.array.release = count_release;
    view.v.array.ctx = &released;
    CHECK_OK(c4p_python_call(host.py, &next, "keep", &view, 1, 0));
    if (host.ranks > 1) {
        CHECK_EQ(1, released); /* at once */
        u[1] = -1;
    }
    settle(&host);
    const int before = (host.rank + host.ranks - 1) % host.ranks;
    c4p_pyval_t got = ask(&host, "first_kept", NULL, 0);
    CHECK_EQ(10 * before + 1, got.v.f);
    ask(&host, "forget", NULL, 0);
    close_python(&host);
}

/* ---- collections -------------------------------------------------------------------------------- */

static void
arrays_and_single_chares_are_made_and_called(void)
{
    host_t host = {0};
    c4p_proxy_t array, one, last;
    c4p_pyval_t got;
    open_python(&host);
    start_python(&host);
    const int64_t dims[] = {host.ranks, 3};
    const c4p_index_t index = {2, {host.ranks - 1, 2}}, flat = {1, {0}};
    if (host.rank == 0) {
        CHECK_OK(c4p_python_array_new(host.py, "Mirror", 2, dims, NULL, 0, &array));
        CHECK_STATUS(C4P_ERR_TYPE, c4p_proxy_at(&array, &flat, &last));
        CHECK_OK(c4p_python_call(host.py, &array, "mark", NULL, 0, 0));
        CHECK_OK(c4p_proxy_at(&array, &index, &last));
        CHECK_STATUS(C4P_ERR_TYPE, c4p_proxy_at(&last, &index, &one));
    }
    CHECK_OK(c4p_python_ask_all(host.py, host.rank == 0 ? &array : NULL, "mark", NULL, 0, NULL));
    CHECK_OK(c4p_python_ask_all(host.py, host.rank == 0 ? &last : NULL, "marked", NULL, 0, &got));
    if (host.rank == 0)
        CHECK(got.kind == C4P_PY_INT && got.v.i == 2);
    if (host.rank == 0) {
        CHECK_STATUS(C4P_ERR_RANGE,
                     c4p_python_chare_new(host.py, "Mirror", host.ranks, NULL, 0, &one));
        CHECK_OK(c4p_python_chare_new(host.py, "Mirror", host.ranks - 1, NULL, 0, &one));
    }
    CHECK_OK(c4p_python_ask_all(host.py, host.rank == 0 ? &one : NULL, "told", NULL, 0, &got));
    if (host.rank == 0) {
        CHECK_STR_EQ("mirror", got.v.text.data);
        c4p_python_release(host.py, &got);
    }
    close_python(&host);
}

static void
chares_in_python_reduce_between_steps(void)
{
    host_t host = {0};
    c4p_pyval_t got;
    open_python(&host);
    start_python(&host);
    for (int step = 0; step < 5; step++) {
        const c4p_pyval_t part = c4p_py_int(step * 100 + host.rank + 1);
        CHECK_OK(c4p_python_ask_all(host.py, &host.mine, "total", &part, 1, &got));
        CHECK_EQ(host.ranks * step * 100 + host.ranks * (host.ranks + 1) / 2, got.v.i);
        MPI_Barrier(MPI_COMM_WORLD); /* the host's own step */
    }
    close_python(&host);
}

/* ---- errors ------------------------------------------------------------------------------------- */

static void
exceptions_become_statuses_with_text(void)
{
    host_t host = {0};
    const c4p_pyval_t text = c4p_py_text("no luck", 7);
    c4p_proxy_t proxy;
    open_python(&host);
    CHECK_STR_EQ("", c4p_python_error(host.py).type);
    CHECK_STATUS(C4P_ERR_USER, c4p_python_import(host.py, "no_such_module"));
    CHECK_STR_EQ("ModuleNotFoundError", c4p_python_error(host.py).type);
    CHECK_STATUS(C4P_ERR_USER, c4p_python_import(host.py, "hosted_script"));
    CHECK_STR_HAS("charm.start() is not for a program in C", c4p_python_error(host.py).message);
    start_python(&host);
    CHECK_STATUS(C4P_ERR_USER, c4p_python_chare_new(host.py, "Nobody", -1, NULL, 0, &proxy));
    CHECK_STR_HAS("there is no chare class Nobody", c4p_python_error(host.py).message);
    const c4p_proxy_t next = member(&host, host.next);
    CHECK_STATUS(C4P_ERR_USER, c4p_python_ask_all(host.py, &next, "breaks", &text, 1, NULL));
    CHECK_STR_EQ("hosted.Broken", c4p_python_error(host.py).type);
    CHECK_STR_EQ("no luck", c4p_python_error(host.py).message);
    CHECK_STR_HAS("hosted.py\", line ", c4p_python_error(host.py).traceback);
    CHECK_STR_HAS("raise Broken(text)", c4p_python_error(host.py).traceback);
    CHECK_STATUS(C4P_ERR_USER, c4p_python_ask_all(host.py, &next, "breaks", NULL, 0, NULL));
    CHECK_STR_EQ("TypeError", c4p_python_error(host.py).type);
    CHECK_STATUS(C4P_ERR_USER, c4p_python_ask_all(host.py, &next, "breaks_oddly", NULL, 0, NULL));
    CHECK_STR_EQ("no \\udc80 luck", c4p_python_error(host.py).message);
    CHECK_STR_HAS("in breaks_oddly", c4p_python_error(host.py).traceback);
    close_python(&host);
}

static void
an_exception_that_nobody_waits_for_ends_the_job(void)
{
    host_t host = {0};
    const c4p_pyval_t text = c4p_py_text("no luck", 7);
    open_python(&host);
    start_python(&host);
    if (host.rank == 0)
        CHECK_OK(c4p_python_call(host.py, &host.mine, "breaks", &text, 1, 0));
    settle(&host);
    FAIL("the job goes on");
}

static void
python_may_end_the_job(void)
{
    host_t host = {0};
    int code = -1;
    open_python(&host);
    start_python(&host);
    if (host.rank == 0)
        CHECK_STATUS(C4P_ERR_STATE, c4p_python_ask(host.py, &host.mine, "stops", NULL, 0, NULL));
    CHECK_OK(c4p_run(host.rt, &code));
    CHECK_EQ(7, code);
    CHECK_STATUS(C4P_ERR_STATE, c4p_python_call(host.py, &host.mine, "mark", NULL, 0, 0));
    CHECK_STATUS(C4P_ERR_STATE, c4p_python_ask_all(host.py, NULL, NULL, NULL, 0, NULL));
    c4p_python_free(host.py);
    MPI_Finalize();
}

/* Its chares in Python are destroyed by MPI_Finalize(), where Python is still there. */
static void
a_host_may_forget_to_free(void)
{
    host_t host = {0};
    double u[3] = {1, 2, 3};
    const int64_t dims[] = {3};
    int released = 0;
    c4p_pyval_t view = c4p_py_view(u, C4P_FLOAT64, 1, dims);
    view.v.array.release = count_release;
    view.v.array.ctx = &released;
    open_python(&host);
    start_python(&host);
    settle(&host);
    ask(&host, "keep", &view, 1);
    CHECK_EQ(0, released);
    MPI_Finalize();
    CHECK_EQ(1, released);
}

static void
bad_elements_are_answered(host_t *host)
{
    const c4p_index_t at = {1, {0}}, flat = {2, {0, 0}}, far = {1, {host->ranks}};
    const c4p_index_t wide = {6, {INT64_MAX}};
    c4p_proxy_t array, six, out = {0}, wrong;
    c4p_target_t target;
    c4p_pyval_t value = c4p_py_int(5);
    c4p_python_t *py = host->py;
    CHECK_OK(c4p_python_array_new(py, "Mirror", 1, NULL, NULL, 0, &array));
    CHECK_OK(c4p_python_array_new(py, "Mirror", 6, NULL, NULL, 0, &six));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_insert(NULL, &array, &at, -1, NULL, 0));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_insert(py, NULL, &at, -1, NULL, 0));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_insert(py, &array, NULL, -1, NULL, 0));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_insert(py, &array, &at, -1, NULL, 1));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_python_insert(py, &host->group, &at, -1, NULL, 0));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_python_insert(py, &host->mine, &at, -1, NULL, 0));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_python_insert(py, &array, &flat, -1, NULL, 0));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_python_insert(py, &six, &wide, -1, NULL, 0));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_python_insert(py, &array, &at, host->ranks, NULL, 0));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_python_insert(py, &array, &at, -2, NULL, 0));
    value.kind = C4P_PY_OTHER;
    CHECK_STATUS(C4P_ERR_USER, c4p_python_insert(py, &array, &at, -1, &value, 1));

    CHECK_STATUS(C4P_ERR_ARG, c4p_python_section_new(NULL, &array, &at, 1, &out));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_section_new(py, NULL, &at, 1, &out));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_section_new(py, &array, NULL, 1, &out));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_section_new(py, &array, &at, 0, &out));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_section_new(py, &array, &at, 1, NULL));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_python_section_new(py, &host->mine, &at, 1, &out));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_python_section_new(py, &array, &flat, 1, &out));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_python_section_new(py, &host->group, &far, 1, &out));
    wrong = host->group;
    wrong.type = 12345;
    CHECK_STATUS(C4P_ERR_TYPE, c4p_python_section_new(py, &wrong, &at, 1, &out));
    CHECK_EQ(0, out.ref.coll); /* written on success only */

    CHECK_STATUS(C4P_ERR_ARG, c4p_python_ref(NULL, host->mine.ref, &value));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_ref(py, host->mine.ref, NULL));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_python_ref(py, (c4p_ref_t){.coll = 12345}, &value));
    CHECK_OK(c4p_python_section_new(py, &host->group, &at, 1, &out));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_python_ref(py, out.ref, &value));

    CHECK_STATUS(C4P_ERR_ARG, c4p_python_target(NULL, &host->mine, "mark", &target));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_target(py, NULL, "mark", &target));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_target(py, &host->mine, NULL, &target));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_target(py, &host->mine, "mark", NULL));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_python_target(py, &wrong, "mark", &target));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_python_target(py, &host->mine, "nothing", &target));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_python_target(py, &host->mine, "take", &target));
}

/* What was not taken is the host's, which is not told of its end. */
static void
refused_views_are_not_released(host_t *host)
{
    double u[2] = {1, 2};
    int released = 0;
    c4p_pyval_t view = c4p_py_view(u, C4P_FLOAT64, 1, (int64_t[]){2});
    const c4p_reply_t no_reply = {.kind = 9};
    view.v.array.release = count_release;
    view.v.array.ctx = &released;
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_send(host->py, 0, &view));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_python_send(host->py, (c4p_future_t)0xffff << 48, &view));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_reply(host->py, &no_reply, &view));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_python_call(host->py, &host->mine, "nothing", &view, 1, 0));
    CHECK_EQ(0, released);
    view.v.array.data = NULL;
    CHECK_STATUS(C4P_ERR_USER, c4p_python_call(host->py, &host->mine, "echo", &view, 1, 0));
    CHECK_STR_HAS("a view of memory at NULL", c4p_python_error(host->py).message);
    CHECK_EQ(0, released);
    const c4p_pyval_t no_text = c4p_py_text(NULL, 3), no_bytes = c4p_py_bytes(NULL, 3);
    CHECK_STATUS(C4P_ERR_USER, c4p_python_call(host->py, &host->mine, "echo", &no_text, 1, 0));
    CHECK_STATUS(C4P_ERR_USER, c4p_python_call(host->py, &host->mine, "echo", &no_bytes, 1, 0));
    CHECK_STR_HAS("3 bytes of text at NULL", c4p_python_error(host->py).message);
    view.v.array.dims[0] = 0;
    CHECK_OK(c4p_python_ask_all(host->py, &host->mine, "type_of", &view, 1, NULL));
    CHECK_EQ(1, released);
}

static void
bad_arguments_are_answered(void)
{
    host_t host = {0};
    c4p_python_t *py = NULL;
    c4p_pyval_t value;
    struct sigaction action;
    open_python(&host);
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_init(NULL, NULL, &py));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_init(host.rt, NULL, NULL));
    CHECK_STATUS(C4P_ERR_STATE, c4p_python_init(host.rt, NULL, &py));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_import(NULL, "hosted"));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_import(host.py, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_start(NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_restart(NULL, "folder", false));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_restart(host.py, NULL, false));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_restart(host.py, "", false));
    CHECK_STATUS(C4P_ERR_STATE,
                 c4p_python_group_new(host.py, "Mirror", NULL, 0, &host.group)); /* too early */
    CHECK_EQ(0, sigaction(SIGINT, NULL, &action)); /* Python would take it */
    CHECK(action.sa_handler == SIG_DFL || action.sa_handler == SIG_IGN);
    start_python(&host);
    settle(&host);
    CHECK_STATUS(C4P_ERR_STATE, c4p_python_start(host.py));
    CHECK_STATUS(C4P_ERR_STATE, c4p_python_restart(host.py, "folder", false));
    CHECK_STATUS(C4P_ERR_STATE, c4p_python_import(host.py, "hosted"));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_group_new(host.py, NULL, NULL, 0, &host.group));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_group_new(host.py, "Mirror", NULL, 1, &host.group));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_group_new(host.py, "Mirror", NULL, 0, NULL));
    CHECK_STATUS(C4P_ERR_ARG, /* an empty array has nobody to give them to */
                 c4p_python_array_new(host.py, "Mirror", 1, NULL, &value, 1, &host.group));
    bad_elements_are_answered(&host);
    refused_views_are_not_released(&host);
    const int64_t negative[] = {2, -3}, many[] = {1LL << 22, 1LL << 22};
    CHECK_STATUS(C4P_ERR_RANGE,
                 c4p_python_array_new(host.py, "Mirror", 2, negative, NULL, 0, &host.group));
    CHECK_STATUS(C4P_ERR_RANGE,
                 c4p_python_array_new(host.py, "Mirror", 2, many, NULL, 0, &host.group));
    CHECK_STATUS(C4P_ERR_RANGE,
                 c4p_python_array_new(host.py, "Mirror", 7, (int64_t[7]){1}, NULL, 0, &host.group));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_call(NULL, &host.mine, "mark", NULL, 0, 0));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_call(host.py, NULL, "mark", NULL, 0, 0));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_call(host.py, &host.mine, NULL, NULL, 0, 0));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_call(host.py, &host.mine, "mark", NULL, 1, 0));
    c4p_proxy_t wrong = host.mine;
    wrong.type = 12345;
    CHECK_STATUS(C4P_ERR_TYPE, c4p_python_call(host.py, &wrong, "mark", NULL, 0, 0));
    const c4p_index_t far = {1, {host.ranks}};
    CHECK_OK(c4p_proxy_at(&host.group, &far, &wrong));
    CHECK_STATUS(C4P_ERR_RANGE, c4p_python_call(host.py, &wrong, "mark", NULL, 0, 0));
    value = c4p_py_view(&far, C4P_FLOAT64, 1, far.at);
    value.v.array.ndims = 99;
    CHECK_STATUS(C4P_ERR_USER, c4p_python_call(host.py, &host.mine, "echo", &value, 1, 0));
    CHECK_STR_HAS("99 dimensions", c4p_python_error(host.py).message);
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_value(host.py, NULL, false, NULL));
    CHECK_OK(c4p_python_value(host.py, NULL, false, &value));
    CHECK_EQ(C4P_PY_NONE, value.kind);
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_send(host.py, 1, NULL));
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_item(host.py, NULL, 0, &value));
    CHECK_STATUS(C4P_ERR_ARG, c4p_proxy_at(NULL, &far, &wrong));
    c4p_python_release(NULL, NULL);
    c4p_python_release(host.py, NULL);
    CHECK_STR_EQ("", c4p_python_error(NULL).message);
    c4p_python_free(NULL);
    close_python(&host);
}

/* ---- together ----------------------------------------------------------------------------------- */

typedef struct cell {
    c4p_ref_t self;
    int64_t hops;
} cell_t;

static c4p_status_t
cell_construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    cell_t *cell = ctx;
    (void)rt, (void)args;
    *cell = (cell_t){.self = self};
    *object_out = cell;
    return C4P_OK;
}

static void
cell_destroy(c4p_rt_t *rt, void *object, void *ctx)
{
    (void)rt, (void)object, (void)ctx;
}

/* Calls itself ten times, and this rank's chare in Python each time. */
static void
cell_hop(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    cell_t *cell = object;
    host_t *host = ctx;
    c4p_msg_t *again;
    (void)msg;
    CHECK_OK(c4p_python_call(host->py, &host->mine, "mark", NULL, 0, 0));
    CHECK_STATUS(C4P_ERR_STATE, c4p_python_ask(host->py, &host->mine, "mark", NULL, 0, NULL));
    if (++cell->hops == 10)
        return;
    CHECK_OK(c4p_msg_new(rt, 0, &again));
    CHECK_OK(c4p_send(rt, cell->self, 0, again));
}

static void
chares_in_c_and_in_python_share_a_scheduler(void)
{
    host_t host = {0};
    cell_t cell = {0};
    c4p_type_t type;
    c4p_entry_t entry;
    c4p_coll_t cells;
    c4p_msg_t *msg;
    const c4p_type_desc_t desc = {.struct_size = sizeof desc,
                                  .name = "Cell",
                                  .construct = cell_construct,
                                  .destroy = cell_destroy,
                                  .ctx = &cell};
    open_python(&host);
    CHECK_OK(c4p_type_add(host.rt, &desc, &type));
    CHECK_OK(c4p_entry_add(host.rt, type, "hop", cell_hop, &host, &entry));
    CHECK_EQ(0, entry);
    start_python(&host);
    settle(&host);
    if (host.rank == 0) {
        CHECK_OK(c4p_group_new(host.rt, type, NULL, 0, &cells));
        CHECK_OK(c4p_msg_new(host.rt, 0, &msg));
        CHECK_OK(c4p_bcast(host.rt, cells, entry, msg, C4P_BCAST_NO_REPLY, 0));
    }
    settle(&host);
    CHECK_EQ(10, cell.hops);
    c4p_pyval_t got = ask(&host, "marked", NULL, 0);
    CHECK_EQ(10, got.v.i); /* the refused ones are not among them */
    close_python(&host);
}

/* What came to a future of the host's. */
typedef struct inbox {
    host_t *host;
    c4p_pyval_t value;
    c4p_status_t status;
    int values;
} inbox_t;

static void
on_value(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last, void *ctx)
{
    inbox_t *inbox = ctx;
    (void)rt, (void)future, (void)last;
    inbox->status = c4p_python_value(inbox->host->py, msg, is_error, &inbox->value);
    inbox->values++;
}

/* A coroutine asks the host: its question, a future of Python, arrives in *question. Its answer
 * will in *answer. */
static void
be_asked(host_t *host, inbox_t *question, inbox_t *answer)
{
    c4p_future_t here, reply;
    *question = *answer = (inbox_t){.host = host};
    CHECK_OK(c4p_future_new(host->rt, 1, on_value, question, &here));
    CHECK_OK(c4p_future_new(host->rt, 1, on_value, answer, &reply));
    const c4p_pyval_t arg = c4p_py_future(here);
    CHECK_OK(c4p_python_call(host->py, &host->mine, "asks_the_host", &arg, 1, reply));
    settle(host);
    CHECK(question->values == 1 && answer->values == 0); /* it waits, and the host goes on */
    CHECK_OK(question->status);
    CHECK_EQ(C4P_PY_FUTURE, question->value.kind);
}

static void
a_coroutine_waits_for_the_host(void)
{
    host_t host = {0};
    inbox_t question, answer;
    const c4p_pyval_t number = c4p_py_int(41);
    open_python(&host);
    start_python(&host);
    be_asked(&host, &question, &answer);
    MPI_Barrier(MPI_COMM_WORLD);
    CHECK_OK(c4p_python_send(host.py, question.value.v.future, &number));
    settle(&host);
    CHECK_EQ(1, answer.values);
    CHECK_OK(answer.status);
    CHECK_EQ(42, answer.value.v.i);
    c4p_python_release(host.py, &question.value);

    be_asked(&host, &question, &answer); /* once more, in vain */
    CHECK_STATUS(C4P_ERR_ARG, c4p_python_send_error(host.py, question.value.v.future, C4P_OK, ""));
    CHECK_OK(c4p_python_send_error(host.py, question.value.v.future, C4P_ERR_IO, "no paper left"));
    settle(&host);
    CHECK_EQ(1, answer.values);
    CHECK_STATUS(C4P_ERR_USER, answer.status);
    CHECK_STR_HAS("Charm4PyError", c4p_python_error(host.py).type);
    CHECK_STR_EQ("no paper left", c4p_python_error(host.py).message);
    c4p_python_release(host.py, &question.value);
    close_python(&host);
}

/* ---- elements and sections ----------------------------------------------------------------------- */

/* An array of two chares on each rank, {rank, 7} and {rank, -8}, made by rank 0. */
static void
insert_tiles(host_t *host, c4p_proxy_t *tiles)
{
    char name[32];
    if (host->rank == 0) {
        CHECK_OK(c4p_python_array_new(host->py, "Mirror", 2, NULL, NULL, 0, tiles));
        for (int i = 0; i < 2 * host->ranks; i++) {
            const c4p_index_t index = {2, {i / 2, i % 2 ? 7 : -8}};
            const int len = snprintf(name, sizeof name, "tile %d", i);
            const c4p_pyval_t arg = c4p_py_text(name, (size_t)len);
            CHECK_OK(c4p_python_insert(host->py, tiles, &index, i / 2, &arg, 1));
        }
        CHECK_OK(c4p_done_inserting(host->rt, tiles->ref.coll));
    }
    MPI_Bcast(tiles, sizeof *tiles, MPI_BYTE, 0, MPI_COMM_WORLD);
    settle(host);
}

/* Of all elements, on all ranks. */
static int64_t
count_tiles(host_t *host, const c4p_proxy_t *tiles)
{
    inbox_t sum = {.host = host};
    c4p_future_t future;
    int64_t found[2] = {0, 0};
    if (host->rank == 0) {
        CHECK_OK(c4p_future_new(host->rt, 1, on_value, &sum, &future));
        const c4p_pyval_t arg = c4p_py_future(future);
        CHECK_OK(c4p_python_call(host->py, tiles, "count_into", &arg, 1, 0));
    }
    settle(host);
    if (host->rank == 0) {
        CHECK(sum.values == 1 && sum.status == C4P_OK && sum.value.kind == C4P_PY_ARRAY);
        CHECK(sum.value.v.array.dtype == C4P_INT64 && sum.value.v.array.dims[0] == 2);
        memcpy(found, sum.value.v.array.data, sizeof found);
        CHECK_EQ(10 * found[0], found[1]);
        c4p_python_release(host->py, &sum.value);
    }
    return found[0];
}

static void
elements_are_inserted_and_deleted(void)
{
    host_t host = {0};
    c4p_proxy_t tiles, mine, next;
    c4p_pyval_t got;
    open_python(&host);
    start_python(&host);
    const c4p_index_t index = {2, {host.rank, 7}}, after = {2, {host.next, 7}};
    const c4p_index_t last = {2, {host.ranks - 1, 7}};
    char name[32];
    insert_tiles(&host, &tiles);
    CHECK_OK(c4p_proxy_at(&tiles, &index, &mine));
    CHECK_OK(c4p_proxy_at(&tiles, &after, &next));
    CHECK(c4p_local(host.rt, mine.ref) != NULL); /* where it was put */
    CHECK_OK(c4p_python_ask_all(host.py, &next, "told", NULL, 0, &got));
    snprintf(name, sizeof name, "tile %d", 2 * host.next + 1);
    CHECK_STR_EQ(name, got.v.text.data);
    c4p_python_release(host.py, &got);
    const int64_t before = count_tiles(&host, &tiles);
    CHECK_EQ(host.rank == 0 ? 2 * host.ranks : 0, before);
    if (host.rank == 0) {
        CHECK_OK(c4p_proxy_at(&tiles, &last, &next));
        CHECK_OK(c4p_destroy(host.rt, next.ref));
    }
    settle(&host);
    CHECK((c4p_local(host.rt, mine.ref) == NULL) == (host.rank == host.ranks - 1));
    const int64_t left = count_tiles(&host, &tiles); /* without it */
    CHECK_EQ(host.rank == 0 ? 2 * host.ranks - 1 : 0, left);
    close_python(&host);
}

static void
sections_are_made_and_called(void)
{
    host_t host = {0};
    c4p_proxy_t tiles, section, column;
    c4p_pyval_t got;
    c4p_index_t indices[8];
    inbox_t sum = {.host = &host};
    c4p_future_t future;
    open_python(&host);
    start_python(&host);
    settle(&host);
    const c4p_index_t ends[] = {{1, {host.ranks - 1}}, {1, {0}}, {1, {host.ranks - 1}}};
    if (host.rank == 0)
        CHECK_OK(c4p_python_section_new(host.py, &host.group, ends, 3, &section));
    CHECK_OK(c4p_python_ask_all(host.py, host.rank == 0 ? &section : NULL, "mark", NULL, 0, NULL));
    got = ask(&host, "marked", NULL, 0);
    CHECK_EQ(host.rank == 0 || host.rank == host.ranks - 1, got.v.i);

    insert_tiles(&host, &tiles);
    if (host.rank == 0) {
        for (int i = 0; i < host.ranks; i++)
            indices[i] = (c4p_index_t){2, {i, -8}};
        CHECK_OK(c4p_python_section_new(host.py, &tiles, indices, (size_t)host.ranks, &column));
        CHECK_STATUS(C4P_ERR_TYPE, c4p_proxy_at(&column, &indices[0], &section));
    }
    MPI_Bcast(&column, sizeof column, MPI_BYTE, 0, MPI_COMM_WORLD); /* plain data */
    got = echo(&host, c4p_py_proxy(column));
    CHECK(got.kind == C4P_PY_PROXY && memcmp(&got.v.proxy, &column, sizeof column) == 0);
    const c4p_index_t corner = {2, {0, -8}};
    const c4p_pyval_t which[] = {c4p_py_proxy(column), c4p_py_int(0), c4p_py_int(-8)};
    got = ask(&host, "element_of", which, 3);
    CHECK_OK(c4p_proxy_at(&tiles, &corner, &section));
    CHECK(got.kind == C4P_PY_PROXY && memcmp(&got.v.proxy, &section, sizeof section) == 0);
    if (host.rank == host.ranks - 1) {
        CHECK_OK(c4p_future_new(host.rt, 1, on_value, &sum, &future));
        const c4p_pyval_t args[] = {c4p_py_future(future), c4p_py_proxy(column)};
        CHECK_OK(c4p_python_call(host.py, &column, "count_section", args, 2, 0));
    }
    settle(&host);
    if (host.rank == host.ranks - 1)
        CHECK(sum.values == 1 && sum.value.kind == C4P_PY_INT && sum.value.v.i == host.ranks);
    close_python(&host);
}

static void
native_methods_are_called_from_c(void)
{
    host_t host = {0};
    const double x[] = {1.5, 2.5};
    const int64_t dims[] = {2}, wrong[] = {1};
    open_python(&host);
    start_python(&host);
    settle(&host);
    const c4p_pyval_t args[] = {c4p_py_int(2), c4p_py_view(x, C4P_FLOAT64, 1, dims)};
    const c4p_pyval_t bad[] = {c4p_py_int(2), c4p_py_view(x, C4P_FLOAT64, 1, wrong)};
    CHECK_STATUS(C4P_ERR_USER, c4p_python_call(host.py, &host.mine, "take", bad, 2, 0));
    CHECK_STR_HAS("Mirror.take(): parameter 'x' has 1 elements", c4p_python_error(host.py).message);
    ask(&host, "take", args, 2);
    CHECK_OK(
        c4p_python_ask_all(host.py, host.rank == 0 ? &host.group : NULL, "take", args, 2, NULL));
    c4p_pyval_t got = ask(&host, "all_taken", NULL, 0), item;
    CHECK_EQ(4, got.v.count);
    CHECK_OK(c4p_python_item(host.py, &got, 3, &item));
    CHECK_EQ(2.5, item.v.f);
    c4p_python_release(host.py, &got);
    close_python(&host);
}

/* ---- chares in C, called by Python ---------------------------------------------------------------- */

/* What a rank's Sum has got. */
typedef struct sum {
    c4p_python_t *py;
    int64_t calls, ids;
    double total;
    char why[16];
    c4p_ref_t met[2];
    c4p_typed_t give, give_two;
    c4p_target_t target; /* of both */
} sum_t;

typedef struct part {
    int id;
    double at[2];
} part_t;

static c4p_status_t
sum_construct(c4p_rt_t *rt, c4p_ref_t self, c4p_msg_t *args, void *ctx, void **object_out)
{
    (void)rt, (void)self, (void)args;
    *object_out = ctx;
    return C4P_OK;
}

static void
sum_add(c4p_rt_t *rt, void *object, double scale, int n, const double *x, const char *why)
{
    sum_t *sum = object;
    (void)rt;
    sum->calls++;
    for (int i = 0; i < 2 * n; i++)
        sum->total += scale * x[i];
    snprintf(sum->why, sizeof sum->why, "%s", why);
}

static void
sum_get(c4p_rt_t *rt, void *object, int base)
{
    sum_t *sum = object;
    c4p_reply_t reply;
    const c4p_pyval_t value = c4p_py_float(base + sum->total);
    CHECK_OK(c4p_reply_take(rt, NULL, &reply));
    CHECK_OK(c4p_python_reply(sum->py, &reply, &value));
}

static void
sum_refuse(c4p_rt_t *rt, void *object)
{
    sum_t *sum = object;
    c4p_reply_t reply;
    CHECK_OK(c4p_reply_take(rt, NULL, &reply));
    CHECK_OK(c4p_python_reply_error(sum->py, &reply, C4P_ERR_LIMIT, "the sum is full"));
}

static void
sum_meet(c4p_rt_t *rt, void *object, int n, const part_t *parts, const c4p_ref_t *other)
{
    sum_t *sum = object;
    (void)rt;
    sum->met[sum->calls++ % 2] = *other;
    for (int i = 0; i < n; i++) {
        sum->ids = 10 * sum->ids + parts[i].id;
        sum->total += parts[i].at[0] + parts[i].at[1];
    }
}

static void
sum_give(c4p_rt_t *rt, void *object, int64_t number)
{
    const sum_t *sum = object;
    const c4p_reduce_t how = {.op = C4P_OP_SUM, .dtype = C4P_INT64};
    CHECK_OK(c4p_contribute(rt, c4p_self(rt), &how, &number, sizeof number, &sum->target, NULL));
}

static void
sum_give_two(c4p_rt_t *rt, void *object, const double *x)
{
    const sum_t *sum = object;
    const c4p_reduce_t how = {.op = C4P_OP_MAX, .dtype = C4P_FLOAT64};
    CHECK_OK(c4p_contribute(rt, c4p_self(rt), &how, x, 2 * sizeof *x, &sum->target, NULL));
}

static void
sum_nothing(c4p_rt_t *rt, void *object)
{
    (void)rt, (void)object;
}

/* A group of Sum, known to all ranks. */
static c4p_coll_t
open_sums(host_t *host, sum_t *sum, c4p_type_t *type_out)
{
    const c4p_type_desc_t desc = {.struct_size = sizeof desc,
                                  .name = "Sum",
                                  .construct = sum_construct,
                                  .destroy = cell_destroy,
                                  .ctx = sum};
    c4p_typed_t typed;
    c4p_coll_t sums = 0;
    open_python(host);
    sum->py = host->py;
    CHECK_OK(c4p_type_add(host->rt, &desc, type_out));
    CHECK_OK(c4p_python_entry_add(host->py, *type_out, "add",
                                  "double scale, int n, double x[2*n], str why",
                                  (c4p_any_fn_t)sum_add, &typed));
    CHECK_OK(c4p_python_entry_add(host->py, *type_out, "get", "int base", (c4p_any_fn_t)sum_get,
                                  &typed));
    CHECK_OK(
        c4p_python_entry_add(host->py, *type_out, "refuse", "", (c4p_any_fn_t)sum_refuse, &typed));
    CHECK_OK(c4p_python_entry_add(host->py, *type_out, "nothing", "", (c4p_any_fn_t)sum_nothing,
                                  &typed));
    CHECK_OK(c4p_python_entry_add(host->py, *type_out, "meet",
                                  "int n, {int id, double at[2]} parts[n], ref other",
                                  (c4p_any_fn_t)sum_meet, &typed));
    CHECK_OK(c4p_entry_add_typed(host->rt, *type_out, "give", "int64_t number",
                                 (c4p_any_fn_t)sum_give, &sum->give));
    CHECK_OK(c4p_entry_add_typed(host->rt, *type_out, "give_two", "double x[2]",
                                 (c4p_any_fn_t)sum_give_two, &sum->give_two));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_python_entry_add(host->py, *type_out, "more", "int n, ref to[n]",
                                                    (c4p_any_fn_t)sum_nothing, &typed));
    CHECK_STATUS(C4P_ERR_TYPE, c4p_python_entry_add(host->py, *type_out, "more", "ref to[3]",
                                                    (c4p_any_fn_t)sum_nothing, &typed));
    start_python(host);
    if (host->rank == 0)
        CHECK_OK(c4p_group_new(host->rt, *type_out, NULL, 0, &sums));
    MPI_Bcast(&sums, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    settle(host);
    return sums;
}

static void
python_calls_chares_in_c(void)
{
    host_t host = {0};
    sum_t sum = {0};
    c4p_type_t type;
    c4p_pyval_t got, item;
    const c4p_coll_t sums = open_sums(&host, &sum, &type);
    const c4p_pyval_t cells = c4p_py_chares(type, sums);
    CHECK_OK(c4p_python_ask_all(host.py, &host.mine, "drive", &cells, 1, &got));
    CHECK_EQ(2 + host.ranks, sum.calls); /* two of its own, and one of each rank's to all */
    CHECK_EQ(63, sum.total);             /* 0.5 (0+1+2+3) + 2 (10+20) */
    CHECK_OK(c4p_python_item(host.py, &got, 0, &item));
    CHECK(item.kind == C4P_PY_FLOAT && item.v.f == 163);
    CHECK_OK(c4p_python_item(host.py, &got, 1, &item));
    CHECK_EQ(C4P_PY_NONE, item.kind);
    c4p_python_release(host.py, &got);
    got = echo(&host, cells);
    CHECK(got.kind == C4P_PY_CHARE && got.v.proxy.ref.coll == sums && got.v.proxy.type == type);
    c4p_python_release(host.py, &got);
    close_python(&host);
}

static void
structs_and_references_go_to_chares_in_c(void)
{
    host_t host = {0};
    sum_t sum = {0};
    c4p_type_t type;
    c4p_pyval_t got;
    const c4p_coll_t sums = open_sums(&host, &sum, &type);
    const c4p_pyval_t cells = c4p_py_chares(type, sums);
    const c4p_ref_t next = member(&host, host.next).ref;
    ask(&host, "meets", &cells, 1);
    settle(&host);
    CHECK_EQ(2, sum.calls);
    CHECK_EQ(122, sum.ids);  /* 1 and 2, then 2 once more */
    CHECK_EQ(14, sum.total); /* 0.5+1.5 + 2.5+3.5, then 2.5+3.5 */
    CHECK(c4p_ref_eq(sum.met[0], next));
    CHECK(c4p_ref_eq(sum.met[1], (c4p_ref_t){.coll = sums, .key = next.key}));
    got = ask(&host, "survives", &cells, 1);
    CHECK(got.kind == C4P_PY_BOOL && got.v.truth);
    const c4p_proxy_t mirror = member(&host, host.next); /* from rank to rank, and back */
    const c4p_pyval_t one = c4p_py_chare(type, sum.met[1]);
    CHECK_OK(c4p_python_ask_all(host.py, &mirror, "echo", &one, 1, &got));
    CHECK(got.kind == C4P_PY_CHARE && c4p_ref_eq(got.v.proxy.ref, sum.met[1]));
    CHECK(got.v.proxy.type == type && got.v.proxy.flags == one.v.proxy.flags);
    c4p_python_release(host.py, &got);

    CHECK_OK(c4p_python_ref(host.py, sum.met[0], &got)); /* as they came, to be called and sent */
    CHECK(got.kind == C4P_PY_PROXY && memcmp(&got.v.proxy, &mirror, sizeof mirror) == 0);
    CHECK_OK(c4p_python_call(host.py, &got.v.proxy, "mark", NULL, 0, 0));
    CHECK_OK(c4p_python_ref(host.py, sum.met[1], &got));
    CHECK(got.kind == C4P_PY_CHARE && got.v.proxy.type == type);
    CHECK(c4p_ref_eq(got.v.proxy.ref, sum.met[1]) && got.v.proxy.flags == one.v.proxy.flags);
    settle(&host);
    got = ask(&host, "marked", NULL, 0);
    CHECK_EQ(1, got.v.i);
    close_python(&host);
}

static void
check_heard(host_t *host, const char *expected)
{
    c4p_pyval_t got = ask(host, "heard", NULL, 0);
    CHECK_STR_EQ(expected, got.v.text.data);
    c4p_python_release(host->py, &got);
}

/* Each rank's Sum is called by its own host, and all ranks give to one target. */
static void
chares_in_c_reduce_into_python(void)
{
    host_t host = {0};
    sum_t sum = {0};
    c4p_type_t type;
    inbox_t question, answer;
    c4p_ref_t here;
    const c4p_coll_t sums = open_sums(&host, &sum, &type);
    const double two[] = {host.rank == 0 ? 9.5 : -1, host.rank};
    const c4p_proxy_t first = member(&host, 0);
    here = host.mine.ref;
    here.coll = sums;
    CHECK_OK(c4p_python_target(host.py, &first, "hear", &sum.target));
    CHECK_OK(c4p_send_typed(host.rt, here, sum.give, (int64_t)host.rank + 1));
    settle(&host);
    char expected[64];
    snprintf(expected, sizeof expected, "('int', [%d])", host.ranks * (host.ranks + 1) / 2);
    check_heard(&host, host.rank == 0 ? expected : "None");

    CHECK_OK(c4p_python_target(host.py, &host.group, "hear", &sum.target)); /* all of them */
    CHECK_OK(c4p_send_typed(host.rt, here, sum.give_two, two));
    settle(&host);
    snprintf(expected, sizeof expected, "('ndarray', [9.5, %d.0])", host.ranks - 1);
    check_heard(&host, expected);

    be_asked(&host, &question, &answer); /* rank 0's coroutine gets the sum */
    sum.target = (c4p_target_t){.kind = C4P_TARGET_FUTURE, .number = question.value.v.future};
    MPI_Bcast(&sum.target, sizeof sum.target, MPI_BYTE, 0, MPI_COMM_WORLD);
    CHECK_OK(c4p_send_typed(host.rt, here, sum.give, (int64_t)7));
    const c4p_pyval_t none = c4p_py_int(0);
    if (host.rank > 0)
        CHECK_OK(c4p_python_send(host.py, question.value.v.future, &none));
    settle(&host);
    CHECK_EQ(1, answer.values);
    CHECK_EQ(host.rank == 0 ? 7 * host.ranks + 1 : 1, answer.value.v.i);
    c4p_python_release(host.py, &question.value);
    close_python(&host);
}

static void
statuses_become_exceptions(void)
{
    host_t host = {0};
    sum_t sum = {0};
    c4p_type_t type;
    c4p_pyval_t got, item;
    const c4p_coll_t sums = open_sums(&host, &sum, &type);
    c4p_proxy_t here = member(&host, host.rank);
    here.ref.coll = sums;
    const c4p_pyval_t cell = c4p_py_chare(type, here.ref);
    const char *const expected[] = {
        "TypeError: Sum.add() takes 4 arguments (double scale, int n, double x[2*n], str why), 3 "
        "were given",
        "ValueError: Sum.add(): parameter 'x' has 4 elements; by the signature, \"double scale, "
        "int "
        "n, double x[2*n], str why\", it must have 6",
        "ValueError: Sum.add(): parameter 'n' is a length: it cannot be -1",
        "TypeError: Sum.add(): parameter 'x' is an array of double, not of float32",
        "ValueError: Sum.add(): parameter 'x' cannot take this numpy.ndarray: ndarray is not "
        "C-contiguous",
        "TypeError: Sum.add(): parameter 'scale' is of type double: it cannot be str",
        "TypeError: Sum.add(): parameter 'n' is of type int: it cannot be float",
        "ValueError: Sum.add(): parameter 'why' has a NUL inside",
        "ValueError: Sum.get(): parameter 'base' is of type int: 1099511627776 does not fit",
        "TypeError: Sum.get() got multiple values for argument 'base'",
        "TypeError: Sum.get() got an unexpected keyword argument 'top'",
        "ValueError: Sum.meet(): parameter 'parts' has 1 elements; by the signature",
        "TypeError: Sum.meet(): parameter 'other' is a ref: it takes the proxy of one element, not "
        "<",
        "NotThreadedError: Sum.meet needs a coroutine",
        "AttributeError: this chare in C has no method 'jump' that Python may call; there are: "
        "add, get, meet, nothing, refuse",
        "TypeError: this is one chare in C already",
    };
    CHECK_STATUS(C4P_ERR_USER, c4p_python_ask_all(host.py, &host.mine, "fails", &cell, 1, NULL));
    CHECK_STR_EQ("the sum is full", c4p_python_error(host.py).message);
    CHECK_STR_HAS("Charm4PyError", c4p_python_error(host.py).type);
    got = ask(&host, "mistakes", &cell, 1);
    CHECK_EQ(sizeof expected / sizeof expected[0], got.v.count);
    for (size_t i = 0; i < got.v.count; i++) {
        CHECK_OK(c4p_python_item(host.py, &got, i, &item));
        CHECK_STR_HAS(expected[i], item.v.text.data);
        c4p_python_release(host.py, &item);
    }
    c4p_python_release(host.py, &got);
    settle(&host);
    CHECK_EQ(0, sum.calls);
    close_python(&host);
}

static void
what_is_not_answered_is_told(void)
{
    host_t host = {0};
    open_python(&host);
    start_python(&host);
    const c4p_proxy_t *asked = host.rank == 0 ? &host.mine : NULL;
    CHECK_STATUS(asked ? C4P_ERR_STALL : C4P_OK,
                 c4p_python_ask_all(host.py, asked, "waits_for_ever", NULL, 0, NULL));
    close_python(&host);
}

/* ---- checkpoints -------------------------------------------------------------------------------- */

/* Two jobs, the second on another number of ranks: tests/hosted/CMakeLists.txt. */
enum { PLACES = 5 };
static const char proxies_file[] = HOSTED_CHECKPOINT ".proxies";

static c4p_pyval_t
ask_place(host_t *host, const c4p_proxy_t *places, int64_t i, const char *method)
{
    c4p_proxy_t place;
    c4p_pyval_t value;
    CHECK_OK(c4p_proxy_at(places, &(c4p_index_t){1, {i}}, &place));
    CHECK_OK(c4p_python_ask_all(host->py, &place, method, NULL, 0, &value));
    return value;
}

static void
on_written(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last, void *ctx)
{
    (void)rt, (void)future, (void)last;
    CHECK(!is_error);
    CHECK_OK(c4p_checkpoint_result(msg, ctx));
    c4p_msg_free(msg);
}

static void
a_checkpoint_is_written(void)
{
    host_t host = {0};
    c4p_proxy_t places[2]; /* the second is the group */
    c4p_checkpoint_result_t result = {.status = C4P_ERR_STATE};
    open_python(&host);
    start_python(&host);
    if (host.rank == 0)
        CHECK_OK(c4p_python_array_new(host.py, "Mirror", 1, (int64_t[]){PLACES}, NULL, 0, places));
    settle(&host);
    MPI_Bcast(places, sizeof places[0], MPI_BYTE, 0, MPI_COMM_WORLD);
    places[1] = host.group;
    for (int64_t i = 0; i < PLACES; i++)
        for (int64_t k = 0; k < i * host.ranks; k++) /* i times for each rank that asks */
            if (k % host.ranks == 0)
                ask_place(&host, places, i, "mark");
    if (host.rank == 0) {
        c4p_target_t done = {.kind = C4P_TARGET_FUTURE};
        CHECK_OK(c4p_future_new(host.rt, 1, on_written, &result, &done.number));
        CHECK_OK(c4p_checkpoint(host.rt, HOSTED_CHECKPOINT, (c4p_ref_t){0}, &done));
    }
    settle(&host);
    if (host.rank == 0) {
        CHECK_STATUS(C4P_OK, result.status);
        FILE *file = fopen(proxies_file, "wb");
        CHECK(file && fwrite(places, sizeof places, 1, file) == 1 && fclose(file) == 0);
    }
    close_python(&host);
}

static void
a_host_goes_on_from_a_checkpoint(void)
{
    host_t host = {0};
    c4p_proxy_t places[2], more;
    FILE *file = fopen(proxies_file, "rb");
    CHECK(file && fread(places, sizeof places, 1, file) == 1 && fclose(file) == 0);
    open_python(&host);
    CHECK_OK(c4p_python_restart(host.py, HOSTED_CHECKPOINT, false));
    for (int64_t i = 0; i < PLACES; i++) /* two ranks asked */
        CHECK_EQ(2 * i, ask_place(&host, places, i, "marked").v.i);
    host.group = places[1];
    host.mine = member(&host, host.rank);
    c4p_pyval_t told = ask(&host, "told", NULL, 0);
    CHECK_STR_EQ("glass", told.v.text.data);
    c4p_python_release(host.py, &told);
    CHECK_OK(c4p_python_chare_new(host.py, "Mirror", host.next, NULL, 0, &more));
    CHECK_OK(c4p_python_ask_all(host.py, &more, "mark", NULL, 0, NULL));
    close_python(&host);
}

static void
a_checkpoint_that_is_not_there_is_answered(void)
{
    host_t host = {0};
    open_python(&host);
    CHECK_STATUS(C4P_ERR_NO_INPUT,
                 c4p_python_restart(host.py, HOSTED_CHECKPOINT ".nowhere", false));
    CHECK_STATUS(C4P_ERR_STATE, c4p_python_start(host.py));
    c4p_python_free(host.py);
    MPI_Finalize();
}

TEST_CASES(values_of_every_kind_come_back, lists_and_arrays_are_read_in_place,
           a_view_is_the_memory_itself, a_view_that_is_read_only_stays_so,
           memory_is_released_when_no_array_is_left, a_chare_elsewhere_gets_a_copy,
           arrays_and_single_chares_are_made_and_called, chares_in_python_reduce_between_steps,
           exceptions_become_statuses_with_text, an_exception_that_nobody_waits_for_ends_the_job,
           python_may_end_the_job, a_host_may_forget_to_free, bad_arguments_are_answered,
           chares_in_c_and_in_python_share_a_scheduler, python_calls_chares_in_c,
           structs_and_references_go_to_chares_in_c, chares_in_c_reduce_into_python,
           elements_are_inserted_and_deleted, sections_are_made_and_called,
           native_methods_are_called_from_c, statuses_become_exceptions,
           a_coroutine_waits_for_the_host, what_is_not_answered_is_told, a_checkpoint_is_written,
           a_host_goes_on_from_a_checkpoint, a_checkpoint_that_is_not_there_is_answered)
