/* SPDX-License-Identifier: Apache-2.0 */
/* Statuses: every one has a text, a name and an exit status that a shell can see; and the version.
 */
#include <c4p/status.h>
#include <c4p/version.h>

#include "support/test.h"

static const c4p_status_t all[] = {
#define STATUS_VALUE(name, value, exit_status, text) C4P_##name,
    C4P_STATUS_LIST(STATUS_VALUE)
#undef STATUS_VALUE
};
enum { NUM_STATUSES = sizeof(all) / sizeof(all[0]) };

static void
known_statuses_have_their_documented_texts(void)
{
    CHECK_STR_EQ("success", c4p_strerror(C4P_OK));
    CHECK_STR_EQ("out of memory", c4p_strerror(C4P_ERR_NOMEM));
    CHECK_STR_EQ("C4P_ERR_NOMEM", c4p_status_name(C4P_ERR_NOMEM));
    CHECK_STR_EQ("C4P_OK", c4p_status_name(C4P_OK));
}

static void
exit_statuses_are_those_of_the_manual(void)
{
    CHECK_EQ(0, c4p_exit_status(C4P_OK));
    CHECK_EQ(1, c4p_exit_status(C4P_ERR_USER));
    CHECK_EQ(2, c4p_exit_status(C4P_ERR_OPTION));
    CHECK_EQ(65, c4p_exit_status(C4P_ERR_DATA));
    CHECK_EQ(70, c4p_exit_status(C4P_ERR_INTERNAL));
    CHECK_EQ(71, c4p_exit_status(C4P_ERR_NOMEM));
    CHECK_EQ(74, c4p_exit_status(C4P_ERR_MPI));
    CHECK_EQ(75, c4p_exit_status(C4P_ERR_STALL));
    CHECK_EQ(76, c4p_exit_status(C4P_ERR_MISMATCH));
}

static void
no_two_statuses_look_alike(void)
{
    for (int i = 0; i < NUM_STATUSES; i++) {
        CHECK(strlen(c4p_strerror(all[i])) > 0);
        CHECK_EQ(all[i] != C4P_OK, c4p_exit_status(all[i]) != 0);
        CHECK(c4p_exit_status(all[i]) < 126); /* above it means signals */
        for (int j = 0; j < i; j++) {
            CHECK(all[i] != all[j]);
            CHECK(strcmp(c4p_status_name(all[i]), c4p_status_name(all[j])) != 0);
            CHECK(strcmp(c4p_strerror(all[i]), c4p_strerror(all[j])) != 0);
        }
    }
}

static void
a_value_not_in_the_list_is_called_unknown(void)
{
    CHECK_STR_EQ("unknown status", c4p_strerror((c4p_status_t)12345));
    CHECK_STR_EQ("unknown status", c4p_status_name((c4p_status_t)-1));
    CHECK_EQ(70, c4p_exit_status((c4p_status_t)12345));
}

static void
library_and_headers_are_of_one_version(void)
{
    char numbers[64];
    snprintf(numbers, sizeof(numbers), "%d.%d.%d", C4P_VERSION_MAJOR, C4P_VERSION_MINOR,
             C4P_VERSION_PATCH);
    CHECK_STR_EQ(C4P_VERSION_STRING, c4p_version_string());
    CHECK_STR_EQ(numbers, c4p_version_string());
    CHECK_EQ(C4P_VERSION_NUMBER, c4p_version_number());
    CHECK(C4P_VERSION_AT_LEAST(0, 1, 0) && !C4P_VERSION_AT_LEAST(99, 0, 0));
    CHECK(C4P_VERSION_MAKE(1, 0, 0) > C4P_VERSION_MAKE(0, 99, 99));
    CHECK(c4p_version_fits(C4P_VERSION_NUMBER));
    CHECK(!c4p_version_fits(C4P_VERSION_NUMBER + 1)); /* headers newer than the library */
    CHECK(!c4p_version_fits(C4P_VERSION_NUMBER + C4P_VERSION_MAKE(0, 1, 0)));
    CHECK(!c4p_version_fits(C4P_VERSION_NUMBER - C4P_VERSION_MAKE(0, 1, 0)));
}

TEST_CASES(known_statuses_have_their_documented_texts, exit_statuses_are_those_of_the_manual,
           no_two_statuses_look_alike, a_value_not_in_the_list_is_called_unknown,
           library_and_headers_are_of_one_version)
