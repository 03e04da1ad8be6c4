/* SPDX-License-Identifier: Apache-2.0 */
/* python.h: Python chares inside a C program. Link c4pyembed (CMake c4pyrt::python, pkg-config
 * c4pyrt-python); nothing of Python is needed to compile.
 *
 *     c4p_init_comm(comm, NULL, &rt);                  types in C as usual
 *     c4p_python_init(rt, NULL, &py);
 *     c4p_python_import(py, "analysis");
 *     c4p_python_start(py);                            instead of c4p_start(rt)
 *     if (rank == 0)
 *         c4p_python_group_new(py, "analysis.Watch", NULL, 0, &watch);
 *     MPI_Bcast(&watch, sizeof watch, MPI_BYTE, 0, comm);
 *     c4p_proxy_at(&watch, &(c4p_index_t){1, {rank}}, &mine);
 *     for (...) {
 *         step(u);
 *         view = c4p_py_view(u, C4P_FLOAT64, 2, dims);
 *         c4p_python_ask_all(py, &mine, "look", &view, 1, &answer);
 *     }
 *     c4p_python_free(py);                             instead of c4p_free(rt)
 *
 * Scheduler: the host drives. Nothing of Python runs but inside these functions and the scheduler
 * calls (c4p_run_until_quiescent(), c4p_run_for(), c4p_step(), c4p_run()), on the thread that made
 * the runtime. Entry methods and coroutines of Python take turns with those in C; a coroutine that
 * waits stays suspended while the host computes, and goes on in the next scheduler call.
 *
 * Interpreter lock: that thread holds it from c4p_python_init() to the end of the process. It lets
 * other threads of Python run while the scheduler sleeps and, for a moment, every 10 ms in it; not
 * while the host computes. Other threads of the host must not call Python.
 *
 * Guest: a process has one interpreter, and one runtime with Python in its life. Python that runs
 * already, as in a host that is an extension module, is refused. Neither signals nor the locale nor
 * C's streams are touched; sys.stdout is written line by line.
 *
 * Errors: as everywhere in c4p.h, a call that is refused has done nothing: C4P_ERR_ARG for NULL,
 * C4P_ERR_STATE at the wrong time, C4P_ERR_NOMEM. C4P_ERR_USER: Python raised an exception, of
 * which c4p_python_error() gives class, message and traceback; so does a refusal by the package,
 * such as of a class that does not exist. An exception in an entry method that nobody waits for
 * ends the job with a report, as in a Python program. */
#ifndef C4P_PYTHON_H
#define C4P_PYTHON_H

#include <string.h>

#include <c4p/c4p.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Python on the runtime of this rank. Belongs to the runtime's thread. */
typedef struct c4p_python c4p_python_t;

/* ---- life ------------------------------------------------------------------------------------- */

typedef struct c4p_python_opts {
    size_t struct_size;
    const char *path; /**< folders, with ':' between, where modules are looked for before
                         PYTHONPATH and the packages of the environment; NULL: none */
    int argc;         /**< sys.argv, as main() gets it; 0: it is [""] */
    const char *const *argv;
} c4p_python_opts_t;
#define C4P_PYTHON_OPTS_INIT                                                                       \
    {                                                                                              \
        .struct_size = sizeof(c4p_python_opts_t)                                                   \
    }

/**
 * Start the interpreter that the library was built for, in the active virtual environment if there
 * is one (C4PY_PYTHON names another), on a runtime that has not been started. opts may be NULL.
 * Each rank for itself; all ranks must. What is wrong is logged.
 * Returns: C4P_OK; C4P_ERR_STATE if this process has an interpreter, or the runtime has been
 * started; C4P_ERR_NOT_FOUND if the interpreter, the package c4py or greenlet is missing.
 */
C4P_API c4p_status_t c4p_python_init(c4p_rt_t *rt, const c4p_python_opts_t *opts,
                                     c4p_python_t **py_out);

