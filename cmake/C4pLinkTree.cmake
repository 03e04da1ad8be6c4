# SPDX-License-Identifier: Apache-2.0
# Run at build time with -DFROM=source -DTO=build: mirrors the folders of FROM in TO with a link for each file, so
# that the package in a build tree is always the one being edited, and compiled files stay out of the sources.
file(GLOB_RECURSE files RELATIVE "${FROM}" "${FROM}/*.py" "${FROM}/*.pyi" "${FROM}/py.typed")
foreach(file IN LISTS files)
    if(NOT IS_SYMLINK "${TO}/${file}")
        get_filename_component(folder "${TO}/${file}" DIRECTORY)
        file(MAKE_DIRECTORY "${folder}")
        file(CREATE_LINK "${FROM}/${file}" "${TO}/${file}" SYMBOLIC)
    endif()
endforeach()

# Links to files that are gone would hide a missing import.
file(GLOB_RECURSE links LIST_DIRECTORIES false "${TO}/*.py" "${TO}/*.pyi")
foreach(link IN LISTS links)
    if(IS_SYMLINK "${link}" AND NOT EXISTS "${link}")
        file(REMOVE "${link}")
    endif()
endforeach()
