/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: values, defaults, and what is said about mistakes. */
#define _GNU_SOURCE

#include "base/env.h"

#include "support/test.h"

typedef struct record {
    int lines;
    char text[8192];
} record_t;

static record_t record;

static void
record_line(void *ctx, c4p_log_level_t level, const char *line)
{
    (void)ctx, (void)level;
    size_t len = strlen(record.text);
    record.lines++;
    snprintf(record.text + len, sizeof(record.text) - len, "%s\n", line);
}

/* A port whose log is recorded, and an environment without settings. */
static c4pi_port_t *
start(void)
{
    c4pi_port_t *port;
    c4p_opts_t opts = C4P_OPTS_INIT;
    memset(&record, 0, sizeof(record));
    for (const c4pi_setting_t *s = c4pi_env_table(); s->name; s++)
        unsetenv(s->name);
    opts.log_fn = record_line;
    CHECK_OK(c4pi_port_real_new(&opts, &port));
    return port;
}

static c4p_status_t
read_with(const char *name, const char *value, c4p_opts_t *opts)
{
    c4pi_port_t *port = start();
    setenv(name, value, 1);
    c4p_status_t st = c4pi_env_read(port, opts);
    unsetenv(name);
    c4pi_port_free(port);
    return st;
}

static void
without_settings_the_documented_defaults_hold(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    c4pi_port_t *port = start();
    CHECK_OK(c4pi_env_read(port, &opts));
    CHECK_EQ(C4P_LOG_WARN, opts.log_level);
    CHECK_EQ(C4P_STALL_ABORT, opts.stall);
    CHECK_EQ(500, opts.stall_after_ms);
    CHECK_EQ(C4P_IDLE_AUTO, opts.idle);
    CHECK_EQ(8 << 20, opts.credit_bytes);
    CHECK_EQ(4032, opts.small_bytes);
    CHECK_EQ(64, opts.ring_slots);
    CHECK_EQ(256, opts.batch_bytes);
    CHECK_EQ(65536, opts.loc_cache);
    CHECK_EQ(0, opts.counter_base);
    CHECK_EQ(64, opts.bcast_log);
    CHECK_EQ(0, record.lines);
    c4pi_port_free(port);
}

static void
the_environment_wins_over_the_struct_and_the_struct_over_the_default(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    opts.ring_slots = 16;
    opts.stall = C4P_STALL_WARN;
    opts.bcast_log = 7;
    c4pi_port_t *port = start();
    setenv("C4PY_RING", "32", 1);
    setenv("C4PY_STALL", "off", 1);
    CHECK_OK(c4pi_env_read(port, &opts));
    CHECK_EQ(32, opts.ring_slots);
    CHECK_EQ(C4P_STALL_OFF, opts.stall);
    CHECK_EQ(7, opts.bcast_log);
    c4pi_port_free(start());
    c4pi_port_free(port);
}

static void
every_word_has_its_value(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    CHECK_OK(read_with("C4PY_LOG", "error", &opts));
    CHECK_EQ(C4P_LOG_ERROR, opts.log_level);
    CHECK_OK(read_with("C4PY_LOG", "debug", &opts));
    CHECK_EQ(C4P_LOG_DEBUG, opts.log_level);
    CHECK_OK(read_with("C4PY_STALL", "abort", &opts));
    CHECK_EQ(C4P_STALL_ABORT, opts.stall);
    CHECK_OK(read_with("C4PY_STALL", "warn", &opts));
    CHECK_EQ(C4P_STALL_WARN, opts.stall);
    CHECK_OK(read_with("C4PY_IDLE", "auto", &opts));
    CHECK_EQ(C4P_IDLE_AUTO, opts.idle);
    CHECK_OK(read_with("C4PY_IDLE", "spin", &opts));
    CHECK_EQ(C4P_IDLE_SPIN, opts.idle);
    CHECK_OK(read_with("C4PY_IDLE", "yield", &opts));
    CHECK_EQ(C4P_IDLE_YIELD, opts.idle);
    CHECK_OK(read_with("C4PY_IDLE", "sleep", &opts));
    CHECK_EQ(C4P_IDLE_SLEEP, opts.idle);
}

