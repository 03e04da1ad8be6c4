/* SPDX-License-Identifier: Apache-2.0 */
/* rt_typed_test.c: plain C functions as entry methods: arguments arrive on every rank as they were
 * given; what does not fit the signature is refused by name and nothing is sent. */
#include <float.h>
#include <limits.h>

#include "rt_support.h"

typedef struct point {
    double x[3];
    int id;
} point_t;

/* ---- methods ----------------------------------------------------------------------------------- */

static int64_t calls;

static void
every_scalar(c4p_rt_t *rt, void *object, bool a, char b, int c, unsigned d, long e, size_t f,
             int8_t g, int16_t h, int64_t i, uint8_t k, uint64_t l, float m, double n)
{
    const rts_obj_t *obj = object;
    CHECK_EQ(c4p_rank(rt), obj->index.at[0]);
    CHECK(a == true && b == 'x' && c == -3 && d == 4000000000u && e == LONG_MIN && f == SIZE_MAX);
    CHECK(g == INT8_MIN && h == INT16_MAX && i == INT64_MAX && k == 255 && l == UINT64_MAX);
    CHECK(m == 0.5f && n == DBL_MIN);
    calls++;
}

static void
arrays(c4p_rt_t *rt, void *object, int n, const double *x, const char *text, const float *fixed,
       const point_t *points, uint8_t m, const c4p_ref_t *from)
{
    const rts_obj_t *obj = object;
    (void)rt;
    for (int i = 0; i < 3 * n; i++)
        CHECK_EQ(i * 0.25, x[i]);
    CHECK_EQ(0, (uintptr_t)x % _Alignof(double));
    CHECK_EQ(n % 10, (int)strlen(text));
    for (int i = 0; text[i]; i++)
        CHECK_EQ('a' + i, text[i]);
    CHECK_EQ(2.5f, fixed[3]);
    for (int i = 0; i < m; i++) {
        CHECK_EQ(i * 7, points[i].id);
        CHECK_EQ(i * 0.5, points[i].x[2]);
    }
    CHECK_EQ(obj->self.coll, from->coll);
    calls++;
}

/* Few enough for the registers: each kind of integer, narrow and negative. */
static void
narrow(c4p_rt_t *rt, void *object, int8_t a, float x, uint16_t b, double y, int c, float z, bool d)
{
    (void)rt, (void)object;
    CHECK(a == -1 && b == 65535 && c == INT_MIN && d == true);
    CHECK(x == -0.5f && y == DBL_MAX && z == FLT_MIN);
    calls++;
}

static void
wide(c4p_rt_t *rt, void *object, double a, double b, uint64_t k, double c, double d, double e,
     const double *x, double f, double g, double h, unsigned n, int64_t i)
{
    (void)rt, (void)object;
    CHECK(a == 1 && b == 2 && c == 3 && d == 4 && e == 5 && f == 6 && g == 7 && h == 8);
    CHECK(k == UINT64_MAX && n == 4000000000u && i == INT64_MIN && x[1] == 0.25);
    calls++;
}

static void
chars(c4p_rt_t *rt, void *object, char least, char most)
{
    (void)rt, (void)object;
    CHECK_EQ(CHAR_MIN, least);
    CHECK_EQ(CHAR_MAX, most);
    calls++;
}

static void
nothing(c4p_rt_t *rt, void *object)
{
    (void)rt, (void)object;
    calls++;
}

static c4p_typed_t scalars_entry, arrays_entry, narrow_entry, wide_entry, chars_entry;
static c4p_typed_t nothing_entry;
static c4p_coll_t group;
static char said[512];

static void
take_line(void *ctx, c4p_log_level_t level, const char *line)
{
    (void)ctx, (void)level;
    snprintf(said, sizeof said, "%s", line);
}

