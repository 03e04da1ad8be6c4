/* SPDX-License-Identifier: Apache-2.0 */
/* interp.c: see interp.h. */
#include "interp.h"

#include "module.h"
#include "signals.h"

#include <ctype.h>
#include <dlfcn.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- talking ------------------------------------------------------------------------------------- */

bool
c4pe_interp_is_first(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                        "SLURM_PROCID", NULL};
    for (int i = 0; names[i] != NULL; i++) {
        const char *rank = getenv(names[i]);
        if (rank != NULL)
            return strcmp(rank, "0") == 0;
    }
    return true;
}

void
c4pe_interp_say(const char *fmt, ...)
{
    va_list ap;
    if (!c4pe_interp_is_first())
        return;
    va_start(ap, fmt);
    fputs("c4py_launcher: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

/* The same to whom the program says. */
static void
tell(const c4pe_program_t *program, const char *fmt, ...)
{
    char line[2 * PATH_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    if (program->say != NULL)
        program->say(program->say_ctx, line);
    else
        c4pe_interp_say("%s", line);
}

/* ---- paths --------------------------------------------------------------------------------------- */

static bool
exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

/* The folder of the launcher itself, without '/' at the end. */
static bool
own_folder(const c4pe_program_t *program, char *buf, size_t size)
{
    if (program->home != NULL) {
        snprintf(buf, size, "%s", program->home);
        return true;
    }
    ssize_t n = readlink("/proc/self/exe", buf, size - 1);
    if (n <= 0)
        return false;
    buf[n] = '\0';
    char *slash = strrchr(buf, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

/* Where the package is: beside the launcher in a build tree, or installed. */
static bool
package_folder(const c4pe_program_t *program, char *buf, size_t size)
{
    static const char *const places[] = {C4PE_BUILD_PYTHON_DIR, C4PE_INSTALL_PYTHON_DIR,
                                         C4PE_INSTALL_PYTHON_DIR_FROM_LIB};
    char bin[PATH_MAX], probe[2 * PATH_MAX];
    if (!own_folder(program, bin, sizeof(bin)))
        return false;
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(probe, sizeof(probe), "%s/%s/c4py/__init__.py", bin, places[i]);
        if (!exists(probe))
            continue;
        snprintf(probe, sizeof(probe), "%s/%s", bin, places[i]);
        char *full = realpath(probe, NULL);
        if (full == NULL)
            return false;
        snprintf(buf, size, "%s", full);
        free(full);
        return true;
    }
    return false;
}

/* ---- which environment --------------------------------------------------------------------------- */

/* Read "version = 3.11.2" (venv) or "version_info = 3.11.2.final.0" (virtualenv); false if there is
 * none. */
static bool
venv_version(const char *root, int *major, int *minor)
{
    char path[PATH_MAX], line[512];
    snprintf(path, sizeof(path), "%s/pyvenv.cfg", root);
    FILE *file = fopen(path, "r");
    bool found = false;
    if (file == NULL)
        return false;
    while (!found && fgets(line, sizeof(line), file) != NULL)
        found = sscanf(line, " version = %d.%d", major, minor) == 2 ||
                sscanf(line, " version_info = %d.%d", major, minor) == 2;
    fclose(file);
    return found;
}

/* The python of an active virtual environment that fits; false if none is active or it does not
 * fit, which is said. */
static bool
python_of_venv(const c4pe_program_t *program, char *buf, size_t size)
{
    const char *root = getenv("VIRTUAL_ENV");
    int major = 0, minor = 0;
    if (root == NULL || *root == '\0')
        return false;
    if (!venv_version(root, &major, &minor)) {
        tell(program, "the environment %s has no pyvenv.cfg that names a version; running %s", root,
             C4PE_PYTHON_EXECUTABLE);
        return false;
    }
    if (major != PY_MAJOR_VERSION || minor != PY_MINOR_VERSION) {
        tell(program,
             "the active environment %s is of Python %d.%d, this launcher is of Python "
             "%d.%d (%s): its packages are not used",
             root, major, minor, PY_MAJOR_VERSION, PY_MINOR_VERSION, C4PE_PYTHON_EXECUTABLE);
        return false;
    }
    snprintf(buf, size, "%s/bin/python", root);
    return exists(buf);
}

/* A conda environment can be used only by a launcher that was built for it: it has a libpython of
 * its own. */
static void
mention_conda(const c4pe_program_t *program)
{
    const char *root = getenv("CONDA_PREFIX");
    const char *base = getenv("CONDA_DEFAULT_ENV");
    if (root == NULL || *root == '\0' || strncmp(C4PE_PYTHON_EXECUTABLE, root, strlen(root)) == 0)
        return;
    if (base != NULL && strcmp(base, "base") == 0)
        return; /* always active on many machines */
    tell(program,
         "the active conda environment %s is not used: this launcher was built for %s; "
         "build it inside that environment",
         root, C4PE_PYTHON_EXECUTABLE);
}

/* The executable that Python shall take for its own: it decides which packages are found. False if
 * the one that was asked for is none, which is said. */
static bool
choose_python(const c4pe_program_t *program, char *buf, size_t size)
{
    const char *asked = getenv("C4PY_PYTHON");
    struct stat info;
    if (asked != NULL && *asked != '\0') {
        snprintf(buf, size, "%s", asked);
        if (stat(buf, &info) == 0 && S_ISREG(info.st_mode) && access(buf, X_OK) == 0)
            return true;
        tell(program,
             "C4PY_PYTHON (--python) names %s, which is no executable file; give the path of a "
             "python, such as %s",
             asked, C4PE_PYTHON_EXECUTABLE);
        return false;
    }
    if (python_of_venv(program, buf, size))
        return true;
    mention_conda(program);
    snprintf(buf, size, "%s", C4PE_PYTHON_EXECUTABLE);
    return true;
}

/* ---- configuration ------------------------------------------------------------------------------- */

static PyStatus
set_argv(PyConfig *config, const c4pe_program_t *program)
{
    const char *name = program->hosted       ? program->name
                       : program->command    ? "-c"
                       : program->module     ? "-m"
                       : program->script     ? program->script
                       : program->from_stdin ? "-"
                                             : "";
    char **argv = calloc((size_t)program->argc + 2, sizeof(char *));
    if (argv == NULL)
        return PyStatus_NoMemory();
    argv[0] = (char *)name;
    for (int i = 0; i < program->argc; i++)
        argv[i + 1] = program->argv[i];
    PyStatus status = PyConfig_SetBytesArgv(config, program->argc + 1, argv);
    free(argv);
    return status;
}

static PyStatus
set_bytes(PyConfig *config, wchar_t **field, const char *text)
{
    return text ? PyConfig_SetBytesString(config, field, text) : PyStatus_Ok();
}

static PyStatus
configure(PyConfig *config, const c4pe_program_t *program, const char *python)
{
    char command[1 << 16];
    PyStatus status = set_argv(config, program);
    if (!PyStatus_Exception(status))
        status = set_bytes(config, &config->program_name, python);
    if (!PyStatus_Exception(status))
        status = set_bytes(config, &config->executable, python);
    if (!PyStatus_Exception(status))
        status = set_bytes(config, &config->run_filename, program->script);
    if (!PyStatus_Exception(status))
        status = set_bytes(config, &config->run_module, program->module);
    if (!PyStatus_Exception(status) && program->command != NULL) {
        snprintf(command, sizeof(command), "%s\n", program->command);
        status = set_bytes(config, &config->run_command, command);
    }
    return status;
}

/* A guest leaves the locale of the process alone: its texts are UTF-8. */
static PyStatus
preinitialize(const c4pe_program_t *program)
{
    PyPreConfig config;
    if (!program->hosted)
        return PyStatus_Ok();
    PyPreConfig_InitPythonConfig(&config);
    config.parse_argv = 0;
    config.configure_locale = 0;
    config.utf8_mode = 1;
    return Py_PreInitialize(&config);
}

static PyStatus
initialize(const c4pe_program_t *program, const char *python)
{
    PyConfig config;
    PyStatus status = preinitialize(program);
    if (PyStatus_Exception(status))
        return status;
    PyConfig_InitPythonConfig(&config);
    config.parse_argv = 0;
    config.install_signal_handlers = !program->hosted;
    config.configure_c_stdio = !program->hosted;
    status = configure(&config, program, python);
    if (!PyStatus_Exception(status))
        status = Py_InitializeFromConfig(&config);
    PyConfig_Clear(&config);
    return status;
}

/* ---- what must be there -------------------------------------------------------------------------- */

static int
add_package_path(const c4pe_program_t *program)
{
    char folder[PATH_MAX];
    PyObject *path = PySys_GetObject("path"); /* borrowed */
    if (!package_folder(program, folder, sizeof(folder)))
        return 0; /* python finds it in site-packages, or says that it does not */
    PyObject *item = PyUnicode_DecodeFSDefault(folder);
    int result = item && path ? PyList_Insert(path, 0, item) : -1;
    Py_XDECREF(item);
    return result;
}

/* Some versions of python do not look for built-in modules inside packages: put ours in place. */
static int
preload_module(void)
{
    return PyRun_SimpleString("import _imp, sys\n"
                              "from importlib.machinery import BuiltinImporter, ModuleSpec\n"
                              "spec = ModuleSpec('c4py._c4py', BuiltinImporter)\n"
                              "sys.modules['c4py._c4py'] = module = _imp.create_builtin(spec)\n"
                              "_imp.exec_builtin(module)\n"
                              "del _imp, sys, BuiltinImporter, ModuleSpec, spec, module\n");
}

static int
check_greenlet(const c4pe_program_t *program, const char *python)
{
    PyObject *module = PyImport_ImportModule("greenlet");
    if (module != NULL) {
        Py_DECREF(module);
        return 0;
    }
    PyErr_Clear();
    tell(program,
         "the Python at %s (%d.%d) has no package 'greenlet', which coroutines need: "
         "install it there (pip install greenlet, or "
         "apt-get install python3-greenlet for the system's Python)",
         python, PY_MAJOR_VERSION, PY_MINOR_VERSION);
    return 2;
}

int
c4pe_interp_start(const c4pe_program_t *program)
{
    char python[PATH_MAX];
    if (!choose_python(program, python, sizeof(python)))
        return 2;
    if (PyImport_AppendInittab("c4py._c4py", PyInit__c4py) < 0) {
        tell(program, "out of memory");
        return 71;
    }
    PyStatus status = initialize(program, python);
    if (PyStatus_Exception(status)) {
        tell(program, "Python cannot start with %s: %s", python,
             status.err_msg ? status.err_msg : "unknown cause");
        return 2;
    }
    if (add_package_path(program) < 0) {
        PyErr_Print();
        return 70;
    }
    int missing = check_greenlet(program, python);
    if (missing != 0)
        return missing;
    if (preload_module() < 0)
        return 70;
    if (!program->hosted)
        c4pe_signals_install();
    return 0;
}

int
c4pe_interp_run(void)
{
    return Py_RunMain();
}

/* ---- --info -------------------------------------------------------------------------------------- */

/* MPI's own description, asked for without its header: this layer does not know MPI. */
static void
print_mpi_version(void)
{
    static char text[1 << 15];
    int (*version)(char *, int *);
    int len = 0;
    *(void **)&version = dlsym(RTLD_DEFAULT, "MPI_Get_library_version");
    if (version == NULL || version(text, &len) != 0)
        snprintf(text, sizeof(text), "unknown");
    text[strcspn(text, "\n")] = '\0';
    printf("%-22s %s\n", "mpi", text);
}

static const char info_code[] =
    "import signal, sys\n"
    "signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n" /* as other commands that print */
    "def line(name, value): print(f'{name:22} {value}')\n"
    "line('python (running)', sys.version.split()[0])\n"
    "line('executable', sys.executable)\n"
    "line('prefix', sys.prefix)\n"
    "from c4py import _c4py, _runtime\n"
    "_runtime.say_nothing_at_exit()\n"
    "for name, value in _c4py.build_info().items(): line(name, value)\n"
    "import importlib, os\n"
    "line('package', os.path.dirname(importlib.import_module('c4py').__file__))\n"
    "from importlib import metadata\n"
    "for name in ('greenlet', 'cloudpickle', 'numpy', 'numba', 'mpi4py', 'tqdm', 'matplotlib'):\n"
    "    try:\n"
    "        line(name, metadata.version(name))\n"
    "    except metadata.PackageNotFoundError:\n"
    "        line(name, 'not installed')\n";

int
c4pe_interp_info(void)
{
    int result = 0;
    if (c4pe_interp_is_first()) {
        print_mpi_version();
        fflush(stdout);
        result = PyRun_SimpleString(info_code) < 0 ? 70 : 0;
    }
    return Py_FinalizeEx() < 0 ? 70 : result;
}
