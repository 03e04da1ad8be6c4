# SPDX-License-Identifier: Apache-2.0
# c4p_sanitize: link it PUBLIC to compile and link with the sanitizers listed in C4P_SANITIZE; empty otherwise.
add_library(c4p_sanitize INTERFACE)
if(C4P_SANITIZE)
    target_compile_options(
        c4p_sanitize INTERFACE -fsanitize=${C4P_SANITIZE} -fno-omit-frame-pointer
                               -fno-sanitize-recover=undefined)
    target_link_options(c4p_sanitize INTERFACE -fsanitize=${C4P_SANITIZE})
endif()
