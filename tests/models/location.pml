/* SPDX-License-Identifier: Apache-2.0 */
/* Where is the chare? One index, whose chare migrates, dies and is created again, and messages to it from ranks 1 and 2.
 *
 * Rank 0 is the home; it has an entry while the chare is away. A rank that the chare left keeps a pointer until the home has
 * acknowledged. All other knowledge is a cache, modelled at its worst: whenever a rank routes a message it happens to know nothing, or any one
 * statement that ever was true. A version is (incarnation, epoch), compared in that order, so it is one number here. Messages carry the
 * version that the last router believed, the hint.
 *
 *   at a rank, hint h:  here: deliver | known newer: forward, hint := known | h == 0: to the home | else hold, and ask the home
 *   at the home:        here: deliver | entry >= h: forward | entry < h: hold | no entry: give up if h > 0, else wait for a creation
 *
 * Checked: sendings of a message are bounded (HOPS), so nothing circles; at the end nothing is held but what waits for a creation, all pointers
 * are gone and the home's entry is right; a message is given up only if the incarnation that was there when it was sent, or that its
 * sender had asked for by then, has died; it is delivered to no earlier one.
 *
 * Rank 1, the maker, asks for the later incarnations, as a program does that deletes an index and inserts it again: the former one
 * may still live then, and the creation waits at the home for its death. What the maker sends from then on stays with the maker until it
 * hears that the new one has been made; so does a further creation.
 *
 * Links keep the order of each pair of ranks; -DUNORDERED: none. -DIMMORTAL: the chare never dies. -DHOME_LEARNS: a statement may reach the
 * home earlier than by its update.
 *
 * Rules that can be left out, each of which must make it fail (run.py has the table):
 *   -DNO_HOLD        a message that outran the chare goes to the home instead of waiting
 *   -DNO_QUERY       it waits, but nobody asks the home
 *   -DNO_EPOCH       a migration does not make a new version
 *   -DNO_NONCE       a new incarnation starts with the versions of the old one
 *   -DNO_POINTER     a rank forgets at once where the chare went
 *   -DEARLY_DROP     it forgets when the chare has arrived, not when the home knows
 *   -DANY_ACK        it forgets when the home acknowledges an earlier move from there
 *   -DSELF_HINT      a cache may name the rank itself
 *   -DUPDATE_MAKES   an update makes an entry where the home has none
 *   -DTOMBSTONE      the same, but the home remembers a death until the arrival of that same epoch was reported
 *   -DDEAD_JUDGES    on the answer "dead", what is held is given up where it is
 *   -DDEAD_SPLITS    on the answer "dead", what has a hint of a later incarnation than the one asked about stays held
 *   -DNO_KEEP        what the maker sends after asking for a creation goes at once
 *   -DMAKER_NO_HINT  with -DNO_KEEP: but it uses no cache meanwhile
 *   -DMARK           with -DNO_KEEP: but it carries a mark, for which the home keeps it where it would give it up
 *   -DKEEP_TO_HOME   it goes when the home has taken up the creation, which may still wait for a death
 *   -DNO_DEAD_MARK   with -DUNORDERED: the rank where the chare died does not remember it until the home knows */
#ifndef NR
#define NR 3 /* ranks: 3 or 4 */
#endif
#ifndef NM
#define NM 2 /* messages: 1 to 3 */
#endif
#ifndef NG
#define NG 2 /* migrations */
#endif
#ifndef NI
#define NI 2 /* incarnations */
#endif
#ifndef HOPS /* one to a home that knows nothing, one per later statement, one to the home per death */
#define HOPS (1 + NG + NI - 1 + NI)
#endif

#define HOME 0
#define MAKER 1 /* asks for the later incarnations */
#define AWAY 255
#define EP (NG + 1) /* epochs per incarnation */
#define INC(v) ((v) / EP)
#define SENDER(q) (1 + (q) % 2)