/**
 * Import a module ("analysis", "package.module"). Its chare classes are registered by
 * c4p_python_start(), so all ranks import the same. The module's code runs now; charm.start() is
 * not for it. Before c4p_python_start(). Returns C4P_OK or as above.
 */
C4P_API c4p_status_t c4p_python_import(c4p_python_t *py, const char *module);

/**
 * Register the chare classes and start the runtime: c4p_start(), after which chares may be created
 * in C and in Python on any rank. Takes the runtime's hooks (c4p_set_hooks()). Collective; when it
 * returns the job is quiescent. Returns also what c4p_start() does; a job that could not be started
 * can only be ended.
 */
C4P_API c4p_status_t c4p_python_start(c4p_python_t *py);

/**
 * The same, but the chares, in C and in Python, are those of the checkpoint in `dir`, on however
 * many ranks: c4p_restart(). A job that c4p_python_start() began writes one with c4p_checkpoint();
 * its proxies are valid again, so a host keeps them with its own data. `trust`: the checkpoint may
 * make objects of any class, as when pickles are read; without it those that are known to do no
 * harm. Returns also what c4p_restart() does.
 */
C4P_API c4p_status_t c4p_python_restart(c4p_python_t *py, const char *dir, bool trust);

/**
 * Run the functions that Python code has registered with atexit, free the runtime with its chares
 * in C and Python (c4p_free(), which must not be called then), and `py`. Collective, at the times
 * when c4p_free() may be called, or before the start. The interpreter stays in the process, idle:
 * numpy cannot be loaded twice. NULL is fine.
 */
C4P_API void c4p_python_free(c4p_python_t *py);

/** An exception of Python as text; UTF-8. */
typedef struct c4p_python_error {
    const char *type;      /**< "ValueError", "analysis.TooHot" */
    const char *message;   /**< str() of it */
    const char *traceback; /**< as Python prints it, of the rank where it was raised; of several
                              lines */
} c4p_python_error_t;
/** The exception behind the latest C4P_ERR_USER; empty texts before the first, and for NULL.
 * Borrowed until the next one. */
C4P_API c4p_python_error_t c4p_python_error(const c4p_python_t *py);

/* ---- chares ----------------------------------------------------------------------------------- */

/** A collection of Python chares or one element of it. Plain data: may be stored, sent to other
 * ranks, and passed to Python, where it is a proxy. Treat the members but `ref` as private. */
typedef struct c4p_proxy {
    c4p_ref_t ref; /**< of a whole collection: ref.coll */
    uint32_t type;
    uint16_t flags;
    uint8_t kind, ndims;
} c4p_proxy_t;

/* ---- values ----------------------------------------------------------------------------------- */

/** What a value is, in C and in Python. */
typedef enum c4p_pyval_kind {
    C4P_PY_NONE,
    C4P_PY_BOOL,
    C4P_PY_INT,   /**< int; from Python one of 64 bits, others are C4P_PY_OTHER */
    C4P_PY_FLOAT, /**< float */
    C4P_PY_STR,   /**< str; UTF-8 */
    C4P_PY_BYTES, /**< bytes, bytearray */
    C4P_PY_ARRAY, /**< numpy.ndarray of numbers */
    C4P_PY_TUPLE, /**< tuple, list; from Python only: c4p_python_item() */
    C4P_PY_PROXY,
    C4P_PY_FUTURE, /**< a future that values can be sent to */
    C4P_PY_CHARE,  /**< a chare in C, or all those of a collection, as v.proxy: type and ref */
    C4P_PY_OTHER   /**< from Python only, as its repr() in `text` */
} c4p_pyval_kind_t;

