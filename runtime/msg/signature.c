/* SPDX-License-Identifier: Apache-2.0 */
#include "msg/signature.h"

#include <string.h>

static const c4pi_scalar_t scalars[] = {[C4P_ARG_OF_ANY] = {"struct", C4P_ARG_POINTER, 0},
#define SCALAR(name, type, kind, member)                                                           \
    [C4P_ARG_OF_##name] = {#type, C4P_ARG_##kind, sizeof(type)},
                                        C4P_ARG_LIST(SCALAR)
#undef SCALAR
};

const c4pi_scalar_t *
c4pi_scalar(c4p_arg_of_t of)
{
    return &scalars[of];
}

/* ---- reading ----------------------------------------------------------------------------------- */

/* C's type with the size and sign of a standard one, so that each has one number only. */
#define SIGNED_OF(type)                                                                            \
    _Generic((type)0, short                                                                        \
             : C4P_ARG_OF_short, int                                                               \
             : C4P_ARG_OF_int, long                                                                \
             : C4P_ARG_OF_long, long long                                                          \
             : C4P_ARG_OF_llong, signed char                                                       \
             : C4P_ARG_OF_schar)
#define UNSIGNED_OF(type)                                                                          \
    _Generic((type)0, unsigned short                                                               \
             : C4P_ARG_OF_ushort, unsigned                                                         \
             : C4P_ARG_OF_uint, unsigned long                                                      \
             : C4P_ARG_OF_ulong, unsigned long long                                                \
             : C4P_ARG_OF_ullong, unsigned char                                                    \
             : C4P_ARG_OF_uchar)

static const struct {
    const char *word;
    c4p_arg_of_t of;
} words[] = {
    {"bool", C4P_ARG_OF_bool},
    {"char", C4P_ARG_OF_char},
    {"int", C4P_ARG_OF_int},
    {"unsigned", C4P_ARG_OF_uint},
    {"long", C4P_ARG_OF_long},
    {"size_t", UNSIGNED_OF(size_t)},
    {"int8_t", SIGNED_OF(int8_t)},
    {"int16_t", SIGNED_OF(int16_t)},
    {"int32_t", SIGNED_OF(int32_t)},
    {"int64_t", SIGNED_OF(int64_t)},
    {"uint8_t", UNSIGNED_OF(uint8_t)},
    {"uint16_t", UNSIGNED_OF(uint16_t)},
    {"uint32_t", UNSIGNED_OF(uint32_t)},
    {"uint64_t", UNSIGNED_OF(uint64_t)},
    {"float", C4P_ARG_OF_float},
    {"double", C4P_ARG_OF_double},
};

typedef struct reader {
    const char *text, *at;
    const char *why; /* NULL: all is well */
} reader_t;

static bool
fail(reader_t *r, const char *at, const char *why)
{
    if (!r->why) {
        r->why = why;
        r->at = at;
    }
    return false;
}

static void
skip(reader_t *r)
{
    while (*r->at == ' ' || *r->at == '\t' || *r->at == '\n')
        r->at++;
}

static bool
take(reader_t *r, char c)
{
    skip(r);
    if (*r->at != c)
        return false;
    r->at++;
    return true;
}

static bool
is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

typedef struct word {
    const char *at;
    size_t len;
} word_t;

/* An identifier; why_not: what to say if there is none. */
static bool
read_word(reader_t *r, word_t *word_out, const char *why_not)
{
    skip(r);
    const char *end = r->at;
    if (!is_letter(*end))
        return fail(r, end, why_not);
    while (is_letter(*end) || is_digit(*end))
        end++;
    *word_out = (word_t){r->at, (size_t)(end - r->at)};
    r->at = end;
    return true;
}

static bool
read_number(reader_t *r, uint64_t *number_out)
{
    const char *begin = r->at;
    uint64_t number = 0;
    for (; is_digit(*r->at); r->at++) {
        number = number * 10 + (uint64_t)(*r->at - '0');
        if (number > UINT32_MAX)
            return fail(r, begin, "this number is too large");
    }
    *number_out = number;
    return true;
}

static bool
is_word(word_t word, const char *text)
{
    return strlen(text) == word.len && memcmp(word.at, text, word.len) == 0;
}

static bool
read_name(reader_t *r, c4pi_param_t *param)
{
    word_t word;
    if (!read_word(r, &word, "a name is expected here"))
        return false;
    if (word.len >= sizeof param->name)
        return fail(r, word.at, "this name is longer than 31 characters");
    memcpy(param->name, word.at, word.len);
    param->name[word.len] = '\0';
    return true;
}

static bool read_struct(reader_t *r, c4pi_param_t *param);

static void
be_scalar(c4pi_param_t *param, c4p_arg_of_t of)
{
    param->sort = C4PI_PARAM_SCALAR;
    param->of = of;
    param->size = param->align = scalars[of].size;
    param->count = 1;
}

static bool
read_type(reader_t *r, c4pi_param_t *param)
{
    word_t word;
    if (take(r, '{'))
        return read_struct(r, param);
    if (!read_word(r, &word, "a type is expected here"))
        return false;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (is_word(word, words[i].word)) {
            be_scalar(param, words[i].of);
            return true;
        }
    *param = (c4pi_param_t){.sort = C4PI_PARAM_FIXED, .count = 1};
    if (is_word(word, "ref")) {
        param->is_ref = true;
        param->size = sizeof(c4p_ref_t);
        param->align = _Alignof(c4p_ref_t);
    } else if (is_word(word, "str")) {
        *param = (c4pi_param_t){.sort = C4PI_PARAM_TEXT, .of = C4P_ARG_OF_char, .size = 1};
        param->align = 1;
    } else {
        return fail(r, word.at,
                    "no such type; there are bool, char, int, unsigned, long, size_t, int8_t to "
                    "uint64_t, float, double, str, ref and {struct}");
    }
    return true;
}

/* The number of an integer parameter. */
static bool
find_factor(reader_t *r, const c4pi_signature_t *sig, word_t word, uint8_t *number_out)
{
    for (uint32_t i = 0; i < sig->num_params; i++) {
        const c4pi_param_t *param = &sig->params[i];
        if (!is_word(word, param->name))
            continue;
        if (param->sort != C4PI_PARAM_SCALAR || scalars[param->of].kind == C4P_ARG_FLOATING)
            return fail(r, word.at, "a length must be an integer parameter");
        *number_out = (uint8_t)i;
        return true;
    }
    return fail(r, word.at, "there is no parameter of this name");
}

/* LENGTH ]; sig NULL: a number only, inside of a struct. */
static bool
read_length(reader_t *r, const c4pi_signature_t *sig, c4pi_param_t *param)
{
    do {
        word_t word;
        uint64_t number = 1;
        skip(r);
        const char *begin = r->at;
        if (is_digit(*r->at)) {
            if (!read_number(r, &number))
                return false;
            if (number && param->count > UINT32_MAX / number)
                return fail(r, begin, "this length is too large");
            param->count *= number;
        } else if (!sig) {
            return fail(r, begin, "in a struct lengths are numbers");
        } else if (!read_word(r, &word,
                              "a length is expected here: a product of numbers and parameters")) {
            return false;
        } else if (param->num_factors == C4PI_MAX_FACTORS) {
            return fail(r, begin, "a length is of four parameters at most");
        } else if (!find_factor(r, sig, word, &param->factors[param->num_factors++])) {
            return false;
        }
    } while (take(r, '*'));
    return take(r, ']') || fail(r, r->at, "] is expected here");
}

/* FIELD {, FIELD} }: as C lays it out. */
static bool
read_struct(reader_t *r, c4pi_param_t *param)
{
    size_t size = 0;
    uint32_t align = 1;
    do {
        c4pi_param_t field = {0};
        skip(r);
        const char *begin = r->at;
        if (!read_type(r, &field) || !read_name(r, &field))
            return false;
        if (field.sort == C4PI_PARAM_TEXT)
            return fail(r, begin, "a struct has no str: use char with a length");
        if (take(r, '[') && !read_length(r, NULL, &field))
            return false;
        size = c4pi_arg_align(size, field.align) + field.size * field.count;
        align = field.align > align ? field.align : align;
        if (size > UINT32_MAX)
            return fail(r, begin, "this struct is too large");
    } while (take(r, ','));
    if (!take(r, '}'))
        return fail(r, r->at, ", or } is expected here");
    *param = (c4pi_param_t){.sort = C4PI_PARAM_FIXED,
                            .size = (uint32_t)c4pi_arg_align(size, align),
                            .align = align,
                            .count = 1};
    return true;
}

/* Past a length, which is read when all parameters are known. */
static bool
skip_length(reader_t *r, const char **length_out)
{
    *length_out = r->at;
    while (*r->at && *r->at != ']' && *r->at != ',')
        r->at++;
    return take(r, ']') || fail(r, *length_out, "this [ has no ]");
}

static bool
read_param(reader_t *r, c4pi_signature_t *sig, const char **lengths)
{
    c4pi_param_t *param = &sig->params[sig->num_params];
    skip(r);
    const char *begin = r->at;
    if (sig->num_params == C4P_MAX_PARAMS)
        return fail(r, begin, "there are too many parameters");
    *param = (c4pi_param_t){0};
    if (!read_type(r, param) || !read_name(r, param))
        return false;
    for (uint32_t i = 0; i < sig->num_params; i++)
        if (strcmp(sig->params[i].name, param->name) == 0)
            return fail(r, begin, "another parameter has this name");
    if (take(r, '[')) {
        if (param->sort == C4PI_PARAM_TEXT)
            return fail(r, begin, "there are no arrays of str");
        if (!skip_length(r, &lengths[sig->num_params]))
            return false;
        param->sort = C4PI_PARAM_FIXED;
    }
    sig->num_params++;
    return true;
}

/* ---- layout ------------------------------------------------------------------------------------ */

static bool
place(reader_t *r, c4pi_signature_t *sig)
{
    size_t at = 0;
    for (uint32_t i = 0; i < sig->num_params; i++) {
        c4pi_param_t *param = &sig->params[i];
        if (param->sort == C4PI_PARAM_FIXED && param->num_factors > 0)
            param->sort = C4PI_PARAM_ARRAY;
        const bool text = param->sort == C4PI_PARAM_TEXT;
        sig->num_tails += text || param->sort == C4PI_PARAM_ARRAY;
        if (param->sort == C4PI_PARAM_ARRAY)
            continue;
        at = c4pi_arg_align(at, text ? sizeof(uint64_t) : param->align);
        param->offset = (uint32_t)at;
        at += text ? sizeof(uint64_t) : param->size * param->count;
        if (at > UINT32_MAX / 2)
            return fail(r, r->text, "what has a fixed size is larger than 2 GiB");
    }
    sig->fixed = (uint32_t)(sig->num_tails ? c4pi_arg_align(at, C4PI_ARG_ALIGN) : at);
    return true;
}

static bool
read_all(reader_t *r, c4pi_signature_t *sig)
{
    const char *lengths[C4P_MAX_PARAMS] = {NULL};
    skip(r);
    if (!*r->at)
        return true;
    do
        if (!read_param(r, sig, lengths))
            return false;
    while (take(r, ','));
    if (*r->at)
        return fail(r, r->at, ", or the end is expected here");
    for (uint32_t i = 0; i < sig->num_params; i++)
        if (lengths[i]) {
            r->at = lengths[i];
            if (!read_length(r, sig, &sig->params[i]))
                return false;
        }
    return place(r, sig);
}

bool
c4pi_signature_parse(const char *text, c4pi_signature_t *signature_out, const char **why_out,
                     size_t *at_out)
{
    reader_t r = {.text = text, .at = text};
    c4pi_signature_t sig = {0};
    if (!read_all(&r, &sig)) {
        *why_out = r.why;
        *at_out = (size_t)(r.at - text);
        return false;
    }
    *signature_out = sig;
    return true;
}

/* ---- lengths ----------------------------------------------------------------------------------- */

bool
c4pi_signature_bytes(const c4pi_signature_t *signature, uint32_t number, const int64_t *values,
                     size_t *bytes_out)
{
    const c4pi_param_t *param = &signature->params[number];
    uint64_t bytes = param->size * param->count;
    if (param->sort == C4PI_PARAM_TEXT) {
        *bytes_out = (size_t)values[number] + 1;
        return values[number] >= 0 && values[number] < PTRDIFF_MAX;
    }
    for (uint32_t k = 0; k < param->num_factors; k++) {
        const int64_t factor = values[param->factors[k]];
        if (factor < 0 || (factor > 0 && bytes > PTRDIFF_MAX / (uint64_t)factor))
            return false;
        bytes *= (uint64_t)factor;
    }
    *bytes_out = (size_t)bytes;
    return true;
}

int64_t
c4pi_signature_value(const c4pi_param_t *param, const void *fixed)
{
    const char *at = (const char *)fixed + param->offset;
    const uint32_t size = param->sort == C4PI_PARAM_TEXT ? 8 : param->size;
    const bool is_signed = scalars[param->of].kind == C4P_ARG_SIGNED;
    int64_t value = 0;
    switch (size) {
#define READ(type)                                                                                 \
    {                                                                                              \
        type x;                                                                                    \
        memcpy(&x, at, sizeof x);                                                                  \
        value = (int64_t)x;                                                                        \
    }
    case 1:
        if (is_signed)
            READ(int8_t)
        else
            READ(uint8_t)
        break;
    case 2:
        if (is_signed)
            READ(int16_t)
        else
            READ(uint16_t)
        break;
    case 4:
        if (is_signed)
            READ(int32_t)
        else
            READ(uint32_t)
        break;
    default:
        READ(int64_t)
        break;
#undef READ
    }
    return value;
}