mtype = { MSG, OBJ, UPDATE, ACK, QUERY, REPLY, DEAD_REPLY, DEAD, DEAD_ACK, DO, MADE };
#ifndef LINK
#define LINK 5
#endif
chan link[NR * NR] = [LINK] of { mtype, byte, byte };
#define L(a, b) link[(a) * NR + (b)]
#ifdef UNORDERED
#define PUT(a, b, kind, u, v) assert(nfull(L(a, b))); L(a, b)!!kind, u, v /* a sorted bag */
#else
#define PUT(a, b, kind, u, v) assert(nfull(L(a, b))); L(a, b)!kind, u, v
#endif

/* The chare: where it lives, its version. */
byte at = HOME, ver = EP, migs = 0;
bool alive = 1;
/* A creation: somebody wants it; the demand is on its way to the home; it waits there for a death. */
bool making = 0, asking = 0, waiting = 0;
byte born = 1, died = 0;
/* The maker: the incarnation that it last heard of. */
byte heard = 1;

/* Statements that are or were true. */
byte stv[NG + NI], str[NG + NI], ns = 1;

/* Ranks: pointer, mark of a death, hint asked about; the home's entry. */
byte pv[NR], pr[NR], dv[NR], asked[NR], hv = 0, hr = 0;
#ifdef TOMBSTONE
bool tomb[(NI + 1) * EP], seen[(NI + 1) * EP];
#endif

/* Messages: state, hint, sendings, where, incarnation meant. */
#define UNSENT 0
#define FLYING 1
#define HELD 2
#define ROUTING 3
#define DELIVERED 4
#define GIVEN_UP 5
#define KEPT 6 /* by the maker */
byte ms[NM], mh[NM], mk[NM], mw[NM], mi[NM];
#ifdef MARK
bool marked[NM];
#define MARKED(q) marked[q]
#define UNMARK(q) marked[q] = 0
#else
#define MARKED(q) false
#define UNMARK(q) skip
#endif

/* Scratch, 0 between steps. */
byte a, b, x, y, z, i, j, kv, kr;
mtype kind, other;

inline end_of(q, state) { ms[q] = state; mh[q] = 0; mk[q] = 0; mw[q] = 0; mi[q] = 0; UNMARK(q) }

inline give_up(q) { assert(died >= mi[q]); end_of(q, GIVEN_UP) }

inline hold(me, q) { ms[q] = HELD; mw[q] = me }

inline forward(me, to, q, h) {
    assert(to != me);
    mh[q] = h; mk[q]++; ms[q] = FLYING; mw[q] = 0;
    assert(mk[q] <= HOPS);
    PUT(me, to, MSG, q, 0)
}

#ifdef SELF_HINT
#define USABLE(me) (stv[i] > kv)
#else
#define USABLE(me) (stv[i] > kv && str[i] != me)
#endif

/* What `me` happens to know: at least its pointer. */
inline know(me) {
    kv = pv[me]; kr = pr[me]; i = 0;
    do
    :: break
    :: i < ns -> i++
    od;
    if
    :: i < ns && USABLE(me) -> kv = stv[i]; kr = str[i]
    :: i < ns && !USABLE(me)
    :: i >= ns
    fi;
    i = 0
}

inline ask(me, q) {
#ifdef NO_QUERY
    skip
#else
    if :: asked[me] == 0 -> asked[me] = mh[q]; PUT(me, HOME, QUERY, mh[q], 0) :: else fi
#endif
}

inline route_home(q) {
    if
#ifdef NO_HOLD
    :: hv > 0 -> forward(HOME, hr, q, hv)
#else
    :: hv > 0 && mh[q] > hv -> hold(HOME, q)
    :: hv > 0 && mh[q] <= hv -> forward(HOME, hr, q, hv)
#endif
    :: hv == 0 && mh[q] > 0 && !MARKED(q) -> give_up(q)
    :: hv == 0 && (mh[q] == 0 || MARKED(q)) -> mh[q] = 0; hold(HOME, q)
    fi
}

