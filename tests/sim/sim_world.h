/* SPDX-License-Identifier: Apache-2.0 */
/* sim_world.h: a small world of chares that do random things on all ranks, and the oracle that
 * knows what must come of it. Shared by the scenarios of mix.c, which differ in how often which
 * thing is done.
 *
 *   set     a collection                 slot    one index of it
 *   choir   a section                    chant   a broadcast to it
 *   member  one incarnation of a slot    note    a message to a slot, or to a handler
 *   shout   a broadcast                  round   a reduction        wish  a future
 *
 * Phases: the first work has phase 1, work begun because of quiescence the next. When quiescence
 * that was asked for in phase k is announced, nothing of phase k may be left. */
#ifndef C4PT_SIM_WORLD_H
#define C4PT_SIM_WORLD_H

#include "core/collection.h"
#include "sim/sim_driver.h"

typedef enum op {
    OP_SEND,       /* a note to any slot */
    OP_CALL,       /* a note that is answered */
    OP_SHOUT,      /* a broadcast */
    OP_AWAIT,      /* an awaited one */
    OP_CONTRIBUTE, /* to the next reduction of whoever runs */
    OP_MIGRATE,    /* an element of this rank leaves */
    OP_INSERT,
    OP_DESTROY,
    OP_DONE,    /* inserting is done */
    OP_HANDLER, /* a message to a handler on a rank, or on all */
    OP_POST,
    OP_WISH,  /* a future, its values sent by others */
    OP_QUIET, /* ask for quiescence */
    OP_CREATE,
    OP_EXIT,
    OP_REPLACE, /* delete an element, insert its index again, and send to that */
    OP_SECTION, /* make a section of any elements */
    OP_CHANT,   /* a broadcast to a section */
    OP_HYMN,    /* an awaited one */
    OP_OFFER,   /* to the next reduction of a section that whoever runs is in */
    OP_JOIN,    /* whoever runs takes part in synchronization points */
    OP_READY,   /* and is ready for the next one */
    NUM_OPS
} op_t;

typedef struct world_params {
    uint8_t weights[NUM_OPS]; /* how often; 0: never */
    uint16_t budget;          /* about so many things are done in all */
    uint8_t sets;             /* collections made at the start: bits of 1 << set_kind_t */
    uint8_t late;             /* chance in 256 that what is awaited is answered later */
    uint8_t large;            /* chance in 256 that a note is large */
    uint8_t sync;             /* chance in 256 that a set or what is inserted takes part in
                                 synchronization points */
    bool balanced;            /* load is balanced at synchronization points */
    bool gated;               /* gates of some ranks are closed until a handler opens them */
} world_params_t;

typedef enum set_kind {
    SET_DENSE,
    SET_SPARSE,
    SET_GROUP,
    SET_CHARE,
    SET_MAPPED,
    SET_GRID
} set_kind_t;

enum {
    MAX_RANKS = 9,
    MAX_SETS = 8,
    MAX_SLOTS = 16,
    MAX_MEMBERS = 400,
    MAX_NOTES = 1500,
    MAX_SHOUTS = 250,
    MAX_ROUNDS = 128,
    MAX_WISHES = 500,
    MAX_LATE = 400,
    MAX_PHASES = 6,
    MAX_REQUESTS = 400,
    MAX_CHOIRS = 5,
    MAX_SINGERS = 10,
    MAX_CHANTS = 120,
    MAX_SONGS = 200, /* chants and results that one choir hears */
    MAX_OFFERS = 40  /* reductions of a choir */
};

typedef struct clock_vec {
    uint32_t at[MAX_RANKS];
} clock_vec_t;

typedef enum member_state { M_COMING, M_LIVE, M_TRAVELLING, M_DEAD } member_state_t;

typedef struct member {
    struct slot *slot;
    uint32_t id;
    member_state_t state;
    int rank;             /* LIVE: where; TRAVELLING: where from */
    bool inserted;        /* not made with its set */
    bool by_member;       /* inserted by a member of its set */
    int inserter;         /* rank */
    uint32_t inserted_at; /* the inserter's clock then */
    struct member *after; /* inserted after it, while it was still to come */
    uint32_t phase;
    bool destroy_asked;
    int destroyer;
    uint32_t destroy_phase;
    bool turns_back; /* TRAVELLING: where it arrives it cannot be unpacked */
    bool constructed;
    uint32_t suspended;
    uint64_t first_shout, next_shout; /* numbers */
    uint64_t first_round, next_round;
    uint32_t offered[MAX_CHOIRS]; /* contributions to each */
    uint32_t heard[MAX_CHOIRS];   /* chants and results run */
    bool reborn;                  /* inserted into a set from which some had been deleted */
    /* synchronization points */
    bool takes_part, waits;
    int part_rank; /* who made it take part, and the clock there then */
    uint32_t part_at;
    struct clock_vec ready_clock; /* what it knew when it was ready last */
    uint64_t passed;              /* 1 + the last point it was resumed from */
} member_t;

