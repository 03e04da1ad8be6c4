# SPDX-License-Identifier: Apache-2.0
# Helpers that turn one line into tests. Unit and simulator tests are one process each; everything with
# several ranks goes through tests/support/run.py, which also sees to it that nothing is left behind.

set(C4P_TEST_PYTHON "" CACHE FILEPATH "Python interpreter (3.8 or newer) for the test driver")
if(NOT C4P_TEST_PYTHON)
    if(Python3_EXECUTABLE)
        set(C4P_TEST_PYTHON "${Python3_EXECUTABLE}" CACHE FILEPATH "" FORCE)
    else()
        find_program(C4P_TEST_PYTHON NAMES python3 REQUIRED)
    endif()
endif()
set(C4P_TEST_DRIVER "${PROJECT_SOURCE_DIR}/tests/support/run.py")
set(C4P_TEST_RUN_DIR "${PROJECT_BINARY_DIR}/tests/run")

# Settings of the sanitizers. Leaks inside MPI are recognised by the library in the stack, which needs slow unwinding;
# unit tests have no MPI and allocate much, and with Python's allocations it would take half a minute a test.
function(_c4p_sanitizer_environment result label)
    set(sup "${PROJECT_SOURCE_DIR}/tests/support")
    set(asan "exitcode=66:detect_stack_use_after_return=0")
    if(label MATCHES "^(python|example|error|deadlock)")
        string(APPEND asan ":detect_leaks=0")
    elseif(NOT label MATCHES "^(unit|sim)$")
        string(APPEND asan ":fast_unwind_on_malloc=0:malloc_context_size=60")
    endif()
    set(${result}
        "ASAN_OPTIONS=${asan}"
        "LSAN_OPTIONS=suppressions=${sup}/lsan.supp:print_suppressions=0"
        "TSAN_OPTIONS=suppressions=${sup}/tsan.supp:ignore_noninstrumented_modules=1:exitcode=68"
        "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:exitcode=67"
        "PYTHONMALLOC=malloc"
        PARENT_SCOPE)
endfunction()

# What all tests have in common: label, time limit, a folder of their own, 77 means skipped.
function(_c4p_test_finish name)
    cmake_parse_arguments(T "" "LABEL;TIMEOUT_S;PROCESSORS" "" ${ARGN})
    set(dir "${C4P_TEST_RUN_DIR}/${name}")
    file(MAKE_DIRECTORY "${dir}")
    set_tests_properties(
        ${name} PROPERTIES LABELS "${T_LABEL}" TIMEOUT ${T_TIMEOUT_S} PROCESSORS ${T_PROCESSORS}
                           WORKING_DIRECTORY "${dir}" SKIP_RETURN_CODE 77)
    set(env "")
    if(C4P_SANITIZE)
        _c4p_sanitizer_environment(env "${T_LABEL}")
    endif()
    if(C4P_MPI_PATH)
        list(APPEND env "PATH=${C4P_MPI_PATH}:$ENV{PATH}")
    endif()
    set_tests_properties(${name} PROPERTIES ENVIRONMENT "${env}")
endfunction()

