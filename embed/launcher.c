/* SPDX-License-Identifier: Apache-2.0 */
/* launcher.c: main() of c4py_launcher: its own options, then the program, run as python would. */
#define _GNU_SOURCE
#include "interp.h"

#include <c4p/runtime.h>
#include <c4p/version.h>

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

extern char **environ;

enum { EXIT_USAGE = 2, EXIT_NO_INPUT = 66, MAX_NAME = 64, MAX_OPTIONS = 64 };

typedef enum command { RUN, HELP, VERSION, INFO } command_t;

/* ---- options from the table of settings ---------------------------------------------------------- */

/* "C4PY_STALL_AFTER_MS" -> "stall-after-ms" */
static void
option_name(const char *setting, char *name)
{
    size_t i = 0;
    for (setting += strlen("C4PY_"); *setting != '\0' && i < MAX_NAME - 1; setting++)
        name[i++] = *setting == '_' ? '-' : (char)tolower((unsigned char)*setting);
    name[i] = '\0';
}

/* Settings of the programs that start the launcher are no options of it. */
static bool
is_option(const c4p_setting_t *setting)
{
    return strcmp(setting->values, "program") != 0;
}

static bool
find_setting(const char *word, size_t len, c4p_setting_t *out)
{
    char name[MAX_NAME];
    for (size_t n = 0; c4p_setting_get(n, out); n++) {
        option_name(out->name, name);
        if (is_option(out) && strlen(name) == len && strncmp(name, word, len) == 0)
            return true;
    }
    return false;
}

static bool
is_switch(const c4p_setting_t *setting)
{
    return strcmp(setting->values, "0|1") == 0;
}

/* ---- help ---------------------------------------------------------------------------------------- */

static void
print_settings(void)
{
    c4p_setting_t setting;
    char name[MAX_NAME], left[MAX_NAME + 40];
    puts("\nSettings, as options before the program or in the environment (--stall-after-ms is "
         "C4PY_STALL_AFTER_MS):");
    for (size_t n = 0; c4p_setting_get(n, &setting); n++) {
        if (!is_option(&setting))
            continue;
        option_name(setting.name, name);
        snprintf(left, sizeof(left), is_switch(&setting) ? "--%s" : "--%s=%s", name,
                 setting.values);
        printf("  %-34s %s", left, setting.meaning);
        if (*setting.default_value != '\0' && !is_switch(&setting))
            printf(" (default %s)", setting.default_value);
        putchar('\n');
    }
}

static int
print_help(void)
{
    puts("usage: c4py_launcher [options] program.py [arguments]\n"
         "       c4py_launcher [options] -m module [arguments]\n"
         "       c4py_launcher [options] -c command [arguments]\n"
         "       c4py_launcher [options] - [arguments]\n"
         "\n"
         "Runs a Python program whose objects are chares. Under mpirun every rank runs it; alone "
         "it is a job of one rank.\n"
         "\n"
         "  -h, --help       this text\n"
         "  -V, --version    version of C4Py\n"
         "      --info       what it was built with and what it finds: MPI, Python, packages");
    print_settings();
    puts("\nExamples:\n"
         "  mpirun -n 4 c4py_launcher main.py input.txt\n"
         "  c4py_launcher main.py                                 one rank, without mpirun\n"
         "  mpirun -n 2 c4py_launcher --stall=warn main.py        go on when the program seems to "
         "hang\n"
         "  mpirun -n 2 c4py_launcher -m package.module\n"
         "\n"
         "Exit status: that of charm.exit(), or 1 after an exception, 2 for bad usage, 66 for a "
         "missing program, 75 for a\n"
         "stall; docs/running.md has the full list.");
    return 0;
}

/* ---- the command line ---------------------------------------------------------------------------- */

static size_t
edit_distance(const char *a, const char *b)
{
    size_t row[MAX_NAME + 1];
    size_t n = strlen(b) < MAX_NAME ? strlen(b) : MAX_NAME;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t above = row[j];
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            best = above + 1 < best ? above + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[n];
}

static bool
is_near(const char *given, const char *name)
{
    return edit_distance(given, name) <= 1 + strlen(given) / 3;
}

static int
unknown_option(const char *word)
{
    char names[MAX_OPTIONS][MAX_NAME] = {"help", "version", "info"};
    size_t count = 3, best = 0;
    c4p_setting_t setting;
    char given[MAX_NAME];
    for (size_t n = 0; count < MAX_OPTIONS && c4p_setting_get(n, &setting); n++)
        if (is_option(&setting))
            option_name(setting.name, names[count++]);
    snprintf(given, sizeof(given), "%.*s", (int)strcspn(word + strspn(word, "-"), "="),
             word + strspn(word, "-"));
    for (size_t i = 1; i < count; i++)
        if (edit_distance(given, names[i]) < edit_distance(given, names[best]))
            best = i;
    if (is_near(given, names[best]))
        c4pe_interp_say("there is no option '%s'; did you mean '--%s'? Options stand before the "
                        "program; --help lists them",
                        word, names[best]);
    else
        c4pe_interp_say(
            "there is no option '%s'; options stand before the program; --help lists them", word);
    return EXIT_USAGE;
}

