# SPDX-License-Identifier: Apache-2.0
"""Nothing in the runtime but the ports calls the libc functions that a port wraps, so that the same code runs on the simulator."""

import re

import common

WRAPPED = """
    malloc calloc realloc free aligned_alloc posix_memalign strdup strndup asprintf vasprintf
    time clock clock_gettime gettimeofday nanosleep sleep usleep sched_yield
    rand srand random srandom rand_r drand48 getrandom
    open openat creat fopen freopen fdopen close fclose read write fread fwrite unlink rename
    printf fprintf vprintf vfprintf puts fputs putchar perror
    getenv secure_getenv setenv putenv unsetenv
    abort exit _exit quick_exit atexit signal sigaction raise kill assert_fail
    pthread_create fork system
""".split()

# Set-up of what MPI reads and changes of the process happens before any runtime exists, in one file. Memory that processes share belongs to
# the transport between real processes alone.
ALLOWED = {
    "runtime/comm/launch.c": {"getenv", "setenv", "sigaction"},
    "runtime/comm/shared.c": {"open", "close"},
}


def main():
    call = re.compile(r"(?<![\w.>])(" + "|".join(WRAPPED) + r")\s*\(")
    problems, checked = [], 0
    for path in common.tree_files(".c", ".h"):
        if not path.startswith("runtime/") or re.match(r"runtime/base/port_\w+\.[ch]$", path):
            continue
        checked += 1
        for number, line in enumerate(common.c_code(path).splitlines(), 1):
            for match in call.finditer(line):
                if match.group(1) not in ALLOWED.get(path, ()):
                    problems.append(f"{path}:{number}: {match.group(1)}() belongs to the port")
    common.finish(problems, checked)


main()