static void
the_log_level_takes_effect_at_once(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    c4pi_port_t *port = start();
    setenv("C4PY_LOG", "info", 1);
    CHECK_OK(c4pi_env_read(port, &opts));
    CHECK_EQ(C4P_LOG_INFO, port->log_level);
    c4pi_port_free(start());
    c4pi_port_free(port);
}

static void
zero_switches_batching_off_and_an_empty_value_is_none(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    CHECK_OK(read_with("C4PY_BATCH_BYTES", "0", &opts));
    CHECK_EQ(0, opts.batch_bytes);
    CHECK_OK(read_with("C4PY_BATCH_BYTES", "", &opts));
    CHECK_EQ(256, opts.batch_bytes);
}

static void
numbers_are_read_in_all_notations(void)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {{"0", 0},
                {"64", 64},
                {"0x40", 64},
                {"0XfF", 255},
                {"64K", 65536},
                {"8M", 8388608},
                {"1g", 1073741824},
                {"18446744073709551615", UINT64_MAX},
                {"0xffffffffffffffff", UINT64_MAX},
                {"17179869183G", 18446744072635809792u},
                {"2^31", 2147483648u},
                {"2^31-5", 2147483643u},
                {"2^32+1", 4294967297u},
                {"2^63-5", 9223372036854775803u},
                {"2^0", 1}};
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "-1",
                                      "+1",
                                      "1.5",
                                      "1e3",
                                      "0x",
                                      "x40",
                                      "0xg",
                                      "64KB",
                                      "K",
                                      "2^",
                                      "2^64",
                                      "3^2",
                                      "2^31-",
                                      "1-2",
                                      "18446744073709551616",
                                      "0x1ffffffffffffffff",
                                      "17179869184G",
                                      "2^63+18446744073709551615",
                                      "abc",
                                      "1K2",
                                      "0x10K"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t value = 12345;
        CHECK(c4pi_env_number(good[i].text, &value));
        CHECK_EQ(good[i].value, value);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t value = 12345;
        if (c4pi_env_number(bad[i], &value) || value != 12345)
            FAIL("\"%s\" was taken for a number", bad[i]);
    }
}

static void
counters_can_start_just_below_a_power_of_two(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    CHECK_OK(read_with("C4PY_TEST_COUNTER_BASE", "2^63-5", &opts));
    CHECK_EQ(((uint64_t)1 << 63) - 5, opts.counter_base);
}

static void
a_bad_value_is_answered_with_the_allowed_ones(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    CHECK_STATUS(C4P_ERR_OPTION, read_with("C4PY_STALL", "never", &opts));
    CHECK_STR_EQ("c4py: C4PY_STALL=never is not allowed; allowed values: abort|warn|off\n",
                 record.text);
    CHECK_STATUS(C4P_ERR_OPTION, read_with("C4PY_RING", "many", &opts));
    CHECK_STR_HAS("C4PY_RING=many", record.text);
    CHECK_STR_HAS("from 2 to 65536", record.text);
    CHECK_STATUS(C4P_ERR_OPTION, read_with("C4PY_RING", "1", &opts));
    CHECK_STATUS(C4P_ERR_OPTION, read_with("C4PY_RING", "4G", &opts));
    CHECK_STATUS(C4P_ERR_OPTION, read_with("C4PY_STALL", "warn|off", &opts));
    CHECK_STATUS(C4P_ERR_OPTION, read_with("C4PY_STALL", "war", &opts));
    CHECK_STATUS(C4P_ERR_OPTION, read_with("C4PY_SEED", "lucky", &opts)); /* is read elsewhere */
    CHECK_STATUS(C4P_ERR_OPTION, read_with("C4PY_TRACE_WAITERS", "yes", &opts));
}

static void
all_mistakes_are_reported_together(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    c4pi_port_t *port = start();
    setenv("C4PY_STALL", "never", 1);
    setenv("C4PY_RING", "-1", 1);
    setenv("C4PY_FAIL_ALLOC", "x", 1);
    CHECK_STATUS(C4P_ERR_OPTION, c4pi_env_read(port, &opts));
    CHECK_EQ(3, record.lines);
    c4pi_port_free(start());
    c4pi_port_free(port);
}