inline route_away(me, q) {
    know(me);
#ifdef MAKER_NO_HINT
    if :: me == MAKER && making && mh[q] == 0 -> kv = 0; kr = 0 :: else fi;
#endif
    if
    :: dv[me] > 0 && mh[q] > 0 && INC(mh[q]) <= INC(dv[me]) -> hold(me, q)
    :: else ->
        if
        :: kv > mh[q] -> forward(me, kr, q, kv)
        :: kv <= mh[q] && mh[q] == 0 -> forward(me, HOME, q, 0)
#ifdef NO_HOLD
        :: kv <= mh[q] && mh[q] > 0 -> forward(me, HOME, q, mh[q])
#else
        :: kv <= mh[q] && mh[q] > 0 -> hold(me, q); ask(me, q)
#endif
        fi
    fi;
    kv = 0; kr = 0
}

/* Decide about all messages that a step has put before a rank. */
inline route_all() {
    j = 0;
    do
    :: j < NM && ms[j] == ROUTING ->
        x = mw[j];
        if
        :: at == x -> assert(mi[j] <= born); end_of(j, DELIVERED)
        :: at != x && x == HOME -> route_home(j)
        :: at != x && x != HOME -> route_away(x, j)
        fi;
        j++
    :: j < NM && ms[j] != ROUTING -> j++
    :: j >= NM -> break
    od;
    j = 0; x = 0
}

/* What is held at `me` is looked at again. */
inline unhold(me) {
    j = 0;
    do
    :: j < NM -> if :: ms[j] == HELD && mw[j] == me -> ms[j] = ROUTING :: else fi; j++
    :: j >= NM -> break
    od;
    j = 0
}

inline arrive(me) { at = me; asked[me] = 0; unhold(me) }

/* ---- what the chare does ------------------------------------------------------------------------ */

inline say(v, r) { stv[ns] = v; str[ns] = r; ns++ }

inline migrate(me, to) {
    migs++;
#ifndef NO_EPOCH
    ver++;
#endif
    say(ver, to);
    PUT(me, to, OBJ, ver, 0);
    if
    :: me == HOME -> hv = ver; hr = to
#ifdef NO_POINTER
    :: me != HOME
#else
    :: me != HOME -> pv[me] = ver; pr[me] = to
#endif
    fi;
    at = AWAY
}

/* The maker hears that incarnation k was made: what it kept goes. */
inline made(k) {
    heard = k; j = 0;
    do
    :: j < NM -> if :: ms[j] == KEPT -> ms[j] = ROUTING; mw[j] = MAKER :: else fi; j++
    :: j >= NM -> break
    od;
    j = 0
}

inline tell_maker(me, k) {
    if :: me == MAKER -> made(k) :: me != MAKER -> PUT(me, MAKER, MADE, k, 0) fi
}

/* The home creates, when nothing is left of the last incarnation. */
inline make() {
#ifdef KEEP_TO_HOME
    if :: !waiting -> tell_maker(HOME, born + 1) :: else fi;
#endif
    if
    :: at == HOME || hv > 0 -> waiting = 1
    :: else ->
        making = 0; waiting = 0; alive = 1; born++;
#ifdef NO_NONCE
        ver = EP;
#else
        ver = born * EP;
#endif
        select(z : 0 .. NR - 1);
        say(ver, z);
        if
        :: z == HOME ->
            arrive(HOME);
#ifndef KEEP_TO_HOME
            tell_maker(HOME, born)
#endif
        :: z != HOME -> hv = ver; hr = z; PUT(HOME, z, DO, ver, 0); unhold(HOME)
        fi;
        z = 0
    fi
}

inline die(me) {
    alive = 0; died++;
    if
    :: me == HOME -> at = AWAY; if :: waiting -> make() :: else fi
    :: me != HOME ->
#if defined(UNORDERED) && !defined(NO_DEAD_MARK)
        dv[me] = ver;
#endif
        PUT(me, HOME, DEAD, ver, 0);
        at = AWAY
    fi
}