static c4p_rt_t *
open_group(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    opts.log_fn = take_line;
    c4p_rt_t *rt = rts_open(&opts);
    c4p_type_t type = rts_type(rt, "Typed");
    calls = 0;
    CHECK_OK(c4p_entry_add_typed(rt, type, "every_scalar",
                                 "bool a, char b, int c, unsigned d, long e, size_t f, int8_t g, "
                                 "int16_t h, int64_t i, uint8_t k, uint64_t l, float m, double n",
                                 (c4p_any_fn_t)every_scalar, &scalars_entry));
    CHECK_OK(c4p_entry_add_typed(rt, type, "arrays",
                                 "int n, double x[3*n], str text, float fixed[4], "
                                 "{double x[3], int id} points[m], uint8_t m, ref from",
                                 (c4p_any_fn_t)arrays, &arrays_entry));
    CHECK_OK(c4p_entry_add_typed(rt, type, "narrow",
                                 "int8_t a, float x, uint16_t b, double y, int c, float z, bool d",
                                 (c4p_any_fn_t)narrow, &narrow_entry));
    CHECK_OK(c4p_entry_add_typed(rt, type, "wide",
                                 "double a, double b, uint64_t k, double c, double d, double e, "
                                 "double x[2], double f, double g, double h, unsigned n, int64_t i",
                                 (c4p_any_fn_t)wide, &wide_entry));
    CHECK_OK(c4p_entry_add_typed(rt, type, "chars", "char least, char most", (c4p_any_fn_t)chars,
                                 &chars_entry));
    CHECK_OK(c4p_entry_add_typed(rt, type, "nothing", "", (c4p_any_fn_t)nothing, &nothing_entry));
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    MPI_Bcast(&group, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    rts_settle(rt);
    return rt;
}

/* ---- cases ------------------------------------------------------------------------------------- */

static void
scalars_arrive_as_they_were_given(void)
{
    c4p_rt_t *rt = open_group();
    const int ranks = c4p_num_ranks(rt);
    for (int r = 0; r < ranks; r++) {
        CHECK_OK(c4p_send_typed(rt, rts_ref(group, r), scalars_entry, true, 'x', -3, 4000000000u,
                                LONG_MIN, SIZE_MAX, INT8_MIN, INT16_MAX, INT64_MAX, 255, UINT64_MAX,
                                0.5f, DBL_MIN));
        /* Other types of the same values. */
        CHECK_OK(c4p_send_typed(rt, rts_ref(group, r), scalars_entry, 1, (short)'x', -3LL,
                                4000000000LL, LONG_MIN, SIZE_MAX, -128L, 32767u, (long)INT64_MAX,
                                255ull, UINT64_MAX, 0.5, DBL_MIN));
        CHECK_OK(c4p_send_typed(rt, rts_ref(group, r), chars_entry, (char)CHAR_MIN, CHAR_MAX));
        CHECK_OK(c4p_send_args(rt, rts_ref(group, r), nothing_entry, NULL, 0));
    }
    rts_settle(rt);
    CHECK_EQ(4 * ranks, calls);
    rts_close(rt);
}

static void
arguments_in_registers_arrive(void)
{
    c4p_rt_t *rt = open_group();
    const double x[2] = {0, 0.25};
    for (int r = 0; r < c4p_num_ranks(rt); r++) {
        CHECK_OK(c4p_send_typed(rt, rts_ref(group, r), narrow_entry, -1, -0.5f, 65535, DBL_MAX,
                                INT_MIN, FLT_MIN, true));
        CHECK_OK(c4p_send_typed(rt, rts_ref(group, r), wide_entry, 1.0, 2.0, UINT64_MAX, 3.0, 4.0,
                                5.0, x, 6.0, 7.0, 8, 4000000000u, INT64_MIN));
    }
    rts_settle(rt);
    CHECK_EQ(2 * c4p_num_ranks(rt), calls);
    rts_close(rt);
}

static void
arrays_of_every_length_arrive(void)
{
    enum { MOST = 20000 };
    static const int sizes[] = {0, 1, 2, 3, 7, 8, 9, 41, 1000, MOST};
    c4p_rt_t *rt = open_group();
    const int ranks = c4p_num_ranks(rt), num = sizeof sizes / sizeof sizes[0];
    const float fixed[4] = {0, 0, 0, 2.5f};
    const c4p_ref_t from = rts_ref(group, 0);
    double *x = malloc(3 * MOST * sizeof *x);
    point_t points[255] = {{{0}, 0}};
    CHECK(x != NULL);
    for (int i = 0; i < 3 * MOST; i++)
        x[i] = i * 0.25;
    for (int i = 0; i < 255; i++)
        points[i] = (point_t){{0, 0, i * 0.5}, i * 7};
    for (int i = 0; i < num; i++) {
        char text[11] = "abcdefghij";
        text[sizes[i] % 10] = '\0';
        for (int r = 0; r < ranks; r++)
            CHECK_OK(c4p_send_typed(rt, rts_ref(group, r), arrays_entry, sizes[i],
                                    sizes[i] ? x : NULL, text, fixed, points, i * 28, &from));
    }
    free(x); /* they were copied */
    rts_settle(rt);
    CHECK_EQ(num * ranks, calls);
    rts_close(rt);
}

static void
a_message_of_arguments_can_be_broadcast(void)
{
    c4p_rt_t *rt = open_group();
    const int ranks = c4p_num_ranks(rt);
    c4p_msg_t *msg;
    CHECK_OK(c4p_msg_typed(rt, scalars_entry, &msg, true, 'x', -3, 4000000000u, LONG_MIN, SIZE_MAX,
                           INT8_MIN, INT16_MAX, INT64_MAX, 255, UINT64_MAX, 0.5f, DBL_MIN));
    CHECK_OK(c4p_bcast(rt, group, scalars_entry.entry, msg, C4P_BCAST_NO_REPLY, 0));
    rts_settle(rt);
    CHECK_EQ(ranks, calls);
    rts_close(rt);
}

/* What was in memory before does not travel between arguments. */
static void
gaps_between_arguments_are_zero(void)
{
    static const char zeros[8];
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Typed");
    c4p_typed_t typed;
    c4p_msg_t *msg;
    CHECK_OK(c4p_entry_add_typed(rt, type, "texts", "char c, str a, str b", (c4p_any_fn_t)nothing,
                                 &typed));
    CHECK_OK(c4p_start(rt));
    for (int i = 0; i < 2; i++) { /* the second one is where the first was */
        CHECK_OK(c4p_msg_typed(rt, typed, &msg, 'c', "ab", "cde"));
        char *data = c4p_msg_data(msg);
        CHECK_EQ(24 + 8 + 4, c4p_msg_len(msg));
        CHECK_EQ(0, memcmp(data + 1, zeros, 7)); /* before the length of a */
        CHECK_EQ(0, memcmp(data + 24, "ab\0\0\0\0\0\0cde", 12));
        memset(data, 0xff, c4p_msg_len(msg));
        c4p_msg_free(msg);
    }
    rts_close(rt);
}

/* Each refusal names the method and the argument; nothing arrives. */
static void
what_does_not_fit_is_refused(void)
{
    c4p_rt_t *rt = open_group();
    const c4p_ref_t to = rts_ref(group, 0), *ref = &to;
    const double x[3] = {0};
    const float fixed[4] = {0};
    const point_t points[1] = {{{0}, 0}};
#define SCALARS(a, c, d, g, k, m)                                                                  \
    c4p_send_typed(rt, to, scalars_entry, a, 'x', c, d, 0, 0, g, 0, 0, k, 0, m, 0)
#define ARRAYS(n, x, text, fixed, points, m)                                                       \
    c4p_send_typed(rt, to, arrays_entry, n, x, text, fixed, points, m, ref)
#define REFUSED(status, words, call)                                                               \
    do {                                                                                           \
        said[0] = '\0';                                                                            \
        CHECK_STATUS(status, call);                                                                \
        CHECK_STR_HAS(words, said);                                                                \
    } while (0)
    REFUSED(C4P_ERR_RANGE, "argument 1, a, does not fit", SCALARS(2, 0, 0, 0, 0, 0));
    REFUSED(C4P_ERR_RANGE, "argument 3, c, does not fit", SCALARS(0, 1LL << 31, 0, 0, 0, 0));
    REFUSED(C4P_ERR_RANGE, "argument 4, d, does not fit", SCALARS(0, 0, -1, 0, 0, 0));
    REFUSED(C4P_ERR_RANGE, "argument 7, g, does not fit", SCALARS(0, 0, 0, -129, 0, 0));
    REFUSED(C4P_ERR_RANGE, "argument 10, k, does not fit", SCALARS(0, 0, 0, 0, 256, 0));
    REFUSED(C4P_ERR_RANGE, "argument 12, m, does not fit", SCALARS(0, 0, 0, 0, 0, 1e300));
    REFUSED(C4P_ERR_TYPE, "argument 3, c, is an integer: a floating", SCALARS(0, 1.0, 0, 0, 0, 0));
    REFUSED(C4P_ERR_TYPE, "argument 12, m, is a number: a pointer", SCALARS(0, 0, 0, 0, 0, x));
    REFUSED(C4P_ERR_TYPE, "argument 2, x, is a pointer: a number",
            ARRAYS(1, 1.0, "", fixed, points, 1));
    REFUSED(C4P_ERR_TYPE, "argument 2, x, points to elements of another type",
            ARRAYS(1, fixed, "", fixed, points, 1));
    REFUSED(C4P_ERR_ARG, "argument 2, x, is NULL", ARRAYS(1, NULL, "", fixed, points, 1));
    REFUSED(C4P_ERR_ARG, "argument 3, text, is NULL", ARRAYS(1, x, NULL, fixed, points, 1));
    REFUSED(C4P_ERR_ARG, "argument 4, fixed, is NULL", ARRAYS(1, x, "", NULL, points, 1));
    REFUSED(C4P_ERR_TYPE, "argument 5, points, points to elements of another type",
            ARRAYS(1, x, "", fixed, x, 1));
    REFUSED(C4P_ERR_RANGE, "argument 2, x, has a length that is negative",
            ARRAYS(-1, x, "", fixed, points, 1));
    REFUSED(C4P_ERR_TYPE, "argument 1, n, is an integer", ARRAYS(1e18, x, "", fixed, points, 1));
    REFUSED(C4P_ERR_ARG, "1 arguments were given instead of 7",
            c4p_send_typed(rt, to, arrays_entry, 1));
    CHECK_STATUS(C4P_ERR_NOT_FOUND,
                 c4p_send_typed(rt, to, ((c4p_typed_t){scalars_entry.type, 99}), 1));
    rts_settle(rt);
    CHECK_EQ(0, calls);
    rts_close(rt);
}

static void
a_signature_that_is_not_valid_is_refused_at_once(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    opts.log_fn = take_line;
    c4p_rt_t *rt = rts_open(&opts);
    c4p_type_t type = rts_type(rt, "Typed");
    c4p_typed_t typed = {77, 77};
    CHECK_STATUS(C4P_ERR_ARG, c4p_entry_add_typed(rt, type, "bad", "int n, double y[m]",
                                                  (c4p_any_fn_t)nothing, &typed));
    CHECK_STR_HAS("Typed.bad: signature \"int n, double y[m]\", at \"m]\": there is no parameter",
                  said);
    CHECK_STATUS(C4P_ERR_NOT_FOUND,
                 c4p_entry_add_typed(rt, 99, "bad", "", (c4p_any_fn_t)nothing, &typed));
    CHECK_EQ(77, typed.type);
    CHECK_OK(c4p_start(rt));
    rts_close(rt);
}

/* What runs around a method: it gets another object, or is left out. */
static int other_object;

static void
on_other(c4p_rt_t *rt, void *object, int n)
{
    (void)rt;
    CHECK(object == (n == 2 ? NULL : &other_object));
    calls += n;
}

static c4p_typed_t around_entry;

static void
around(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx)
{
    const rts_obj_t *obj = object;
    int n;
    memcpy(&n, c4p_msg_data(msg), sizeof n);
    CHECK_EQ(c4p_rank(rt), obj->index.at[0]);
    CHECK(ctx == &other_object);
    if (n != 3)
        c4p_typed_run(rt, around_entry, n == 2 ? NULL : ctx, msg, NULL);
}

static void
a_language_runs_around_its_methods(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Typed");
    c4p_typed_t found = {77, 77};
    c4p_entry_t plain;
    calls = 0;
    CHECK_OK(c4p_entry_add_typed_around(rt, type, "other", "int n", (c4p_any_fn_t)on_other, around,
                                        &other_object, &around_entry));
    CHECK_OK(c4p_entry_add(rt, type, "plain", around, &other_object, &plain));
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0)
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
    MPI_Bcast(&group, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
    rts_settle(rt);
    const c4p_ref_t to = rts_ref(group, c4p_num_ranks(rt) - 1);
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_typed_find(rt, to, "plain", &found));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_typed_find(rt, to, "nothing", &found));
    CHECK_STATUS(C4P_ERR_NOT_FOUND, c4p_typed_find(rt, (c4p_ref_t){.coll = 99}, "other", &found));
    CHECK_STATUS(C4P_ERR_ARG, c4p_typed_find(rt, to, NULL, &found));
    CHECK_EQ(77, found.type);
    CHECK_OK(c4p_typed_find(rt, to, "other", &found));
    CHECK_EQ(around_entry.entry, found.entry);
    for (int n = 1; n <= 3; n++)
        for (int r = 0; r < c4p_num_ranks(rt); r++)
            CHECK_OK(c4p_send_typed(rt, rts_ref(group, r), found, n));
    rts_settle(rt);
    CHECK_EQ(3 * c4p_num_ranks(rt), calls);
    rts_close(rt);
}

