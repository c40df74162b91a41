/* An intrusive doubly linked list: a ring through its head, so that a node leaves without knowing its list. */
#ifndef SNI_BASE_LIST_H
#define SNI_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct sni_link {
    struct sni_link *next, *prev;
};

#define sni_container(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

static inline void sni_list_init(struct sni_link *head)
{
    head->next = head->prev = head;
}

static inline bool sni_list_empty(const struct sni_link *head)
{
    return head->next == head;
}

static inline void sni_list_append(struct sni_link *head, struct sni_link *node)
{
    node->next = head;
    node->prev = head->prev;
    head->prev->next = node;
    head->prev = node;
}

/* Takes the node out of its list. `next` becomes NULL, which is how a node says that it is in none. */
static inline void sni_list_remove(struct sni_link *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = NULL;
}

#endif
