# SPDX-License-Identifier: Apache-2.0
# Finds MPI. Where several are installed their programs have suffixes, and one option chooses: -DMPI_C_COMPILER=mpicc.mpich
# also finds mpiexec.mpich. Sets C4P_MPI_SUFFIX (.mpich, or empty), C4P_MPI_IS_OPENMPI if it is Open MPI or one made of it,
# C4P_MPIEXEC_IS_HYDRA for the launcher of MPICH and those made of it, and C4P_MPI_PATH, see below.
include(CheckSymbolExists)

set(C4P_MPI_SUFFIX "")
if(MPI_C_COMPILER)
    get_filename_component(name "${MPI_C_COMPILER}" NAME)
    get_filename_component(folder "${MPI_C_COMPILER}" DIRECTORY)
    if(name MATCHES "^mpicc([.].+)$")
        set(C4P_MPI_SUFFIX "${CMAKE_MATCH_1}")
    endif()
    if(NOT MPIEXEC_EXECUTABLE)
        find_program(
            MPIEXEC_EXECUTABLE NAMES "mpiexec${C4P_MPI_SUFFIX}" "mpirun${C4P_MPI_SUFFIX}" HINTS "${folder}"
            DOC "Executable for running MPI programs.")
    endif()
endif()
find_package(MPI 3.1 REQUIRED COMPONENTS C)

set(CMAKE_REQUIRED_LIBRARIES MPI::MPI_C)
check_symbol_exists(OPEN_MPI mpi.h C4P_MPI_IS_OPENMPI)
unset(CMAKE_REQUIRED_LIBRARIES)

# With the launcher of another MPI each rank would be alone.
set(C4P_MPIEXEC_IS_HYDRA FALSE)
if(MPIEXEC_EXECUTABLE)
    execute_process(COMMAND "${MPIEXEC_EXECUTABLE}" --version OUTPUT_VARIABLE said ERROR_VARIABLE said)
    if(said MATCHES "HYDRA")
        set(C4P_MPIEXEC_IS_HYDRA TRUE)
    endif()
    if((C4P_MPI_IS_OPENMPI AND C4P_MPIEXEC_IS_HYDRA) OR (NOT C4P_MPI_IS_OPENMPI AND said MATCHES "Open MPI|OpenRTE"))
        message(
            WARNING "${MPIEXEC_EXECUTABLE} is of another MPI than ${MPI_C_LIBRARIES}: tests of several ranks will fail. "
                    "Say -DMPI_C_COMPILER= and -DMPIEXEC_EXECUTABLE= of the same one.")
    endif()
endif()

# Tests and tools call mpirun and mpicc. Where these are of another MPI the tests' PATH begins with a folder in which they are of
# this one, as a module of a cluster has them.
set(C4P_MPI_PATH "")
if(C4P_MPI_SUFFIX)
    set(C4P_MPI_PATH "${PROJECT_BINARY_DIR}/mpi")
    foreach(pair "mpicc=${MPI_C_COMPILER}" "mpiexec=${MPIEXEC_EXECUTABLE}" "mpirun=${MPIEXEC_EXECUTABLE}")
        string(REGEX MATCH "^([a-z]+)=(.*)$" pair "${pair}")
        set(script "${C4P_MPI_PATH}/${CMAKE_MATCH_1}")
        file(WRITE "${script}" "#!/bin/sh\nexec '${CMAKE_MATCH_2}' \"$@\"\n")
        execute_process(COMMAND chmod +x "${script}")
    endforeach()
endif()