/* ---- what arrives, from a at b, with x and y -------------------------------------------------------- */

inline on_obj() {
    if
    :: b == HOME -> hv = 0; hr = 0; PUT(HOME, a, ACK, x, 0)
    :: b != HOME ->
#ifdef EARLY_DROP
        pv[a] = 0; pr[a] = 0;
#endif
        PUT(b, HOME, UPDATE, x, a)
    fi;
    arrive(b)
}

#if defined(TOMBSTONE)
#define TAKES_UPDATE (at != HOME && x > hv && !tomb[x])
#elif defined(UPDATE_MAKES)
#define TAKES_UPDATE (at != HOME && x > hv)
#else
#define TAKES_UPDATE (hv > 0 && x > hv)
#endif

inline on_update() {
    if :: TAKES_UPDATE -> hv = x; hr = a; unhold(HOME) :: else fi;
#ifdef TOMBSTONE
    seen[x] = 1; tomb[x] = 0;
#endif
    if :: y != HOME -> PUT(HOME, y, ACK, x, 0) :: else fi
}

inline on_dead() {
#ifdef TOMBSTONE
    if :: !seen[x] && x % EP > 0 -> tomb[x] = 1 :: else fi;
#endif
#if defined(UNORDERED) && !defined(NO_DEAD_MARK)
    PUT(HOME, a, DEAD_ACK, x, 0);
#endif
    if
    :: hv > x
    :: hv <= x -> hv = 0; hr = 0; unhold(HOME); if :: waiting -> make() :: else fi
    fi
}

inline on_query() {
    if
    :: at == HOME -> PUT(HOME, a, REPLY, ver, HOME)
    :: at != HOME && hv > 0 -> PUT(HOME, a, REPLY, hv, hr)
    :: at != HOME && hv == 0 -> PUT(HOME, a, DEAD_REPLY, x, 0)
    fi
}

#define HELD_HERE (ms[j] == HELD && mw[j] == b)

/* "Dead": what is held goes to the home, which decides by what it knows then. */
inline leave_to_home() {
    j = 0; asked[b] = 0;
    do
#if defined(DEAD_JUDGES)
    :: j < NM && HELD_HERE -> give_up(j); j++
#elif defined(DEAD_SPLITS)
    :: j < NM && HELD_HERE && INC(mh[j]) <= INC(x) -> forward(b, HOME, j, mh[j]); j++
    :: j < NM && HELD_HERE && INC(mh[j]) > INC(x) -> j++
#else
    :: j < NM && HELD_HERE -> forward(b, HOME, j, mh[j]); j++
#endif
    :: j < NM && !HELD_HERE -> j++
    :: j >= NM -> break
    od;
    j = 0
}

/* An answer not newer than what was asked about: the chare is on its way here, and will release what is held. So it will for what has a hint
 * newer than the answer; nobody asks again. */
inline on_reply() {
    if
    :: at == b || y == b || x <= asked[b]
    :: else ->
        j = 0; i = 0;
        do
        :: j < NM && HELD_HERE -> if :: mh[j] < x -> forward(b, y, j, x) :: else -> i++ fi; j++
        :: j < NM && !HELD_HERE -> j++
        :: j >= NM -> break
        od;
        if :: i == 0 -> asked[b] = 0 :: else fi;
        j = 0; i = 0
    fi
}

#ifdef ANY_ACK
#define ACKNOWLEDGES true
#else
#define ACKNOWLEDGES (pv[b] == x)
#endif

