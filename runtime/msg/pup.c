/* SPDX-License-Identifier: Apache-2.0 */
/* pup.c: packing into a growing message, unpacking with every length checked. */
#include "msg/pup.h"

#include <stdio.h>
#include <string.h>

enum { FIRST_PAYLOAD = 448 }; /* with its envelope one 512-byte message */

static void
init(c4p_pup_t *p, c4pi_msgs_t *msgs, const void *in, size_t len)
{
    p->msgs = msgs;
    p->out = p->value = NULL;
    p->in = in;
    p->at = 0;
    p->len = len;
    p->status = C4P_OK;
    p->why[0] = '\0';
}

void
c4pi_pup_pack_init(c4p_pup_t *p, c4pi_msgs_t *msgs)
{
    init(p, msgs, NULL, 0);
}

void
c4pi_pup_unpack_init(c4p_pup_t *p, const void *data, size_t len)
{
    init(p, NULL, data, len);
}

void
c4pi_pup_fini(c4p_pup_t *p)
{
    if (p->out)
        c4pi_msg_drop(p->out);
    if (p->value)
        c4pi_msg_drop(p->value);
    p->out = p->value = NULL;
    p->len = p->at = 0;
}

void
c4p_pup_fail(c4p_pup_t *p, const char *why, c4p_msg_t *value)
{
    if (p->why[0]) {
        c4p_msg_free(value);
        return;
    }
    snprintf(p->why, sizeof p->why, "%s", why && why[0] ? why : "for no reason given");
    p->value = value;
    p->status = C4P_ERR_USER;
}

size_t
c4pi_pup_left(const c4p_pup_t *p)
{
    return p->msgs || p->status != C4P_OK ? 0 : p->len - p->at;
}

c4p_status_t
c4p_pup_status(const c4p_pup_t *p)
{
    return p->status;
}

/* The number whose first bytes in memory are the lowest of v, and back. */
static inline uint64_t
little_endian(uint64_t v)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(v);
#else
    return v;
#endif
}

/* ---- packing --------------------------------------------------------------------------------- */

static bool
grow(c4p_pup_t *p, size_t more)
{
    size_t need, cap = p->len ? 2 * p->len : FIRST_PAYLOAD;
    if (__builtin_add_overflow(p->at, more, &need))
        return false;
    c4p_msg_t *msg = c4pi_msg_alloc(p->msgs, cap > need ? cap : need);
    if (!msg)
        return false;
    if (p->out) {
        memcpy(c4pi_msg_payload(msg), c4pi_msg_payload(p->out), p->at);
        c4pi_msg_drop(p->out);
    }
    p->out = msg;
    p->len = (size_t)msg->env.len;
    return true;
}

/* Room for `len` bytes, at which the caller writes; NULL after an error. */
static uint8_t *
put_room(c4p_pup_t *p, size_t len)
{
    if (p->status != C4P_OK)
        return NULL;
    if (!p->msgs) {
        p->status = C4P_ERR_TYPE;
        return NULL;
    }
    if ((len > p->len - p->at || !p->out) && !grow(p, len)) {
        p->status = C4P_ERR_NOMEM;
        return NULL;
    }
    uint8_t *at = (uint8_t *)c4pi_msg_payload(p->out) + p->at;
    p->at += len;
    return at;
}

static inline void
put_little_endian(c4p_pup_t *p, uint64_t v, size_t width)
{
    uint8_t *at = put_room(p, width);
    v = little_endian(v);
    if (at)
        memcpy(at, &v, width);
}

void
c4p_put_u8(c4p_pup_t *p, uint8_t v)
{
    put_little_endian(p, v, 1);
}

void
c4p_put_u32(c4p_pup_t *p, uint32_t v)
{
    put_little_endian(p, v, 4);
}

void
c4p_put_u64(c4p_pup_t *p, uint64_t v)
{
    put_little_endian(p, v, 8);
}

void
c4p_put_f64(c4p_pup_t *p, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    c4p_put_u64(p, bits);
}

void
c4p_put_bytes(c4p_pup_t *p, const void *data, size_t len)
{
    uint8_t *at = put_room(p, len);
    if (at && len)
        memcpy(at, data, len);
}

void
c4p_put_blob(c4p_pup_t *p, const void *data, size_t len)
{
    c4p_put_u64(p, len);
    c4p_put_bytes(p, data, len);
}

c4p_status_t
c4pi_pup_pack_finish(c4p_pup_t *p, c4p_msg_t **msg_out)
{
    put_room(p, 0); /* so that nothing packed is a message too */
    if (p->status == C4P_OK)
        c4p_msg_trim(p->out, p->at);
    else
        c4pi_pup_fini(p);
    *msg_out = p->out;
    p->out = NULL;
    p->len = p->at = 0;
    return p->status;
}

/* ---- unpacking ------------------------------------------------------------------------------- */

/* The next `len` bytes; NULL after an error, at the end of the data too. */
static const uint8_t *
get_bytes_at(c4p_pup_t *p, size_t len)
{
    if (p->status != C4P_OK)
        return NULL;
    if (p->msgs || len > p->len - p->at) {
        p->status = p->msgs ? C4P_ERR_TYPE : C4P_ERR_DATA;
        return NULL;
    }
    const uint8_t *at = p->in ? p->in + p->at : (const uint8_t *)"";
    p->at += len;
    return at;
}

static inline uint64_t
get_little_endian(c4p_pup_t *p, size_t width)
{
    const uint8_t *at = get_bytes_at(p, width);
    uint64_t v = 0;
    if (at)
        memcpy(&v, at, width);
    return little_endian(v);
}

uint8_t
c4p_get_u8(c4p_pup_t *p)
{
    return (uint8_t)get_little_endian(p, 1);
}

uint32_t
c4p_get_u32(c4p_pup_t *p)
{
    return (uint32_t)get_little_endian(p, 4);
}

uint64_t
c4p_get_u64(c4p_pup_t *p)
{
    return get_little_endian(p, 8);
}

double
c4p_get_f64(c4p_pup_t *p)
{
    uint64_t bits = c4p_get_u64(p);
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

void
c4p_get_bytes(c4p_pup_t *p, void *data, size_t len)
{
    const uint8_t *at = get_bytes_at(p, len);
    if (len && at)
        memcpy(data, at, len);
    else if (len)
        memset(data, 0, len);
}

const void *
c4p_get_blob(c4p_pup_t *p, size_t *len_out)
{
    uint64_t len = c4p_get_u64(p);
    const void *at = len <= SIZE_MAX ? get_bytes_at(p, (size_t)len) : NULL;
    *len_out = at ? (size_t)len : 0;
    return at;
}
