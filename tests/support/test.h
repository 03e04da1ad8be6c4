/* SPDX-License-Identifier: Apache-2.0 */
/* test.h: checks and the main function of a C test. A case is a function without arguments, listed
 * once at the end of its file:
 *
 *     TEST_CASES(empty_map_finds_nothing, removed_key_is_gone)
 *
 * Run without arguments for all cases, with names for some, with --list for the names. A failed
 * check ends its case; in a test of several ranks it ends the job. Checks work in release builds
 * too. The exit status is 0, 1, or 77 if every case was skipped. */
#ifndef C4PT_TEST_H
#define C4PT_TEST_H

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <c4p/status.h>

/* Is this built with AddressSanitizer? It keeps freed memory for a while, and takes a request of
 * half of the address space for a mistake. */
#if defined(__SANITIZE_ADDRESS__)
#define C4PT_UNDER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define C4PT_UNDER_ASAN 1
#endif
#endif
#ifndef C4PT_UNDER_ASAN
#define C4PT_UNDER_ASAN 0
#endif

#define C4PT_EXIT_SKIP 77

typedef void (*c4pt_case_fn_t)(void);

typedef struct c4pt_state {
    jmp_buf after_case;
    bool in_case;
    const char *skip_reason;
    int argc; /* arguments that are neither options of the test nor names of cases: those after "--"
               */
    char **argv;
} c4pt_state_t;

static c4pt_state_t c4pt_state;

/* ---- values that can be compared and printed -------------------------------------------------- */

typedef struct c4pt_value {
    enum { C4PT_SIGNED, C4PT_UNSIGNED, C4PT_DOUBLE, C4PT_POINTER } kind;
    intmax_t i;
    uintmax_t u;
    double d;
    const void *p;
} c4pt_value_t;

static inline c4pt_value_t
c4pt_from_signed(intmax_t i)
{
    return (c4pt_value_t){.kind = i < 0 ? C4PT_SIGNED : C4PT_UNSIGNED, .i = i, .u = (uintmax_t)i};
}

static inline c4pt_value_t
c4pt_from_unsigned(uintmax_t u)
{
    return (c4pt_value_t){.kind = C4PT_UNSIGNED, .u = u};
}

static inline c4pt_value_t
c4pt_from_double(double d)
{
    return (c4pt_value_t){.kind = C4PT_DOUBLE, .d = d};
}

static inline c4pt_value_t
c4pt_from_pointer(const void *p)
{
    return (c4pt_value_t){.kind = C4PT_POINTER, .p = p};
}

/* clang-format off */
#define C4PT_VALUE(x)                                                                              \
    _Generic((x),                                                                                  \
        bool: c4pt_from_unsigned, char: c4pt_from_signed, signed char: c4pt_from_signed,           \
        short: c4pt_from_signed, int: c4pt_from_signed, long: c4pt_from_signed,                    \
        long long: c4pt_from_signed, unsigned char: c4pt_from_unsigned,                            \
        unsigned short: c4pt_from_unsigned, unsigned: c4pt_from_unsigned,                          \
        unsigned long: c4pt_from_unsigned, unsigned long long: c4pt_from_unsigned,                 \
        float: c4pt_from_double, double: c4pt_from_double,                                         \
        default: c4pt_from_pointer)(x)
/* clang-format on */

static inline double
c4pt_as_double(c4pt_value_t v)
{
    if (v.kind == C4PT_DOUBLE)
        return v.d;
    return v.kind == C4PT_SIGNED ? (double)v.i : (double)v.u;
}

/* Equal as numbers, whatever the C types; pointers only equal pointers (and 0 a NULL). */
static inline bool
c4pt_equal(c4pt_value_t a, c4pt_value_t b)
{
    if (a.kind == C4PT_POINTER || b.kind == C4PT_POINTER)
        return a.p == b.p && a.u == 0 && b.u == 0;
    if (a.kind == C4PT_DOUBLE || b.kind == C4PT_DOUBLE)
        return c4pt_as_double(a) == c4pt_as_double(b);
    if (a.kind != b.kind)
        return false; /* one is negative */
    return a.kind == C4PT_SIGNED ? a.i == b.i : a.u == b.u;
}

