/* Stack: what was pushed last is popped first; of nodes that lie in your own structs, so nothing is allocated.
 *
 *     struct buffer {
 *         sn_stack_node node;
 *         char bytes[256];
 *     } *b = calloc(1, sizeof *b);
 *     static sn_stack free_buffers;             // zero is empty
 *     sn_stack_push(&free_buffers, &b->node);
 *     sn_stack_node *top = sn_stack_pop(&free_buffers);
 *     if (top)
 *         b = sn_stack_entry(top, struct buffer, node);
 *
 * What was done before a push is visible to whoever takes the node out. A node may be in one stack at a time; it may be
 * pushed again as soon as it is out, by anybody, here or elsewhere.
 *
 * The rule for memory: a pop reads the link of the node on top, which another may take out at that moment. So the memory of
 * a node that was taken out must stay a node's (not be freed, not be used for anything else where the link is) until every
 * pop has returned that had begun before. There are three ways to live with that:
 *
 *   - never free nodes while the stack is in use: a pool, which is what such stacks are for;
 *   - let one task or thread at a time pop and take: then a node is all its own at once, and pushes come from anybody;
 *   - do not use pop, but take, by anybody: it reads no node.
 *
 * Progress: all calls are lock-free: of those that meet one gets through at each step. That holds on x86-64 and on 64-bit
 * ARM, with a compare-and-swap of two words; on other processors a thread that is interrupted in the midst of a call holds
 * up the others until it goes on.
 *
 * Sixteen bytes, aligned to sixteen; nothing to initialise or destroy. Works from tasks and plain threads, with or without
 * a runtime.
 *
 * When not to use this: where order or fairness matters; a ring or a channel. To wait for something to be pushed; a channel.
 * Where you want to free what you pop, and many pop: a mutex around a list.
 */
#ifndef SENNIT_STACK_H
#define SENNIT_STACK_H

#include <sennit/decl.h>

SN_BEGIN

typedef struct sn_stack_node {
    struct sn_stack_node *sni_next;
} sn_stack_node;

typedef struct sn_stack {
    uint64_t sni_[2];
} __attribute__((aligned(16))) sn_stack;

/* The T whose member `member` is the node at `node`, which is not NULL. */
#define sn_stack_entry(node, T, member) ((T *)(void *)((char *)(node) - offsetof(T, member)))

/* Puts the node on top. Never blocks. */
SN_API void sn_stack_push(sn_stack *stack, sn_stack_node *node);

/* Takes the node on top; NULL: there is none. See above for its memory. Never blocks. */
SN_API sn_stack_node *sn_stack_pop(sn_stack *stack);

/* Takes all nodes; NULL: there is none. They are linked, the newest first, by sn_stack_next, and all the caller's. Read the
 * next before you push or free the one you have. Never block. */
SN_API sn_stack_node *sn_stack_take(sn_stack *stack);
SN_API sn_stack_node *sn_stack_next(const sn_stack_node *node);

/* Whether there is no node. Out of date as soon as you have it. */
SN_API bool sn_stack_is_empty(const sn_stack *stack);

SN_END

#endif
