/* SPDX-License-Identifier: Apache-2.0 */
/* The libc port: time, randomness, memory and log lines. */
#define _GNU_SOURCE

#include "base/port.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "support/fail_alloc.h"
#include "support/test.h"

static fail_alloc_t fa;

typedef struct record {
    int lines;
    c4p_log_level_t level;
    char text[8192];
} record_t;

static void
record_line(void *ctx, c4p_log_level_t level, const char *line)
{
    record_t *record = ctx;
    record->lines++;
    record->level = level;
    snprintf(record->text, sizeof(record->text), "%s", line);
}

static c4pi_port_t *
make_port(record_t *record, c4p_log_level_t level)
{
    c4pi_port_t *port;
    c4p_opts_t opts = C4P_OPTS_INIT;
    opts.log_level = level;
    opts.log_fn = record ? record_line : NULL;
    opts.log_ctx = record;
    CHECK_OK(c4pi_port_real_new(&opts, &port));
    return port;
}

/* ---- log ------------------------------------------------------------------------------------- */

static void
a_log_line_begins_with_the_rank_once_it_is_known(void)
{
    record_t record = {0};
    c4pi_port_t *port = make_port(&record, C4P_LOG_DEBUG);
    c4pi_log(port, C4P_LOG_INFO, "%d apples", 3);
    CHECK_STR_EQ("c4py: 3 apples", record.text);
    CHECK_EQ(C4P_LOG_INFO, record.level);
    port->rank = 3;
    port->num_ranks = 8;
    c4pi_log(port, C4P_LOG_DEBUG, "%s", "here");
    CHECK_STR_EQ("c4py: rank 3/8: here", record.text);
    CHECK_EQ(2, record.lines);
    c4pi_port_free(port);
}

static void
lines_below_the_level_are_dropped(void)
{
    record_t record = {0};
    c4pi_port_t *port = make_port(&record, C4P_LOG_DEFAULT); /* which is: warnings */
    c4pi_log(port, C4P_LOG_INFO, "not shown");
    CHECK_EQ(0, record.lines);
    c4pi_log(port, C4P_LOG_WARN, "shown");
    c4pi_log(port, C4P_LOG_ERROR, "shown");
    CHECK_EQ(2, record.lines);
    c4pi_port_free(port);
    port = make_port(&record, C4P_LOG_ERROR);
    c4pi_log(port, C4P_LOG_WARN, "not shown");
    CHECK_EQ(2, record.lines);
    c4pi_port_free(port);
}

static void
control_characters_do_not_reach_the_log(void)
{
    record_t record = {0};
    c4pi_port_t *port = make_port(&record, C4P_LOG_WARN);
    c4pi_log(port, C4P_LOG_WARN, "a\x1b[2Jb\nc\td\x7f\n\n");
    CHECK_STR_EQ("c4py: a [2Jb c\td ", record.text);
    c4pi_port_free(port);
}

static void
a_line_of_any_length_is_logged_whole_or_marked_as_cut(void)
{
    static char text[5001];
    record_t record = {0};
    c4pi_port_t *port = make_port(&record, C4P_LOG_WARN);
    memset(text, 'x', sizeof(text) - 1);
    for (int len = 1000; len < 1040; len++) { /* around the length at which memory is needed */
        c4pi_log(port, C4P_LOG_WARN, "%.*s", len, text);
        CHECK_EQ(len + 6, strlen(record.text));
    }
    c4pi_log(port, C4P_LOG_WARN, "%s", text);
    CHECK_EQ(5006, strlen(record.text));

    c4pi_port_free(port);

    setenv("C4PY_FAIL_ALLOC", "1", 1);
    port = make_port(&record, C4P_LOG_WARN);
    unsetenv("C4PY_FAIL_ALLOC");
    c4pi_log(port, C4P_LOG_WARN, "%s", text);
    CHECK_EQ(1023, strlen(record.text));
    CHECK_STR_EQ("xxx...", record.text + 1017);
    c4pi_port_free(port);
}

/* Standard error as one reads it from the other end of a pipe. */
static void
catch_stderr(int pipe_fds[2], int *saved_out)
{
    CHECK_EQ(0, pipe(pipe_fds));
    fflush(stderr);
    *saved_out = dup(2);
    dup2(pipe_fds[1], 2);
}

