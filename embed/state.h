/* SPDX-License-Identifier: Apache-2.0 */
/* state.h: what the files of the embedding share: the module's state, the records of classes and
 * entry methods, the objects of chares and proxies, and the functions that cross files. Main thread
 * with the interpreter lock held, throughout. */
#ifndef C4PE_STATE_H
#define C4PE_STATE_H

#include "py.h"

#include <c4p/c4p.h>

typedef struct c4pe_state c4pe_state_t;
typedef struct c4pe_class c4pe_class_t;
typedef struct c4pe_entry c4pe_entry_t;
typedef struct c4pe_coll c4pe_coll_t;
typedef struct c4pe_chare c4pe_chare_t;
typedef struct c4pe_proxy c4pe_proxy_t;
typedef struct c4pe_pclass c4pe_pclass_t;

/* ---- tags of messages --------------------------------------------------------------------------- */

/* Bits of c4p_msg_tag(), also of c4p_target_t.flags. */
enum {
    C4PE_TAG_SHARED = 1,  /* several local elements get this message: arguments are decoded once */
    C4PE_TAG_KWARGS = 2,  /* the last of the arguments is a dict of keyword arguments */
    C4PE_TAG_NATIVE = 4,  /* for a reserved entry: no encoded list of arguments */
    C4PE_TAG_SECTION = 8, /* without data, it comes of a section: the argument is None */
    C4PE_TAG_CLASS = 16,  /* times (1 + type number) of the class that a section's proxy is of: its
                             marks of the method hold for members of other classes, too */
    C4PE_TAG_CLASSES = 0xfff0
};

/* ---- classes and entry methods ------------------------------------------------------------------ */

/* Flags of an entry method; the numbers are part of the contract with the package (_c4py.pyi). */
enum {
    C4PE_CORO = 0x01,    /* @coro: may suspend */
    C4PE_ASYNC = 0x02,   /* async def */
    C4PE_NOTIFY = 0x04,  /* coro_ext(event_notify=True) */
    C4PE_VARARGS = 0x08, /* has *args */
    C4PE_VARKW = 0x10,   /* has **kwargs */
    C4PE_OWN = 0x20,     /* objects may have their own function of that name: look there */
    C4PE_LOOK = 0x40,    /* of __init__: afterwards look which such functions the object has */
    C4PE_COUNTED = 0x80, /* profiling is on: profile.c wants to know when it goes on and stops */
    C4PE_RESERVED = 0x100,
    C4PE_HOOK_SHIFT = 16 /* where those of migrated() stand beside those of __init__ */
};

/* Entries that every class has, before its own, in this order and with these numbers. */
enum {
    C4PE_ENTRY_ALLREDUCE = 0, /* result of an allreduce */
    C4PE_ENTRY_CHAN_OPEN = 1, /* channel.c */
    C4PE_ENTRY_CHAN_DATA = 2, /* channel.c */
    C4PE_ENTRY_MEMBER = 3,    /* section.c */
    C4PE_NUM_RESERVED = 4
};

/* One entry method of one class. Immutable after registration but for the cached function. */
struct c4pe_entry {
    c4pe_state_t *state;
    c4pe_class_t *cls;
    PyObject *name; /* interned */
    PyObject *func; /* plain function of the class, called with self; NULL: look it up each time */
    unsigned func_version; /* type version tag for which func holds */
    unsigned flags;
    c4p_entry_t id;
    Py_ssize_t nparams;   /* positional parameters besides self; -1 unknown */
    Py_ssize_t nrequired; /* those without default */
    PyObject *params;     /* tuple of names, besides self; NULL if unknown */
    PyObject *defaults;   /* tuple, of the last parameters; NULL none */
    PyObject *kwonly;     /* dict name -> default (or the module's `required` mark); NULL none */
    PyObject *cond;       /* condition of @when as when.c compiled it; NULL none */
    PyObject *qualname;   /* "Grid.step", for messages */
    struct c4pe_stats *stats;   /* profile.c; NULL when profiling is off */
    struct c4pe_joined *joined; /* joined.c; NULL none */
    struct c4pe_native *native; /* native.c; NULL: a method in Python */
};