inline receive() {
#ifdef UNORDERED /* one out of the bag, which stays sorted */
    i = len(L(a, b)) - 1;
    do
    :: i > 0 -> L(a, b)?kind, x, y; L(a, b)!kind, x, y; i--
    :: break
    od;
    L(a, b)?kind, x, y;
    do
    :: i > 0 -> L(a, b)?other, kr, kv; L(a, b)!other, kr, kv; i--
    :: i == 0 -> break
    od;
    other = 0; kr = 0; kv = 0;
#else
    L(a, b)?kind, x, y;
#endif
    if
    :: kind == MSG -> ms[x] = ROUTING; mw[x] = b
    :: kind == OBJ -> on_obj()
    :: kind == DO ->
        arrive(b);
#ifndef KEEP_TO_HOME
        tell_maker(b, INC(x))
#endif
    :: kind == MADE -> made(x)
    :: kind == UPDATE -> on_update()
    :: kind == ACK -> if :: ACKNOWLEDGES -> pv[b] = 0; pr[b] = 0 :: else fi
    :: kind == DEAD -> on_dead()
    :: kind == QUERY -> on_query()
    :: kind == REPLY -> on_reply()
    :: kind == DEAD_REPLY && at == b
    :: kind == DEAD_REPLY && at != b -> leave_to_home()
    :: kind == DEAD_ACK ->
        if :: dv[b] == x -> dv[b] = 0 :: else fi;
        if :: at != b -> leave_to_home() :: else fi
    fi;
    a = 0; b = 0; x = 0; y = 0; kind = 0
}

inline send(q) {
    mi[q] = born + (making && SENDER(q) == MAKER -> 1 : 0);
#ifdef MARK
    marked[q] = (heard < mi[q] && SENDER(q) == MAKER);
#endif
    if
#ifndef NO_KEEP
    :: SENDER(q) == MAKER && heard < mi[q] -> ms[q] = KEPT
#endif
    :: else -> ms[q] = ROUTING; mw[q] = SENDER(q)
    fi
}

inline check_end() {
    x = 0;
    do
    :: x < NM ->
        assert(ms[x] == DELIVERED || ms[x] == GIVEN_UP || (ms[x] == HELD && mw[x] == HOME && mh[x] == 0 && !alive));
        x++
    :: x >= NM -> break
    od;
    x = 0;
    do
    :: x < NR -> assert(pv[x] == 0 && asked[x] == 0 && dv[x] == 0); x++
    :: x >= NR -> break
    od;
    assert(!making && heard == born && (!alive || at != AWAY));
    assert(alive && at != HOME -> hv == ver && hr == at : hv == 0)
}

init {
    stv[0] = EP; str[0] = HOME;
    do
    :: atomic {
        if
        :: at != AWAY && migs < NG ->
            select(z : 0 .. NR - 1);
            if :: z != at -> migrate(at, z) :: else fi;
            z = 0
#ifndef IMMORTAL
        :: at != AWAY -> die(at)
#endif
        :: ms[0] == UNSENT -> send(0)
#if NM > 1
        :: ms[1] == UNSENT -> send(1)
#endif
#if NM > 2
        :: ms[2] == UNSENT -> send(2)
#endif
        :: !making && heard == born && born < NI -> making = 1; asking = 1
#ifdef HOME_LEARNS
        :: hv > 0 -> know(HOME); if :: kv > hv -> hv = kv; hr = kr; unhold(HOME) :: else fi; kv = 0; kr = 0
#endif
        :: asking -> asking = 0; make() /* it came by way of a third rank: in no order with messages */
        :: nempty(L(0, 1)) -> b = 1
        :: nempty(L(0, 2)) -> b = 2
        :: nempty(L(1, 0)) -> a = 1
        :: nempty(L(1, 2)) -> a = 1; b = 2
        :: nempty(L(2, 0)) -> a = 2
        :: nempty(L(2, 1)) -> a = 2; b = 1
#if NR > 3
        :: nempty(L(0, 3)) -> b = 3
        :: nempty(L(1, 3)) -> a = 1; b = 3
        :: nempty(L(2, 3)) -> a = 2; b = 3
        :: nempty(L(3, 0)) -> a = 3
        :: nempty(L(3, 1)) -> a = 3; b = 1
        :: nempty(L(3, 2)) -> a = 3; b = 2
#endif
        fi;
        if :: a != b -> receive() :: else fi;
        route_all()
       }
    :: timeout -> break
    od;
    check_end()
}
