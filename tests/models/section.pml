/* SPDX-License-Identifier: Apache-2.0 */
/* The record of a section's member follows it. Rank 0 is the creator and sends NB broadcasts down the tree; rank 1 is in the tree and has the member and its record at
 * first; rank 2 joins when the record comes. The member moves NG times and contributes NC times, at any moments. Its record, if it is there, leaves with it; the old
 * record runs what the new place has had before the record came. Calls and contributions that are on their way arrive in any order, messages of the section between
 * two ranks in the order sent. Checked: the member hears each broadcast once, in order; its contributions are given once each, in order; at the end nothing is left.
 *
 * -DGOES_ON: the old record does not wait to be told where its broadcasts end. -DENDS_AT_ONCE: it does, but does not run those
 * that are left. -DFROM_HERE: the new record begins with what its rank has next, whatever it has run before. -DBACK_AT_ONCE: a record that comes back does not wait for the
 * end of the old one. -DNOT_SENT_ON: contributions are not sent on to where the record has gone. -DAHEAD_WAITS: what came too early is not looked for when an old record has run. */
#ifndef NB
#define NB 2
#endif
#ifndef NC
#define NC 1
#endif
#ifndef NG
#define NG 3
#endif
#define NR 3
#define NOWHERE NR
#define FLYING NR
#define LINK(from, to) link[(from) * NR + (to)]
#define BIT(n) (1 << (n))

mtype = { DOWN, MOVE, TAKEN, JOIN, NEW, MEMBER };
mtype = { NONE, LIVE, WAITS, OLD };

chan link[NR * NR] = [6] of { mtype, byte, byte };

/* Each rank. */
byte have[NR], children = BIT(1);
bool known[NR];
mtype record[NR] = NONE;
byte next[NR], last[NR], gave[NR], went[NR] = NOWHERE;
byte held[NR] = NOWHERE, held_next[NR], held_gave[NR]; /* a record that has come, from whom, and waits */
byte tokens[NR];                                      /* contributions that are there or on their way there */

/* The member. */
byte where = 1, heard, ahead, given, moves, calls;

inline hear_ahead() {
    do
    :: ahead & BIT(heard) -> ahead = ahead & ~BIT(heard); heard++
    :: else -> break
    od
}

inline hear(n) {
    assert(n >= heard && !(ahead & BIT(n)));
    if
    :: n == heard -> heard++
    :: else -> ahead = ahead | BIT(n)
    fi
}

inline take(r, from, nx, gv) {
    record[r] = LIVE;
    gave[r] = gv;
#ifdef FROM_HERE
    next[r] = have[r];
#else
    if :: nx > have[r] -> next[r] = nx :: else -> next[r] = have[r] fi;
#endif
    LINK(r, from)!TAKEN(next[r], 0)
}

inline take_held(r) {
    if
    :: held[r] != NOWHERE -> take(r, held[r], held_next[r], held_gave[r]); held[r] = NOWHERE
    :: else
    fi
}

inline drop(r) {
    record[r] = NONE;
    take_held(r)
}

inline on_message(r, from) {
    if
    :: LINK(from, r)?DOWN(a, b) -> assert(a == have[r]); have[r]++
    :: LINK(from, r)?MEMBER(a, b) -> where = r
    :: LINK(from, r)?NEW(a, b) -> known[r] = true; have[r] = a; take_held(r)
    :: LINK(from, r)?JOIN(a, b) ->
        if
        :: children & BIT(from)
        :: else -> children = children | BIT(from); LINK(0, from)!NEW(have[0], 0)
        fi
    :: LINK(from, r)?MOVE(a, b) ->
        if
        :: !known[r] -> held[r] = from; held_next[r] = a; held_gave[r] = b; LINK(r, 0)!JOIN(0, 0)
#ifndef BACK_AT_ONCE
        :: known[r] && record[r] != NONE -> held[r] = from; held_next[r] = a; held_gave[r] = b; went[r] = r
        :: known[r] && record[r] == NONE -> take(r, from, a, b)
#else
        :: known[r] -> take(r, from, a, b)
#endif
        fi
    :: LINK(from, r)?TAKEN(a, b) ->
#ifdef ENDS_AT_ONCE
        drop(r)
#else
        if
        :: next[r] == a -> drop(r)
        :: else -> record[r] = OLD; last[r] = a
        fi
#endif
    fi;
    a = 0; b = 0
}