static void
what_a_signature_says_can_be_asked(void)
{
    c4p_param_t p[C4P_MAX_PARAMS];
    uint32_t num = 77;
    const char *why = NULL;
    size_t at = 0;
    CHECK_OK(c4p_signature_read("uint8_t n, float x[3*n], double y[4], str t, ref r, "
                                "{char c, int i} s[n*n], bool b",
                                p, &num, &why, &at));
    CHECK_EQ(7, num);
    CHECK(p[0].sort == C4P_PARAM_NUMBER && p[0].kind == C4P_ARG_UNSIGNED && p[0].size == 1);
    CHECK(p[1].sort == C4P_PARAM_ARRAY && p[1].of == C4P_ARG_OF_float && p[1].size == 4);
    CHECK(p[1].count == 3 && p[1].num_factors == 1 && p[1].factors[0] == 0);
    CHECK(p[2].sort == C4P_PARAM_ARRAY && p[2].count == 4 && p[2].num_factors == 0);
    CHECK(p[3].sort == C4P_PARAM_TEXT);
    CHECK(p[4].sort == C4P_PARAM_REF && p[4].size == sizeof(c4p_ref_t) && p[4].count == 1);
    CHECK(p[5].sort == C4P_PARAM_STRUCT && p[5].size == 8 && p[5].num_factors == 2);
    CHECK(p[6].of == C4P_ARG_OF_bool && strcmp(p[6].name, "b") == 0);
    CHECK_STATUS(C4P_ERR_ARG, c4p_signature_read("int n, long n", p, &num, &why, &at));
    CHECK_STR_HAS("another parameter has this name", why);
    CHECK_EQ(7, at);
    CHECK_STATUS(C4P_ERR_ARG, c4p_signature_read(NULL, p, &num, &why, &at));
}

