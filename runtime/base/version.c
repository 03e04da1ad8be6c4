/* SPDX-License-Identifier: Apache-2.0 */
/* version.c: the version of the library that is really loaded, to be compared with that of the
 * headers. */
#include <c4p/version.h>

const char *
c4p_version_string(void)
{
    return C4P_VERSION_STRING;
}