inline run_next(r) {
    a = next[r]; next[r]++;
    if
    :: where == r -> hear(a)
    :: else -> assert(!(calls & BIT(a))); calls = calls | BIT(a)
    fi;
    if
    :: record[r] == OLD ->
#ifndef AHEAD_WAITS
        if :: where == r -> hear_ahead() :: else fi;
#endif
        if :: next[r] == last[r] -> drop(r) :: else fi
    :: else
    fi;
    a = 0
}

inline leave(r) {
    if :: a = (r + 1) % NR :: a = (r + 2) % NR fi;
    if
    :: record[r] == LIVE ->
        LINK(r, a)!MOVE(next[r], gave[r]); record[r] = WAITS; went[r] = a
#ifdef GOES_ON
        ; record[r] = LIVE
#endif
    :: else
    fi;
    moves++; where = FLYING; LINK(r, a)!MEMBER(0, 0); a = 0
}

inline contribute(r) {
    if
    :: record[r] == LIVE && gave[r] == given -> gave[r]++
    :: else -> tokens[r] = tokens[r] | BIT(given)
    fi;
    given++
}

proctype Rank(byte r) {
    byte a, b;
    do
    :: atomic { r == 0 && have[0] < NB ->
        if :: children & BIT(1) -> LINK(0, 1)!DOWN(have[0], 0) :: else fi;
        if :: children & BIT(2) -> LINK(0, 2)!DOWN(have[0], 0) :: else fi;
        have[0]++ }
    :: atomic { nempty(LINK(0, r)) -> on_message(r, 0) }
    :: atomic { nempty(LINK(1, r)) -> on_message(r, 1) }
    :: atomic { nempty(LINK(2, r)) -> on_message(r, 2) }
    :: atomic { (record[r] == LIVE || record[r] == OLD) && next[r] < have[r] -> run_next(r) }
    :: atomic { where == r && moves < NG -> leave(r) }
    :: atomic { where == r && given < NC -> contribute(r) }
    :: atomic { record[r] == LIVE && tokens[r] & BIT(gave[r]) -> tokens[r] = tokens[r] & ~BIT(gave[r]); gave[r]++ }
#ifndef NOT_SENT_ON
    :: atomic { tokens[r] && record[r] != LIVE && held[r] == NOWHERE && went[r] != NOWHERE && went[r] != r ->
        tokens[went[r]] = tokens[went[r]] | tokens[r]; tokens[r] = 0 }
#endif
    :: atomic { tokens[r] && record[r] == NONE && held[r] == NOWHERE && went[r] == NOWHERE && r != 1 ->
        tokens[1] = tokens[1] | tokens[r]; tokens[r] = 0 } /* as the creator says */
    od
}

proctype Routing() {
    byte n;
    do
    :: atomic { calls && where != FLYING ->
        select(n : 0 .. NB - 1);
        if
        :: calls & BIT(n) -> calls = calls & ~BIT(n); hear(n); hear_ahead()
        :: else
        fi;
        n = 0 }
    od
}

init {
    byte r, total;
    atomic {
        known[0] = true; known[1] = true; record[1] = LIVE;
        run Rank(0); run Rank(1); run Rank(2); run Routing()
    }
    timeout;
    atomic {
        for (r : 0 .. NR - 1) {
            if :: record[r] == LIVE -> total = total + gave[r] :: else -> assert(record[r] == NONE) fi
        }
        assert(heard == NB && total == NC)
    }
}