static size_t
caught(int pipe_fds[2], int saved, char *text, size_t room)
{
    dup2(saved, 2);
    close(saved);
    close(pipe_fds[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(pipe_fds[0], text + len, room - 1 - len)) > 0;)
        len += (size_t)n;
    close(pipe_fds[0]);
    text[len] = '\0';
    return len;
}

static void
without_a_log_function_lines_go_to_standard_error(void)
{
    static char text[70000];
    int fds[2], saved;
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    catch_stderr(fds, &saved);
    c4pi_log(port, C4P_LOG_WARN, "one");
    c4pi_log(port, C4P_LOG_ERROR, "two");
    port->ops->write_report(port, "a\nb\n", 4);
    size_t len = caught(fds, saved, text, sizeof(text));
    CHECK_STR_EQ("c4py: one\nc4py: two\na\nb\n", text);
    CHECK_EQ(24, len);
    c4pi_port_free(port);
}

static void
a_report_goes_to_the_log_function_line_by_line(void)
{
    static char text[100], longer[2500];
    int fds[2], saved;
    record_t record = {0};
    c4pi_port_t *port = make_port(&record, C4P_LOG_WARN);
    catch_stderr(fds, &saved);
    port->ops->write_report(port, "one\ntwo\n\nlast", 13);
    CHECK_EQ(4, record.lines);
    CHECK_EQ(C4P_LOG_ERROR, record.level);
    CHECK_STR_EQ("last", record.text);
    memset(longer, 'x', sizeof longer);
    port->ops->write_report(port, longer, sizeof longer);
    CHECK_EQ(7, record.lines); /* in pieces of 999 */
    CHECK_EQ(2500 - 2 * 999, strlen(record.text));
    CHECK_EQ(0, caught(fds, saved, text, sizeof text));
    c4pi_port_free(port);
}

/* The reader takes a little each time that the writer, being told that the pipe is full, waits for
 * room. */
static void
a_report_survives_a_slow_reader(void)
{
    enum { LEN = 300000 }; /* several times what the pipe holds */
    static char report[LEN], text[LEN];
    int fds[2], saved;
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    for (int i = 0; i < LEN; i++)
        report[i] = (char)('a' + i % 26);
    catch_stderr(fds, &saved);
    pid_t writer = fork();
    if (writer == 0) {
        fcntl(2, F_SETFL, O_NONBLOCK);
        close(fds[0]);
        port->ops->write_report(port, report, LEN);
        _exit(0);
    }
    dup2(saved, 2);
    close(saved);
    close(fds[1]);
    size_t len = 0;
    for (ssize_t n; (n = read(fds[0], text + len, len + 5000 < LEN ? 5000 : LEN - len)) > 0;)
        len += (size_t)n;
    close(fds[0]);
    int ended;
    CHECK_EQ(writer, waitpid(writer, &ended, 0));
    CHECK_EQ(0, ended);
    CHECK_EQ(LEN, len);
    CHECK_MEM_EQ(report, text, LEN);
    c4pi_port_free(port);
}

/* ---- time and randomness --------------------------------------------------------------------- */

static void
the_clock_does_not_run_backwards_and_sleep_takes_time(void)
{
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    uint64_t start = c4pi_now_ns(port), last = start;
    for (int i = 0; i < 1000; i++) {
        uint64_t now = c4pi_now_ns(port);
        CHECK(now >= last);
        last = now;
    }
    uint64_t cpu = port->ops->cpu_ns(port);
    port->ops->sleep_ns(port, 2000000);
    CHECK(c4pi_now_ns(port) - start >= 2000000); /* no signal cuts it short here */
    CHECK(port->ops->cpu_ns(port) - cpu < 2000000);
    port->ops->yield(port);
    c4pi_port_free(port);
}

static void
draw(uint64_t draws[8], int rank)
{
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    port->rank = rank;
    for (int i = 0; i < 8; i++)
        draws[i] = port->ops->random_u64(port);
    c4pi_port_free(port);
}

