# SPDX-License-Identifier: Apache-2.0
# What is installed of the C library, and how others find it: CMake package c4pyrt, pkg-config c4pyrt, c4pyrt-mpi and c4pyrt-python.
include(CMakePackageConfigHelpers)

install(
    TARGETS c4pyrt c4pyrt_mpi c4pyrt_fortran
    EXPORT c4pyrtTargets
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime NAMELINK_COMPONENT devel)
install(
    DIRECTORY "${PROJECT_SOURCE_DIR}/runtime/include/c4p"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
    COMPONENT devel
    FILES_MATCHING
    PATTERN "*.h")
install(
    FILES "${PROJECT_BINARY_DIR}/include/c4p/version.h"
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/c4p"
    COMPONENT devel)
install(
    FILES "${PROJECT_SOURCE_DIR}/runtime/fortran/c4pyrt.f90"
    DESTINATION "${CMAKE_INSTALL_DATADIR}/c4pyrt/fortran"
    COMPONENT devel)

set(C4P_CMAKE_DIR "${CMAKE_INSTALL_LIBDIR}/cmake/c4pyrt")
install(
    EXPORT c4pyrtTargets
    NAMESPACE c4pyrt::
    DESTINATION "${C4P_CMAKE_DIR}"
    COMPONENT devel)
configure_package_config_file(
    "${PROJECT_SOURCE_DIR}/cmake/c4pyrtConfig.cmake.in" "${PROJECT_BINARY_DIR}/c4pyrtConfig.cmake"
    INSTALL_DESTINATION "${C4P_CMAKE_DIR}"
    NO_SET_AND_CHECK_MACRO)
# While the version is 0.x a new minor number may break; the same holds for the soname.
write_basic_package_version_file(
    "${PROJECT_BINARY_DIR}/c4pyrtConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(
    FILES "${PROJECT_BINARY_DIR}/c4pyrtConfig.cmake" "${PROJECT_BINARY_DIR}/c4pyrtConfigVersion.cmake"
    DESTINATION "${C4P_CMAKE_DIR}"
    COMPONENT devel)

# Works from the build tree too: find_package(c4pyrt) with c4pyrt_DIR pointing there.
export(EXPORT c4pyrtTargets NAMESPACE c4pyrt:: FILE "${PROJECT_BINARY_DIR}/c4pyrtTargets.cmake")

# The .pc files say ${pcfiledir}-relative paths, so that an installed tree can be moved.
file(RELATIVE_PATH C4P_PC_PREFIX "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
set(C4P_PC_MPI_CFLAGS " -DOMPI_SKIP_MPICXX -DMPICH_SKIP_MPICXX")
foreach(folder IN LISTS MPI_C_INCLUDE_DIRS)
    string(APPEND C4P_PC_MPI_CFLAGS " -I${folder}")
endforeach()
string(REPLACE ";" " " C4P_PC_MPI_LIBS "${MPI_C_LIBRARIES}")
set(packages c4pyrt c4pyrt-mpi)
if(TARGET c4pyembed)
    list(APPEND packages c4pyrt-python)
endif()
foreach(package IN LISTS packages)
    configure_file(
        "${PROJECT_SOURCE_DIR}/cmake/${package}.pc.in" "${PROJECT_BINARY_DIR}/${package}.pc" @ONLY)
    install(
        FILES "${PROJECT_BINARY_DIR}/${package}.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
        COMPONENT devel)
endforeach()
