/* SPDX-License-Identifier: Apache-2.0 */
/* version.c: the version of the library that is really loaded, to be compared with that of the
 * headers. */
#include <c4p/version.h>

enum { MINOR = C4P_VERSION_MAKE(0, 1, 0) };

int
c4p_version_number(void)
{
    return C4P_VERSION_NUMBER;
}

bool
c4p_version_fits(int number)
{
    return number / MINOR == C4P_VERSION_NUMBER / MINOR && number <= C4P_VERSION_NUMBER;
}

const char *
c4p_version_string(void)
{
    return C4P_VERSION_STRING;
}