static inline void
c4pt_print(FILE *out, c4pt_value_t v)
{
    switch (v.kind) {
    case C4PT_SIGNED:
        fprintf(out, "%" PRIdMAX, v.i);
        break;
    case C4PT_UNSIGNED:
        fprintf(out, v.u > 0xffff ? "%" PRIuMAX " (0x%" PRIxMAX ")" : "%" PRIuMAX, v.u, v.u);
        break;
    case C4PT_DOUBLE:
        fprintf(out, "%.17g", v.d);
        break;
    case C4PT_POINTER:
        fprintf(out, "%p", v.p);
        break;
    }
}

/* ---- ranks ------------------------------------------------------------------------------------ */

/* This process's rank as the MPI launcher says, before MPI is up; -1 without a launcher. */
static inline int
c4pt_rank(void)
{
    const char *names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *text = getenv(names[i]);
        if (text)
            return atoi(text);
    }
    return -1;
}

/* ---- ends of a case --------------------------------------------------------------------------- */

static inline void
c4pt_where(const char *file, int line)
{
    fflush(stdout);
    if (c4pt_rank() >= 0)
        fprintf(stderr, "rank %d: ", c4pt_rank());
    fprintf(stderr, "%s:%d: ", file, line);
}

__attribute__((noreturn)) static inline void
c4pt_failed(void)
{
    fflush(stderr);
    if (!c4pt_state.in_case || c4pt_rank() >= 0)
        _exit(1); /* the launcher then ends the other ranks */
    longjmp(c4pt_state.after_case, 1);
}

__attribute__((noreturn)) static inline void
c4pt_skip(const char *reason)
{
    c4pt_state.skip_reason = reason;
    longjmp(c4pt_state.after_case, 2);
}

/* End this case, which then counts as skipped; the reason is printed. On all ranks or none. */
#define SKIP(reason) c4pt_skip(reason)

#define FAIL(...)                                                                                  \
    do {                                                                                           \
        c4pt_where(__FILE__, __LINE__);                                                            \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fputc('\n', stderr);                                                                       \
        c4pt_failed();                                                                             \
    } while (0)

/* ---- checks ----------------------------------------------------------------------------------- */

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            FAIL("%s", "not true: " #condition);                                                   \
    } while (0)