static void
a_bad_option_of_the_host_is_refused_too(void)
{
    c4p_opts_t opts = C4P_OPTS_INIT;
    c4pi_port_t *port = start();
    opts.ring_slots = 1;
    CHECK_STATUS(C4P_ERR_OPTION, c4pi_env_read(port, &opts));
    CHECK_STR_HAS("C4PY_RING", record.text);
    opts = (c4p_opts_t)C4P_OPTS_INIT;
    opts.stall = (c4p_stall_mode_t)17;
    CHECK_STATUS(C4P_ERR_OPTION, c4pi_env_read(port, &opts));
    CHECK_STR_HAS("C4PY_STALL", record.text);
    opts = (c4p_opts_t)C4P_OPTS_INIT;
    opts.log_level = C4P_LOG_DEBUG; /* the last word is still allowed */
    CHECK_OK(c4pi_env_read(port, &opts));
    c4pi_port_free(port);
}

/* ---- older and newer callers ----------------------------------------------------------------- */

static void
the_struct_of_an_older_program_is_understood(void)
{
    /* Only the first fields exist; what lies behind them is not ours. */
    size_t old_size = offsetof(c4p_opts_t, stall_after_ms);
    unsigned char *bytes = malloc(old_size);
    c4p_opts_t opts = C4P_OPTS_INIT, copy;
    opts.stall = C4P_STALL_WARN;
    opts.struct_size = old_size;
    memcpy(bytes, &opts, old_size);

    CHECK_OK(c4pi_opts_copy((const c4p_opts_t *)(const void *)bytes, &copy));
    CHECK_EQ(sizeof(c4p_opts_t), copy.struct_size);
    CHECK_EQ(C4P_STALL_WARN, copy.stall);
    CHECK_EQ(0, copy.stall_after_ms);
    CHECK_EQ(0, copy.bcast_log);

    c4pi_port_t *port = start();
    setenv("C4PY_RING", "8", 1); /* has no room there */
    CHECK_OK(c4pi_env_read(port, (c4p_opts_t *)(void *)bytes));
    memcpy(&opts, bytes, old_size);
    CHECK_EQ(old_size, opts.struct_size);
    CHECK_EQ(C4P_LOG_WARN, opts.log_level);
    c4pi_port_free(start());
    c4pi_port_free(port);
    free(bytes);
}

static void
a_newer_program_may_not_set_what_is_unknown_here(void)
{
    struct {
        c4p_opts_t known;
        uint64_t unknown;
    } newer = {.known = {.struct_size = sizeof(newer), .ring_slots = 9}};
    c4p_opts_t copy;
    CHECK_OK(c4pi_opts_copy(&newer.known, &copy));
    CHECK_EQ(9, copy.ring_slots);
    CHECK_EQ(sizeof(copy), copy.struct_size);
    newer.unknown = 1;
    CHECK_STATUS(C4P_ERR_ARG, c4pi_opts_copy(&newer.known, &copy));
}

static void
options_without_a_size_are_refused(void)
{
    c4p_opts_t opts = {.struct_size = 0}, copy = {.struct_size = 77};
    CHECK_STATUS(C4P_ERR_ARG, c4pi_opts_copy(&opts, &copy));
    CHECK_EQ(77, copy.struct_size); /* untouched */
    CHECK_OK(c4pi_opts_copy(NULL, &copy));
    CHECK_EQ(sizeof(copy), copy.struct_size);
}

/* ---- names ----------------------------------------------------------------------------------- */

