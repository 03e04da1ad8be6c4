# SPDX-License-Identifier: Apache-2.0
# Documentation of the C interface: pages made of the headers by Doxygen (target docs), and manual pages, which are installed.
if(C4P_IS_TOP)
    configure_file("${PROJECT_SOURCE_DIR}/docs/Doxyfile.in" "${PROJECT_BINARY_DIR}/docs/Doxyfile" @ONLY)
    add_custom_target(
        docs
        COMMAND doxygen "${PROJECT_BINARY_DIR}/docs/Doxyfile"
        COMMAND "${CMAKE_COMMAND}" -E echo "See ${PROJECT_BINARY_DIR}/docs/html/index.html"
        VERBATIM)
endif()

if(NOT C4P_INSTALL)
    return()
endif()

# c4pyrt(3) has a program in it, which examples/CMakeLists.txt builds and tests.
set(program "${PROJECT_SOURCE_DIR}/docs/man/c4pyrt.c")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${program}")
file(READ "${program}" C4P_MAN_PROGRAM)
string(REGEX REPLACE "^.*\n#include <c4p" "#include <c4p" C4P_MAN_PROGRAM "${C4P_MAN_PROGRAM}")
string(REPLACE "\\" "\\e" C4P_MAN_PROGRAM "${C4P_MAN_PROGRAM}")
string(REPLACE "-" "\\-" C4P_MAN_PROGRAM "${C4P_MAN_PROGRAM}")
string(REGEX REPLACE "\n$" "" C4P_MAN_PROGRAM "${C4P_MAN_PROGRAM}")
set(pages c4pyrt.3 c4pyrt.7)
if(TARGET c4py_launcher)
    list(APPEND pages c4py_launcher.1)
endif()
foreach(page IN LISTS pages)
    string(REGEX MATCH "[0-9]$" section "${page}")
    configure_file(
        "${PROJECT_SOURCE_DIR}/docs/man/${page}.in" "${PROJECT_BINARY_DIR}/man/man${section}/${page}" @ONLY)
    install(
        FILES "${PROJECT_BINARY_DIR}/man/man${section}/${page}"
        DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}"
        COMPONENT runtime)
endforeach()
