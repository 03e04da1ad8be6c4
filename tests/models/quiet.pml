/* SPDX-License-Identifier: Apache-2.0 */
/* Quiescence together with location: a chare moves when it has run a message; messages for it go to any rank, are forwarded to where it is or will be, and are held
 * where it is still to come. A message counts as created where it is sent and as processed where it has run: forwarding and holding it change
 * nothing. The chare on its way counts as a message. Two waves that find four equal sums announce the end. Checked: then nothing is on its way or
 * held, the chare neither; and when that is so, the sums are equal.
 *
 * -DFREE_MOVES: the chare on its way does not count. -DHELD_DONE: nor does a message that is held, which counts as created again when it is
 * released. -DFORWARD_NEW: a message counts as created again at each forward. -DRELEASE_NEW: ... when it is released. */
#ifndef NM
#define NM 2 /* messages in all */
#endif
#ifndef NG
#define NG 3 /* moves */
#endif
#define NR 3
#define FLYING NR

byte created[NR], processed[NR], flying[NR], held[NR]; /* messages on their way to, and held at, a rank */
byte chare = 0, bound = 0, moves = 0, budget = NM;
bool announced = 0;

inline send_from(r) {
    if
    :: budget > 0 -> select(to : 0 .. NR - 1); budget--; created[r]++; flying[to]++; to = 0
    :: true
    fi
}

inline run_one(r) {
    assert(!announced);
    processed[r]++;
    send_from(r);
    if
    :: moves < NG && held[r] == 0 ->
        select(to : 0 .. NR - 1);
        if
        :: to != r ->
            moves++; bound = to; chare = FLYING;
#ifndef FREE_MOVES
            created[r]++
#endif
        :: else
        fi;
        to = 0
    :: true
    fi
}

proctype Rank(byte r) {
    byte to;
    do
    :: atomic { flying[r] > 0 ->
        flying[r]--;
        if
        :: chare == r -> run_one(r)
        :: chare == FLYING && bound == r ->
            held[r]++;
#ifdef HELD_DONE
            processed[r]++
#endif
        :: else ->
#ifdef FORWARD_NEW
            created[r]++;
#endif
            if :: chare == FLYING -> flying[bound]++ :: else -> flying[chare]++ fi
        fi }
    :: atomic { chare == r && held[r] > 0 ->
        held[r]--;
#if defined(HELD_DONE) || defined(RELEASE_NEW)
        created[r]++;
#endif
        run_one(r) }
    :: atomic { chare == FLYING && bound == r ->
        chare = r;
#ifndef FREE_MOVES
        processed[r]++
#endif
        }
    od
}

inline wave(c, p) {
    c = 0; p = 0; i = 0;
    do
    :: i < NR -> atomic { c = c + created[i]; p = p + processed[i]; i++ }
    :: else -> break
    od;
    i = 0
}

#define NOTHING_LEFT (flying[0] + flying[1] + flying[2] + held[0] + held[1] + held[2] == 0 && chare != FLYING)
#define BALANCED (created[0] + created[1] + created[2] == processed[0] + processed[1] + processed[2])

proctype Detect() {
    byte i, c1, p1, c2, p2;
    do
    :: wave(c1, p1);
        atomic { assert(!NOTHING_LEFT || BALANCED) };
        if
        :: c1 == p1 ->
            wave(c2, p2);
            if :: p2 == p1 && c2 == c1 -> break :: else fi
        :: else
        fi;
        atomic { c1 = 0; p1 = 0; c2 = 0; p2 = 0 }
    od;
    atomic { announced = 1; assert(NOTHING_LEFT) }
}

init { atomic { budget--; created[0]++; flying[2]++; /* the first message */ run Rank(0); run Rank(1); run Rank(2); run Detect() } }
