/* SPDX-License-Identifier: Apache-2.0 */
/* native.c: what the rows of native methods call, as a library for bench/python. */
#include <c4p/c4p.h>

#define KERNEL __attribute__((visibility("default")))

/* The native state of the chares in remote.py. */
typedef struct peer {
    c4p_ref_t other;
    c4p_typed_t ping;
    int finished;
} peer_t;

KERNEL void meet(c4p_rt_t *rt, peer_t *peer, const c4p_ref_t *other);
KERNEL void ping(c4p_rt_t *rt, peer_t *peer, int left);

static void
must(c4p_rt_t *rt, c4p_status_t st)
{
    if (st != C4P_OK)
        c4p_abort(rt, 70, c4p_strerror(st));
}

KERNEL void
meet(c4p_rt_t *rt, peer_t *peer, const c4p_ref_t *other)
{
    c4p_entry_t finished;
    peer->other = *other;
    must(rt, c4p_typed_find(rt, *other, "ping", &peer->ping));
    must(rt, c4p_entry_find(rt, peer->ping.type, "finished", &finished));
    peer->finished = finished;
}

KERNEL void
ping(c4p_rt_t *rt, peer_t *peer, int left)
{
    c4p_msg_t *msg;
    if (left > 0) {
        must(rt, c4p_send_typed(rt, peer->other, peer->ping, left - 1));
        return;
    }
    must(rt, c4p_msg_new(rt, 0, &msg));
    must(rt, c4p_send(rt, c4p_self(rt), (c4p_entry_t)peer->finished, msg));
}