enum {
    C4PE_KIND_GROUP = 0,
    C4PE_KIND_ARRAY = 1,
    C4PE_KIND_MAIN = 2,
    C4PE_KIND_GROUP_SECTION = 3, /* cut from a group, or a group of some ranks */
    C4PE_KIND_ARRAY_SECTION = 4,
    C4PE_NUM_KINDS = 5
};

/* Tag of an array of one dimension that is a group of some ranks to the program. */
enum { C4PE_SOME_RANKS = 1 };

/* A proxy type: one per chare class and kind. */
struct c4pe_pclass {
    c4pe_state_t *state;
    c4pe_class_t *cls;
    PyTypeObject *type; /* strong */
    int kind;
    uint32_t num_free;
    c4pe_proxy_t *free_list; /* proxies to be used again, linked through `creation` */
    PyObject *name;          /* keeps the type's name */
};

/* One chare class. Lives until the module goes. */
struct c4pe_class {
    c4pe_state_t *state;
    PyTypeObject *type; /* strong */
    char *name;         /* module.qualname */
    c4p_type_t id;
    bool own_new;        /* the class defines __new__ */
    unsigned init_flags; /* C4PE_CORO, C4PE_ASYNC, C4PE_LOOK of __init__ */
    uint32_t num_entries;
    c4pe_entry_t *entries;    /* reserved ones first, then sorted by name */
    PyObject *by_name;        /* dict name -> index into entries */
    c4pe_entry_t init;        /* __init__, for reports and coroutines */
    c4pe_entry_t migrated;    /* the hook of that name; not called by proxies */
    bool hears_moves;         /* the class defines it */
    bool regroups;            /* it has the method regrouped() */
    bool plain_state;         /* what travels of its objects is their __dict__ */
    struct c4pe_stats *stats; /* profile.c: of each entry, and of __init__; NULL: off */
    PyObject *make_native;    /* makes the native state of an object, native.c; NULL none */
    PyObject *native_name;    /* of the attribute */
    size_t native_size;       /* bytes of it */
    c4pe_pclass_t proxies[C4PE_NUM_KINDS];
};

/* What this rank keeps of a collection that has, or had, elements or a proxy here. */
struct c4pe_coll {
    c4p_coll_t id;
    c4pe_class_t *cls;
    int kind; /* C4PE_KIND_… */
    int ndims;
    bool single;
    bool some_ranks; /* a group of some ranks */
    PyObject *proxy; /* the whole collection's proxy, shared by thisProxy of all elements */
};

/* ---- chares and proxies ------------------------------------------------------------------------- */

enum {
    C4PE_CHARE_MIGRATABLE = 1,
    C4PE_CHARE_SUSPENDED = 2, /* the runtime knows of suspended coroutines in it */
};

/* The C part of every chare object. What users store goes into their class's __dict__ or __slots__,
 * never here. */
struct c4pe_chare {
    PyObject_HEAD
    c4pe_state_t *state;
    c4pe_coll_t *coll; /* NULL until the runtime adopted the object */
    c4p_key_t key;
    uint32_t num_coroutines; /* coroutine.c counts live ones, c4p_suspended() is told */
    uint32_t flags;
    PyObject *index;   /* thisIndex, made when first asked for */
    PyObject *pending; /* dict of what waits for allreduce(): reduction number -> future, (section,)
                          -> list of futures; NULL none */
    struct c4pe_waitq *waitq;      /* when.c: NULL while nothing waits */
    struct c4pe_chantab *channels; /* channel.c: NULL without channels */
    PyObject *subscribers;         /* of event_notify; NULL none */
    PyObject *native;              /* its native state, an array without dimensions; NULL none */
};

enum { C4PE_PROXY_ELEMENT = 1 };

