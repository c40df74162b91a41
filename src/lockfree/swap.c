/* Swap: sleepable read-copy-update for one pointer (McKenney's SRCU in Linux; two phases of reader counts after Gamsa et
 * al., OSDI 1999), with the difference that nobody waits: a grace period is a word that readers help to bring to zero.
 *
 * Readers count themselves in a cell, of which there is one for each shard and phase, and count themselves out of the same
 * cell, wherever they are then. Which cell it is matters for speed only.
 *
 * A value that was replaced is retired. (1) It is freed when each of the cells was seen to be 0 at some time after it was
 * retired. That is enough: a reader that has the value counted itself in before it read the pointer, and read it before the
 * pointer was replaced; so who sees 0 after that sees it counted out. This holds whatever the phases do.
 *
 * The phases see to it that every cell does become 0, however many readers come: new ones go to the other phase. Retired
 * values are freed in batches, each in a grace period of two steps: the first awaits the cells of the phase that is not
 * current, which are empty but for readers who were slow on their way in; the second makes that one current, and awaits the
 * cells of the phase that was. `step` is the state of all that:
 *
 *     step = number << 18 | second << 17 | phase << 16 | mask           mask: the cells of `phase` not yet seen to be 0
 *
 *     idle (busy is 0) --start--> first --go_on--> second --go_on--> idle, or the first of the next batch
 *
 * (2) Who clears the last bit of a mask, and nobody else, owns the grace period: it alone goes on to the next step, frees
 * the batch, and writes batch, phase and step; until begin() has published the next mask. (3) A bit is cleared only by who
 * has seen the cell to be 0 after it has seen that very step in the word: the number makes sure that the step is still the
 * same.
 *
 * Two Dekker pairs, all of whose operations are sequentially consistent, since both sides store and then look:
 *
 *     enter:  cell += 1;     reads value          set:    value = new; ... reads cell        (as in (1))
 *     leave:  cell -= 1;     reads step           begin:  step = mask;     reads cell
 *
 * so that either the one who begins a step sees that a cell is 0, or the one who brought it to 0 sees that it is awaited.
 * And a third one, so that no batch is left behind:
 *
 *     set:    waiting += node;   reads busy       take_batch:  busy = 0;   reads waiting
 *
 * Freeing comes after all that readers did: leaving is a release, and each who sees a cell at 0 acquires all that have left
 * it, since only read-modify-writes change it; clearing a bit passes that on to who clears the last one.
 *
 * Rejected: a count that is incremented without a locked instruction by its worker, with the kernel's fence on the writer's
 * side: plain threads share cells, and leaves come from other workers. Hazard pointers: a reader that parks would have to
 * keep a slot, of which there is no bounded number. */
#include "sennit/swap.h"

#include "lockfree/shard.h"
#include "sched/alloc.h"

enum {
    ALL = (1 << SNI_SHARDS) - 1,
    PHASE_AT = 16,
    SECOND_AT = 17,
    NUMBER_AT = 18,
};

struct node {
    const void *value;
    struct node *next; /* in `waiting` or `batch` */
};

/* (c) const after init  (a) atomic  (o) owner of the grace period */
struct swap {
    struct node *current;   /* (a) what readers get */
    uint64_t phase;         /* (a) 0 or 1, that of readers who come now; (o) writes */
    uint64_t step;          /* (a) see above */
    sn_swap_free_fn *fn;    /* (c) */
    uint64_t pad[4];
    struct node *waiting;   /* (a) retired, for the next grace period */
    uint64_t busy;          /* (a) 1: there is an owner, or a step is under way */
    struct node *batch;     /* (o) retired before this grace period */
    uint64_t pad2[5];
    struct {
        uint64_t count[2];  /* (a) by phase: readers inside */
        uint64_t pad[SNI_LINE_WORDS - 2];
    } cells[SNI_SHARDS_ROOM];
} __attribute__((may_alias));

struct guard {
    struct swap *swap;      /* NULL: not inside */
    struct node *node;
    uint64_t cell;          /* shard << 1 | phase */
} __attribute__((may_alias));

