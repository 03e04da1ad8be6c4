/* SPDX-License-Identifier: Apache-2.0 */
/* env.c: the table of settings, how values are read, and what is said about bad ones. */
#include "base/env.h"

#include <string.h>

/* The field of c4p_opts_t that takes the value; settings that other modules read for themselves
 * have none. */
#define FIELD(member) offsetof(c4p_opts_t, member), sizeof(((c4p_opts_t *)0)->member)
#define NO_FIELD      0, 0

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)

/* Name, values, default, meaning, field, least, most. `values` is a list of words, of which the
 * n-th means least + n, or the kind of a number between least and most, or "text", or "program" for
 * what only the programs read that start a job. */
static const c4pi_setting_t settings[] = {
    {"C4PY_LOG", "error|warn|info|debug", "warn", "least important lines that are logged",
     FIELD(log_level), C4P_LOG_ERROR, 0},
    {"C4PY_STALL", "abort|warn|off", "abort", "what to do when all is quiet while something waits",
     FIELD(stall), 0, 0},
    {"C4PY_STALL_AFTER_MS", "ms", "500", "quiet time before the job is examined for a stall",
     FIELD(stall_after_ms), 1, 86400000},
    {"C4PY_IDLE", "auto|spin|yield|sleep", "auto", "how a rank without work waits", FIELD(idle), 0,
     0},
    {"C4PY_CREDIT_BYTES", "bytes", "8M", "unprocessed bytes of small messages per pair of ranks",
     FIELD(credit_bytes), 4 * KIB, (uint64_t)1 << 62},
    {"C4PY_SMALL_BYTES", "bytes", "4032", "largest message, with envelope, that is sent at once",
     FIELD(small_bytes), 256, MIB},
    {"C4PY_SHARED_BYTES", "bytes", "128M",
     "memory per rank for messages within a host; 0: they go through MPI", FIELD(shared_bytes), 0,
     (uint64_t)1 << 46},
    {"C4PY_RING", "number", "64", "preposted receives", FIELD(ring_slots), 2, 65536},
    {"C4PY_BATCH_BYTES", "bytes", "256", "messages up to this size are batched; 0: none is",
     FIELD(batch_bytes), 0, 2 * KIB},
    {"C4PY_LOC_CACHE", "number", "65536", "places of moved elements that a rank remembers",
     FIELD(loc_cache), 1, (uint64_t)1 << 30},
    {"C4PY_BCAST_LOG", "number", "64", "broadcasts kept per collection before they are released",
     FIELD(bcast_log), 1, MIB},
    {"C4PY_TEST_COUNTER_BASE", "number", "0", "first value of all sequence counters, for tests",
     FIELD(counter_base), 0, UINT64_MAX},
    {"C4PY_TEST_HOSTS", "number", "0",
     "one digit for each rank in turn: the host on which it behaves as if it were, for tests",
     FIELD(test_hosts), 0, UINT64_MAX},
    {"C4PY_SEED", "number", "", "seed of the runtime's random numbers; random by default", NO_FIELD,
     0, UINT64_MAX},
    {"C4PY_CHAOS", "text", "", "rare behaviour from a seed, for tests: see docs/testing.md",
     NO_FIELD, 0, 0},
    {"C4PY_FAIL_ALLOC", "number", "0", "let this allocation of each rank fail, for tests; 0: none",
     NO_FIELD, 0, UINT64_MAX},
    {"C4PY_QUIET", "0|1", "0", "no banner at start", NO_FIELD, 0, 0},
    {"C4PY_PYTHON", "text", "", "the Python interpreter whose packages are used", NO_FIELD, 0, 0},
    {"C4PY_MPIEXEC", "program", "", "the mpirun that charmrun calls", NO_FIELD, 0, 0},
    {"C4PY_LAUNCHER", "program", "", "what charmrun starts on each rank", NO_FIELD, 0, 0},
    {"C4PY_BALANCER", "text", "",
     "strategies of load balancing with commas between, see docs/load-balancing.md", NO_FIELD, 0,
     0},
    {"C4PY_BALANCE_RECORD", "text", "", "where loads are recorded for python -m c4py.balance",
     NO_FIELD, 0, 0},
    {"C4PY_CHECKPOINT", "text", "", "directory for the checkpoints of this run", NO_FIELD, 0, 0},
    {"C4PY_CHECKPOINT_KEY", "text", "",
     "file with the key that checkpoints are sealed with, see docs/checkpoint.md", NO_FIELD, 0, 0},
    {"C4PY_EVERY", "text", "", "time from one checkpoint to the next, as 90s, 10m or 1h30m",
     NO_FIELD, 0, 0},
    {"C4PY_WALLTIME", "text", "",
     "time after which the run writes a checkpoint and ends with status 85", NO_FIELD, 0, 0},
    {"C4PY_STOP_FILE", "text", "",
     "file that asks for a checkpoint and the end of the run, with status 85, by being there",
     NO_FIELD, 0, 0},
    {"C4PY_USR2", "exit|go-on", "exit", "what follows the checkpoint that SIGUSR2 asks for",
     NO_FIELD, 0, 0},
    {"C4PY_RESTART", "text", "",
     "checkpoint to go on from; auto: that of this run, if there is one", NO_FIELD, 0, 0},
    {"C4PY_TRUST_CHECKPOINT", "0|1", "0", "let a checkpoint use any class and function", NO_FIELD,
     0, 0},
    {"C4PY_TRACE_WAITERS", "0|1", "0", "remember file and line of all that waits, for reports",
     NO_FIELD, 0, 0},
    {NULL, NULL, NULL, NULL, NO_FIELD, 0, 0},
};