/** Elements in memory, in rows: at data + i*strides[0] + j*strides[1] + ... */
typedef struct c4p_py_array {
    void *data;
    c4p_dtype_t dtype;
    int ndims;                     /**< 0 to C4P_MAX_DIMS */
    int64_t dims[C4P_MAX_DIMS];    /**< elements */
    int64_t strides[C4P_MAX_DIMS]; /**< bytes; to Python all 0: without gaps */
    bool writable;
    /** To Python, NULL or: no array in Python refers to the memory any more. Called once, on the
     * runtime's thread, inside the call that got the view or later; must call neither Python nor
     * the runtime. Not called after a call that was refused, nor when the process ends before. */
    void (*release)(void *ctx);
    void *ctx;
} c4p_py_array_t;

/** A value. Of one that came from Python, pointers are valid until c4p_python_release(). */
typedef struct c4p_pyval {
    c4p_pyval_kind_t kind;
    union {
        bool truth;
        int64_t i;
        double f;
        struct {
            const char *data; /**< from Python, NUL follows */
            size_t len;
        } text; /**< STR, BYTES, OTHER */
        c4p_py_array_t array;
        c4p_proxy_t proxy;
        c4p_future_t future;
        size_t count; /**< TUPLE: how many items */
    } v;
    void *owner; /**< private */
} c4p_pyval_t;

/* Values for Python. Texts and bytes are copied by the call that gets the value.
 *
 * A view is an array over memory of the caller's, which is not copied on its way to a chare of this
 * rank: the method sees, and if the view is writable changes, the memory itself, at the time when
 * it runs. The memory must stay where it is until no array in Python refers to it any more: mostly
 * until the call has been answered, but a chare may keep the array, or a part of it; see `release`.
 * A chare on another rank gets a copy of what was there at the call. */

static inline c4p_pyval_t
c4p_py_none(void)
{
    c4p_pyval_t value;
    memset(&value, 0, sizeof value); /* C4P_PY_NONE */
    return value;
}

static inline c4p_pyval_t
c4p_py_bool(bool truth)
{
    c4p_pyval_t value = c4p_py_none();
    value.kind = C4P_PY_BOOL;
    value.v.truth = truth;
    return value;
}

static inline c4p_pyval_t
c4p_py_int(int64_t i)
{
    c4p_pyval_t value = c4p_py_none();
    value.kind = C4P_PY_INT;
    value.v.i = i;
    return value;
}

static inline c4p_pyval_t
c4p_py_float(double f)
{
    c4p_pyval_t value = c4p_py_none();
    value.kind = C4P_PY_FLOAT;
    value.v.f = f;
    return value;
}

/** A str, of UTF-8. */
static inline c4p_pyval_t
c4p_py_text(const char *data, size_t len)
{
    c4p_pyval_t value = c4p_py_none();
    value.kind = C4P_PY_STR;
    value.v.text.data = data;
    value.v.text.len = len;
    return value;
}

static inline c4p_pyval_t
c4p_py_bytes(const void *data, size_t len)
{
    c4p_pyval_t value = c4p_py_text((const char *)data, len);
    value.kind = C4P_PY_BYTES;
    return value;
}

static inline c4p_pyval_t
c4p_py_proxy(c4p_proxy_t proxy)
{
    c4p_pyval_t value = c4p_py_none();
    value.kind = C4P_PY_PROXY;
    value.v.proxy = proxy;
    return value;
}

/** A future of the host's, on which Python calls send(value). See c4p_python_value(). */
static inline c4p_pyval_t
c4p_py_future(c4p_future_t future)
{
    c4p_pyval_t value = c4p_py_none();
    value.kind = C4P_PY_FUTURE;
    value.v.future = future;
    return value;
}

/** An element of a collection of chares in C, as an object whose methods are the entry methods of
 * its type that c4p_python_entry_add() has registered; keyed by `ref`. It can be sent on to any
 * rank. */
static inline c4p_pyval_t
c4p_py_chare(c4p_type_t type, c4p_ref_t ref)
{
    c4p_pyval_t value = c4p_py_none();
    value.kind = C4P_PY_CHARE;
    value.v.proxy.type = type;
    value.v.proxy.ref = ref;
    value.v.proxy.flags = 1;
    return value;
}