_Static_assert(sizeof(struct swap) == sizeof(sn_rawswap), "sn_rawswap has the wrong size");
_Static_assert(sizeof(struct guard) == sizeof(sn_swap_guard), "sn_swap_guard has the wrong size");
_Static_assert((int)SNI_SHARDS_ROOM <= (int)PHASE_AT, "a step's mask has too few bits");

static struct swap *inside(sn_rawswap *swap)
{
    return (struct swap *)(uintptr_t)swap->sni_;
}

static struct guard *guard_of(const sn_swap_guard *guard)
{
    return (struct guard *)(uintptr_t)guard->sni_;
}

static uint64_t phase_of(uint64_t step)
{
    return step >> PHASE_AT & 1;
}

static struct node *new_node(const void *value)
{
    struct node *n = sni_alloc(sizeof *n);

    if (n)
        n->value = value;
    return n;
}

static void free_node(struct swap *s, struct node *n)
{
    void *value = (void *)(uintptr_t)n->value;

    sni_free(n, sizeof *n);
    if (value && s->fn)
        s->fn(value);
}

/* --- the grace period --- */

/* These cells were seen to be 0 after `step` was seen. True: they were the last, and the caller is the owner. */
static bool seen_empty(struct swap *s, uint64_t step, uint64_t cells)
{
    uint64_t w = sni_load_rlx(&s->step); /* a guess, which the exchange checks */

    while (w >> PHASE_AT == step >> PHASE_AT && (w & cells)) /* else: over, or seen by others. At most 16 rounds */
        if (sni_cas_seq(&s->step, &w, w & ~cells)) /* release, acquire: pairs with itself, up to who clears the last */
            return ((w & ~cells) & ALL) == 0;
    return false;
}

/* (o) Publishes a step that awaits all cells of its phase, and looks at them. True: all were 0, and the caller is still the
 * owner. */
static bool begin(struct swap *s, uint64_t step)
{
    uint64_t empty = 0, phase = phase_of(step);

    sni_store_seq(&s->step, step | ALL); /* pairs with the load in leave; release: what the owner wrote */
    for (uint32_t i = 0; i < SNI_SHARDS; i++)
        if (sni_load_seq(&s->cells[i].count[phase]) == 0) /* acquire: pairs with the decrement in leave */
            empty |= 1u << i;
    return seen_empty(s, step, empty);
}

/* (o) All that has been retired so far becomes the batch. False: there is nothing, and the caller is the owner no more. */
static bool take_batch(struct swap *s)
{
    uint64_t idle;

    while (!(s->batch = sni_xchg_seq(&s->waiting, NULL))) { /* acquire: pairs with the push in retire */
        sni_store_seq(&s->busy, 0u); /* pairs with the load in retire; release: batch, phase and step */
        idle = 0;
        if (!sni_load_seq(&s->waiting) || !sni_cas_seq(&s->busy, &idle, 1u))
            return false;
    }
    return true;
}

static void free_batch(struct swap *s)
{
    for (struct node *n = s->batch, *next; n; n = next) {
        next = n->next;
        free_node(s, n);
    }
}

/* (o) The step is over: the next one, and so on until there is nothing to free, or readers are awaited. */
static void go_on(struct swap *s, uint64_t step)
{
    uint64_t number, second, phase;

    do {
        number = (step >> NUMBER_AT) + 1;
        phase = sni_load_rlx(&s->phase); /* ours */
        second = !(step >> SECOND_AT & 1);
        if (second) {
            sni_store_rlx(&s->phase, !phase); /* a hint: (1) holds whichever phase a reader takes */
        } else {
            free_batch(s);
            if (!take_batch(s))
                return;
            phase = !phase;
        }
        step = number << NUMBER_AT | second << SECOND_AT | phase << PHASE_AT;
    } while (begin(s, step));
}

/* The node is not current any more, and its value's time has come as soon as its readers have left. */
static void retire(struct swap *s, struct node *n)
{
    uint64_t idle = 0;

    n->next = sni_load_rlx(&s->waiting);
    while (!sni_cas_seq(&s->waiting, &n->next, n)) /* release: pairs with the acquire in take_batch */
        ;
    /* Who is busy will find it. Else we begin where a batch of nothing has just been freed. */
    if (sni_load_seq(&s->busy) == 0 && sni_cas_seq(&s->busy, &idle, 1u)) { /* acquire: pairs with the store in take_batch */
        s->batch = NULL;
        go_on(s, sni_load_rlx(&s->step)); /* ours now */
    }
}

