/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures: laid out as the compiler lays out structs; what is not valid is refused where it
 * begins to be wrong. */
#include "msg/signature.h"

#include "support/test.h"

static c4pi_signature_t
parsed(const char *text)
{
    c4pi_signature_t sig;
    const char *why = NULL;
    size_t at = 0;
    if (!c4pi_signature_parse(text, &sig, &why, &at))
        FAIL("\"%s\" at %zu: %s", text, at, why);
    return sig;
}

static void
scalars_lie_as_in_a_struct(void)
{
    struct all {
        bool a;
        char b;
        int c;
        unsigned d;
        long e;
        size_t f;
        int8_t g;
        int16_t h;
        int32_t i;
        int64_t j;
        uint8_t k;
        uint16_t l;
        uint32_t m;
        uint64_t n;
        float o;
        double p;
    };
    const size_t offsets[] = {
        offsetof(struct all, a), offsetof(struct all, b), offsetof(struct all, c),
        offsetof(struct all, d), offsetof(struct all, e), offsetof(struct all, f),
        offsetof(struct all, g), offsetof(struct all, h), offsetof(struct all, i),
        offsetof(struct all, j), offsetof(struct all, k), offsetof(struct all, l),
        offsetof(struct all, m), offsetof(struct all, n), offsetof(struct all, o),
        offsetof(struct all, p),
    };
    c4pi_signature_t sig = parsed("bool a, char b, int c, unsigned d, long e, size_t f, int8_t g, "
                                  "int16_t h, int32_t i, int64_t j, uint8_t k,uint16_t l,uint32_t "
                                  "m ,uint64_t n,float o,\tdouble p");
    CHECK_EQ(16, sig.num_params);
    CHECK_EQ(0, sig.num_tails);
    CHECK_EQ(sizeof(struct all), sig.fixed);
    for (uint32_t i = 0; i < 16; i++) {
        CHECK_EQ(offsets[i], sig.params[i].offset);
        CHECK_EQ('a' + (char)i, sig.params[i].name[0]);
    }
}

static void
structs_and_fixed_arrays_lie_as_in_a_struct(void)
{
    typedef struct inner {
        char tag[3];
        int16_t k;
        double x[3];
        struct {
            char c;
            float f;
        } deep[2];
        bool last;
    } inner_t;
    struct all {
        char c;
        c4p_ref_t ref;
        inner_t one;
        float f[5];
        inner_t two[4];
    };
    c4pi_signature_t sig = parsed(
        "char c, ref r, {char tag[3], int16_t k, double x[3], {char c, float f} deep[2], bool "
        "last} "
        "one, float f[5], {char tag[3], int16_t k, double x[3], {char c, float f} deep[2], bool "
        "last} two[2*2]");
    CHECK_EQ(offsetof(struct all, ref), sig.params[1].offset);
    CHECK_EQ(offsetof(struct all, one), sig.params[2].offset);
    CHECK_EQ(sizeof(inner_t), sig.params[2].size);
    CHECK_EQ(offsetof(struct all, f), sig.params[3].offset);
    CHECK_EQ(offsetof(struct all, two), sig.params[4].offset);
    CHECK_EQ(4, sig.params[4].count);
    CHECK_EQ(offsetof(struct all, two) + 4 * sizeof(inner_t), sig.fixed);
}

static void
lengths_are_products_of_numbers_and_parameters(void)
{
    c4pi_signature_t sig =
        parsed("double x[3*n], int n, str s, unsigned m, float y[n * m * 2], {int a} z[m]");
    const int64_t values[C4P_MAX_PARAMS] = {0, 5, 7, 4};
    size_t bytes;
    CHECK_EQ(4, sig.num_tails);
    CHECK_EQ(24, sig.fixed); /* n, the length of s, m, up to a multiple of 8 */
    CHECK(c4pi_signature_bytes(&sig, 0, values, &bytes));
    CHECK_EQ(3 * 5 * 8, bytes);
    CHECK(c4pi_signature_bytes(&sig, 2, values, &bytes));
    CHECK_EQ(7 + 1, bytes);
    CHECK(c4pi_signature_bytes(&sig, 4, values, &bytes));
    CHECK_EQ(5 * 4 * 2 * 4, bytes);
    CHECK(c4pi_signature_bytes(&sig, 5, values, &bytes));
    CHECK_EQ(4 * 4, bytes);
}