/** All elements of it; Python gets one by its index, as of a proxy, where the collection is known.
 */
static inline c4p_pyval_t
c4p_py_chares(c4p_type_t type, c4p_coll_t coll)
{
    c4p_pyval_t value = c4p_py_none();
    value.kind = C4P_PY_CHARE;
    value.v.proxy.type = type;
    value.v.proxy.ref.coll = coll;
    return value;
}

/** A view that Python can change: an array of dims[0] x dims[1] x ... elements without gaps. */
static inline c4p_pyval_t
c4p_py_writable_view(void *data, c4p_dtype_t dtype, int ndims, const int64_t *dims)
{
    c4p_pyval_t value = c4p_py_none();
    int i;
    value.kind = C4P_PY_ARRAY;
    value.v.array.data = data;
    value.v.array.dtype = dtype;
    value.v.array.ndims = ndims;
    for (i = 0; i < ndims && i < C4P_MAX_DIMS; i++)
        value.v.array.dims[i] = dims[i];
    value.v.array.writable = true;
    return value;
}

/** A view that Python can only read. */
static inline c4p_pyval_t
c4p_py_view(const void *data, c4p_dtype_t dtype, int ndims, const int64_t *dims)
{
    c4p_pyval_t value = c4p_py_writable_view((void *)(uintptr_t)data, dtype, ndims, dims);
    value.v.array.writable = false;
    return value;
}

/** The same elements with gaps: strides[i] bytes from one to the next along dimension i. For the
 * inside of a block with a halo, for example. */
static inline c4p_pyval_t
c4p_py_strided(c4p_pyval_t view, const int64_t *strides)
{
    int i;
    for (i = 0; i < view.v.array.ndims && i < C4P_MAX_DIMS; i++)
        view.v.array.strides[i] = strides[i];
    return view;
}

/** Give back what a value from Python holds; it becomes NONE. Fine for any value, and NULL. */
C4P_API void c4p_python_release(c4p_python_t *py, c4p_pyval_t *value);

/** Item i of a TUPLE from Python, to be released by itself. Returns also C4P_ERR_TYPE,
 * C4P_ERR_RANGE.
 */
C4P_API c4p_status_t c4p_python_item(c4p_python_t *py, const c4p_pyval_t *tuple, size_t i,
                                     c4p_pyval_t *item_out);

/* ---- creating --------------------------------------------------------------------------------- */

/* Any rank, after c4p_python_start(), inside and outside of entry methods. `cls` is a class of an
 * imported module, "analysis.Watch", or just "Watch" if there is one of that name. The arguments of
 * __init__ are copied. As c4p_group_new(), c4p_array_new() and c4p_chare_new() otherwise: does not
 * block, constructors on this rank have run when it returns. Returns also C4P_ERR_USER for a class
 * that does not exist, C4P_ERR_RANGE. */

/** One chare per rank; its index is the rank. Returns as above. */
C4P_API c4p_status_t c4p_python_group_new(c4p_python_t *py, const char *cls,
                                          const c4p_pyval_t *args, size_t num_args,
                                          c4p_proxy_t *group_out);
/** An array of 1 to C4P_MAX_DIMS dimensions, with an element at each index below dims. dims NULL:
 * an empty one, for c4p_python_insert(), and args must be none. Returns as above. */
C4P_API c4p_status_t c4p_python_array_new(c4p_python_t *py, const char *cls, int ndims,
                                          const int64_t *dims, const c4p_pyval_t *args,
                                          size_t num_args, c4p_proxy_t *array_out);
/** A single chare, on `rank` (-1: round robin). Returns as above. */
C4P_API c4p_status_t c4p_python_chare_new(c4p_python_t *py, const char *cls, int rank,
                                          const c4p_pyval_t *args, size_t num_args,
                                          c4p_proxy_t *chare_out);