/* --- the interface --- */

int sn_rawswap_init(sn_rawswap *swap, const void *first, sn_swap_free_fn *fn)
{
    struct swap *s = inside(swap);
    struct node *n = new_node(first);

    if (!n)
        return SN_ENOMEM;
    *s = (struct swap){ .current = n, .fn = fn, .step = (uint64_t)1 << SECOND_AT };
    return 0;
}

void sn_rawswap_destroy(sn_rawswap *swap)
{
    struct swap *s = inside(swap);
    uint64_t readers = 0;

    for (uint32_t i = 0; i < SNI_SHARDS; i++)
        readers += sni_load_seq(&s->cells[i].count[0]) + sni_load_seq(&s->cells[i].count[1]); /* as in begin */
    sni_check(readers == 0, "sn_swap_destroy: %llu readers are inside", (unsigned long long)readers);
    sni_check(sni_load_seq(&s->busy) == 0, "sn_swap_destroy: a call on it has not returned"); /* as in retire */
    sni_check(s->current != NULL, "sn_swap_destroy: it was not initialised, or is destroyed already");
    free_node(s, s->current);
    s->current = NULL;
}

const void *sn_rawswap_enter(sn_rawswap *swap, sn_swap_guard *guard)
{
    struct swap *s = inside(swap);
    struct guard *g = guard_of(guard);

    sni_point("enters %swap", swap);
    uint64_t phase = sni_load_rlx(&s->phase), shard = sni_shard(); /* a hint */
    (void)sni_add_seq(&s->cells[shard].count[phase], 1u);          /* pairs with the load of the cell in begin and leave */
    g->node = sni_load_seq(&s->current); /* pairs with the exchange in set; acquire: what was done before that */
    g->cell = shard << 1 | phase;
    g->swap = s;
    return g->node->value;
}

void sn_rawswap_leave(sn_rawswap *swap, sn_swap_guard *guard)
{
    struct swap *s = inside(swap);
    struct guard *g = guard_of(guard);
    uint64_t shard = g->cell >> 1, phase = g->cell & 1, step;

    sni_check(g->swap == s, "sn_swap_leave: %s", g->swap ? "this guard is in another swap" : "this guard is not inside");
    sni_point("leaves %swap", swap);
    g->swap = NULL;
    uint64_t *cell = &s->cells[shard].count[phase];
    /* Release: our reading is over; acquire: others' is. Pairs with itself, and with the load in begin. */
    if (sni_sub_seq(cell, 1u) != 1)
        return; /* whoever brings it to 0 looks whether it is awaited */
    step = sni_load_seq(&s->step); /* pairs with the store in begin */
    if (sni_likely(!(step >> shard & 1) || phase_of(step) != phase))
        return;
    /* The step may have begun after the cell was 0, and others be inside again: only what is seen now counts. */
    if (sni_load_seq(cell) == 0 && seen_empty(s, step, (uint64_t)1 << shard))
        go_on(s, step);
}

int sn_rawswap_set(sn_rawswap *swap, const void *value)
{
    struct swap *s = inside(swap);
    struct node *n = new_node(value);

    if (!n)
        return SN_ENOMEM;
    sni_point("sets %swap", swap);
    retire(s, sni_xchg_seq(&s->current, n)); /* pairs with the load in enter; release: the value */
    return 0;
}

int sn_rawswap_compare_set(sn_rawswap *swap, const sn_swap_guard *guard, const void *value)
{
    struct swap *s = inside(swap);
    struct guard *g = guard_of(guard);
    struct node *n, *old = g->node;

    sni_check(g->swap == s, "sn_swap_compare_set: %s",
              g->swap ? "this guard is in another swap" : "this guard is not inside");
    if (!(n = new_node(value)))
        return SN_ENOMEM;
    sni_point("compares and sets %swap", swap);
    /* We are inside: the node's memory cannot have become another's, so the same address is the same value. */
    if (!sni_cas_seq(&s->current, &old, n)) { /* as in set */
        sni_free(n, sizeof *n);
        return SN_EAGAIN;
    }
    retire(s, old);
    return 0;
}
