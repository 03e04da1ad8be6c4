/* SPDX-License-Identifier: Apache-2.0 */
/* kernels.c: the methods of the strips in native.py. Heat flows round a ring of strips; each sends
 * the values at its ends to its neighbours, and goes on when it has those of both. */
#include <c4p/c4p.h>

enum { CELLS = 1000, LEFT = 0, RIGHT = 1 };

/* In native.py: STRIP. */
typedef struct strip {
    double t[CELLS], next[CELLS];
    double ends[2];  /* of the neighbours */
    int have;        /* of how many */
    int step, steps; /* step is -1 before the start */
    c4p_ref_t left, right;
} strip_t;

static void
must(c4p_rt_t *rt, c4p_status_t st)
{
    if (st != C4P_OK)
        c4p_abort(rt, c4p_exit_status(st), c4p_strerror(st));
}

static void
send_ends(c4p_rt_t *rt, const strip_t *strip)
{
    c4p_typed_t edge;
    must(rt, c4p_typed_find(rt, strip->left, "edge", &edge));
    must(rt, c4p_send_typed(rt, strip->left, edge, strip->step, RIGHT, strip->t[0]));
    must(rt, c4p_send_typed(rt, strip->right, edge, strip->step, LEFT, strip->t[CELLS - 1]));
}

/* Call the method in Python of this name, which has no parameters. */
static void
call_python(c4p_rt_t *rt, const char *name)
{
    const c4p_ref_t self = c4p_self(rt);
    c4p_coll_info_t info;
    c4p_entry_t entry;
    c4p_msg_t *msg;
    must(rt, c4p_coll_info(rt, self.coll, &info));
    must(rt, c4p_entry_find(rt, info.type, name, &entry));
    must(rt, c4p_msg_new(rt, 0, &msg));
    must(rt, c4p_send(rt, self, entry, msg));
}

static void
one_step(strip_t *strip)
{
    for (int i = 0; i < CELLS; i++) {
        const double left = i > 0 ? strip->t[i - 1] : strip->ends[LEFT];
        const double right = i < CELLS - 1 ? strip->t[i + 1] : strip->ends[RIGHT];
        strip->next[i] = 0.5 * strip->t[i] + 0.25 * (left + right);
    }
    for (int i = 0; i < CELLS; i++)
        strip->t[i] = strip->next[i];
}

/* "int steps, ref left, ref right" */
void
start(c4p_rt_t *rt, strip_t *strip, int steps, const c4p_ref_t *left, const c4p_ref_t *right)
{
    strip->step = 0;
    strip->steps = steps;
    strip->left = *left;
    strip->right = *right;
    send_ends(rt, strip);
}

/* "int step": the condition of edge(). A neighbour may be a step ahead, or have started before. */
bool
is_now(c4p_rt_t *rt, const strip_t *strip, int step)
{
    (void)rt;
    return step == strip->step;
}

/* "int step, int side, double value" */
void
edge(c4p_rt_t *rt, strip_t *strip, int step, int side, double value)
{
    (void)step;
    strip->ends[side] = value;
    if (++strip->have < 2)
        return;
    strip->have = 0;
    one_step(strip);
    if (++strip->step == strip->steps)
        call_python(rt, "finished");
    else
        send_ends(rt, strip);
}
