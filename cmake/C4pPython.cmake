# SPDX-License-Identifier: Apache-2.0
# The Python that the launcher embeds, with greenlet's C header. Sets Python3_* and C4P_GREENLET_INCLUDE_DIR.
#
# Unless Python3_EXECUTABLE says which, it is C4PY_PYTHON of the environment, an active venv or conda
# environment, the python3 of PATH if it has greenlet, or the system's, in this order: a python3 of PATH is
# often one that a version manager put there, without any packages.

function(_c4p_python_has_greenlet python result)
    execute_process(
        COMMAND "${python}" -c "import greenlet" RESULT_VARIABLE status OUTPUT_QUIET ERROR_QUIET)
    if(status EQUAL 0)
        set(${result} TRUE PARENT_SCOPE)
    else()
        set(${result} FALSE PARENT_SCOPE)
    endif()
endfunction()

function(_c4p_choose_python)
    foreach(root "$ENV{VIRTUAL_ENV}" "$ENV{CONDA_PREFIX}")
        if(root)
            list(APPEND active "${root}/bin/python3")
        endif()
    endforeach()
    find_program(on_path python3 NO_CACHE)
    foreach(python "$ENV{C4PY_PYTHON}" ${active} "${on_path}" /usr/bin/python3)
        if(python)
            _c4p_python_has_greenlet("${python}" usable)
            if(usable)
                set(Python3_EXECUTABLE "${python}" CACHE FILEPATH "Python to embed")
                return()
            endif()
        endif()
    endforeach()
endfunction()

if(NOT Python3_EXECUTABLE)
    _c4p_choose_python()
endif()
find_package(Python3 3.10 REQUIRED COMPONENTS Interpreter Development.Module Development.Embed)

execute_process(
    COMMAND
        "${Python3_EXECUTABLE}" -c
        "import glob, os, sys, greenlet
package = os.path.dirname(greenlet.__file__)
found = [os.path.join(package, 'greenlet.h')]
found += glob.glob(os.path.join(sys.prefix, 'include', 'site', '*', 'greenlet', 'greenlet.h'))
found += glob.glob(os.path.join(sys.prefix, 'include', 'python3*', 'greenlet', 'greenlet.h'))
found = [os.path.dirname(path) for path in found if os.path.exists(path)]
print(found[0] if found else '')"
    OUTPUT_VARIABLE C4P_GREENLET_INCLUDE_DIR
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT C4P_GREENLET_INCLUDE_DIR)
    message(
        FATAL_ERROR
            "${Python3_EXECUTABLE} has no greenlet with its C header, which the Python layer needs.\n"
            "Install it (Debian: apt-get install python3-greenlet; venv: pip install greenlet; conda: conda install greenlet), "
            "choose another Python with -DPython3_EXECUTABLE=/path/to/python3, or build without Python: -DC4P_PYTHON=OFF.")
endif()