/* For rt_typed.disagree: the ranks have other signatures. */
static void
ranks_with_other_signatures_are_told(void)
{
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Typed");
    c4p_typed_t typed;
    CHECK_OK(c4p_entry_add_typed(rt, type, "work", c4p_rank(rt) ? "int n" : "long n",
                                 (c4p_any_fn_t)nothing, &typed));
    exit(c4p_exit_status(c4p_start(rt)));
}

/* For rt_typed.by_hand: bytes that are no arguments of this method. */
static void
a_message_that_was_packed_wrongly_ends_the_job(void)
{
    int code;
    c4p_rt_t *rt = rts_open(NULL);
    c4p_type_t type = rts_type(rt, "Typed");
    CHECK_OK(c4p_entry_add_typed(rt, type, "arrays",
                                 "int n, double x[3*n], str text, float fixed[4], "
                                 "{double x[3], int id} points[m], uint8_t m, ref from",
                                 (c4p_any_fn_t)arrays, &arrays_entry));
    CHECK_OK(c4p_start(rt));
    if (c4p_rank(rt) == 0) {
        CHECK_OK(c4p_group_new(rt, type, NULL, 0, &group));
        CHECK_OK(c4p_send(rt, rts_ref(group, 0), arrays_entry.entry, rts_number(rt, 1)));
    }
    CHECK_OK(c4p_run(rt, &code));
}

TEST_CASES(scalars_arrive_as_they_were_given, arguments_in_registers_arrive,
           arrays_of_every_length_arrive, a_message_of_arguments_can_be_broadcast,
           gaps_between_arguments_are_zero, what_does_not_fit_is_refused,
           a_signature_that_is_not_valid_is_refused_at_once, a_language_runs_around_its_methods,
           what_a_signature_says_can_be_asked, ranks_with_other_signatures_are_told,
           a_message_that_was_packed_wrongly_ends_the_job)
