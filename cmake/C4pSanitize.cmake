# SPDX-License-Identifier: Apache-2.0
# c4p_sanitize: link it PUBLIC to compile and link with the sanitizers listed in C4P_SANITIZE; empty otherwise.
# c4p_sanitize_switched: in addition, for code whose stack is switched by greenlet. It copies parts of stacks, which takes
# the gaps that AddressSanitizer puts between local variables for errors; so these have none.
add_library(c4p_sanitize INTERFACE)
if(C4P_SANITIZE)
    target_compile_options(
        c4p_sanitize INTERFACE -fsanitize=${C4P_SANITIZE} -fno-omit-frame-pointer
                               -fno-sanitize-recover=undefined)
    target_link_options(c4p_sanitize INTERFACE -fsanitize=${C4P_SANITIZE})
endif()

add_library(c4p_sanitize_switched INTERFACE)
if(C4P_PYTHON AND C4P_SANITIZE MATCHES "address")
    target_compile_options(
        c4p_sanitize_switched
        INTERFACE "$<IF:$<C_COMPILER_ID:GNU>,SHELL:--param asan-stack=0,SHELL:-mllvm -asan-stack=0>")
endif()