typedef struct slot {
    struct set *set;
    c4p_index_t index;
    c4p_key_t key;
    member_t *now;                       /* the incarnation that was constructed last */
    member_t *coming;                    /* inserted, not yet constructed; then its `after` */
    uint32_t moves;                      /* comings and goings of all incarnations */
    uint32_t migrations, inserted, died; /* likewise */
    c4pi_version_t version;              /* the last one that was here */
    uint32_t destroys;                   /* asked for, ever */
    bool pinned;                         /* may not be deleted: it is in a choir that reduces */
    uint32_t next_seq[MAX_RANKS];        /* notes from each rank */
    uint32_t seen_seq[MAX_RANKS];        /* 1 + the greatest run */
    uint32_t seen_moves[MAX_RANKS];
} slot_t;

typedef struct round {
    int64_t sum;
    uint32_t given;     /* contributions so far */
    uint32_t delivered; /* results seen */
    c4p_future_t future;
} round_t;

typedef struct set {
    struct world *world;
    int number;
    c4p_coll_t id;
    set_kind_t kind;
    c4p_coll_kind_t coll_kind;
    int creator;
    uint32_t num_static; /* the first slots are made with it */
    uint32_t num_slots;
    slot_t slots[MAX_SLOTS];
    bool needs_done, done;
    clock_vec_t done_clock; /* of who said so */
    uint32_t destroys;      /* asked for, ever */
    bool at_sync;           /* all its elements take part in synchronization points */
    bool created_awaited, created_seen;
    uint32_t to_construct; /* constructors of static members not yet finished */
    /* broadcasts by number - base: 0 unknown, 1 + shout, or RESULT_SHOUT */
    uint32_t numbered[MAX_SHOUTS];
    uint64_t next_number; /* 1 + the greatest number seen - base */
    round_t rounds[MAX_ROUNDS];
    uint64_t rounds_begun;               /* 1 + the greatest number contributed to - base */
    uint64_t last_result[MAX_RANKS + 1]; /* 1 + number of the last result by handler; by broadcast
                                          */
} set_t;

typedef enum note_state { NOTE_SENT = 1, NOTE_RUN } note_state_t;

typedef struct note {
    struct world *world;
    slot_t *slot; /* NULL: to a handler or posted */
    int source, dest;
    note_state_t state;
    uint32_t len;
    uint32_t seq;
    uint32_t moves;      /* the slot's, when sent */
    bool must_arrive;    /* its target lived, and no death was asked for */
    uint32_t not_before; /* member: its sender had asked for that one, to be made after others */
    uint32_t destroys;   /* the slot's, when sent */
    uint32_t phase;
    uint32_t runs_left; /* to all ranks: how many */
    uint32_t ran_on;    /* bits */
    uint32_t wish;      /* 1 + who waits */
    uint32_t ran_by;    /* member */
    int at;             /* the rank that it reached last */
    uint32_t sendings;  /* from rank to rank */
    clock_vec_t clock;
} note_t;

typedef struct shout {
    set_t *set;
    int source;
    uint32_t seq; /* of its source */
    bool numbered;
    uint64_t number;
    uint32_t phase;
    uint32_t started, finished, errors;
    uint32_t len; /* of what it carries */
    c4p_bcast_reply_t how;
    bool completed;
    uint64_t value_sum; /* of the values answered */
    clock_vec_t clock;
} shout_t;

/* A section of up to MAX_SINGERS slots, of which the first is never deleted nor moves, so that it
 * hears everything, in the order of the section's numbers. */
typedef struct choir {
    int number;
    c4p_coll_t id;
    bool pinned; /* its members are never deleted: it may reduce */
    uint32_t count;
    struct slot *slots[MAX_SINGERS];
    uint32_t songs[MAX_SONGS]; /* 1 + chant, or RESULT_SONG + reduction, in the order heard first */
    uint32_t num_songs;
    uint32_t chant_seq[MAX_RANKS];
    round_t rounds[MAX_OFFERS];
    uint32_t rounds_begun;
    uint32_t last_result;
} choir_t;

enum { RESULT_SONG = 0x10000 };

typedef struct chant {
    choir_t *choir;
    int source;
    uint32_t seq; /* of its source */
    uint32_t len;
    uint32_t ran_by; /* bits of slots of the choir */
    uint32_t started, finished, errors;
    c4p_bcast_reply_t how;
    bool completed;
    clock_vec_t clock;
} chant_t;