enum { NUM_SETTINGS = sizeof(settings) / sizeof(settings[0]) - 1 };

const c4pi_setting_t *
c4pi_env_table(void)
{
    return settings;
}

/* ---- options --------------------------------------------------------------------------------- */

c4p_status_t
c4pi_opts_copy(const c4p_opts_t *in, c4p_opts_t *out)
{
    size_t known = sizeof(*out), given = in ? in->struct_size : known;
    if (given < sizeof(in->struct_size))
        return C4P_ERR_ARG;
    for (size_t i = known; i < given; i++) {
        if (((const unsigned char *)in)[i])
            return C4P_ERR_ARG;
    }
    memset(out, 0, sizeof(*out));
    if (in)
        memcpy(out, in, given < known ? given : known);
    out->struct_size = known;
    return C4P_OK;
}

static uint64_t
field_get(const c4p_opts_t *opts, const c4pi_setting_t *setting)
{
    uint32_t v32;
    uint64_t v64;
    const char *at = (const char *)opts + setting->offset;
    if (setting->size == sizeof(v32))
        return memcpy(&v32, at, sizeof(v32)), v32;
    return memcpy(&v64, at, sizeof(v64)), v64;
}

static void
field_set(c4p_opts_t *opts, const c4pi_setting_t *setting, uint64_t value)
{
    uint32_t v32 = (uint32_t)value;
    char *at = (char *)opts + setting->offset;
    if (setting->size == sizeof(v32))
        memcpy(at, &v32, sizeof(v32));
    else
        memcpy(at, &value, sizeof(value));
}

/* ---- values ---------------------------------------------------------------------------------- */

static int
digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

/* Digits from *text on, which advances past them; false if there are none or they need more than 64
 * bits. */
static bool
read_digits(const char **text, int base, uint64_t *value_out)
{
    const char *s = *text;
    uint64_t value = 0;
    for (; digit_value(*s) < base; s++) {
        if (__builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit_value(*s), &value))
            return false;
    }
    if (s == *text)
        return false;
    *text = s;
    *value_out = value;
    return true;
}

static int
suffix_shift(char c)
{
    switch (c) {
    case 'k':
    case 'K':
        return 10;
    case 'm':
    case 'M':
        return 20;
    case 'g':
    case 'G':
        return 30;
    default:
        return 0;
    }
}

bool
c4pi_env_number(const char *text, uint64_t *value_out)
{
    uint64_t value, more;
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    text += hex ? 2 : 0;
    if (!read_digits(&text, hex ? 16 : 10, &value))
        return false;
    if (!hex && value == 2 && *text == '^') {
        text++;
        if (!read_digits(&text, 10, &more) || more > 63)
            return false;
        value = (uint64_t)1 << more;
    } else if (!hex && suffix_shift(*text)) {
        int shift = suffix_shift(*text++);
        if (value > UINT64_MAX >> shift)
            return false;
        value <<= shift;
    }
    if (*text == '-' || *text == '+') {
        bool minus = *text++ == '-';
        if (!read_digits(&text, 10, &more) || (minus ? __builtin_sub_overflow(value, more, &value)
                                                     : __builtin_add_overflow(value, more, &value)))
            return false;
    }
    if (*text)
        return false;
    *value_out = value;
    return true;
}

/* Which word of "a|b|c" is `text`, counted from 0; -1 for none. */
static int
word_place(const char *words, const char *text)
{
    size_t len = strlen(text);
    for (int place = 0;; place++) {
        size_t n = strcspn(words, "|");
        if (n == len && memcmp(words, text, n) == 0)
            return place;
        if (!words[n])
            return -1;
        words += n + 1;
    }
}

/* The value that `text` means for a setting; false if it is not allowed. */
static bool
value_parse(const c4pi_setting_t *setting, const char *text, uint64_t *value_out)
{
    if (strcmp(setting->values, "text") == 0 || strcmp(setting->values, "program") == 0)
        return true;
    if (strchr(setting->values, '|')) {
        int place = word_place(setting->values, text);
        *value_out = setting->least + (uint64_t)(place < 0 ? 0 : place);
        return place >= 0;
    }
    return c4pi_env_number(text, value_out) && *value_out >= setting->least &&
           *value_out <= setting->most;
}

/* May a host's program have put this value into c4p_opts_t? */
static bool
value_allowed(const c4pi_setting_t *setting, uint64_t value)
{
    uint64_t most = setting->most;
    if (strchr(setting->values, '|')) {
        most = setting->least;
        for (const char *bar = setting->values; (bar = strchr(bar, '|')) != NULL; bar++)
            most++;
    }
    return value >= setting->least && value <= most;
}

