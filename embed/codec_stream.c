/* SPDX-License-Identifier: Apache-2.0 */
/* codec_stream.c: the growing bytes of a payload, the memory that goes beside them, and the message
 * made of both. */
#include "codec_int.h"

/* ---- the stream --------------------------------------------------------------------------------- */

void
c4pe_codec_empty_trash(c4pe_state_t *st)
{
    PyObject *list = st->codec->trash;
    st->codec->trash = NULL;
    Py_XDECREF(list);
}

/* c4p_fn_t */
static void
empty_trash(c4p_rt_t *Py_UNUSED(rt), void *ctx)
{
    c4pe_codec_empty_trash(ctx);
}

/* Drop a reference soon: before something else is packed, or from the scheduler. */
static void
bury(c4pe_state_t *st, PyObject *owner)
{
    c4pe_codec_t *codec = st->codec;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (!codec->trash && st->rt && c4p_post(st->rt, empty_trash, st) == C4P_OK)
        codec->trash = PyList_New(0);
    if (codec->trash)
        (void)PyList_Append(codec->trash, owner);
    Py_DECREF(owner);
    PyErr_Restore(type, value, traceback);
}

void
c4pe_writer_init(c4pe_writer_t *w, c4pe_state_t *st, unsigned flags)
{
    if (st->codec->trash)
        c4pe_codec_empty_trash(st);
    w->st = st;
    w->buf = w->few_bytes;
    w->len = 0;
    w->cap = sizeof(w->few_bytes);
    w->flags = flags;
    w->depth = 0;
    w->lent_from = st->codec->num_lent;
    w->finished = false;
    w->temp = false;
    w->picky = false;
    w->num_pieces = w->num_segments = w->num_seen = 0;
    w->cap_pieces = sizeof(w->few_pieces) / sizeof(w->few_pieces[0]);
    w->pieces = w->few_pieces;
}

static bool
is_segment(const c4pe_piece_t *piece)
{
    return piece->how >= C4PE_PIECE_LENT;
}

void
c4pe_writer_drop_pieces(c4pe_writer_t *w, size_t keep)
{
    while (w->num_pieces > keep) {
        c4pe_piece_t *piece = &w->pieces[--w->num_pieces];
        if (is_segment(piece))
            w->num_segments--;
        Py_DECREF(piece->owner);
    }
}

void
c4pe_writer_fini(c4pe_writer_t *w)
{
    c4pe_writer_drop_pieces(w, 0);
    if (w->st->codec->num_lent != w->lent_from)
        c4pe_lent_settle(w->st, w->lent_from, !w->finished);
    if (w->buf != w->few_bytes)
        PyMem_Free(w->buf);
    if (w->pieces != w->few_pieces)
        PyMem_Free(w->pieces);
}

int
c4pe_writer_grow(c4pe_writer_t *w, size_t n)
{
    size_t cap = w->cap + w->cap / 2 + n;
    char *buf = cap < (size_t)PY_SSIZE_T_MAX ? PyMem_Malloc(cap) : NULL;
    if (!buf) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(buf, w->buf, w->len);
    if (w->buf != w->few_bytes)
        PyMem_Free(w->buf);
    w->buf = buf;
    w->cap = cap;
    return 0;
}

int
c4pe_write(c4pe_writer_t *w, const void *data, size_t len)
{
    if (c4pe_writer_room(w, len) < 0)
        return -1;
    memcpy(w->buf + w->len, data, len);
    w->len += len;
    return 0;
}

static int
more_pieces(c4pe_writer_t *w)
{
    size_t cap = w->cap_pieces * 2;
    c4pe_piece_t *pieces = PyMem_Malloc(cap * sizeof(*pieces));
    if (!pieces) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(pieces, w->pieces, w->num_pieces * sizeof(*pieces));
    if (w->pieces != w->few_pieces)
        PyMem_Free(w->pieces);
    w->pieces = pieces;
    w->cap_pieces = cap;
    return 0;
}

/* How a piece travels that was meant to travel like that. */
static c4pe_piece_how_t
decide(c4pe_writer_t *w, c4pe_piece_how_t how, size_t len)
{
    if (how == C4PE_PIECE_STRIDED)
        return how;
    if ((w->flags & C4PE_PACK_FLAT) || w->num_segments == C4PE_MAX_SEGMENTS || len < C4PE_LEND)
        return C4PE_PIECE_COPY;
    w->num_segments++;
    return how == C4PE_PIECE_SEGMENT && len >= C4PE_SEGMENT ? how : C4PE_PIECE_LENT;
}

int
c4pe_writer_piece(c4pe_writer_t *w, c4pe_piece_how_t how, const void *data, size_t len,
                  PyObject *owner)
{
    const uint64_t unknown = 0;
    how = decide(w, how, len);
    if (w->num_pieces == w->cap_pieces && more_pieces(w) < 0)
        return -1;
    w->pieces[w->num_pieces++] = (c4pe_piece_t){
        .how = how, .data = data, .len = len, .patch = w->len, .owner = Py_NewRef(owner)};
    return c4pe_write(w, &unknown, sizeof(unknown));
}

/* ---- the message -------------------------------------------------------------------------------- */

static size_t
align_up(size_t n)
{
    return (n + C4PE_ALIGN - 1) & ~(size_t)(C4PE_ALIGN - 1);
}

/* Give every piece its place, segments last; returns how long the part of the payload before the
 * segments is. */