static void
a_seed_repeats_the_numbers_of_each_rank(void)
{
    uint64_t a[8], b[8], other_rank[8], other_seed[8], unseeded[8];
    setenv("C4PY_SEED", "42", 1);
    draw(a, 0);
    draw(b, 0);
    draw(other_rank, 1);
    setenv("C4PY_SEED", "43", 1);
    draw(other_seed, 0);
    unsetenv("C4PY_SEED");
    draw(unseeded, 0);
    CHECK_MEM_EQ(a, b, sizeof(a));
    for (int i = 0; i < 8; i++) {
        CHECK(a[i] != other_rank[i] && a[i] != other_seed[i] && a[i] != unseeded[i]);
        for (int j = 0; j < i; j++)
            CHECK(a[i] != a[j]);
    }
}

static void
every_bit_of_a_random_number_is_set_half_of_the_time(void)
{
    enum { DRAWS = 4096 };
    int ones[64] = {0};
    setenv("C4PY_SEED", "7", 1);
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    for (int i = 0; i < DRAWS; i++) {
        uint64_t x = port->ops->random_u64(port);
        for (int b = 0; b < 64; b++)
            ones[b] += (int)(x >> b & 1);
    }
    unsetenv("C4PY_SEED");
    for (int b = 0; b < 64; b++) /* the standard deviation is 32 */
        CHECK(abs(ones[b] - DRAWS / 2) < 5 * 32);
    c4pi_port_free(port);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void
blocks_of_any_size_are_aligned_and_writable(void)
{
    static const size_t lens[] = {
        0,       1,       64,      4097,           1048575,        1048576,  1048577,
        2097152, 2097153, 3145728, (3u << 20) + 1, (8u << 20) - 1, 8u << 20, (9u << 20) + 5};
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
        char *p = c4pi_alloc(port, lens[i]), *q = c4pi_alloc(port, lens[i]);
        CHECK(p && q && p != q);
        CHECK_EQ(0, (uintptr_t)p % 64);
        CHECK_EQ(0, (uintptr_t)q % 64);
        memset(p, 1, lens[i]);
        memset(q, 2, lens[i]);
        CHECK(lens[i] == 0 || (p[0] == 1 && p[lens[i] - 1] == 1 && q[lens[i] - 1] == 2));
        c4pi_free(port, p, lens[i]);
        c4pi_free(port, q, lens[i]);
    }
    c4pi_free(port, NULL, 0);
    c4pi_free(port, NULL, 5u << 20);
    c4pi_port_free(port);
}

/* Else the kernel cannot back them with huge pages. */
static void
large_blocks_begin_at_a_huge_page(void)
{
#ifdef C4PI_POISONING
    SKIP("blocks come from AddressSanitizer");
#else
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    for (size_t len = (size_t)1 << 20; len < (size_t)20 << 20; len += 777777) {
        void *p = c4pi_alloc(port, len);
        CHECK_EQ(0, (uintptr_t)p % ((size_t)2 << 20));
        c4pi_free(port, p, len);
    }
    c4pi_port_free(port);
#endif
}

static void
impossible_sizes_are_refused(void)
{
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    volatile size_t huge = SIZE_MAX; /* volatile: compilers warn of such sizes */
#ifndef C4PI_POISONING               /* AddressSanitizer ends the program instead */
    CHECK(!c4pi_alloc(port, huge));
    CHECK(!c4pi_alloc(port, huge / 2 + 1));
    CHECK(!c4pi_alloc(port, huge / 4));
#endif
    (void)huge;
    c4pi_port_free(port);
}

static void
the_environment_can_make_one_allocation_fail(void)
{
    void *blocks[5];
    setenv("C4PY_FAIL_ALLOC", "3", 1);
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    unsetenv("C4PY_FAIL_ALLOC");
    for (int i = 0; i < 5; i++) {
        blocks[i] = c4pi_alloc(port, 100);
        CHECK_EQ(i == 2, blocks[i] == NULL);
        c4pi_free(port, blocks[i], 100);
    }
    c4pi_port_free(port);
}