typedef enum wish_kind {
    WISH_HYMN,
    WISH_CALL,
    WISH_DONE,
    WISH_GATHER,
    WISH_VALUES,
    WISH_CREATED,
    WISH_ROUND
} wish_kind_t;

typedef struct wish {
    struct world *world;
    wish_kind_t kind;
    c4p_future_t future;
    int owner;
    uint32_t expected, got;
    uint32_t about; /* note, shout, set, or round */
    set_t *set;
    uint32_t phase;
} wish_t;

/* Somebody asked for quiescence. */
typedef struct request {
    bool main; /* the one that the world goes on with */
    uint32_t phase;
    uint32_t timers; /* that had fired by then: later ones may begin work at any time */
} request_t;

/* An answer that is given later. */
typedef struct late {
    struct world *world;
    bool open, by_timer;
    c4p_reply_t reply;
    member_t *member;
    uint32_t shout; /* 1 +, or 0: a note, or a constructor */
    uint32_t note;  /* 1 + */
    set_t *created; /* or a constructor */
} late_t;

typedef struct world {
    sim_job_t *job;
    const world_params_t *params;
    int budget;
    uint32_t phase;
    bool finishing; /* nothing new is begun */
    uint32_t stage; /* of the finish */
    bool exit_asked;
    struct actor *just_packed;
    uint32_t exit_codes; /* bits of those asked for */
    c4p_type_t type;
    c4p_entry_t on_note, on_shout, on_result, on_top_up, on_relay;
    c4p_handler_t handle_note, handle_result, handle_quiet, handle_value, handle_open;
    c4p_map_t map;
    struct {
        c4pi_kind_fn_t note, update, reply;
        void (*balance)(c4p_rt_t *rt), (*comes)(c4p_rt_t *rt);
    } runtime; /* what handles these, behind what we watch */
    clock_vec_t clocks[MAX_RANKS];
    set_t *sets[MAX_SETS];
    int num_sets;
    set_t *creating; /* inside the creating call */
    member_t members[MAX_MEMBERS];
    uint32_t num_members, num_travelling, num_objects;
    note_t notes[MAX_NOTES];
    uint32_t num_notes;
    shout_t shouts[MAX_SHOUTS];
    uint32_t num_shouts;
    uint32_t shout_seq[MAX_RANKS][MAX_SETS];
    wish_t wishes[MAX_WISHES];
    uint32_t num_wishes;
    late_t lates[MAX_LATE];
    uint32_t num_lates, lates_open;
    bool quiet_when_done; /* ask for quiescence after the last late answer */
    uint32_t handler_seq[MAX_RANKS][MAX_RANKS], handler_seen[MAX_RANKS][MAX_RANKS];
    uint32_t segments_out, segments_released;
    uint32_t lent, lent_back; /* memory of a note that is written to as soon as it is released */
    request_t requests[MAX_REQUESTS];
    uint32_t quiet_asked, quiet_seen;
    uint32_t timers_fired;
    c4p_entry_t on_chant, on_choir_result, on_offer, on_resume, on_get_ready;
    c4p_handler_t handle_choir_result;
    choir_t choirs[MAX_CHOIRS];
    uint32_t num_choirs;
    chant_t chants[MAX_CHANTS];
    uint32_t num_chants;
    uint64_t points_reached;
    uint64_t rounds_over; /* of balancing */
    uint64_t came;        /* as the round's plan wants, or gone back at once */
    const char *strategy;
    uint64_t values_out, values_in; /* future values sent, arrived */
    uint64_t relays_out, relays_in; /* broadcasts passed on as messages */
} world_t;

/* What a test chare is. */
typedef struct actor {
    world_t *world;
    member_t *member;
    uint64_t ran;   /* entries run by it; travels */
    uint64_t check; /* over all that travels */
} actor_t;

/* ---- world.c: set-up, the finish ---------------------------------------------------------------- */

void world_add(sim_job_t *job, c4p_rt_t *rt);
void world_begin(sim_job_t *job);
void world_end(sim_job_t *job);
void world_quiet(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx); /* handler */
void world_ask_quiet(world_t *w, c4p_rt_t *rt);

/* ---- world_ops.c: what chares do ---------------------------------------------------------------- */

/* A few random things, done by `member` (NULL: nobody) on this rank. */
void world_act(world_t *w, c4p_rt_t *rt, member_t *member);
void world_create(world_t *w, c4p_rt_t *rt, set_kind_t kind);
void world_insert(world_t *w, c4p_rt_t *rt, slot_t *slot);
void world_done(world_t *w, c4p_rt_t *rt, set_t *set);
void world_send(world_t *w, c4p_rt_t *rt, slot_t *slot, bool call);
/* Pass a message that was lent to us on, to somebody who never dies. */
void world_relay(world_t *w, c4p_rt_t *rt, c4p_msg_t *msg);
void world_contribute(world_t *w, c4p_rt_t *rt, member_t *member);
uint32_t world_wish(world_t *w, c4p_rt_t *rt, wish_kind_t kind, uint32_t expected, uint32_t about,
                    set_t *set);

