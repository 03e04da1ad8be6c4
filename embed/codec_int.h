/* SPDX-License-Identifier: Apache-2.0 */
/* codec_int.h: what the files of the codec share.
 *
 * A payload is [head of the caller's][mark, count][values …][padding][pieces, each aligned to 64
 * …]. A value is one tag byte and what belongs to it, unaligned, little-endian. Memory of 1 KiB and
 * more is a piece: its place in the payload stands behind the tag, its bytes are copied straight
 * into the finished message, or attached to it as a segment: for good when nobody can change them,
 * else lent until the message has been sent. */
#ifndef C4PE_CODEC_INT_H
#define C4PE_CODEC_INT_H

#include "codec.h"
#include "npy.h"

#if !PY_LITTLE_ENDIAN
#error "the encoding of messages assumes a little-endian machine"
#endif

enum {
    C4PE_BIG = 1024,        /* from this size on memory is a piece, and a view at the receiver */
    C4PE_SEGMENT = 16384,   /* from this size on immutable memory is sent without a copy */
    C4PE_LEND = 8192,       /* from this size on memory is lent, and captured by the transport */
    C4PE_MAX_SEGMENTS = 32, /* each may need a second one for padding; a message has 64 */
    C4PE_ALIGN = 64,
    C4PE_MAX_DEPTH = 32, /* nested deeper than that goes through pickle */
    C4PE_FEW = 24,       /* shared objects per argument that are looked for one by one */
    C4PE_MARK_ARGS = 0xA7,
    C4PE_MARK_VALUE = 0xB7
};

enum c4pe_tag {
    C4PE_TAG_NONE = 'N',
    C4PE_TAG_TRUE = 'T',
    C4PE_TAG_FALSE = 'F',
    C4PE_TAG_INT = 'I',
    C4PE_TAG_FLOAT = 'D',
    C4PE_TAG_COMPLEX = 'C',
    C4PE_TAG_STR = 'U',       /* kind, length, characters */
    C4PE_TAG_BYTES = 'B',     /* length, bytes */
    C4PE_TAG_BYTEARRAY = 'Y', /* length, bytes */
    C4PE_TAG_BIG_STR = 'u',   /* kind, length, place */
    C4PE_TAG_BIG_BYTES = 'b',
    C4PE_TAG_BIG_BYTEARRAY = 'y',
    C4PE_TAG_TUPLE = '(',
    C4PE_TAG_LIST = '[',
    C4PE_TAG_DICT = '{',
    C4PE_TAG_SET = '<',
    C4PE_TAG_FROZENSET = '>',
    C4PE_TAG_NDARRAY = 'A',     /* dtype, shape, items */
    C4PE_TAG_BIG_NDARRAY = 'a', /* dtype, shape, place */
    C4PE_TAG_SCALAR = 'S',      /* dtype, item */
    C4PE_TAG_ARRAY = 'R',       /* array.array: type code, length in bytes, items */
    C4PE_TAG_BIG_ARRAY = 'r',
    C4PE_TAG_CODER = 'E',  /* number of the encoding, what it wrote */
    C4PE_TAG_PICKLE = 'P', /* number of buffers; for each: read-only, length, place; length or place
                              of the pickle */
};

/* Memory that goes into the message as it is. COPY becomes LENT if it is large. */
typedef enum {
    C4PE_PIECE_COPY,
    C4PE_PIECE_STRIDED,
    C4PE_PIECE_LENT,
    C4PE_PIECE_SEGMENT
} c4pe_piece_how_t;

typedef struct c4pe_piece {
    c4pe_piece_how_t how;
    const void *data;
    size_t len;
    size_t patch;    /* where in the stream its place is to be written */
    PyObject *owner; /* strong; STRIDED: the array */
} c4pe_piece_t;

struct c4pe_writer {
    c4pe_state_t *st;
    char *buf;
    size_t len, cap;
    unsigned flags;
    unsigned depth;
    size_t lent_from; /* codec->num_lent when it began */
    bool finished;    /* there is a message of it */
    bool temp;  /* the value being written is a top-level one that only the caller's stack may hold
                 */
    bool picky; /* set when the argument must go through pickle: the reason is no error */
    size_t num_pieces, cap_pieces, num_segments;
    c4pe_piece_t *pieces;
    size_t num_seen;
    PyObject *seen[C4PE_FEW]; /* borrowed: objects of this argument that somebody else refers to,
                                 too */
    c4pe_piece_t few_pieces[4];
    char few_bytes[1024];
};

