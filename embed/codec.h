/* SPDX-License-Identifier: Apache-2.0 */
/* codec.h: Python values to messages and back. The arguments of a call, or one value, become the
 * payload of a message (pack), or are captured as they are for a receiver on the same rank
 * (capture); unpack takes both kinds. Main thread with the interpreter lock held.
 *
 * What travels how: None, bool, int, float, complex, str, bytes, bytearray, tuple, list, dict, set,
 * frozenset of exactly these types, numpy arrays and scalars, array.array and the types added with
 * c4pe_codec_add() have an encoding of their own; everything else goes through pickle protocol 5
 * with buffers out of band, and through cloudpickle if pickle refuses. The second appearance of the
 * same mutable object within one argument makes the whole argument go through pickle, which keeps
 * sharing and cycles; sharing between two arguments is not kept. */
#ifndef C4PE_CODEC_H
#define C4PE_CODEC_H

#include "state.h"

/* ---- calls and values --------------------------------------------------------------------------- */

enum {
    C4PE_PACK_TEMPS = 1, /* args are a caller's value stack: an array that only the stack refers to
                            may be sent without a copy */
    C4PE_PACK_FLAT = 2, /* no segments: the payload is needed as one piece of memory on this rank */
};

/* C4PE_PACK_TEMPS if `args`, of a vectorcall, lies on the value stack of the running Python frame;
 * else 0. */
unsigned c4pe_codec_temps(PyObject *const *args);

/*
 * The arguments of a call as a message of bytes. callee (may be NULL) is for error texts only. 0,
 * or -1 with an exception that names argument, parameter, type and path, and then nothing is left
 * behind. The message is the caller's.
 */
int c4pe_codec_pack_args(c4pe_state_t *st, PyObject *const *args, Py_ssize_t nargs,
                         const c4pe_entry_t *callee, unsigned flags, c4p_msg_t **msg_out);
/*
 * The same for a receiver on this rank: immutable values by reference, mutable ones copied. The
 * message carries an object and is flattened by the runtime if it has to leave the rank after all.
 * With st->by_reference nothing is copied.
 */
int c4pe_codec_capture_args(c4pe_state_t *st, PyObject *const *args, Py_ssize_t nargs,
                            const c4pe_entry_t *callee, unsigned flags, c4p_msg_t **msg_out);
/* As c4pe_codec_capture_args(), but the tuple itself: new reference. */
PyObject *c4pe_codec_capture_tuple(c4pe_state_t *st, PyObject *const *args, Py_ssize_t nargs,
                                   const c4pe_entry_t *callee, unsigned flags);
/* One value, as sent to a future. */
int c4pe_codec_pack_value(c4pe_state_t *st, PyObject *value, unsigned flags, c4p_msg_t **msg_out);
int
c4pe_codec_capture_value(c4pe_state_t *st, PyObject *value, unsigned flags, c4p_msg_t **msg_out);

/* As c4pe_codec_pack_args(), after `head_len` bytes of the caller's own at the start of the
 * payload; args are unpacked with c4pe_codec_unpack_args_at(). */
int c4pe_codec_pack_args_after(c4pe_state_t *st, const void *head, size_t head_len,
                               PyObject *const *args, Py_ssize_t nargs, unsigned flags,
                               c4p_msg_t **msg_out);

/*
 * The arguments of a message as a new tuple. Arrays of 1 KiB and more become writable views of the
 * payload, which they keep alive, if nobody else holds the message; otherwise they are copied. NULL
 * with an exception if the bytes are damaged or user code failed.
 */
PyObject *c4pe_codec_unpack_args(c4pe_state_t *st, c4p_msg_t *msg);
PyObject *c4pe_codec_unpack_args_at(c4pe_state_t *st, c4p_msg_t *msg, size_t head_len);
PyObject *c4pe_codec_unpack_value(c4pe_state_t *st, c4p_msg_t *msg);
/* One value from bytes that somebody else owns (a part of a gathered result, a packed chare):
 * everything is copied. */
PyObject *c4pe_codec_unpack_bytes(c4pe_state_t *st, const void *data, size_t len);

/*
 * A value as a receiver on this rank must get it: itself if nobody can tell, else a copy that
 * equals what a remote receiver would get. New reference; NULL with an exception.
 */
PyObject *c4pe_codec_capture(c4pe_state_t *st, PyObject *value);
/* The same, also when the program has asked for arguments by reference. */
PyObject *c4pe_codec_copy(c4pe_state_t *st, PyObject *value);
/* About how many bytes a value would be packed into; cannot fail. */
size_t c4pe_codec_size(PyObject *value);

/* A value as the bytes of a pickle: for what must be read, or refused, one by one. New reference;
 * NULL with an exception. */
PyObject *c4pe_codec_pickle(c4pe_state_t *st, PyObject *value);

/* ---- encodings of other modules' types ---------------------------------------------------------- */

typedef struct c4pe_writer c4pe_writer_t;
typedef struct c4pe_reader c4pe_reader_t;

/* Numbers of encodings: the same on every rank. */
enum {
    C4PE_CODE_PROXY = 0,
    C4PE_CODE_BOUND = 1,
    C4PE_CODE_FUTURE = 2,
    C4PE_CODE_GIVE = 3,
    C4PE_CODE_CHANNEL = 4,
    C4PE_CODE_HOSTCHARE = 5,
    C4PE_NUM_CODES = 16
};

/* How a type and its subclasses travel. Objects are immutable as far as a receiver can tell: on the
 * same rank they go by reference. */
typedef struct c4pe_coder {
    PyTypeObject *type; /* borrowed; outlives the codec */
    int (*encode)(c4pe_state_t *st, PyObject *obj, c4pe_writer_t *w); /* 0, or -1 with an exception
                                                                       */
    PyObject *(*decode)(c4pe_state_t *st, c4pe_reader_t *r); /* new reference, or NULL with an
                                                                exception */
} c4pe_coder_t;
int c4pe_codec_add(c4pe_state_t *st, int code, const c4pe_coder_t *coder);

/* For encode functions. -1 with MemoryError. */
int c4pe_write(c4pe_writer_t *w, const void *data, size_t len);
int c4pe_write_value(c4pe_writer_t *w, PyObject *value);
/* For decode functions. -1 with Charm4PyError "damaged message" when fewer bytes are left. */
int c4pe_read(c4pe_reader_t *r, void *data, size_t len);
PyObject *c4pe_read_value(c4pe_reader_t *r);

/* ---- module ------------------------------------------------------------------------------------- */

/* Adds give(), _codec_roundtrip() and _codec_capture() to the module. */
int c4pe_codec_exec(PyObject *module, c4pe_state_t *st);
int c4pe_codec_traverse(c4pe_state_t *st, visitproc visit, void *arg);
void c4pe_codec_clear(c4pe_state_t *st);
void c4pe_codec_free(c4pe_state_t *st);
/* options.pickle_protocol: -1 or at least 5 allows buffers out of band. */
void c4pe_codec_set_protocol(c4pe_state_t *st, int protocol);
/* A reference to a stored object is being packed: what stands for it, by the hook ref_leaves. It is
 * counted back if the packing fails. New reference. */
PyObject *c4pe_codec_lend(c4pe_state_t *st, PyObject *ref);
/* The same for its __reduce__, which may also run because the program itself uses pickle. */
PyObject *c4pe_codec_lend_pickled(c4pe_state_t *st, PyObject *ref);
/* From now on this function is called in place of pickle.dumps(obj, protocol=, buffer_callback=).
 */
void c4pe_codec_set_dumps(c4pe_state_t *st, PyObject *dumps);

#endif