bool world_did(world_t *w, c4p_rt_t *rt, c4p_status_t st, const char *what);
void world_tick(world_t *w, c4p_rt_t *rt);
slot_t *world_any_slot(world_t *w);
c4p_msg_t *world_message(world_t *w, c4p_rt_t *rt, uint32_t id, uint32_t len, bool object_too);
uint32_t world_some_len(world_t *w);
void world_migrate(world_t *w, c4p_rt_t *rt, member_t *self);

/* ---- world_choir.c: sections -------------------------------------------------------------------- */

void world_choir_add(world_t *w, c4p_rt_t *rt);
void world_choir_new(world_t *w, c4p_rt_t *rt);
void world_chant(world_t *w, c4p_rt_t *rt, bool await);
void world_offer(world_t *w, c4p_rt_t *rt, member_t *member);
void world_granted_chant(world_t *w, wish_t *wish, c4p_msg_t *msg, bool is_error);
void world_choirs_top_up(world_t *w, c4p_rt_t *rt);
void world_check_choirs(world_t *w); /* nothing is under way any more */

/* ---- world_sync.c: synchronization points -------------------------------------------------------- */

void world_sync_add(world_t *w, c4p_rt_t *rt);
/* It takes part from now on, by the wish of this rank. */
void world_takes_part(world_t *w, c4p_rt_t *rt, member_t *member);
void world_join(world_t *w, c4p_rt_t *rt, member_t *member);
void world_ready(world_t *w, c4p_rt_t *rt, member_t *member);
void world_syncs_top_up(world_t *w, c4p_rt_t *rt);
void world_check_syncs(world_t *w);

/* ---- world_life.c: elements, as the runtime makes and moves them -------------------------------- */

extern const c4p_type_desc_t world_type;
set_t *world_set_of(world_t *w, c4p_coll_t id);
slot_t *world_slot_of(set_t *set, c4p_key_t key);
member_t *world_member_new(world_t *w, slot_t *slot);
member_t *world_last_coming(const slot_t *slot); /* or NULL */
const char *world_name(const slot_t *slot);      /* for reports, in a static buffer */
bool world_alive(const member_t *member);

/* ---- world_run.c: what arrives ------------------------------------------------------------------ */

void world_run_note(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx);
void world_run_shout(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx);
void world_run_result(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx);
void world_run_relay(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx);
void world_run_top_up(c4p_rt_t *rt, void *object, c4p_msg_t *msg, void *ctx);
void world_handle_note(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx);
void world_handle_result(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx);
void world_handle_value(c4p_rt_t *rt, c4p_msg_t *msg, void *ctx);
void world_posted(c4p_rt_t *rt, void *ctx);
void world_granted(c4p_rt_t *rt, c4p_future_t future, c4p_msg_t *msg, bool is_error, bool last,
                   void *ctx);
/* An answer is owed by `member`: now or later. Returns true if it took it over. */
bool world_answer(world_t *w, c4p_rt_t *rt, member_t *member, uint32_t note, uint32_t shout,
                  set_t *created);
/* The bytes that note or broadcast `id` carries after its head: its number and their number. */
bool world_carries(c4p_msg_t *msg, uint32_t id, uint32_t len);
uint32_t world_id_of(world_t *w, c4p_msg_t *msg);
/* The element that an entry method was called on is the one it was meant for, here, and alive. */
member_t *world_enter(world_t *w, c4p_rt_t *rt, actor_t *actor);
void world_merge_clock(world_t *w, int rank, const clock_vec_t *clock);
uint64_t world_value(uint64_t what, uint64_t who);

/* ---- world_place.c: where elements are ----------------------------------------------------------- */

/* After the runtime has set its handlers. */
void world_watch(world_t *w, c4p_rt_t *rt);
void world_check_forwards(world_t *w, const note_t *note);
/* The element was made, or has arrived. */
void world_newer_version(world_t *w, slot_t *slot, const c4pi_elem_t *elem);
void world_check_places(world_t *w, c4p_rt_t *rt);
void world_check_credit(world_t *w, int from, int to);

/* ---- world_balance.c: balancing rounds ---------------------------------------------------------- */

void world_balance_add(world_t *w, c4p_rt_t *rt);

/* ---- world_check.c: what must hold when all is quiet -------------------------------------------- */

void world_check_quiet(world_t *w, uint32_t phase);
void world_check_end(world_t *w);

#endif