static void
log_bad_value(c4pi_port_t *port, const c4pi_setting_t *setting, const char *text)
{
    if (strchr(setting->values, '|'))
        c4pi_log(port, C4P_LOG_ERROR, "%s=%s is not allowed; allowed values: %s", setting->name,
                 text, setting->values);
    else
        c4pi_log(port, C4P_LOG_ERROR,
                 "%s=%s is not allowed; allowed: a number (%s) from %llu to %llu, such as %s",
                 setting->name, text, setting->values, (unsigned long long)setting->least,
                 (unsigned long long)setting->most, setting->deflt[0] ? setting->deflt : "1");
}

/* Apply one setting: environment, else what the struct has, else the default. */
static c4p_status_t
setting_read(c4pi_port_t *port, c4p_opts_t *opts, const c4pi_setting_t *setting)
{
    bool fits = setting->size && setting->offset + setting->size <= opts->struct_size;
    const char *text = port->ops->getenv(port, setting->name);
    uint64_t value = fits ? field_get(opts, setting) : 0;
    if (text && *text) {
        if (!value_parse(setting, text, &value)) {
            log_bad_value(port, setting, text);
            return C4P_ERR_OPTION;
        }
    } else if (value == 0) {
        value_parse(setting, setting->deflt, &value);
    } else if (!value_allowed(setting, value)) {
        c4pi_log(port, C4P_LOG_ERROR,
                 "the option of c4p_opts_t that %s would set is %llu, which is not allowed",
                 setting->name, (unsigned long long)value);
        return C4P_ERR_OPTION;
    }
    if (fits)
        field_set(opts, setting, value);
    return C4P_OK;
}

c4p_status_t
c4pi_env_read(c4pi_port_t *port, c4p_opts_t *opts)
{
    c4p_status_t st = C4P_OK;
    for (int i = 0; i < NUM_SETTINGS; i++) {
        if (setting_read(port, opts, &settings[i]) != C4P_OK)
            st = C4P_ERR_OPTION;
    }
    if (st == C4P_OK &&
        opts->struct_size >= offsetof(c4p_opts_t, log_level) + sizeof(opts->log_level))
        port->log_level = opts->log_level;
    return st;
}

/* ---- names ----------------------------------------------------------------------------------- */

enum { LONGEST_WORD = 64 };

/* Least number of characters to insert, delete, replace or swap with a neighbour to turn a into b.
 */
static size_t
edit_distance(const char *a, size_t len_a, const char *b, size_t len_b)
{
    size_t rows[3][LONGEST_WORD + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= len_b; j++)
        last[j] = j;
    for (size_t i = 1; i <= len_a; i++) {
        row[0] = i;
        for (size_t j = 1; j <= len_b; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[len_b];
}

const char *
c4pi_nearest(const char *word, const char *const *candidates)
{
    size_t len = strlen(word);
    size_t limit = len / 3 > 1 ? len / 3 : 1;
    const char *best = NULL;
    if (len > LONGEST_WORD)
        return NULL;
    for (; *candidates; candidates++) {
        size_t candidate_len = strlen(*candidates);
        if (candidate_len > LONGEST_WORD)
            continue;
        size_t distance = edit_distance(word, len, *candidates, candidate_len);
        if (distance < limit || (distance == limit && !best)) {
            best = *candidates;
            limit = distance;
        }
    }
    return best;
}

static bool
is_known(const char *name, size_t len)
{
    for (int i = 0; i < NUM_SETTINGS; i++) {
        if (strlen(settings[i].name) == len && memcmp(settings[i].name, name, len) == 0)
            return true;
    }
    return false;
}

static void
log_unknown(c4pi_port_t *port, const char *entry, size_t len)
{
    char name[LONGEST_WORD + 1] = "";
    const char *names[NUM_SETTINGS + 1];
    for (int i = 0; i <= NUM_SETTINGS; i++)
        names[i] = settings[i].name;
    if (len <= LONGEST_WORD)
        memcpy(name, entry, len);
    const char *nearest = name[0] ? c4pi_nearest(name, names) : NULL;
    if (nearest)
        c4pi_log(port, C4P_LOG_ERROR,
                 "the environment has %.*s, which is no setting; did you mean %s?", (int)len, entry,
                 nearest);
    else
        c4pi_log(port, C4P_LOG_ERROR,
                 "the environment has %.*s, which is no setting; unset it (names that start with "
                 "C4PY_ are reserved)",
                 (int)len, entry);
}

c4p_status_t
c4pi_env_check_names(c4pi_port_t *port, char *const *envp)
{
    c4p_status_t st = C4P_OK;
    for (; *envp; envp++) {
        size_t len = strcspn(*envp, "=");
        if (strncmp(*envp, "C4PY_", 5) == 0 && !is_known(*envp, len)) {
            log_unknown(port, *envp, len < 1000 ? len : 1000);
            st = C4P_ERR_OPTION;
        }
    }
    return st;
}