struct c4pe_reader {
    c4pe_state_t *st;
    const unsigned char *base, *at, *end; /* of the stream and of all: pieces lie before end, too */
    c4p_msg_t *msg;                       /* views may keep this message; NULL: copy everything */
    unsigned depth;
};

/* The codec's part of the module state. */
typedef struct c4pe_codec {
    c4pe_npy_t npy;
    c4pe_coder_t coders[C4PE_NUM_CODES];
    PyObject *coder_of;      /* dict type -> number of its encoding, or -1 */
    PyTypeObject *last_type; /* borrowed from coder_of: the type that was looked up last and has an
                                encoding */
    int last_code;
    PyObject *dtype_bytes; /* dict id(dtype) -> (dtype, bytes of its pickle) */
    PyObject *dtype_of;    /* dict bytes -> dtype */
    PyTypeObject *array;   /* array.array, once the program loaded it */
    PyTypeObject *payload_type, *give_type;
    PyObject *dumps, *loads, *cloud_dumps, *pickling_error;
    PyObject *dumps_names; /* ("protocol", "buffer_callback") */
    PyObject *loads_names; /* ("buffers",) */
    PyObject *protocol;    /* int */
    bool out_of_band;      /* the protocol has buffers */
    PyObject *lent;        /* list of (reference to a stored object, copies) that was counted as
                              leaving in what is being packed; NULL: none ever */
    size_t num_lent;
    PyObject *trash; /* list of what is to be dropped outside of the transport; NULL: nothing */
    PyObject *s_typecode, *s_frombytes, *s_append, *s_hasobject;
} c4pe_codec_t;

/* Hands an array over. */
typedef struct c4pe_give {
    PyObject_HEAD
    PyObject *array;
} c4pe_give_t;

/* ---- codec_lent.c -------------------------------------------------------------------------------- */

/* The references noted since there were `from` of them have left in a message, or, with undo, they
 * have not: count them back. An exception that is set stays. */
void c4pe_lent_settle(c4pe_state_t *st, size_t from, bool undo);

/* ---- codec_stream.c ------------------------------------------------------------------------------ */

void c4pe_writer_init(c4pe_writer_t *w, c4pe_state_t *st, unsigned flags);
void c4pe_writer_fini(c4pe_writer_t *w);
/* Room for n more bytes at w->buf + w->len; -1 with MemoryError. */
int c4pe_writer_grow(c4pe_writer_t *w, size_t n);
void c4pe_codec_empty_trash(c4pe_state_t *st);
/* A piece whose place is written at the end of the stream. owner is kept. */
int c4pe_writer_piece(c4pe_writer_t *w, c4pe_piece_how_t how, const void *data, size_t len,
                      PyObject *owner);
/* Forget all pieces but the first `keep`. */
void c4pe_writer_drop_pieces(c4pe_writer_t *w, size_t keep);
/* Make the message. */
int c4pe_writer_finish(c4pe_writer_t *w, c4p_msg_t **msg_out);

/* ---- codec_write.c ------------------------------------------------------------------------------- */

/* One argument, by its own encoding or through pickle. */
int c4pe_writer_top(c4pe_writer_t *w, PyObject *obj);

static inline int
c4pe_writer_room(c4pe_writer_t *w, size_t n)
{
    return w->cap - w->len >= n ? 0 : c4pe_writer_grow(w, n);
}

static inline int
c4pe_write_tag(c4pe_writer_t *w, enum c4pe_tag tag)
{
    if (c4pe_writer_room(w, 1) < 0)
        return -1;
    w->buf[w->len++] = (char)tag;
    return 0;
}

