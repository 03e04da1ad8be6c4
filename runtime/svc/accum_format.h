/* SPDX-License-Identifier: Apache-2.0 */
/* accum_format.h: the bytes of reduction results, gathered lists and tuples, shared by accum.c
 * which writes them and api/result.c which reads them. All lengths may come from damaged bytes: the
 * walkers check them without overflow. Any thread.
 *
 *   result:  [ c4pi_result_head_t, 64 B | data, len B | zeros up to a multiple of 16 | meta ]
 *   gather:  data is a sequence of   [ c4pi_part_head_t, 32 B | bytes | zeros up to a multiple of
 * 16 ] tuple:   data is a sequence of   [ c4pi_tuple_head_t, 16 B | bytes | zeros up to a multiple
 * of 16 ] */
#ifndef C4PI_ACCUM_FORMAT_H
#define C4PI_ACCUM_FORMAT_H

#include <string.h>

#include <c4p/collective.h>

#define C4PI_RESULT_MAGIC 0x53523443u /* "C4RS" */
#define C4PI_META_MAX     4096u

typedef struct c4pi_result_head {
    uint32_t magic;
    uint8_t op, dtype;
    uint16_t ndims; /* to read the keys of a gathered list */
    uint32_t custom;
    uint32_t spare;
    uint64_t number, contributors, len, meta_len;
    uint64_t coll; /* reduced over */
    uint64_t spare_too;
} c4pi_result_head_t;
_Static_assert(sizeof(c4pi_result_head_t) == 64,
               "the data behind it keeps the payload's alignment");

/* Write into a finished result what was reduced over. */
static inline void
c4pi_result_set_coll(c4p_msg_t *result, c4p_coll_t coll)
{
    memcpy((char *)c4p_msg_data(result) + offsetof(c4pi_result_head_t, coll), &coll, sizeof coll);
}

typedef struct c4pi_part_head {
    c4p_key_t key;
    uint64_t len;
    uint32_t is_error;
    uint32_t spare;
} c4pi_part_head_t;
_Static_assert(sizeof(c4pi_part_head_t) == 32, "part data stays aligned to 16");

typedef struct c4pi_tuple_head {
    uint32_t op, dtype;
    uint64_t len;
} c4pi_tuple_head_t;
_Static_assert(sizeof(c4pi_tuple_head_t) == 16, "part data stays aligned to 16");

/* Rounded up to a multiple of 16. len <= SIZE_MAX - 15. */
static inline size_t
c4pi_pad16(size_t len)
{
    return (len + 15) & ~(size_t)15;
}

/* Is there room at `at` for a head of `head` bytes and then `body` bytes with padding? */
static inline bool
c4pi_format_fits(size_t total, size_t at, size_t head, uint64_t body)
{
    if (at > total || total - at < head)
        return false;
    size_t left = total - at - head;
    return body <= left && c4pi_pad16((size_t)body) <= left;
}

/* The part of a gathered list at *at, which advances. False, with *at unchanged, at the end and
 * before damaged bytes: at the true end *at == len. */
static inline bool
c4pi_part_next(const uint8_t *base, size_t len, size_t *at, c4pi_part_head_t *head_out,
               const uint8_t **data_out)
{
    if (*at > len || len - *at < sizeof(*head_out))
        return false;
    memcpy(head_out, base + *at, sizeof(*head_out));
    if (!c4pi_format_fits(len, *at, sizeof(*head_out), head_out->len))
        return false;
    *data_out = base + *at + sizeof(*head_out);
    *at += sizeof(*head_out) + c4pi_pad16((size_t)head_out->len);
    return true;
}

/* The same for a tuple. */
static inline bool
c4pi_tuple_next(const uint8_t *base, size_t len, size_t *at, c4pi_tuple_head_t *head_out,
                const uint8_t **data_out)
{
    if (*at > len || len - *at < sizeof(*head_out))
        return false;
    memcpy(head_out, base + *at, sizeof(*head_out));
    if (!c4pi_format_fits(len, *at, sizeof(*head_out), head_out->len))
        return false;
    *data_out = base + *at + sizeof(*head_out);
    *at += sizeof(*head_out) + c4pi_pad16((size_t)head_out->len);
    return true;
}

#endif