static void
an_unknown_name_is_reported_with_the_nearest(void)
{
    char unknown[] = "C4PY_STAL=off", known[] = "C4PY_RING=4", other[] = "HOME=/",
         no_value[] = "C4PY_";
    char strange[] = "C4PY_WIBBLEWOBBLE=1";
    char *good[] = {known, other, NULL}, *bad[] = {other, unknown, strange, no_value, known, NULL};
    c4pi_port_t *port = start();
    CHECK_OK(c4pi_env_check_names(port, good));
    CHECK_EQ(0, record.lines);
    CHECK_STATUS(C4P_ERR_OPTION, c4pi_env_check_names(port, bad));
    CHECK_EQ(3, record.lines);
    CHECK_STR_HAS("C4PY_STAL, which is no setting; did you mean C4PY_STALL?", record.text);
    CHECK_STR_HAS("C4PY_WIBBLEWOBBLE, which is no setting; unset it", record.text);
    c4pi_port_free(port);
}

static void
a_very_long_unknown_name_does_no_harm(void)
{
    static char entry[5000] = "C4PY_";
    char *envp[] = {entry, NULL};
    memset(entry + 5, 'X', sizeof(entry) - 6);
    c4pi_port_t *port = start();
    CHECK_STATUS(C4P_ERR_OPTION, c4pi_env_check_names(port, envp));
    CHECK_EQ(1, record.lines);
    c4pi_port_free(port);
}

static void
the_nearest_candidate_is_found_only_if_near(void)
{
    static const char *const names[] = {"work", "worker", "result", "done", NULL};
    CHECK_STR_EQ("work", c4pi_nearest("work", names));
    CHECK_STR_EQ("work", c4pi_nearest("wrok", names)); /* two neighbours swapped: one edit */
    CHECK_STR_EQ("work", c4pi_nearest("wor", names));
    CHECK_STR_EQ("worker", c4pi_nearest("workre", names));
    CHECK_STR_EQ("result", c4pi_nearest("resutl", names));
    CHECK_STR_EQ("result", c4pi_nearest("reslt", names));
    CHECK_STR_EQ("done", c4pi_nearest("doen", names));
    CHECK_EQ(NULL, c4pi_nearest("wxyz", names));
    CHECK_EQ(NULL, c4pi_nearest("dxxe", names)); /* two edits of four letters */
    CHECK_EQ(NULL, c4pi_nearest("", names));
    CHECK_EQ(NULL, c4pi_nearest("work", names + 4));
}

static void
the_table_explains_every_setting(void)
{
    int count = 0;
    for (const c4pi_setting_t *s = c4pi_env_table(); s->name; s++, count++) {
        CHECK(strncmp(s->name, "C4PY_", 5) == 0);
        CHECK(s->values[0] && s->meaning[0]);
        CHECK(strlen(s->name) <= 40);
        CHECK(!strchr(s->meaning, '\n'));
        for (const c4pi_setting_t *t = c4pi_env_table(); t != s; t++)
            CHECK(strcmp(s->name, t->name) != 0);
    }
    CHECK(count >= 14);
}

/* A default that its own rule refuses would only be noticed by users. */
static void
every_default_is_allowed(void)
{
    for (const c4pi_setting_t *s = c4pi_env_table(); s->name; s++) {
        c4p_opts_t opts = C4P_OPTS_INIT, defaults = C4P_OPTS_INIT;
        if (!s->deflt[0])
            continue;
        CHECK_OK(read_with(s->name, s->deflt, &opts));
        CHECK_OK(read_with(s->name, "", &defaults));
        CHECK_MEM_EQ(&defaults, &opts, sizeof(opts));
    }
}

TEST_CASES(without_settings_the_documented_defaults_hold,
           the_environment_wins_over_the_struct_and_the_struct_over_the_default,
           every_word_has_its_value, the_log_level_takes_effect_at_once,
           zero_switches_batching_off_and_an_empty_value_is_none, numbers_are_read_in_all_notations,
           counters_can_start_just_below_a_power_of_two,
           a_bad_value_is_answered_with_the_allowed_ones, all_mistakes_are_reported_together,
           a_bad_option_of_the_host_is_refused_too, the_struct_of_an_older_program_is_understood,
           a_newer_program_may_not_set_what_is_unknown_here, options_without_a_size_are_refused,
           an_unknown_name_is_reported_with_the_nearest, a_very_long_unknown_name_does_no_harm,
           the_nearest_candidate_is_found_only_if_near, the_table_explains_every_setting,
           every_default_is_allowed)
