/* SPDX-License-Identifier: Apache-2.0 */
/* pup.h: the buffer behind c4p/pup.h. */
#ifndef C4PI_PUP_H
#define C4PI_PUP_H

#include <c4p/pup.h>

#include "msg/msg.h"

struct c4p_pup {
    c4pi_msgs_t *msgs; /* packing */
    c4p_msg_t *out;    /* packing: grows */
    const uint8_t *in; /* unpacking: borrowed */
    size_t at, len;    /* len: capacity or input length */
    c4p_status_t status;
    char why[256];    /* of c4p_pup_fail(); "" without */
    c4p_msg_t *value; /* of c4p_pup_fail(); NULL without */
};

/* Pack into a growing message. finish trims and gives it away (NULL and the status on error); fini
 * drops what was not taken. */
void c4pi_pup_pack_init(c4p_pup_t *p, c4pi_msgs_t *msgs);
c4p_status_t c4pi_pup_pack_finish(c4p_pup_t *p, c4p_msg_t **msg_out);
void c4pi_pup_fini(c4p_pup_t *p); /* also after unpacking, if that may have failed */
/* Unpack from memory that stays valid and unchanged meanwhile. */
void c4pi_pup_unpack_init(c4p_pup_t *p, const void *data, size_t len);
size_t c4pi_pup_left(const c4p_pup_t *p); /* bytes not yet read */

#endif