/* A proxy of a collection or of one element. Refers to no container, hence needs no garbage
 * collector. */
struct c4pe_proxy {
    PyObject_HEAD
    c4pe_pclass_t *pclass;
    c4p_ref_t ref; /* key is zero for a whole collection; of a section it holds the number of the
                      collection it was cut from (a group of some ranks: its own), then a mark if it
                      has members of others, too */
    uint16_t flags;
    int16_t ndims;
    PyObject *creation; /* future of awaitCreation; NULL none */
};

static inline bool
c4pe_proxy_is_section(const c4pe_proxy_t *proxy)
{
    return proxy->pclass->kind >= C4PE_KIND_GROUP_SECTION;
}

/* The group or array that a proxy belongs to; of a section the one it was cut from. */
static inline c4p_coll_t
c4pe_proxy_base(const c4pe_proxy_t *proxy)
{
    return c4pe_proxy_is_section(proxy) ? proxy->ref.key.w[0] : proxy->ref.coll;
}

/* Does it name a group of some ranks? To the runtime that is a collection, no section. */
static inline bool
c4pe_proxy_is_partial(const c4pe_proxy_t *proxy)
{
    return c4pe_proxy_is_section(proxy) && proxy->ref.coll == proxy->ref.key.w[0];
}

/* `proxy.method`, not called yet: a callback. */
typedef struct c4pe_bound {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    c4pe_proxy_t *proxy;
    c4pe_entry_t *entry;
} c4pe_bound_t;

/* The tag of messages to a section, which says whose methods are meant; 0 for other proxies, and
 * where the number does not fit. */
static inline uint32_t
c4pe_section_tag(const c4pe_proxy_t *proxy)
{
    uint64_t tag = C4PE_TAG_CLASS * (1 + (uint64_t)proxy->pclass->cls->id);
    return proxy->pclass->kind > C4PE_KIND_MAIN && tag <= C4PE_TAG_CLASSES ? (uint32_t)tag : 0;
}

/* ---- module state ------------------------------------------------------------------------------- */

/* Everything of one interpreter. Modules with state of their own keep it behind a pointer that they
 * allocate in their _exec. */
struct c4pe_state {
    c4p_rt_t *rt;     /* NULL before init() and after finish() */
    PyObject *module; /* borrowed */
    bool started;
    bool running;
    bool exiting;         /* charm.exit() was called or decided: no user code is entered any more */
    bool by_reference;    /* options.local_msg_optim */
    bool auto_flush;      /* options.auto_flush_wait_queues */
    bool forked;          /* this is a child process: no runtime, and no way back into it */
    bool finished;        /* the runtime has ended and cannot start again */
    bool hosted;          /* inside a program in C */
    c4p_status_t refused; /* why c4p_start() or c4p_restart() failed */
    bool making;          /* a chare is being made: its __new__ may run */
    uint32_t num_exits;   /* how often the program called exit() */
    uint32_t copies; /* how often what is being packed will be read: normally once, a broadcast to a
                        group once per rank; 0: nobody knows */
    uint32_t packing;    /* not 0 while the codec has called pickle */
    uint32_t no_suspend; /* not 0 in a constructor that runs inline: it must not suspend */
    int rank, num_ranks; /* -1 before init() */

    /* types */
    PyTypeObject *chare_type, *proxy_type, *group_proxy_type, *array_proxy_type, *main_proxy_type,
        *section_proxy_type, *group_section_type, *array_section_type;
    PyTypeObject *descr_type, *bound_type, *reducer_type, *hostchare_type, *hostmethod_type;
    PyTypeObject *future_type, *collective_future_type, *local_future_type, *channel_type;