static void
growing_keeps_the_content_and_failure_keeps_the_block(void)
{
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    for (uint64_t n = 1; fail_alloc_begin(&fa, port, n); n++) {
        char *p = c4pi_regrow(&fa.port, NULL, 0, 10);
        if (p) {
            memcpy(p, "012345678", 10);
            char *grown = c4pi_regrow(&fa.port, p, 10, 3000000);
            CHECK_STR_EQ("012345678", grown ? grown : p);
            char *shrunk = grown ? c4pi_regrow(&fa.port, grown, 3000000, 4) : NULL;
            if (shrunk)
                CHECK_MEM_EQ("0123", shrunk, 4);
            size_t len = shrunk ? 4 : grown ? 3000000 : 10;
            c4pi_free(&fa.port, shrunk ? shrunk : grown ? grown : p, len);
        }
        fail_alloc_end(&fa);
    }
    c4pi_port_free(port);
}

static void
zeroed_memory_and_copied_strings(void)
{
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    for (uint64_t n = 1; fail_alloc_begin(&fa, port, n); n++) {
        unsigned char *dirty = c4pi_alloc(&fa.port, 5000);
        if (dirty)
            memset(dirty, 0xee, 5000);
        c4pi_free(&fa.port, dirty, 5000);
        unsigned char *zeroed = c4pi_calloc(&fa.port, 5000);
        for (int i = 0; zeroed && i < 5000; i++)
            CHECK_EQ(0, zeroed[i]);
        c4pi_free(&fa.port, zeroed, 5000);
        char *s = c4pi_strdup(&fa.port, "grid");
        CHECK(!s || strcmp(s, "grid") == 0);
        c4pi_free(&fa.port, s, 5);
        fail_alloc_end(&fa);
    }
    c4pi_port_free(port);
}

static void
room_for_more_items_is_made(void)
{
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    for (uint64_t n = 1; fail_alloc_begin(&fa, port, n); n++) {
        uint32_t *items = NULL, *roomy;
        size_t num = 0, cap = 0;
        bool stays = false;
        for (size_t more = 1; !stays && num < 5000; more = 2 * more + 1) {
            size_t before = cap;
            roomy = c4pi_make_room(&fa.port, items, num, more, &cap, sizeof *items);
            stays = !roomy;
            CHECK(stays ? cap == before : cap >= num + more);
            if (roomy)
                items = roomy;
            for (size_t i = 0; !stays && i < more; i++, num++)
                items[num] = (uint32_t)num;
        }
        CHECK(stays == fail_alloc_hit(&fa));
        for (size_t i = 0; i < num; i++)
            CHECK_EQ(i, items[i]);
        if (cap > num) {
            roomy = c4pi_make_room(&fa.port, items, num, cap - num, &cap, sizeof *items);
            CHECK(roomy == items); /* what there is suffices */
        }
        c4pi_free(&fa.port, items, cap * sizeof *items); /* which checks the length */
        fail_alloc_end(&fa);
    }
    c4pi_port_free(port);
}

static void
items_one_by_one_are_seldom_moved(void)
{
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    char *items = NULL;
    size_t cap = 0, moves = 0;
    for (size_t num = 0; num < 100000; num++) {
        size_t before = cap;
        items = c4pi_make_room(port, items, num, 1, &cap, 1);
        moves += cap != before;
    }
    CHECK(moves <= 17); /* log2 of 100000, rounded up */
    c4pi_free(port, items, cap);
    c4pi_port_free(port);
}

static void
no_room_is_made_where_sizes_overflow(void)
{
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    size_t cap = 0;
    char *items = c4pi_make_room(port, NULL, 0, 1, &cap, 24);
    size_t had = cap;
    CHECK_EQ(NULL, c4pi_make_room(port, items, 1, SIZE_MAX, &cap, 24));          /* the number */
    CHECK_EQ(NULL, c4pi_make_room(port, items, 1, SIZE_MAX / 24 + 1, &cap, 24)); /* its bytes */
#if !C4PT_UNDER_ASAN /* whose allocator takes such a request for a mistake */
    CHECK_EQ(NULL, c4pi_make_room(port, items, 1, SIZE_MAX / 24 - 1, &cap, 24)); /* the machine */
#endif
    CHECK_EQ(had, cap);
    c4pi_free(port, items, cap * 24);
    c4pi_port_free(port);
}

