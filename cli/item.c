#include "item.h"

#include "quote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *item_next(const char *input)
{
    return input + strlen(input) + 1;
}

const char *item_at(const struct item *item, long i)
{
    const char *input = item->text;

    if (i < 0)
        i += (long)item->n + 1;
    if (i < 1 || (size_t)i > item->n)
        return NULL;
    while (--i > 0)
        input = item_next(input);
    return input;
}

char *item_join(const struct item *item)
{
    char *text = malloc(item->size);

    if (text) {
        memcpy(text, item->text, item->size);
        for (size_t i = 0; i + 1 < item->size; i++)
            if (text[i] == '\0')
                text[i] = ' ';
    }
    return text;
}

const char *item_show(const struct item *item, char to[ITEM_SHOWN])
{
    const char *input = item->text;
    size_t used = 0;

    for (size_t i = 0; i < item->n && used + 16 < ITEM_SHOWN; i++, input = item_next(input)) {
        if (i > 0)
            to[used++] = ' ';
        used += quote_show(to + used, ITEM_SHOWN - used, input);
    }
    return to;
}