/** Insert one element into an array, on `rank`; -1: where its map says. The index must be free.
 * When the first elements of an empty array have been inserted, c4p_done_inserting(rt,
 * array.ref.coll) lets its reductions close. c4p_destroy(rt, element.ref) deletes an element.
 * Context and arguments as above. Returns as above; also C4P_ERR_TYPE for what is no array, or has
 * another number of dimensions. */
C4P_API c4p_status_t c4p_python_insert(c4p_python_t *py, const c4p_proxy_t *array,
                                       const c4p_index_t *index, int rank, const c4p_pyval_t *args,
                                       size_t num_args);

/** A section: `num` elements of a group or an array, in this order, each once. It serves as a
 * collection in calls, of which only its members run, and in Python as a section proxy, which
 * members can reduce over. Any rank; context as above. Elements that do not exist yet keep its
 * calls waiting. Returns: C4P_OK; C4P_ERR_ARG for NULL or no elements; C4P_ERR_TYPE if `coll` is
 * neither group nor array, or has another number of dimensions; C4P_ERR_RANGE; C4P_ERR_STATE;
 * C4P_ERR_NOMEM; C4P_ERR_LIMIT. Cost: O(num), and a message to each member. */
C4P_API c4p_status_t c4p_python_section_new(c4p_python_t *py, const c4p_proxy_t *coll,
                                            const c4p_index_t *indices, size_t num,
                                            c4p_proxy_t *section_out);

/** An element of a group or an array: its rank, or its coordinates. Any thread. Returns
 * C4P_ERR_TYPE if `coll` is an element, or has another number of dimensions; C4P_ERR_RANGE. */
C4P_API c4p_status_t c4p_proxy_at(const c4p_proxy_t *coll, const c4p_index_t *index,
                                  c4p_proxy_t *element_out);

/**
 * What a reference to one element is, for calls and as an argument: a PROXY of a Python chare, a
 * CHARE if it is in C. For references that came to C as such, as a parameter of an entry method or
 * from c4p_self(); the value holds nothing. After c4p_python_start(). Returns C4P_ERR_NOT_FOUND
 * while this rank has not heard of the collection; C4P_ERR_TYPE for a section; C4P_ERR_ARG,
 * C4P_ERR_STATE. Cost: two look-ups.
 */
C4P_API c4p_status_t c4p_python_ref(c4p_python_t *py, c4p_ref_t ref, c4p_pyval_t *value_out);

/* ---- calling ---------------------------------------------------------------------------------- */

/**
 * Call a method of one element, or of all elements of a collection or section (which get copies of
 * what is viewed). Asynchronous, like c4p_call() and c4p_bcast(): the method runs in a scheduler
 * call. `reply`: a future that gets the method's value, which c4p_python_value() reads; of a
 * collection one value without bytes when all have finished. 0: nobody waits. Returns also
 * C4P_ERR_NOT_FOUND for a method that the class lacks, C4P_ERR_TYPE for a proxy that is none,
 * C4P_ERR_USER for arguments that cannot be passed.
 */
C4P_API c4p_status_t c4p_python_call(c4p_python_t *py, const c4p_proxy_t *to, const char *method,
                                     const c4p_pyval_t *args, size_t num_args, c4p_future_t reply);

/**
 * A method as a target: of c4p_contribute() by chares in C, so that it gets the result as its
 * argument, or of c4p_detect_quiescence(). Plain data. A number or several arrive as a number or a
 * numpy array. (Python's futures are targets, too: of kind C4P_TARGET_FUTURE, with the number
 * v.future.) The other way round, Python reduces into what c4p_py_future() hands it. Returns
 * C4P_ERR_ARG, C4P_ERR_STATE, C4P_ERR_NOT_FOUND, C4P_ERR_TYPE as c4p_python_call(); C4P_ERR_TYPE
 * also for a method in C.
 */
C4P_API c4p_status_t c4p_python_target(c4p_python_t *py, const c4p_proxy_t *to, const char *method,
                                       c4p_target_t *target_out);