static void
wrong_options_are_refused(void)
{
    c4pi_port_t *port = NULL;
    c4p_opts_t opts = {.struct_size = 0};
    CHECK_STATUS(C4P_ERR_ARG, c4pi_port_real_new(&opts, &port));
    CHECK_EQ(NULL, port);
    CHECK_OK(c4pi_port_real_new(NULL, &port));
    CHECK_EQ(-1, port->rank);
    c4pi_port_free(port);
    c4pi_port_free(NULL);
}

static void
the_environment_is_read_through_the_port(void)
{
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    setenv("C4PT_SOME_NAME", "yes", 1);
    CHECK_STR_EQ("yes", port->ops->getenv(port, "C4PT_SOME_NAME"));
    unsetenv("C4PT_SOME_NAME");
    CHECK(!port->ops->getenv(port, "C4PT_SOME_NAME"));
    c4pi_port_free(port);
}

/* ---- the end ------------------------------------------------------------------------------------ */

static void
the_end_waits_until_the_last_words_are_read(void)
{
    const uint64_t patience_ns = 20000000, an_hour_ns = 3600000000000;
    char text[100];
    int fds[2], saved;
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    catch_stderr(fds, &saved);
    port->ops->write_report(port, "good\nbye\n", 9);
    const uint64_t begin_ns = c4pi_now_ns(port);
    port->ops->wait_for_readers(port, patience_ns);
    const uint64_t past_ns = c4pi_now_ns(port) - begin_ns;
    ssize_t len = read(fds[0], text, sizeof text);
    port->ops->wait_for_readers(port, an_hour_ns);
    dup2(saved, 2);
    close(saved);
    close(fds[0]);
    close(fds[1]);
    CHECK(past_ns >= patience_ns);
    CHECK_EQ(9, len);
    c4pi_port_free(port);
}

static void
end_otherwise(void)
{
    _exit(9);
}

/* How a process ends that leaves by exit(33) after this. */
static int
status_of_exit(c4pi_port_t *port, uint64_t wait_ns)
{
    int ended;
    pid_t child = fork();
    if (child == 0) {
        atexit(end_otherwise);
        port->ops->exit_is_end(port, wait_ns);
        exit(33);
    }
    CHECK_EQ(child, waitpid(child, &ended, 0));
    CHECK(WIFEXITED(ended));
    return WEXITSTATUS(ended);
}

static void
exit_keeps_its_status_and_calls_nothing_when_it_is_the_end(void)
{
    const uint64_t patience_ns = 20000000;
    c4pi_port_t *port = make_port(NULL, C4P_LOG_WARN);
    CHECK_EQ(33, status_of_exit(port, 0));
    const uint64_t begin_ns = c4pi_now_ns(port);
    CHECK_EQ(33, status_of_exit(port, patience_ns));
    CHECK(c4pi_now_ns(port) - begin_ns >= patience_ns);
    c4pi_port_free(port);
}

TEST_CASES(a_log_line_begins_with_the_rank_once_it_is_known, lines_below_the_level_are_dropped,
           control_characters_do_not_reach_the_log,
           a_line_of_any_length_is_logged_whole_or_marked_as_cut,
           without_a_log_function_lines_go_to_standard_error,
           a_report_goes_to_the_log_function_line_by_line, a_report_survives_a_slow_reader,
           the_clock_does_not_run_backwards_and_sleep_takes_time,
           a_seed_repeats_the_numbers_of_each_rank,
           every_bit_of_a_random_number_is_set_half_of_the_time,
           blocks_of_any_size_are_aligned_and_writable, large_blocks_begin_at_a_huge_page,
           impossible_sizes_are_refused, the_environment_can_make_one_allocation_fail,
           growing_keeps_the_content_and_failure_keeps_the_block, zeroed_memory_and_copied_strings,
           room_for_more_items_is_made, items_one_by_one_are_seldom_moved,
           no_room_is_made_where_sizes_overflow, wrong_options_are_refused,
           the_environment_is_read_through_the_port, the_end_waits_until_the_last_words_are_read,
           exit_keeps_its_status_and_calls_nothing_when_it_is_the_end)