/* A length: one byte, or 255 and eight. */
static inline int
c4pe_write_len(c4pe_writer_t *w, size_t n)
{
    if (c4pe_writer_room(w, 9) < 0)
        return -1;
    if (n < 255) {
        w->buf[w->len++] = (char)n;
        return 0;
    }
    uint64_t wide = n;
    w->buf[w->len++] = (char)255;
    memcpy(w->buf + w->len, &wide, 8);
    w->len += 8;
    return 0;
}

/* True if only the value stack of the caller, known to be one, refers to the object. */
static inline bool
c4pe_codec_is_temporary(PyObject *obj)
{
#if PY_VERSION_HEX >= 0x030e0000
    return PyUnstable_Object_IsUniqueReferencedTemporary(obj);
#else
    return Py_REFCNT(obj) == 1;
#endif
}

/* The number of the encoding for obj's type, -1 for none, -2 with an exception. */
int c4pe_codec_find_coder(c4pe_state_t *st, PyTypeObject *type);
/* The bytes that describe a dtype without a plain number: borrowed; NULL without exception if it
 * holds objects, with one on failure. */
PyObject *c4pe_codec_dtype_bytes(c4pe_state_t *st, PyObject *dtype);
/* True (and remembered) if the type is array.array. */
bool c4pe_codec_is_array(c4pe_codec_t *codec, PyTypeObject *type);

/* The state, from a callback of the runtime. */
c4pe_state_t *c4pe_codec_state_of(c4p_rt_t *rt);

/* ---- codec_pickle.c ----------------------------------------------------------------------------- */

int c4pe_pickle_exec(c4pe_codec_t *codec);
void c4pe_pickle_clear(c4pe_codec_t *codec);
/* pickle.dumps(obj), or cloudpickle's if pickle refuses; buffers (may be NULL): a list that gets
 * PickleBuffers. */
PyObject *c4pe_pickle_dumps(c4pe_state_t *st, PyObject *obj, PyObject *buffers);
PyObject *c4pe_pickle_loads(c4pe_codec_t *codec, const void *data, size_t len, PyObject *buffers);

int c4pe_pickle_write(c4pe_writer_t *w, PyObject *obj);
PyObject *c4pe_pickle_read(c4pe_reader_t *r);
/* A copy of obj by way of pickle, with its own buffers. */
PyObject *c4pe_pickle_copy(c4pe_state_t *st, PyObject *obj);

/* ---- codec_explain.c ---------------------------------------------------------------------------- */

/* Replace the exception of a value that could not be sent by one that says which one. number: 1 …;
 * 0: not an argument. */
void
c4pe_codec_explain(c4pe_state_t *st, PyObject *arg, Py_ssize_t number, const c4pe_entry_t *callee);

/* ---- codec_read.c ------------------------------------------------------------------------------- */

int c4pe_reader_damaged(c4pe_reader_t *r); /* always -1 */
PyObject *c4pe_reader_top(c4pe_reader_t *r);

static inline size_t
c4pe_reader_left(const c4pe_reader_t *r)
{
    return (size_t)(r->end - r->at);
}

static inline int
c4pe_read_len(c4pe_reader_t *r, size_t *n_out)
{
    uint64_t wide;
    *n_out = 0;
    if (r->at >= r->end)
        return c4pe_reader_damaged(r);
    unsigned first = *r->at++;
    if (first < 255) {
        *n_out = first;
        return 0;
    }
    if (c4pe_reader_left(r) < 8)
        return c4pe_reader_damaged(r);
    memcpy(&wide, r->at, 8);
    r->at += 8;
    if (wide > (uint64_t)PY_SSIZE_T_MAX)
        return c4pe_reader_damaged(r);
    *n_out = (size_t)wide;
    return 0;
}

/* len bytes that stand here; NULL with an exception. */
const void *c4pe_reader_take(c4pe_reader_t *r, size_t len);
/* len bytes of a piece, whose place stands here; NULL with an exception. */
const void *c4pe_reader_piece(c4pe_reader_t *r, size_t len);
/* An object with the buffer interface over memory of the message, which it keeps. Needs r->msg. */
PyObject *c4pe_payload_new(c4pe_reader_t *r, const void *data, size_t len, bool readonly);
int c4pe_payload_add_type(PyObject *module, c4pe_codec_t *codec);

#endif