    /* what the package gave through bind() */
    PyObject *exc_error;        /* Charm4PyError */
    PyObject *exc_not_threaded; /* NotThreadedError */
    PyObject *parse_cond;       /* wait.parse_cond_str */
    PyObject *combine;          /* combine(name, contributions) of reductions done in Python */
    PyObject *make_chare;       /* Chare(cls, args, onPE) */
    PyObject *format_exc;       /* format_exception(exc) -> str */
    PyObject *describe_exc;     /* describe_exception(exc) -> what travels of its traceback */
    PyObject *remote_trace; /* RemoteStacktrace(rank, that) -> (rank, text), made when asked for */
    PyObject *required;     /* mark of a parameter without default */
    PyObject *hooks;        /* dict of the rest, by name */

    /* interned names */
    PyObject *s_awaitable, *s_ret, *s_block, *s_priority, *s_init, *s_remote_stacktrace;
    PyObject *empty_tuple;

    /* records */
    c4pe_class_t **classes; /* by c4p_type_t - first_type */
    uint32_t num_classes, cap_classes;
    struct c4pe_colltab *colls;
    c4pe_coll_t *last_coll; /* the one found last */
    bool making_main;
    PyObject *reducers;        /* dict name -> reducer object */
    PyObject *native_reducers; /* list of those in C */
    uint32_t custom_reducer;   /* the one runtime reducer behind all that are written in Python */
    c4p_map_t python_map;      /* the one runtime map behind all ArrayMaps */
    c4p_handler_t handler_snapshot;
    c4p_handler_t handler_checkpoint;
    PyObject *asked;      /* list of the futures, by number, that wait for checkpoints; NULL none */
    c4p_coll_t main_coll; /* of the main chare; 0 none */
    PyObject *on_snapshot;
    c4p_msg_t *early_snapshot;
    PyObject *timers;       /* timer.c */
    PyObject *balancers;    /* balancing.c: list of what is behind strategies; NULL none */
    PyObject *on_round;     /* balancing.c; NULL none */
    PyObject *on_view;      /* balancing.c; NULL none */
    PyObject *outside_func; /* outside.c: NULL while nothing outside is listened to */
    double outside_due_s;
    int outside_fd;
    PyThreadState *idle_thread; /* while the scheduler sleeps */
    PyThreadState *thread;      /* the one that may use the runtime */

    /* what runs now, for error texts */
    c4pe_chare_t *now_chare; /* borrowed */
    const c4pe_entry_t *now_entry;
    const c4pe_entry_t *last_entry; /* last one started */

    /* the chare that is being packed, or made again, to move; borrowed; NULL mostly */
    c4pe_chare_t *moving, *arriving;

    /* the arguments of the last shared message */
    c4p_msg_t *shared_msg;
    PyObject *shared_args;

    struct c4pe_codec *codec;
    struct c4pe_coros *coros;
    struct c4pe_futures *futures;
    struct c4pe_chans *chans;
    struct c4pe_whens *whens;
    struct c4pe_methods *methods; /* of chares in C, typed.c */
    struct c4pe_profile *profile; /* NULL: profiling is off */
    /* c4pe_invoke(), or its double that counts; of a bound method the same. */
    void (*invoke)(c4pe_chare_t *chare, c4pe_entry_t *entry, PyObject *args, PyObject *kwargs,
                   const c4p_reply_t *reply);
    vectorcallfunc bound_call;
};

/* ---- codec.c, coroutine.c, future.c, channel.c, when.c ------------------------------------------ */

/* Each has a header of its own. module.c calls, for each X of them:
 * c4pe_X_exec() to make types, add them to the module and allocate st->X;
 * c4pe_X_attach() after c4p_init(), before c4p_start(), to register handlers and the like;
 * c4pe_X_traverse(); c4pe_X_clear() to drop references, perhaps twice; c4pe_X_free(). */

/* ---- module.c ----------------------------------------------------------------------------------- */

/* The state of the module that made a type or one of its subclasses; NULL with an exception. Slow:
 * not on the path. */
c4pe_state_t *c4pe_state_of_type(PyTypeObject *type);
c4pe_state_t *c4pe_state_of_module(PyObject *module);
/* The runtime, or NULL with Charm4PyError: before charm.start(), in a child process, in another
 * thread. */