/** In the function of a future (c4p_future_fn_t): what Python sent, returned, or reduced into it.
 * The value is to be released. Returns, with is_error, C4P_ERR_USER for an exception, and
 * c4p_python_error() says which; or the runtime's own status, such as C4P_ERR_DEAD. msg may be
 * NULL: NONE. */
C4P_API c4p_status_t c4p_python_value(c4p_python_t *py, c4p_msg_t *msg, bool is_error,
                                      c4p_pyval_t *value_out);

/**
 * c4p_python_call(), and run the scheduler until the answer is there. The value
 * (value_out may be NULL) is to be released. Not inside entry methods. Other ranks that have part
 * in the answer must be in a scheduler call, and stay until it is there; c4p_python_ask_all() sees
 * to that. An answer that never comes is a stall, which ends the job with a report. Returns also
 * C4P_ERR_USER with what the method raised; C4P_ERR_STATE if the job exits before.
 */
C4P_API c4p_status_t c4p_python_ask(c4p_python_t *py, const c4p_proxy_t *to, const char *method,
                                    const c4p_pyval_t *args, size_t num_args,
                                    c4p_pyval_t *value_out);

/**
 * Collective: each rank asks as it likes (`to` NULL: nothing), and all run the scheduler until the
 * job is quiescent. So the methods may talk to any other chare, in allreduce() for example. Returns
 * on each rank as c4p_python_ask(); C4P_ERR_STALL if the job is quiescent and the answer is not
 * there.
 */
C4P_API c4p_status_t c4p_python_ask_all(c4p_python_t *py, const c4p_proxy_t *to, const char *method,
                                        const c4p_pyval_t *args, size_t num_args,
                                        c4p_pyval_t *value_out);

/* ---- chares in C ------------------------------------------------------------------------------ */

/**
 * c4p_entry_add_typed(), which see, for an entry method that Python may call, too, by position or
 * with the names of the signature. Python gives numbers, texts, contiguous buffers for arrays and
 * structs, and for a ref the proxy of one element or a C4P_PY_CHARE. A call is checked against the
 * signature: numbers that fit, arrays of the right type, and of exactly the length that it says; a
 * mistake raises TypeError or ValueError that name the parameter. Before c4p_python_start(), on all
 * ranks. Returns also C4P_ERR_TYPE for a signature with an array of refs, which Python cannot
 * pass.
 */
C4P_API c4p_status_t c4p_python_entry_add(c4p_python_t *py, c4p_type_t type, const char *name,
                                          const char *signature, c4p_any_fn_t fn,
                                          c4p_typed_t *typed_out);

/* ---- answering Python ------------------------------------------------------------------------- */

/** Send a value to a future that Python waits for: one that came as C4P_PY_FUTURE. What is viewed
 * is copied. Returns what c4p_future_send() does; C4P_ERR_USER for a value that cannot be passed.
 */
C4P_API c4p_status_t c4p_python_send(c4p_python_t *py, c4p_future_t future,
                                     const c4p_pyval_t *value);

/** The same with an error, any status but C4P_OK: who waits gets a Charm4PyError with this text.
 * Returns as c4p_python_send(). */
C4P_API c4p_status_t c4p_python_send_error(c4p_python_t *py, c4p_future_t future,
                                           c4p_status_t error, const char *text);

/** Answer a call of Python's that waits for it. Typed entry methods take the duty over with
 * c4p_reply_take(rt, NULL, &reply); without that the answer is None. After C4P_OK `reply` is used
 * up; what is viewed is copied. Returns also C4P_ERR_USER for a value that cannot be passed. */
C4P_API c4p_status_t c4p_python_reply(c4p_python_t *py, const c4p_reply_t *reply,
                                      const c4p_pyval_t *value);

/** The same with an error, as c4p_python_send_error(). Returns as c4p_python_reply(). */
C4P_API c4p_status_t c4p_python_reply_error(c4p_python_t *py, const c4p_reply_t *reply,
                                            c4p_status_t error, const char *text);

#ifdef __cplusplus
}
#endif
#endif