/* Numbers of any types, or pointers. */
#define CHECK_EQ(expected, actual)                                                                 \
    c4pt_check_eq(__FILE__, __LINE__, #actual, C4PT_VALUE(expected), C4PT_VALUE(actual))

static inline void
c4pt_check_eq(const char *file, int line, const char *what, c4pt_value_t want, c4pt_value_t got)
{
    if (c4pt_equal(want, got))
        return;
    c4pt_where(file, line);
    fprintf(stderr, "%s: expected ", what);
    c4pt_print(stderr, want);
    fprintf(stderr, ", got ");
    c4pt_print(stderr, got);
    fputc('\n', stderr);
    c4pt_failed();
}

/* Floating-point numbers that differ by at most `tolerance`. */
#define CHECK_NEAR(expected, actual, tolerance)                                                    \
    do {                                                                                           \
        double c4pt_want = (expected), c4pt_got = (actual);                                        \
        if (!(fabs(c4pt_want - c4pt_got) <= (tolerance)))                                          \
            FAIL("%s: expected %.17g, got %.17g", #actual, c4pt_want, c4pt_got);                   \
    } while (0)

#define CHECK_STATUS(expected, call)                                                               \
    do {                                                                                           \
        c4p_status_t c4pt_want = (expected), c4pt_got = (call);                                    \
        if (c4pt_want != c4pt_got)                                                                 \
            FAIL("%s: expected %s, got %s", #call, c4p_status_name(c4pt_want),                     \
                 c4p_status_name(c4pt_got));                                                       \
    } while (0)

#define CHECK_OK(call) CHECK_STATUS(C4P_OK, call)

#define CHECK_STR_EQ(expected, actual)                                                             \
    do {                                                                                           \
        const char *c4pt_want = (expected), *c4pt_got = (actual);                                  \
        if (!c4pt_want || !c4pt_got ? c4pt_want != c4pt_got : strcmp(c4pt_want, c4pt_got) != 0)    \
            FAIL("%s:\n  expected \"%s\"\n  got      \"%s\"", #actual,                             \
                 c4pt_want ? c4pt_want : "(null)", c4pt_got ? c4pt_got : "(null)");                \
    } while (0)

/* `part` occurs in the string `actual`. */
#define CHECK_STR_HAS(part, actual)                                                                \
    do {                                                                                           \
        const char *c4pt_part = (part), *c4pt_got = (actual);                                      \
        if (!c4pt_got || !strstr(c4pt_got, c4pt_part))                                             \
            FAIL("%s: no \"%s\" in \"%s\"", #actual, c4pt_part, c4pt_got ? c4pt_got : "(null)");   \
    } while (0)

#define CHECK_MEM_EQ(expected, actual, len)                                                        \
    do {                                                                                           \
        const unsigned char *c4pt_want = (const void *)(expected),                                 \
                            *c4pt_got = (const void *)(actual);                                    \
        for (size_t c4pt_i = 0, c4pt_n = (len); c4pt_i < c4pt_n; c4pt_i++)                         \
            if (c4pt_want[c4pt_i] != c4pt_got[c4pt_i])                                             \
                FAIL("%s: byte %zu of %zu: expected 0x%02x, got 0x%02x", #actual, c4pt_i, c4pt_n,  \
                     c4pt_want[c4pt_i], c4pt_got[c4pt_i]);                                         \
    } while (0)

/* ---- main ------------------------------------------------------------------------------------- */

/* The i-th argument after "--" as a number, or `fallback` if there are not so many. */
static inline long long
c4pt_arg(int i, long long fallback)
{
    return i < c4pt_state.argc ? strtoll(c4pt_state.argv[i], NULL, 0) : fallback;
}

/* Take the next name from a list "a, b, c". False at the end. */
static inline bool
c4pt_next_name(const char **list, char *name_out, size_t room)
{
    const char *p = *list + strspn(*list, " ,\n\t");
    size_t len = strcspn(p, " ,\n\t");
    if (len == 0)
        return false;
    snprintf(name_out, room, "%.*s", (int)len, p);
    *list = p + len;
    return true;
}

static inline bool
c4pt_is_named(const char *name, int num_names, char **names)
{
    for (int i = 0; i < num_names; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return num_names == 0;
}

/* 0 passed, 1 failed, 2 skipped. */
static inline int
c4pt_run_case(const char *name, c4pt_case_fn_t fn)
{
    static const char *const words[] = {"ok  ", "FAIL", "skip"};
    c4pt_state.skip_reason = "";
    c4pt_state.in_case = true;
    int how = setjmp(c4pt_state.after_case);
    if (how == 0)
        fn();
    c4pt_state.in_case = false;
    if (c4pt_rank() <= 0 || how == 1)
        printf("%s %s%s%s\n", words[how], name, how == 2 ? ": " : "", c4pt_state.skip_reason);
    fflush(stdout);
    return how;
}

static inline int
c4pt_main(int argc, char **argv, const char *list, const c4pt_case_fn_t *fns)
{
    int num_names = 0, ended[3] = {0, 0, 0};
    char name[256];
    const char *rest = list;

    while (num_names < argc - 1 && strcmp(argv[1 + num_names], "--") != 0)
        num_names++;
    if (num_names < argc - 1) {
        c4pt_state.argc = argc - 2 - num_names;
        c4pt_state.argv = argv + 2 + num_names;
    }
    bool only_list = num_names == 1 && strcmp(argv[1], "--list") == 0;
    for (size_t i = 0; c4pt_next_name(&rest, name, sizeof name); i++) {
        if (only_list)
            puts(name);
        else if (c4pt_is_named(name, num_names, argv + 1))
            ended[c4pt_run_case(name, fns[i])]++;
    }
    if (only_list)
        return 0;
    if (ended[0] + ended[1] + ended[2] == 0) {
        fprintf(stderr, "%s: no such case; --list names them\n", argv[0]);
        return 2;
    }
    if (ended[1])
        return 1;
    return ended[0] ? 0 : C4PT_EXIT_SKIP;
}

#define TEST_CASES(...)                                                                            \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        static const c4pt_case_fn_t fns[] = {__VA_ARGS__};                                         \
        return c4pt_main(argc, argv, #__VA_ARGS__, fns);                                           \
    }

#endif