c4p_rt_t *c4pe_need_rt(c4pe_state_t *st, const char *what);
static inline bool
c4pe_may_call(const c4pe_state_t *st)
{
    return st->rt != NULL && PyThreadState_Get() == st->thread;
}

/* ---- pyerr.c ------------------------------------------------------------------------------------ */

/* Raise the Python exception that stands for a status, with `what` in front; always NULL. NOMEM is
 * MemoryError, RANGE is IndexError, the others are Charm4PyError. */
PyObject *c4pe_raise_status(c4pe_state_t *st, c4p_status_t status, const char *what);
/* Charm4PyError with this text; always NULL. */
PyObject *c4pe_raise(c4pe_state_t *st, const char *fmt, ...);
/* What c4pe_one_arg() does when the argument does not come by position. */
PyObject *c4pe_one_arg_named(const char *func, const char *name, PyObject *const *args,
                             Py_ssize_t nargs, PyObject *kwnames);
/* The argument of a function of one parameter, by position or by name: borrowed; NULL with
 * TypeError. */
static inline PyObject *
c4pe_one_arg(const char *func, const char *name, PyObject *const *args, Py_ssize_t nargs,
             PyObject *kwnames)
{
    return nargs == 1 && !kwnames ? args[0] : c4pe_one_arg_named(func, name, args, nargs, kwnames);
}
/*
 * The exception that is set leaves Python and nobody waits for it: SystemExit asks for an orderly
 * exit and returns; everything else writes the one report (class, index, entry, rank, host,
 * traceback, hint) and ends the job on all ranks. chare and entry may be NULL; `doing` ("running",
 * "constructing", "combining", …) may be NULL.
 */
void c4pe_err_uncaught(c4pe_state_t *st, c4pe_chare_t *chare, const c4pe_entry_t *entry,
                       const char *doing);
/* The set exception, normalised, with its traceback; clears the indicator. New reference; NULL with
 * an exception when out of memory. */
PyObject *c4pe_err_take(void);
/* The set exception as a message for a waiter on any rank: pickled with its traceback text, or a
 * Charm4PyError that describes it. Clears the exception. NULL with an exception only when out of
 * memory. A SystemExit must be handled before. */
c4p_msg_t *c4pe_err_encode(c4pe_state_t *st);
/* The exception object (new reference) from such a message, with remote_stacktrace set. NULL with
 * an exception on damage. */
PyObject *c4pe_err_decode(c4pe_state_t *st, c4p_msg_t *msg);
PyObject *c4pe_err_decode_bytes(c4pe_state_t *st, const void *data, size_t len);
/* "Grid(4,7)" into buf, "Main" for a chare without index, "(no chare)" for NULL. Returns buf. */
const char *c4pe_describe_chare(c4pe_chare_t *chare, char *buf, size_t size);
/* The same for what a proxy stands for; a whole collection is its class's name. */
const char *c4pe_describe_proxy(PyObject *proxy, char *buf, size_t size);

/* ---- classes.c ---------------------------------------------------------------------------------- */

int c4pe_classes_traverse(c4pe_state_t *st, visitproc visit, void *arg);
void c4pe_classes_clear(c4pe_state_t *st);
void c4pe_classes_free(c4pe_state_t *st); /* the records; proxies may outlive c4pe_classes_clear()
                                           */
/* class_add() of the module, see _c4py.pyi. */
PyObject *c4pe_class_add(c4pe_state_t *st, PyObject *args);
/* The record of a registered class or NULL (no exception) if it is not one. Exact class, not a
 * subclass. */
c4pe_class_t *c4pe_class_of(c4pe_state_t *st, PyTypeObject *type);
c4pe_class_t *c4pe_class_by_id(c4pe_state_t *st, c4p_type_t id);
c4pe_entry_t *c4pe_class_entry(c4pe_class_t *cls, PyObject *name); /* NULL without exception */
/* The function to call with (self, args…); borrowed. NULL without exception: look the attribute up
 * on the object. */
