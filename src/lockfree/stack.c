/* Stack (Treiber 1986): a pointer to the top node, and how often nodes were taken out, changed as one.
 *
 * Invariants: (1) the count grows with every pop and take. So a pop whose exchange succeeds knows that nothing was taken out
 * since it has read the count: the node that it found on top then has been in the stack all the time, and its link is what
 * it was. Without the count the node could have been out and in again on top of others, and the link be old: the ABA
 * problem. (2) The count is read before the top, and the top before its link. (3) Links are written by push, before the node
 * is in, and are read and written atomically, since a pop may read that of a node that is out already: then its exchange
 * fails.
 *
 * Orders: a push releases the node by its exchange, and who has read the top by an acquire has its link and contents; later
 * changes of the top do not hide it, since each is an exchange too, or done after having acquired it.
 *
 * Why a whole word for the count and not the spare bits of a pointer. Addresses of programs have 47 bits on x86-64 and up to
 * 48 on ARM, nodes are aligned to 8: that leaves 19 or 20 bits, which go round in a million pops, some 10 ms. A thread that
 * is interrupted between reading and exchange sleeps that long every day, and once in a million times finds the very count
 * again. And the bits are not ours for sure: with five-level paging a program may ask for 57-bit addresses, with LVA on ARM
 * for 52, and memory tagging uses the uppermost eight. 63 bits do not go round.
 *
 * Rejected: hazard pointers, which would lift the rule for memory, for a fence in each pop and slots for tasks. */
#include "sennit/stack.h"

#include "base/pair.h"
#include "sched/park.h"

_Static_assert(sizeof(struct sni_pair) == sizeof(sn_stack), "sn_stack has the wrong size");

enum { ONE_OUT = 2 }; /* counts are even: see base/pair.h */

static struct sni_pair *top_of(const sn_stack *stack)
{
    sni_assert((uintptr_t)stack % 16 == 0);
    return (struct sni_pair *)(uintptr_t)stack->sni_;
}

static sn_stack_node *node_of(struct sni_pair top)
{
    return (sn_stack_node *)(uintptr_t)top.word;
}

void sn_stack_push(sn_stack *stack, sn_stack_node *node)
{
    struct sni_pair *at = top_of(stack), top;

    sni_point("pushes to %stack", stack);
    do {
        top = sni_pair_read(at);
        sni_store_rlx(&node->sni_next, node_of(top)); /* published by the exchange */
    } while (!sni_pair_cas(at, top, (struct sni_pair){ top.count, (uint64_t)(uintptr_t)node })); /* release: pairs with the
                                                                                              * acquire in sni_pair_read */
}

sn_stack_node *sn_stack_pop(sn_stack *stack)
{
    struct sni_pair *at = top_of(stack), top;
    sn_stack_node *next;

    sni_point("pops from %stack", stack);
    do {
        top = sni_pair_read(at);
        if (!top.word)
            return NULL;
        next = sni_load_rlx(&node_of(top)->sni_next); /* a guess, which the exchange checks */
    } while (!sni_pair_cas(at, top, (struct sni_pair){ top.count + ONE_OUT, (uint64_t)(uintptr_t)next }));
    return node_of(top);
}

sn_stack_node *sn_stack_take(sn_stack *stack)
{
    struct sni_pair *at = top_of(stack), top;

    sni_point("takes all of %stack", stack);
    do {
        top = sni_pair_read(at);
        if (!top.word)
            return NULL;
    } while (!sni_pair_cas(at, top, (struct sni_pair){ top.count + ONE_OUT, 0 }));
    return node_of(top);
}

sn_stack_node *sn_stack_next(const sn_stack_node *node)
{
    return sni_load_rlx(&node->sni_next); /* ours; atomic, since a pop that will fail may be reading it */
}

bool sn_stack_is_empty(const sn_stack *stack)
{
    return sni_load_rlx(&top_of(stack)->word) == 0;
}
