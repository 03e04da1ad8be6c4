/* SPDX-License-Identifier: Apache-2.0 */
/* pup.h: bounds-checked packing into a growing buffer and unpacking from one. One error is kept:
 * after it every call does nothing and zeroes its output, so a caller may check once at the end.
 * Little-endian, fixed widths. The pack or unpack function was given a valid c4p_pup_t; NULL is
 * none. */
#ifndef C4P_PUP_H
#define C4P_PUP_H

#include <c4p/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is packed into, or unpacked from. The runtime's, lent to pack and unpack functions until
 * they return. */
typedef struct c4p_pup c4p_pup_t;

/** Append one byte. */
C4P_API void c4p_put_u8(c4p_pup_t *p, uint8_t v);
/** Append four bytes. */
C4P_API void c4p_put_u32(c4p_pup_t *p, uint32_t v);
/** Append eight bytes. */
C4P_API void c4p_put_u64(c4p_pup_t *p, uint64_t v);
/** Append eight bytes: IEEE 754, every bit. */
C4P_API void c4p_put_f64(c4p_pup_t *p, double v);
/** Append bytes, which are copied; no length is written. */
C4P_API void c4p_put_bytes(c4p_pup_t *p, const void *data, size_t len);
/** Append a u64 length, then the bytes, which are copied. */
C4P_API void c4p_put_blob(c4p_pup_t *p, const void *data, size_t len);

/** The next byte; 0 after an error, as from all of these. */
C4P_API uint8_t c4p_get_u8(c4p_pup_t *p);
/** What c4p_put_u32() wrote. */
C4P_API uint32_t c4p_get_u32(c4p_pup_t *p);
/** What c4p_put_u64() wrote. */
C4P_API uint64_t c4p_get_u64(c4p_pup_t *p);
/** What c4p_put_f64() wrote. */
C4P_API double c4p_get_f64(c4p_pup_t *p);
/** Copy the next `len` bytes to `data`, or zeros after an error. */
C4P_API void c4p_get_bytes(c4p_pup_t *p, void *data, size_t len);
/** The bytes of a blob, borrowed from the buffer; NULL with *len_out 0 on error. */
C4P_API const void *c4p_get_blob(c4p_pup_t *p, size_t *len_out);

/**
 * For pack and unpack functions that fail: why, in words, for the report (copied), and `value` (may
 * be NULL) as the error for whoever waits for the move. Ownership: takes value. The first reason
 * stays.
 */
C4P_API void c4p_pup_fail(c4p_pup_t *p, const char *why, c4p_msg_t *value);
/** How it went. Returns: C4P_OK; C4P_ERR_USER after c4p_pup_fail(); C4P_ERR_NOMEM while packing;
 * C4P_ERR_DATA when unpacking ran past the end; C4P_ERR_TYPE after packing into what is to be
 * unpacked. */
C4P_API c4p_status_t c4p_pup_status(const c4p_pup_t *p);

#ifdef __cplusplus
}
#endif
#endif