PyObject *c4pe_entry_func(c4pe_entry_t *entry);
/* For a class with C4PE_LOOK, when an object is made: entry methods that the object replaces by
 * functions of its own are looked up on the object from now on. */
void c4pe_class_look(c4pe_chare_t *chare);

/* ---- proxy.c ------------------------------------------------------------------------------------ */

int c4pe_proxy_exec(PyObject *module, c4pe_state_t *st);
void c4pe_proxy_drop_free(c4pe_pclass_t *pclass);
PyObject *c4pe_proxy_load(c4pe_state_t *st, PyObject *bytes); /* _load_proxy() of the module */
int c4pe_proxy_make_types(c4pe_class_t *cls);                 /* the proxy types of a class */
bool c4pe_proxy_check(c4pe_state_t *st, PyObject *op);
bool c4pe_bound_check(c4pe_state_t *st, PyObject *op);
PyObject *c4pe_proxy_new(c4pe_pclass_t *pclass, c4p_ref_t ref, int ndims, bool element);
PyObject *c4pe_bound_new(c4pe_proxy_t *proxy, c4pe_entry_t *entry);
/* Wire form of a proxy, for the codec: fixed size, plain data, valid on every rank. */
typedef struct c4pe_wire_proxy {
    uint64_t coll, key0, key1;
    uint32_t type;
    uint16_t flags; /* C4PE_PROXY_… */
    uint8_t kind;
    uint8_t ndims;
} c4pe_wire_proxy_t;
void c4pe_proxy_to_wire(PyObject *proxy, c4pe_wire_proxy_t *wire);
PyObject *c4pe_proxy_from_wire(c4pe_state_t *st, const c4pe_wire_proxy_t *wire); /* NULL with an
                                                                                    exception on
                                                                                    damage */
/* The one element that a proxy names; -1 with TypeError if it names a whole collection. */
int c4pe_proxy_element(c4pe_state_t *st, PyObject *proxy, c4p_ref_t *ref_out, const char *what);
/* A key from an index as the user writes it (int, __index__, sequence of such); -1 with TypeError,
 * IndexError or AssertionError. */
int c4pe_index_key(c4pe_state_t *st, PyObject *index, int ndims, bool group, c4p_key_t *key_out);
PyObject *c4pe_index_object(c4p_key_t key, int ndims, int kind); /* int for groups, else tuple */
/* Send an object (a future or a bound method) as callback one value; -1 with an exception. value
 * NULL: without argument. */
int c4pe_callback_call(c4pe_state_t *st, PyObject *callback, PyObject *value);
/* Fill a target from a callback (future, bound method); -1 with TypeError. */
int c4pe_callback_target(c4pe_state_t *st, PyObject *callback, c4p_target_t *target_out);

/* ---- collections.c ------------------------------------------------------------------------------ */

PyObject *c4pe_group_new(c4pe_state_t *st, PyObject *args);
PyObject *c4pe_group_new_on(c4pe_state_t *st, PyObject *args);
PyObject *c4pe_array_new(c4pe_state_t *st, PyObject *args);
PyObject *c4pe_chare_new(c4pe_state_t *st, PyObject *args);
PyObject *c4pe_main_new(c4pe_state_t *st, PyObject *args);
/* The record of a collection, made when first asked for; NULL with an exception. */
c4pe_coll_t *c4pe_coll_get(c4pe_state_t *st, c4p_coll_t id, c4pe_class_t *cls);
void c4pe_colls_clear(c4pe_state_t *st);
void c4pe_colls_free(c4pe_state_t *st);
int c4pe_colls_attach(c4pe_state_t *st);

/* ---- chare.c ------------------------------------------------------------------------------------ */