static void
lengths_that_no_message_has_are_refused(void)
{
    c4pi_signature_t sig = parsed("int64_t n, int64_t m, double x[n*m]");
    const int64_t bad[][2] = {{-1, 1}, {1, -1}, {INT64_MAX / 8 + 1, 1}, {1LL << 31, 1LL << 30}};
    size_t bytes = 77;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(!c4pi_signature_bytes(&sig, 2, bad[i], &bytes));
    const int64_t none[2] = {0, INT64_MAX};
    CHECK(c4pi_signature_bytes(&sig, 2, none, &bytes));
    CHECK_EQ(0, bytes);
}

static void
values_are_read_with_their_sign(void)
{
    struct {
        int8_t a;
        uint8_t b;
        int16_t c;
        uint16_t d;
        int32_t e;
        uint32_t f;
        int64_t g;
    } fixed = {-1, 255, -2, 65535, -3, UINT32_MAX, INT64_MIN};
    c4pi_signature_t sig =
        parsed("int8_t a, uint8_t b, int16_t c, uint16_t d, int32_t e, uint32_t f, int64_t g");
    const int64_t expected[] = {-1, 255, -2, 65535, -3, UINT32_MAX, INT64_MIN};
    for (size_t i = 0; i < 7; i++)
        CHECK_EQ(expected[i], c4pi_signature_value(&sig.params[i], &fixed));
}

static void
nothing_is_a_signature_too(void)
{
    CHECK_EQ(0, parsed("").num_params);
    CHECK_EQ(0, parsed(" \t\n").num_params);
    CHECK_EQ(0, parsed("").fixed);
}

static void
what_is_not_valid_is_refused_where_it_is_wrong(void)
{
    static const struct {
        const char *text, *at, *why;
    } bad[] = {
        {"in n", "in n", "no such type"},
        {"int", "", "a name is expected"},
        {"int 3", "3", "a name is expected"},
        {"int n m", "m", ", or the end"},
        {"int n,", "", "a type is expected"},
        {", int n", ", int n", "a type is expected"},
        {"int n, double n", "double n", "another parameter has this name"},
        {"double x[n]", "n]", "no parameter of this name"},
        {"double n, int x[n]", "n]", "must be an integer parameter"},
        {"int n[2], int x[n]", "n]", "must be an integer parameter"},
        {"int n, int x[n", "n", "has no ]"},
        {"int n, int x[n+1]", "+1]", "] is expected"},
        {"int n, int x[]", "]", "a length is expected"},
        {"int n, int x[n*]", "]", "a length is expected"},
        {"int n, int x[n*n*n*n*n]", "n]", "four parameters"},
        {"int x[99999999999]", "99999999999]", "too large"},
        {"int x[65536*65536]", "65536]", "too large"},
        {"double x[4294967295]", "double", "larger than 2 GiB"},
        {"str s[3]", "str s[3]", "no arrays of str"},
        {"{int a} ", "", "a name is expected"},
        {"{int a", "", ", or } is expected"},
        {"{} x", "} x", "a type is expected"},
        {"{str s} x", "str s", "a struct has no str"},
        {"int n, {int a[n]} x", "n]} x", "lengths are numbers"},
        {"int a_name_that_is_longer_than_it_may_be", "a_name", "longer than 31"},
        {"int a,int b,int c,int d,int e,int f,int g,int h,int i,int j,int k,int l,int m,int n,int "
         "o,int p,int q",
         "int q", "too many parameters"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        c4pi_signature_t sig;
        const char *why = "";
        size_t at = 0;
        if (c4pi_signature_parse(bad[i].text, &sig, &why, &at))
            FAIL("\"%s\" is taken", bad[i].text);
        if (!strstr(why, bad[i].why) ||
            strncmp(bad[i].text + at, bad[i].at, strlen(bad[i].at)) != 0)
            FAIL("\"%s\" at \"%s\": %s; expected at \"%s\": %s", bad[i].text, bad[i].text + at, why,
                 bad[i].at, bad[i].why);
    }
}

TEST_CASES(scalars_lie_as_in_a_struct, structs_and_fixed_arrays_lie_as_in_a_struct,
           lengths_are_products_of_numbers_and_parameters, lengths_that_no_message_has_are_refused,
           values_are_read_with_their_sign, nothing_is_a_signature_too,
           what_is_not_valid_is_refused_where_it_is_wrong)
