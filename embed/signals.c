/* SPDX-License-Identifier: Apache-2.0 */
/* signals.c: see signals.h. The handlers use only functions that are safe in a handler. */
#include "signals.h"

#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Signal handlers get no context, so this is the one piece of state that cannot hang off anything
 * else. */
static struct {
    volatile sig_atomic_t dump, rank, num_ranks, crashing;
    struct sigaction before[NSIG];
} shared = {.rank = -1};

/* ---- text without stdio -------------------------------------------------------------------------- */

static void
put(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));
    (void)n;
}

static void
put_number(unsigned long long v, unsigned base)
{
    char buf[24];
    char *at = buf + sizeof(buf) - 1;
    *at = '\0';
    do
        *--at = "0123456789abcdef"[v % base];
    while ((v /= base) != 0);
    put(at);
}

static const char *
signal_name(int sig)
{
    switch (sig) {
    case SIGSEGV:
        return "SIGSEGV (invalid memory access)";
    case SIGBUS:
        return "SIGBUS (bad memory access)";
    case SIGFPE:
        return "SIGFPE (arithmetic error)";
    case SIGILL:
        return "SIGILL (illegal instruction)";
    case SIGABRT:
        return "SIGABRT (abort)";
    default:
        return "a signal";
    }
}

/* ---- handlers ------------------------------------------------------------------------------------ */

static void
on_dump(int sig)
{
    (void)sig;
    shared.dump = 1;
}

/* Report, then let faulthandler (the handler before ours) print Python's stack and end the process
 * by the same signal. */
static void
on_crash(int sig, siginfo_t *info, void *context)
{
    (void)context;
    if (shared.crashing++ == 0) {
        void *frames[64];
        alarm(5); /* should printing the stack hang */
        put("c4py: error: rank ");
        if (shared.rank >= 0) {
            put_number((unsigned long long)shared.rank, 10);
            put("/");
            put_number((unsigned long long)shared.num_ranks, 10);
        } else {
            put("?");
        }
        put(" pid ");
        put_number((unsigned long long)getpid(), 10);
        put(" died of ");
        put(signal_name(sig));
        if (sig == SIGSEGV || sig == SIGBUS) {
            put(" at address 0x");
            put_number((unsigned long long)(uintptr_t)info->si_addr, 16);
        }
        put("\nC stack, innermost first:\n");
        backtrace_symbols_fd(frames, backtrace(frames, 64), STDERR_FILENO);
    }
    sigaction(sig, &shared.before[sig], NULL);
    raise(sig);
}

/* ---- installing ---------------------------------------------------------------------------------- */

static void
install(int sig, void (*fn)(int))
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = fn;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(sig, &action, NULL);
}

static void
install_crash(int sig)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = on_crash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&action.sa_mask);
    sigaction(sig, &action, &shared.before[sig]);
}

/* Python stacks: at once on SIGUSR1, and after a crash. */
static void
enable_faulthandler(void)
{
    PyObject *module = PyImport_ImportModule("faulthandler");
    PyObject *done = module ? PyObject_CallMethod(module, "enable", NULL) : NULL;
    Py_XDECREF(done);
    PyObject *method = done ? PyObject_GetAttrString(module, "register") : NULL;
    PyObject *args = method ? Py_BuildValue("(i)", SIGUSR1) : NULL;
    PyObject *kwargs =
        args ? Py_BuildValue("{s:O,s:O}", "all_threads", Py_True, "chain", Py_True) : NULL;
    done = kwargs ? PyObject_Call(method, args, kwargs) : NULL;
    Py_XDECREF(done);
    Py_XDECREF(kwargs);
    Py_XDECREF(args);
    Py_XDECREF(method);
    Py_XDECREF(module);
    PyErr_Clear(); /* standard error may be closed: then there is nothing to print on */
}

/* SIGTERM becomes SystemExit wherever Python code runs, as SIGINT becomes KeyboardInterrupt; the
 * scheduler looks for both. */
static void
end_on_sigterm(void)
{
    PyObject *ours = PyImport_ImportModule("c4py._c4py");
    PyObject *handler = ours ? PyObject_GetAttrString(ours, "_end_by_signal") : NULL;
    PyObject *module = handler ? PyImport_ImportModule("signal") : NULL;
    PyObject *done = module ? PyObject_CallMethod(module, "signal", "iO", SIGTERM, handler) : NULL;
    Py_XDECREF(done);
    Py_XDECREF(module);
    Py_XDECREF(handler);
    Py_XDECREF(ours);
    if (done == NULL)
        PyErr_Print();
}

PyObject *
c4pe_signals_end(PyObject *module, PyObject *args)
{
    c4pe_state_t *st = c4pe_state_of_module(module);
    int sig;
    PyObject *frame;
    if (!PyArg_ParseTuple(args, "iO:_end_by_signal", &sig, &frame))
        return NULL;
    if (st->rt != NULL && !st->exiting)
        c4p_log(st->rt, st->rank == 0 ? C4P_LOG_WARN : C4P_LOG_INFO, "told to end by signal %d",
                sig); /* all ranks get it when one of them ends the job */
    PyObject *code = PyLong_FromLong(128 + sig);
    if (code != NULL)
        PyErr_SetObject(PyExc_SystemExit, code);
    Py_XDECREF(code);
    return NULL;
}

void
c4pe_signals_install(void)
{
    void *frames[1];
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    (void)backtrace(frames, 1); /* loads libgcc now rather than in a handler */
    install(SIGUSR1, on_dump);  /* first, so that faulthandler chains to it */
    enable_faulthandler();
    end_on_sigterm();
    for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++)
        install_crash(crashes[i]);
}

void
c4pe_signals_attach(int rank, int num_ranks)
{
    shared.rank = rank;
    shared.num_ranks = num_ranks;
}

bool
c4pe_signals_take_dump(void)
{
    bool dump = shared.dump != 0;
    shared.dump = 0;
    return dump;
}
