# SPDX-License-Identifier: Apache-2.0
# Given to examples/superbuild/subproject as CMAKE_PROJECT_subproject_INCLUDE: at the end of its file, nothing that it had is
# changed by the subproject, and what is new has a name that tells whose it is.
get_cmake_property(untouched_before CACHE_VARIABLES)
foreach(name IN LISTS untouched_before)
    set("untouched_${name}" "$CACHE{${name}}")
endforeach()
set(CMAKE_MODULE_PATH "/of/the/host")

function(untouched_check)
    get_cmake_property(after CACHE_VARIABLES)
    if(NOT TARGET c4pyrt::c4pyrt OR NOT TARGET c4pyrt::mpi OR TARGET c4pyrt::python)
        message(SEND_ERROR "the targets should be c4pyrt::c4pyrt and c4pyrt::mpi")
    endif()
    foreach(name IN LISTS untouched_before)
        if(NOT "$CACHE{${name}}" STREQUAL "${untouched_${name}}" AND NOT name MATCHES "^CMAKE_INSTALL_")
            message(SEND_ERROR "${name} was '${untouched_${name}}' and is '$CACHE{${name}}'")
        endif()
    endforeach()
    foreach(name IN LISTS after)
        if(NOT name IN_LIST untouched_before
           AND NOT name MATCHES "^(C4P_|c4py_|dot_|SUBPROJECT_|FETCHCONTENT_|CMAKE_PROJECT_VERSION)"
           # of GNUInstallDirs, FindMPI and FindPkgConfig
           AND NOT name MATCHES "^(_GNUInstallDirs_|CMAKE_INSTALL_|prefix_result$|_?MPI_|MPIEXEC_|PKG_CONFIG_|pkgcfg_lib_LIBFFI|_*LIBFFI|_*pkg_config|FIND_PACKAGE_MESSAGE_DETAILS_)")
            message(SEND_ERROR "there is a new cache variable ${name}")
        endif()
    endforeach()
    foreach(property COMPILE_DEFINITIONS COMPILE_OPTIONS INCLUDE_DIRECTORIES LINK_OPTIONS)
        get_directory_property(value ${property})
        if(NOT value STREQUAL "")
            message(SEND_ERROR "${property} of the folder is ${value}")
        endif()
    endforeach()
    if(NOT CMAKE_MODULE_PATH STREQUAL "/of/the/host")
        message(SEND_ERROR "CMAKE_MODULE_PATH is ${CMAKE_MODULE_PATH}")
    endif()
endfunction()
cmake_language(DEFER CALL untouched_check)
