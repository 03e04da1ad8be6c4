/* SPDX-License-Identifier: Apache-2.0 */
/* accum_tuple.h: tuples of typed parts: checked, and combined part by part. A tuple's image has the
 * heads of the contribution, each followed by the image (accum_typed.h) of that part. Pure
 * functions; any thread. */
#ifndef C4PI_ACCUM_TUPLE_H
#define C4PI_ACCUM_TUPLE_H

#include "svc/accum_format.h"
#include "svc/accum_typed.h"

/* A walk over a tuple; start with at = 0. The rest describes the part last seen. */
typedef struct c4pi_tuple_walk {
    const uint8_t *base;
    size_t len, at;
    bool is_image;
    c4pi_tuple_head_t head; /* head.len: bytes of the contribution, in an image too */
    const c4pi_typed_t *typed;
    const uint8_t *data;
    size_t items;
} c4pi_tuple_walk_t;

/* The next part; false at the end (at == len) and before damage: a bad length, or an operation and
 * type that do not go together. */
bool c4pi_tuple_step(c4pi_tuple_walk_t *walk);

/* Is it a whole tuple of parts that may be combined? */
bool c4pi_tuple_check(const void *data, size_t len, bool is_image);
/* Bytes of the image and of the result of a checked tuple. */
size_t c4pi_tuple_image_len(const void *data, size_t len, bool is_image);
size_t c4pi_tuple_result_len(const void *image, size_t len);
/* Have both the same operations, types and counts? */
bool
c4pi_tuple_same(const void *image, size_t image_len, const void *other, size_t len, bool is_image);

/* A contribution into fresh memory of c4pi_tuple_image_len() bytes. */
void c4pi_tuple_take(uint8_t *image, const void *data, size_t len);
/* Combine a contribution, or another image, into an image; they are the same as above. */
void
c4pi_tuple_combine(uint8_t *image, size_t image_len, const void *other, size_t len, bool is_image);
/* Write the result, c4pi_tuple_result_len() bytes. The image keeps its value. */
void c4pi_tuple_finish(uint8_t *image, size_t len, uint8_t *result);

#endif