static size_t
place_pieces(c4pe_writer_t *w)
{
    size_t at = w->len, inline_len = w->len;
    for (int segments = 0; segments < 2; segments++) {
        for (size_t i = 0; i < w->num_pieces; i++) {
            c4pe_piece_t *piece = &w->pieces[i];
            if (is_segment(piece) != (segments == 1))
                continue;
            uint64_t place = align_up(at);
            memcpy(w->buf + piece->patch, &place, sizeof(place));
            piece->patch = (size_t)place; /* from here on: its place */
            at = (size_t)place + piece->len;
        }
        if (!segments)
            inline_len = w->num_segments ? align_up(at) : at;
    }
    return inline_len;
}

static int
copy_strided(c4pe_writer_t *w, const c4pe_piece_t *piece, void *to)
{
    const c4pe_npy_t *npy = &w->st->codec->npy;
    const c4pe_ndarray_t *a = (const c4pe_ndarray_t *)piece->owner;
    PyObject *view =
        c4pe_npy_view(npy, Py_NewRef(a->descr), a->nd, a->dims, to, Py_NewRef(Py_None));
    if (!view)
        return -1;
    int err = npy->copy_into(view, piece->owner);
    Py_DECREF(view);
    return err;
}

/* Does dropping the last reference run code of the program's? */
static bool
is_harmless(const c4pe_codec_t *codec, PyObject *owner)
{
    PyTypeObject *type = Py_TYPE(owner);
    if (type == codec->npy.array) {
        const c4pe_ndarray_t *a = (const c4pe_ndarray_t *)owner;
        return !a->weakrefs && (!a->base || Py_TYPE(a->base) == codec->payload_type);
    }
    return type == &PyBytes_Type || type == &PyUnicode_Type || type == &PyByteArray_Type;
}

/* From inside the transport: a destructor, which may send, must not run now. */
static void
release_owner(void *ctx)
{
    PyObject *owner = ctx;
    if (!Py_IsInitialized())
        return;
    c4pe_state_t *st = Py_REFCNT(owner) == 1 ? c4pe_codec_state_of(NULL) : NULL;
    if (st && !is_harmless(st->codec, owner))
        bury(st, owner);
    else
        Py_DECREF(owner);
}

static void
release_nothing(void *ctx)
{
    (void)ctx;
}

/* A segment, and zeros before it so that it starts aligned. *at: where the payload ends now. */
static c4p_status_t
attach_segment(c4pe_piece_t *piece, c4p_msg_t *msg, size_t *at)
{
    static const char zeros[C4PE_ALIGN];
    c4p_status_t st = C4P_OK;
    if (piece->patch > *at)
        st = c4p_msg_attach(msg, zeros, piece->patch - *at, release_nothing, NULL);
    if (st == C4P_OK)
        st = piece->how == C4PE_PIECE_LENT
                 ? c4p_msg_lend(msg, piece->data, piece->len, release_owner, piece->owner)
                 : c4p_msg_attach(msg, piece->data, piece->len, release_owner, piece->owner);
    if (st == C4P_OK)
        Py_INCREF(piece->owner);
    *at = piece->patch + piece->len;
    return st;
}

/* What lies before the segments: the pieces that are copied, and zeros between them. */
static int
fill_inline(c4pe_writer_t *w, char *to, size_t inline_len)
{
    size_t at = w->len;
    for (size_t i = 0; i < w->num_pieces; i++) {
        c4pe_piece_t *piece = &w->pieces[i];
        if (is_segment(piece))
            continue;
        memset(to + at, 0, piece->patch - at);
        at = piece->patch + piece->len;
        if (piece->how == C4PE_PIECE_COPY)
            memcpy(to + piece->patch, piece->data, piece->len);
        else if (copy_strided(w, piece, to + piece->patch) < 0)
            return -1;
    }
    memset(to + at, 0, inline_len - at);
    return 0;
}

/* An array that was handed over is read-only on this side from now on. */
static void
freeze_owner(c4pe_writer_t *w, PyObject *owner)
{
    if (c4pe_npy_is_array(&w->st->codec->npy, owner))
        ((c4pe_ndarray_t *)owner)->flags &= ~C4PE_NPY_WRITEABLE;
}

static int
fill_segments(c4pe_writer_t *w, c4p_msg_t *msg, size_t inline_len)
{
    size_t end = inline_len;
    for (size_t i = 0; i < w->num_pieces; i++) {
        c4pe_piece_t *piece = &w->pieces[i];
        if (!is_segment(piece))
            continue;
        if (attach_segment(piece, msg, &end) != C4P_OK) {
            PyErr_NoMemory();
            return -1;
        }
        if (piece->how == C4PE_PIECE_SEGMENT)
            freeze_owner(w, piece->owner);
    }
    return 0;
}

int
c4pe_writer_finish(c4pe_writer_t *w, c4p_msg_t **msg_out)
{
    c4p_msg_t *msg;
    size_t len = w->num_pieces ? place_pieces(w) : w->len;
    if (c4p_msg_new(w->st->rt, len, &msg) != C4P_OK) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(c4p_msg_data(msg), w->buf, w->len);
    if (w->num_pieces &&
        (fill_inline(w, c4p_msg_data(msg), len) < 0 || fill_segments(w, msg, len) < 0)) {
        c4p_msg_free(msg);
        return -1;
    }
    *msg_out = msg;
    w->finished = true;
    return 0;
}
