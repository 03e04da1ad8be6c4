/* SPDX-License-Identifier: Apache-2.0 */
/* How does a job end when several ask for it? A rank that asks tells rank 0, which takes the first code and tells all, down a tree of ranks. From
 * then on a rank runs nothing of the user's and sends nothing; what arrives is dropped. Waves then compare what all ranks have sent and received,
 * and when two waves find the same numbers, and as much received as sent, all are told to finish. Checked: all end with one code, which somebody
 * asked for; nobody who has finished is sent anything more; nothing of the user's runs after the decision has arrived.
 *
 * -DNO_DRAIN: all finish when all know. -DEARLY: a rank answers a wave also before it knows, and
 * one wave that finds as much received as sent is enough. -DLAST_CODE: rank 0 passes on each
 * code that it is asked for. */
#ifndef BUDGET
#define BUDGET 2 /* the user's messages */
#endif
#define NR 3
#define ACTIVE 0
#define EXITING 1
#define ENDED 2
#define NONE 9

byte phase[NR], code[NR], sent[NR], received[NR], flying[NR]; /* flying: to this rank */
byte budget = BUDGET, asked = 0, decided = NONE;               /* asked: bits of the codes asked for */
bool asking[NR];                                               /* on its way to rank 0 */
byte coming[NR];                                               /* the decision, on its way there: 1 + code */

inline decide(c) {
#ifndef LAST_CODE
    if
    :: decided == NONE ->
#endif
        decided = c;
        phase[0] = EXITING; code[0] = c;
        coming[1] = 1 + c; coming[2] = 1 + c
#ifndef LAST_CODE
    :: else
    fi
#endif
}

proctype Rank(byte r) {
    byte to;
    do
    :: atomic { phase[r] == ACTIVE && budget > 0 ->
        select(to : 0 .. NR - 1);
        if :: to != r -> assert(phase[to] != ENDED); budget--; sent[r]++; flying[to]++ :: else fi;
        to = 0 }
    :: atomic { flying[r] > 0 && phase[r] != ENDED -> flying[r]--; received[r]++ }
    :: atomic { phase[r] == ACTIVE && !(asked >> r & 1) -> asked = asked | (1 << r); asking[r] = 1 }
    :: atomic { coming[r] > 0 ->
        assert(phase[r] != ENDED);
        if :: phase[r] == ACTIVE -> phase[r] = EXITING; code[r] = coming[r] - 1 :: else fi;
        coming[r] = 0 }
    :: atomic { r == 0 && asking[0] -> asking[0] = 0; decide(0) }
    :: atomic { r == 0 && asking[1] -> asking[1] = 0; decide(1) }
    :: atomic { r == 0 && asking[2] -> asking[2] = 0; decide(2) }
    :: timeout -> break
    od;
    assert(flying[r] == 0 && phase[r] == ENDED && code[r] == code[0] && (asked >> code[r] & 1))
}

#ifdef EARLY
#define KNOWS(r) true
#else
#define KNOWS(r) (phase[r] == EXITING)
#endif

/* One rank after the other, each when it knows. */
inline wave(s, v) {
    s = 0; v = 0; i = 0;
    do
    :: i < NR -> atomic { KNOWS(i) -> s = s + sent[i]; v = v + received[i]; i++ }
    :: else -> break
    od;
    i = 0
}

proctype Drain() {
    byte i, s1, v1, s2, v2;
    phase[0] == EXITING;
    do
    :: wave(s1, v1);
#ifdef NO_DRAIN
        break
#endif
        if
        :: s1 == v1 ->
#ifdef EARLY
            break
#else
            wave(s2, v2);
            if :: s1 == s2 && v1 == v2 -> break :: else fi
#endif
        :: else
        fi
    od;
    do
    :: i < NR -> atomic { phase[i] = ENDED; i++ }
    :: else -> break
    od
}

init { atomic { run Rank(0); run Rank(1); run Rank(2); run Drain() } }