int c4pe_chare_exec(PyObject *module, c4pe_state_t *st);
static inline c4p_ref_t
c4pe_chare_ref(const c4pe_chare_t *chare)
{
    return (c4p_ref_t){.coll = chare->coll ? chare->coll->id : 0, .key = chare->key};
}
bool c4pe_chare_check(c4pe_state_t *st, PyObject *op);
/* An element proxy of this chare (its own); new reference. */
PyObject *c4pe_chare_self_proxy(c4pe_chare_t *chare);
PyObject *c4pe_chare_index(c4pe_chare_t *chare); /* new reference; "()" for main */

/* ---- invoke.c ----------------------------------------------------------------------------------- */

/* An object of the class, not initialised; new reference. */
c4pe_chare_t *c4pe_chare_make(c4pe_class_t *cls);
/* Slots of the runtime's type descriptor. ctx is the class record, or the entry record. */
extern const c4p_type_desc_t c4pe_type_desc; /* ctx and name to be filled in */
void c4pe_entry_run(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx);
/* The same, for profiling. */
extern const c4p_type_desc_t c4pe_type_desc_profiled;
void c4pe_entry_run_profiled(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx);
void c4pe_invoke_profiled(c4pe_chare_t *chare, c4pe_entry_t *entry, PyObject *args,
                          PyObject *kwargs, const c4p_reply_t *reply);
/*
 * Run an entry method now with these positional arguments (kwargs may be NULL), as a plain call or
 * as a new coroutine, and answer `reply` when it has finished, also with its exception; an
 * exception that nobody waits for ends the job. Used by dispatch and, for messages that waited, by
 * when.c. Does not re-examine conditions.
 */
void c4pe_invoke(c4pe_chare_t *chare, c4pe_entry_t *entry, PyObject *args, PyObject *kwargs,
                 const c4p_reply_t *reply);
/* A method or constructor has finished: result is a new reference that is taken, or NULL with the
 * exception set. */
void c4pe_invoke_done(c4pe_state_t *st, c4pe_chare_t *chare, const c4pe_entry_t *entry,
                      const c4p_reply_t *reply, PyObject *result);
/* The arguments of a message as a new reference to a tuple. Shared messages are decoded once. NULL
 * with an exception. */
PyObject *c4pe_msg_args(c4pe_state_t *st, c4p_msg_t *msg);
void c4pe_drop_shared(c4pe_state_t *st); /* the cached arguments */
/* How the value of a future is to be read. */
enum { C4PE_VALUE = 0, C4PE_VALUE_DONE = 1, C4PE_VALUE_GATHER = 2 };
/*
 * One value of a future: msg NULL: None; an error: the exception object, returned (not raised); a
 * reduction's result; the list of a broadcast's answers; or one encoded or captured value. New
 * reference; NULL with an exception on damage.
 */
PyObject *c4pe_value_decode(c4pe_state_t *st, c4p_msg_t *msg, bool is_error, int how);
/* The frame of the method that is running was left: look again at what waits in this chare (after
 * each entry method). */
void c4pe_after_entry(c4pe_chare_t *chare);

/* ---- reduce.c and its reducer objects ----------------------------------------------------------------------------------- */

int c4pe_reduce_exec(PyObject *module, c4pe_state_t *st);
int c4pe_reduce_attach(c4pe_state_t *st);
PyObject *c4pe_reducer_builtin(c4pe_state_t *st, PyObject *name);
PyObject *c4pe_reducer_add(c4pe_state_t *st, PyObject *args, PyObject *kwargs);
PyObject *c4pe_reduce_contribute(c4pe_chare_t *chare, PyObject *data, PyObject *reducer,
                                 PyObject *callback, PyObject *section);
PyObject *
c4pe_reduce_allreduce(c4pe_chare_t *chare, PyObject *data, PyObject *reducer, PyObject *section);
/* The value of a reduction's result; *empty_out (may be NULL): it carries none. */
PyObject *c4pe_reduce_decode(c4pe_state_t *st, c4p_msg_t *msg, bool *empty_out);
void
c4pe_reduce_arrived(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx); /* entry
                                                                               C4PE_ENTRY_ALLREDUCE
                                                                             */

#endif
