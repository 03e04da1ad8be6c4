/* SPDX-License-Identifier: Apache-2.0 */
/* Has a synchronization point been reached? Participants wait for it, move meanwhile (also those that wait), and insert others as long as they
 * do not wait. A wave visits the ranks one by one and adds up how many participants left each (or were asked for there) and arrived (or were
 * made); a rank is ready when all who live there wait. Checked: when the point is announced, everybody waits for it, wherever he is; each goes on
 * from each point once; all points are passed.
 *
 * -DRULE=1: one wave found all ready. Fails: somebody was under way.
 * -DRULE=2: and as many arrived as left. Fails: the counts are of different times.
 * -DRULE=3: two waves found that, whatever they counted. Fails likewise, with enough moves.
 * -DRULE=4: and they counted the same.
 * -DNO_MADE: who is asked for is not counted as under way. -DNO_CATCH_UP: who arrives after the point was passed is not looked at. */
#ifndef NE
#define NE 3 /* participants, of which the last is inserted by the first */
#endif
#ifndef NP
#define NP 2 /* points */
#endif
#ifndef NG
#define NG 2 /* moves */
#endif
#ifndef RULE
#define RULE 4
#endif
#define NR 3
#define FLYING NR
#define UNMADE (NR + 1)

byte where[NE], bound[NE], next[NE]; /* rank, FLYING or UNMADE; where to; the point that comes next for it */
bool waits[NE];
byte left[NR], arrived[NR], step[NR], moves = 0, reached = 0;

inline go_on_if_due(e) {
    if
    :: waits[e] && next[e] < step[where[e]] ->
        assert(next[e] < reached);
        waits[e] = 0; next[e]++
    :: else
    fi
}

proctype Participant(byte e) {
    byte to;
    do
    :: atomic { where[e] < NR && !waits[e] && next[e] < NP -> waits[e] = 1; go_on_if_due(e) }
#ifdef INSERTS
    :: atomic { e == 0 && where[0] < NR && !waits[0] && where[NE - 1] == UNMADE ->
        select(to : 0 .. NR - 1);
#ifndef NO_MADE
        left[where[0]]++;
#endif
        bound[NE - 1] = to; where[NE - 1] = FLYING; next[NE - 1] = step[where[0]]; to = 0 }
#endif
    :: atomic { where[e] < NR && moves < NG ->
        select(to : 0 .. NR - 1);
        if :: to != where[e] -> moves++; left[where[e]]++; bound[e] = to; where[e] = FLYING :: else fi;
        to = 0 }
    :: atomic { where[e] == FLYING ->
        where[e] = bound[e]; bound[e] = 0; arrived[where[e]]++;
#ifndef NO_CATCH_UP
        if :: !waits[e] && next[e] < step[where[e]] -> next[e] = step[where[e]] :: else -> go_on_if_due(e) fi
#endif
        }
    :: timeout -> break
    od;
    assert(where[e] == UNMADE || next[e] == NP)
}

/* One rank after the other. */
inline wave(ready, l, a) {
    ready = 1; l = 0; a = 0; i = 0;
    do
    :: i < NR ->
        atomic {
            l = l + left[i]; a = a + arrived[i]; e2 = 0;
            do
            :: e2 < NE -> ready = ready && (where[e2] != i || (waits[e2] && next[e2] == step[i])); e2++
            :: else -> break
            od;
            e2 = 0; i++ }
    :: else -> break
    od;
    i = 0
}

proctype Root() {
    byte i, e2, l1, a1, l2, a2;
    bool r1, r2;
    do
    :: reached < NP ->
        wave(r1, l1, a1);
        if
        :: !r1 -> r2 = 0
#if RULE == 1
        :: else -> r2 = 1
#elif RULE == 2
        :: else -> r2 = (l1 == a1)
#else
        :: else -> wave(r2, l2, a2);
#if RULE == 3
            r2 = r2 && l1 == a1 && l2 == a2
#else
            r2 = r2 && l1 == a1 && l2 == a2 && l1 == l2
#endif
#endif
        fi;
        if
        :: r2 ->
            atomic {
                do
                :: e2 < NE -> assert(where[e2] == UNMADE || (waits[e2] && next[e2] == reached)); e2++
                :: else -> break
                od;
                e2 = 0; reached++ }
            do
            :: i < NR ->
                atomic {
                    step[i]++;
                    do
                    :: e2 < NE -> if :: where[e2] == i -> go_on_if_due(e2) :: else fi; e2++
                    :: else -> break
                    od;
                    e2 = 0; i++ }
            :: else -> break
            od;
            i = 0
        :: else
        fi;
        atomic { r1 = 0; r2 = 0; l1 = 0; l2 = 0; a1 = 0; a2 = 0 }
    :: else -> break
    od
}

init {
    byte i = 0;
    atomic {
        do
        :: i < NE -> where[i] = i % NR; i++
        :: else -> break
        od;
#ifdef INSERTS
        where[NE - 1] = UNMADE;
#endif
        run Root();
        i = 0;
        do
        :: i < NE -> run Participant(i); i++
        :: else -> break
        od
    }
}
