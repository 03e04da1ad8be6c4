/* SPDX-License-Identifier: Apache-2.0 */
/* Whom does a reduction wait for, while chares are inserted and deleted? Each gives one token for each round: its contribution, or its death, with
 * the number of chares it has inserted since its last token. Tokens reach the root in any order. Who is inserted by a chare first owes the round
 * that its maker owes next; who is inserted from elsewhere owes the first open round of the root, which counts the birth at once. All insertions pass the
 * root before anything is made, and it counts them. It closes a round when it has as many tokens of those who were there before as there were, of
 * new ones as were declared, and has seen as many inserted as were declared. Checked: no round is closed that somebody who lives, or will, still
 * owes; all are closed.
 *
 * -DNO_INSERTED: the root does not compare with what it saw inserted. Fails: of one whose token is missing the birth that it declares is missing,
 * too, and the token of whom it made is there. -DNO_BIRTHS: the root does not wait for declared births. -DBORN_TELLS: nobody declares births, a new one's own token does. -DNO_DEATH: who dies
 * gives no token. -DLATE_MAKER: the maker declares the birth one token too late. */
#ifndef NE
#define NE 4 /* the first two are there at the start; the others may be inserted */
#endif
#ifndef NRED
#define NRED 2 /* rounds */
#endif
#define ABSENT 0
#define LIVE 1
#define DEAD 2
#define ASKED 3 /* for the root to pass on */

byte state[NE], owes[NE];
byte declares[NE];                  /* births that its next token declares */
byte later[NE];
bool fresh[NE];                     /* has not given its first token */
byte flying_old[NRED + 1], flying_new[NRED + 1], flying_births[NRED + 1], flying_deaths[NRED + 1];
byte old[NRED + 1], new[NRED + 1], births[NRED + 1], deaths[NRED + 1], inserted[NRED + 1];
byte population = 2, done = 0;

/* One token of e for the round it owes. */
inline token(e, dies) {
    if :: fresh[e] -> flying_new[owes[e]]++ :: else -> flying_old[owes[e]]++ fi;
#ifdef BORN_TELLS
    if :: fresh[e] -> flying_births[owes[e]]++ :: else fi;
#else
    flying_births[owes[e]] = flying_births[owes[e]] + declares[e];
#endif
    declares[e] = later[e]; later[e] = 0;
    if :: dies -> flying_deaths[owes[e]]++ :: else fi;
    fresh[e] = 0;
    owes[e]++
}

proctype Chare(byte e) {
    byte k;
    do
    :: atomic { state[e] == LIVE && owes[e] < NRED -> token(e, 0) }
    :: atomic { state[e] == LIVE && e > 0 && owes[e] < NRED -> /* the first lives for ever */
#ifdef NO_DEATH
        owes[e]++;
#else
        token(e, 1);
#endif
        state[e] = DEAD }
    :: atomic { state[e] == LIVE && owes[e] < NRED ->
        k = 2;
        do
        :: k < NE && state[k] != ABSENT -> k++
        :: else -> break
        od;
        if
        :: k < NE ->
            state[k] = ASKED; owes[k] = owes[e]; fresh[k] = 1;
#ifdef LATE_MAKER
            later[e]++
#else
            declares[e]++
#endif
        :: else
        fi;
        k = 0 }
    :: timeout -> break
    od
}

/* Somebody outside inserts, by way of the root. */
proctype Outside() {
    if
    :: atomic { state[NE - 1] == ABSENT && done < NRED ->
        state[NE - 1] = LIVE; owes[NE - 1] = done; fresh[NE - 1] = 1; births[done]++; inserted[done]++ }
    :: skip
    fi
}

#ifdef NO_BIRTHS
#define COMPLETE (old[done] == population)
#elif defined(NO_INSERTED)
#define COMPLETE (old[done] == population && new[done] == births[done])
#else
#define COMPLETE (old[done] == population && new[done] == births[done] && inserted[done] == births[done])
#endif


#define ARRIVES(k) (k < NRED && flying_old[k] + flying_new[k] > 0)
inline take(k) {
    assert(k >= done);
    old[k] = old[k] + flying_old[k]; flying_old[k] = 0;
    new[k] = new[k] + flying_new[k]; flying_new[k] = 0;
    births[k] = births[k] + flying_births[k]; flying_births[k] = 0;
    deaths[k] = deaths[k] + flying_deaths[k]; flying_deaths[k] = 0
}

/* Everything of a token arrives at once; those of different rounds in any order. */
proctype Root() {
    byte e;
    do
    :: atomic { ARRIVES(0) -> take(0) }
    :: atomic { ARRIVES(1) -> take(1) }
#if NRED > 2
    :: atomic { ARRIVES(2) -> take(2) }
#endif
    :: atomic { state[2] == ASKED -> inserted[owes[2]]++; state[2] = LIVE }
    :: atomic { state[NE - 1] == ASKED -> inserted[owes[NE - 1]]++; state[NE - 1] = LIVE }
    :: atomic { done < NRED && COMPLETE ->
        do
        :: e < NE -> assert((state[e] != LIVE && state[e] != ASKED) || owes[e] > done); e++
        :: else -> break
        od;
        e = 0;
        population = population + births[done] - deaths[done];
        done++ }
    :: timeout -> break
    od;
    assert(done == NRED)
}

init {
    byte i = 0;
    atomic {
        state[0] = LIVE; state[1] = LIVE;
        run Root();
        run Outside();
        do
        :: i < NE -> run Chare(i); i++
        :: else -> break
        od
    }
}
