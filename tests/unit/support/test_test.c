/* SPDX-License-Identifier: Apache-2.0 */
/* The checks themselves: each one must let the right thing pass, and report and end a case that is
 * wrong. */
#include "support/test.h"

#include <sys/wait.h>

static char report[4096];

/* Run a case in a child process; its exit status, with what it printed in `report`. */
static int
outcome(c4pt_case_fn_t fn)
{
    int fds[2], status;
    size_t len = 0;
    ssize_t got;

    CHECK_EQ(0, pipe(fds));
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        dup2(fds[1], 1);
        dup2(fds[1], 2);
        close(fds[0]);
        char *args[] = {(char *)"child", NULL};
        int rc = c4pt_main(1, args, "the_case", &fn);
        fflush(NULL);
        _exit(rc);
    }
    close(fds[1]);
    while ((got = read(fds[0], report + len, sizeof report - 1 - len)) > 0)
        len += (size_t)got;
    report[len] = '\0';
    close(fds[0]);
    CHECK_EQ(child, waitpid(child, &status, 0));
    CHECK(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
unequal_numbers(void)
{
    CHECK_EQ(3, 4u);
}

static void
minus_one_is_no_large_number(void)
{
    CHECK_EQ(-1, UINT64_MAX);
}

static void
unequal_strings(void)
{
    CHECK_STR_EQ("left", "right");
}

static void
unequal_bytes(void)
{
    CHECK_MEM_EQ("abcd", "abXd", 4);
}

static void
not_near(void)
{
    CHECK_NEAR(1.0, 1.5, 0.25);
}

static void
nan_is_not_near(void)
{
    CHECK_NEAR(1.0, (double)NAN, 10.0);
}

static void
skipped(void)
{
    SKIP("no moon tonight");
}

static void
false_condition(void)
{
    CHECK(1 + 1 == 3);
}

static void
all_equal(void)
{
    int x = 0;
    CHECK_EQ(7, (unsigned char)7);
    CHECK_EQ(-7LL, (short)-7);
    CHECK_EQ(true, 1 == 1);
    CHECK_EQ(0.5, 0.5f);
    CHECK_EQ(&x, &x);
    CHECK_EQ(NULL, (char *)NULL);
    CHECK_STR_EQ("a", "a");
    CHECK_STR_HAS("b", "abc");
    CHECK_MEM_EQ("ab", "ab", 2);
    CHECK_NEAR(1.0, 1.25, 0.25);
}

static void
a_failed_check_prints_both_values(void)
{
    CHECK_EQ(1, outcome(unequal_numbers));
    CHECK_STR_HAS("test_test.c:", report);
    CHECK_STR_HAS("4u: expected 3, got 4", report);
    CHECK_STR_HAS("FAIL the_case", report);
    CHECK_EQ(1, outcome(unequal_strings));
    CHECK_STR_HAS("expected \"left\"", report);
    CHECK_STR_HAS("got      \"right\"", report);
    CHECK_EQ(1, outcome(unequal_bytes));
    CHECK_STR_HAS("byte 2 of 4: expected 0x63, got 0x58", report);
    CHECK_EQ(1, outcome(not_near));
    CHECK_STR_HAS("expected 1, got 1.5", report);
}

static void
a_failed_condition_prints_its_text(void)
{
    CHECK_EQ(1, outcome(false_condition));
    CHECK_STR_HAS("not true: 1 + 1 == 3", report);
}

static void
signs_are_not_confused(void)
{
    CHECK_EQ(1, outcome(minus_one_is_no_large_number));
    CHECK_STR_HAS("expected -1, got 18446744073709551615", report);
}

static void
nan_fails(void)
{
    CHECK_EQ(1, outcome(nan_is_not_near));
}

static void
equal_things_pass(void)
{
    CHECK_EQ(0, outcome(all_equal));
    CHECK_STR_EQ("ok   the_case\n", report);
}

static void
a_skipped_case_says_why(void)
{
    CHECK_EQ(C4PT_EXIT_SKIP, outcome(skipped));
    CHECK_STR_HAS("skip the_case: no moon tonight", report);
}

TEST_CASES(a_failed_check_prints_both_values, a_failed_condition_prints_its_text,
           signs_are_not_confused, nan_fails, equal_things_pass, a_skipped_case_says_why)