/* "--stall=warn", "--stall warn", "--quiet". How many words it took; 0 if it is no option. */
static int
take_setting(int argc, char **argv)
{
    c4p_setting_t setting;
    const char *word = argv[0] + 2;
    size_t len = strcspn(word, "=");
    if (!find_setting(word, len, &setting))
        return 0;
    if (word[len] == '=') {
        setenv(setting.name, word + len + 1, 1);
        return 1;
    }
    if (is_switch(&setting)) {
        setenv(setting.name, "1", 1);
        return 1;
    }
    if (argc < 2) {
        c4pe_interp_say("the option '%s' needs a value: %s", argv[0], setting.values);
        return -1;
    }
    setenv(setting.name, argv[1], 1);
    return 2;
}

/* Read our options up to the program. 0; otherwise an exit status. */
static int
parse(int argc, char **argv, command_t *command, c4pe_program_t *program)
{
    int i = 1;
    while (i < argc && argv[i][0] == '-' && argv[i][1] != '\0') {
        const char *word = argv[i];
        if (strcmp(word, "-h") == 0 || strcmp(word, "--help") == 0) {
            *command = HELP;
            return 0;
        } else if (strcmp(word, "-V") == 0 || strcmp(word, "--version") == 0) {
            *command = VERSION;
            return 0;
        } else if (strcmp(word, "--info") == 0) {
            *command = INFO;
            i++;
        } else if (strcmp(word, "-m") == 0 || strcmp(word, "-c") == 0) {
            if (i + 1 >= argc) {
                c4pe_interp_say("the option '%s' needs a value", word);
                return EXIT_USAGE;
            }
            *(word[1] == 'm' ? &program->module : &program->command) = argv[i + 1];
            i += 2;
            break;
        } else if (strcmp(word, "--") == 0) {
            i++;
            break;
        } else {
            int taken = strncmp(word, "--", 2) == 0 ? take_setting(argc - i, argv + i) : 0;
            if (taken <= 0)
                return taken < 0 ? EXIT_USAGE : unknown_option(word);
            i += taken;
        }
    }
    if (program->module == NULL && program->command == NULL && i < argc) {
        program->from_stdin = strcmp(argv[i], "-") == 0;
        program->script = program->from_stdin ? NULL : argv[i];
        i++;
    }
    program->argc = argc - i;
    program->argv = argv + i;
    return 0;
}

static int
unknown_setting(const char *name)
{
    c4p_setting_t setting, best = {.name = NULL};
    for (size_t n = 0; c4p_setting_get(n, &setting); n++)
        if (best.name == NULL || edit_distance(name, setting.name) < edit_distance(name, best.name))
            best = setting;
    /* without the prefix, which all share */
    if (best.name != NULL && strlen(name) < MAX_NAME && is_near(name + 5, best.name + 5))
        c4pe_interp_say("the environment sets %s, which is no setting of C4Py; did you mean %s? "
                        "--help lists them",
                        name, best.name);
    else
        c4pe_interp_say("the environment sets %s, which is no setting of C4Py; --help lists them",
                        name);
    return EXIT_USAGE;
}

/* A misspelt setting in the environment must not be ignored silently. */
static int
check_environment(void)
{
    c4p_setting_t setting;
    char name[2 * MAX_NAME];
    for (char **at = environ; *at != NULL; at++) {
        bool known = strncmp(*at, "C4PY_", 5) != 0;
        size_t len = strcspn(*at, "=");
        for (size_t n = 0; !known && c4p_setting_get(n, &setting); n++)
            known = strlen(setting.name) == len && strncmp(setting.name, *at, len) == 0;
        if (known)
            continue;
        snprintf(name, sizeof(name), "%.*s", (int)len, *at);
        return unknown_setting(name);
    }
    return 0;
}

/* Does mpirun or srun say that there are more ranks than this one? */
static bool
started_with_others(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *ranks = getenv(names[i]);
        if (ranks != NULL)
            return strtol(ranks, NULL, 10) > 1;
    }
    return false;
}

static int
check_program(const c4pe_program_t *program)
{
    if (program->script == NULL && program->module == NULL && program->command == NULL &&
        !program->from_stdin) {
        c4pe_interp_say(
            "no program given; try: mpirun -n 4 c4py_launcher main.py (--help for more)");
        return EXIT_USAGE;
    }
    if (program->from_stdin && started_with_others()) {
        c4pe_interp_say(
            "a program from standard input (-) is for one rank, since mpirun gives it to "
            "rank 0 only; give a file, or -c CODE");
        return EXIT_USAGE;
    }
    if (program->script != NULL && access(program->script, R_OK) != 0) {
        char cwd[4096];
        c4pe_interp_say("cannot read the program '%s' (in %s): %s", program->script,
                        getcwd(cwd, sizeof(cwd)) ? cwd : "?", strerror(errno));
        return EXIT_NO_INPUT;
    }
    return 0;
}

/* Ranks shall not outlive the mpirun that started them. */
static void
die_with_parent(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (getenv(names[i]) != NULL) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            return;
        }
}

int
main(int argc, char **argv)
{
    command_t command = RUN;
    c4pe_program_t program = {0};
    int status = parse(argc, argv, &command, &program);
    if (status != 0)
        return status;
    if (command == HELP)
        return print_help();
    if (command == VERSION)
        return printf("C4Py %s\n", c4p_version_string()) < 0;
    if (command == RUN &&
        ((status = check_environment()) != 0 || (status = check_program(&program)) != 0))
        return status;
    die_with_parent();
    if ((status = c4pe_interp_start(&program)) != 0)
        return status;
    return command == INFO ? c4pe_interp_info() : c4pe_interp_run();
}
