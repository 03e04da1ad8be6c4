# SPDX-License-Identifier: Apache-2.0
# c4p_warnings: link it PRIVATE to get the project's warnings. They are errors only with C4P_WERROR, so
# that a new compiler cannot break a user's build.
add_library(c4p_warnings INTERFACE)
target_compile_options(
    c4p_warnings
    INTERFACE -Wall
              -Wextra
              -Wshadow
              -Wstrict-prototypes
              -Wmissing-prototypes
              -Wvla
              -Wpointer-arith
              # CPython's tables want plain char pointers.
              $<$<NOT:$<BOOL:$<TARGET_PROPERTY:C4P_SEES_PYTHON>>>:-Wwrite-strings>
              $<$<BOOL:${C4P_WERROR}>:-Werror>)

# c4p_warnings_strict: for what is installed, which is C11 to the letter; CPython's tables have functions as void pointers.
add_library(c4p_warnings_strict INTERFACE)
target_link_libraries(c4p_warnings_strict INTERFACE c4p_warnings)
target_compile_options(
    c4p_warnings_strict INTERFACE -Wconversion -Wsign-conversion
                                  $<$<NOT:$<BOOL:$<TARGET_PROPERTY:C4P_SEES_PYTHON>>>:-Wpedantic>)
