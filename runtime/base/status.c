/* SPDX-License-Identifier: Apache-2.0 */
/* status.c: names and texts of statuses, from the one list in c4p/status.h. */
#include <c4p/status.h>

const char *
c4p_strerror(c4p_status_t status)
{
    switch (status) {
#define STATUS_TEXT(name, value, exit_status, text)                                                \
    case C4P_##name:                                                                               \
        return text;
        C4P_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "unknown status";
}

const char *
c4p_status_name(c4p_status_t status)
{
    switch (status) {
#define STATUS_NAME(name, value, exit_status, text)                                                \
    case C4P_##name:                                                                               \
        return "C4P_" #name;
        C4P_STATUS_LIST(STATUS_NAME)
#undef STATUS_NAME
    }
    return "unknown status";
}

int
c4p_exit_status(c4p_status_t status)
{
    switch (status) {
#define STATUS_EXIT(name, value, exit_status, text)                                                \
    case C4P_##name:                                                                               \
        return exit_status;
        C4P_STATUS_LIST(STATUS_EXIT)
#undef STATUS_EXIT
    }
    return c4p_exit_status(C4P_ERR_INTERNAL); /* only a bug of ours makes such a value */
}