# An executable that sees the runtime's internals.
function(_c4p_test_program target source)
    add_executable(${target} "${source}")
    target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
    target_link_libraries(${target} PRIVATE c4p_warnings c4p_sim c4pyrt_static)
    set_target_properties(${target} PROPERTIES RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/tests")
endfunction()

# c4p_unit_test(core/location [TIMEOUT_S 60])
# tests/unit/core/location_test.c as test unit.core.location.
function(c4p_unit_test path)
    cmake_parse_arguments(T "" "TIMEOUT_S" "" ${ARGN})
    if(NOT T_TIMEOUT_S)
        set(T_TIMEOUT_S 60)
    endif()
    string(REPLACE "/" "." dotted "${path}")
    string(REPLACE "/" "_" target "unit_${path}")
    _c4p_test_program(${target} "${PROJECT_SOURCE_DIR}/tests/unit/${path}_test.c")
    add_test(NAME unit.${dotted} COMMAND ${target})
    _c4p_test_finish(unit.${dotted} LABEL unit TIMEOUT_S ${T_TIMEOUT_S} PROCESSORS 1)
endfunction()

# c4p_sim_test(location [CASE storm] [ARGS …] [TIMEOUT_S 120])
# tests/sim/location_test.c as test sim.location, or sim.location.storm. Several calls may share a source.
function(c4p_sim_test name)
    cmake_parse_arguments(T "" "CASE;TIMEOUT_S" "ARGS" ${ARGN})
    if(NOT T_TIMEOUT_S)
        set(T_TIMEOUT_S 120)
    endif()
    set(test sim.${name})
    if(T_CASE)
        set(test sim.${name}.${T_CASE})
    endif()
    if(NOT TARGET sim_${name})
        _c4p_test_program(sim_${name} "${PROJECT_SOURCE_DIR}/tests/sim/${name}_test.c")
    endif()
    add_test(NAME ${test} COMMAND sim_${name} ${T_ARGS})
    _c4p_test_finish(${test} LABEL sim TIMEOUT_S ${T_TIMEOUT_S} PROCESSORS 1)
endfunction()

# Add the test of a command on each number of ranks; 0 means without mpirun. CTest's own limit is only
# a second line behind the driver's, which takes its time when many ranks share a core. Under a sanitizer all
# have three times as long.
#   RANKS 1 2 4      TIMEOUT_S 60      LABEL mpi
#   EXPECT "text"…   lines that must occur            EXPECT_RE "regex"…   FORBID_RE "regex"…
#   EXIT 0           the exit status                  ENV NAME=value…      DRIVER --option…
#   DUMP             after a timeout the processes are asked where they are (the launcher answers SIGUSR1)
#   COMMAND …        program and arguments
function(_c4p_ranks_test base)
    cmake_parse_arguments(
        T "DUMP;MOSTLY_WAITS" "LABEL;TIMEOUT_S;EXIT" "RANKS;EXPECT;EXPECT_RE;FORBID_RE;ENV;DRIVER;COMMAND" ${ARGN})
    if(NOT T_TIMEOUT_S)
        set(T_TIMEOUT_S 60)
    endif()
    if(C4P_SANITIZE)
        math(EXPR T_TIMEOUT_S "3 * ${T_TIMEOUT_S}")
    endif()
    set(options --timeout ${T_TIMEOUT_S} --mpiexec "${MPIEXEC_EXECUTABLE}")
    if(T_DUMP)
        list(APPEND options --dump-signal SIGUSR1)
    endif()
    if(C4P_MPIEXEC_IS_HYDRA)
        list(APPEND options --hydra)
    endif()
    if(DEFINED T_EXIT)
        list(APPEND options --exit ${T_EXIT})
    endif()
    foreach(kind EXPECT EXPECT_RE FORBID_RE ENV)
        string(TOLOWER "--${kind}" option)
        string(REPLACE "_" "-" option "${option}")
        foreach(value IN LISTS T_${kind})
            list(APPEND options "${option}=${value}")
        endforeach()
    endforeach()
    math(EXPR outer "5 * ${T_TIMEOUT_S} + 30")
    foreach(n IN LISTS T_RANKS)
        set(processors ${n})
        if(n EQUAL 0 OR (T_MOSTLY_WAITS AND n EQUAL 2)) # two jobs of two ranks that wait may share two cores
            set(processors 1)
        endif()
        add_test(NAME ${base}.np${n} COMMAND "${C4P_TEST_PYTHON}" "${C4P_TEST_DRIVER}" --np ${n}
                                             ${options} ${T_DRIVER} -- ${T_COMMAND})
        _c4p_test_finish(${base}.np${n} LABEL "${T_LABEL}" TIMEOUT_S ${outer} PROCESSORS ${processors})
    endforeach()
endfunction()

# c4p_mpi_test(ring RANKS 1 2 4 [CASE large] [LABEL mpi-large] [TIMEOUT_S 60] [ARGS …] [EXPECT …] [EXIT n] …)
# tests/mpi/ring_test.c as tests mpi.ring.np1, mpi.ring.np2, …. Several calls may share a source.
function(c4p_mpi_test name)
    cmake_parse_arguments(T "" "LABEL;CASE" "RANKS;ARGS" ${ARGN})
    if(NOT T_RANKS)
        set(T_RANKS 1 2 4)
    endif()
    if(NOT T_LABEL)
        set(T_LABEL mpi)
    endif()
    set(test mpi.${name})
    if(T_CASE)
        set(test mpi.${name}.${T_CASE})
    endif()
    if(NOT TARGET mpi_${name})
        _c4p_test_program(mpi_${name} "${PROJECT_SOURCE_DIR}/tests/mpi/${name}_test.c")
    endif()
    _c4p_ranks_test(
        ${test} ${T_UNPARSED_ARGUMENTS} LABEL "${T_LABEL}" RANKS ${T_RANKS}
        COMMAND $<TARGET_FILE:mpi_${name}> ${T_ARGS})
endfunction()

# c4p_python_test(arrays RANKS 1 4 [CASE big] [ARGS …] [LAUNCHER_ARGS …] [LABEL …] [TIMEOUT_S 60] [EXPECT …] [EXIT n] …)
# tests/python/arrays.py under the launcher as tests python.arrays.np1, ….
function(c4p_python_test name)
    cmake_parse_arguments(T "" "LABEL;CASE" "RANKS;ARGS;LAUNCHER_ARGS" ${ARGN})
    if(NOT TARGET c4py_launcher)
        return()
    endif()
    if(NOT T_RANKS)
        set(T_RANKS 1 2 4)
    endif()
    if(NOT T_LABEL)
        set(T_LABEL python)
    endif()
    set(test python.${name})
    if(T_CASE)
        set(test python.${name}.${T_CASE})
    endif()
    set(waits "")
    if(name MATCHES "^(errors|deadlocks)/")
        set(waits MOSTLY_WAITS)
    endif()
    _c4p_ranks_test(
        ${test} ${T_UNPARSED_ARGUMENTS} LABEL "${T_LABEL}" RANKS ${T_RANKS} DUMP ${waits}
        COMMAND $<TARGET_FILE:c4py_launcher> ${T_LAUNCHER_ARGS}
                "${PROJECT_SOURCE_DIR}/tests/python/${name}.py" ${T_ARGS})
endfunction()

# c4p_example_test(fib/fib.py RANKS 1 4 [CASE big] [ARGS …] [EXPECT …] …): a script of examples/ under the launcher.
# c4p_example_test(ring PROGRAM ring_c RANKS 2 …): a program written in C, by its target.
function(c4p_example_test name)
    cmake_parse_arguments(T "" "PROGRAM;CASE" "RANKS;ARGS" ${ARGN})
    set(dump DUMP)
    if(T_PROGRAM)
        set(command $<TARGET_FILE:${T_PROGRAM}>)
        set(dump "")
    elseif(TARGET c4py_launcher)
        set(command $<TARGET_FILE:c4py_launcher> "${PROJECT_SOURCE_DIR}/examples/${name}")
    else()
        return()
    endif()
    if(NOT T_RANKS)
        set(T_RANKS 1 4)
    endif()
    string(REGEX REPLACE "\\.py$" "" test "${name}")
    get_filename_component(folder "${test}" DIRECTORY)
    get_filename_component(file "${test}" NAME)
    if(folder STREQUAL file) # fib/fib.py
        set(test "${file}")
    endif()
    string(REPLACE "/" "." test "example.${test}")
    if(T_CASE)
        string(APPEND test ".${T_CASE}")
    endif()
    _c4p_ranks_test(
        ${test} ${T_UNPARSED_ARGUMENTS} LABEL example RANKS ${T_RANKS} ${dump} COMMAND ${command} ${T_ARGS})
endfunction()

# c4p_no_test(hosts.late LABEL hosts WHY "Open MPI only"): a test that this build cannot have; it is skipped, and says so.
function(c4p_no_test name)
    cmake_parse_arguments(T "" "LABEL;WHY" "" ${ARGN})
    add_test(NAME ${name} COMMAND sh -c "echo \"skipped: $0\" && exit 77" "${T_WHY}")
    _c4p_test_finish(${name} LABEL ${T_LABEL} TIMEOUT_S 10 PROCESSORS 1)
endfunction()

# c4p_script_test(layers LABEL lint COMMAND python script …): any other command, in one process.
function(c4p_script_test name)
    cmake_parse_arguments(T "" "LABEL;TIMEOUT_S" "COMMAND" ${ARGN})
    if(NOT T_TIMEOUT_S)
        set(T_TIMEOUT_S 60)
    endif()
    add_test(NAME ${T_LABEL}.${name} COMMAND ${T_COMMAND})
    _c4p_test_finish(${T_LABEL}.${name} LABEL ${T_LABEL} TIMEOUT_S ${T_TIMEOUT_S} PROCESSORS 1)
endfunction()
