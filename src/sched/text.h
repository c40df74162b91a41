/* The text of a report: it grows, and goes out whole. */
#ifndef SNI_SCHED_TEXT_H
#define SNI_SCHED_TEXT_H

#include "sched/look.h"

/* Zero is empty, and grows. Or give it memory of its own and its size: then it does not, and what does not fit is lost. */
struct sni_text {
    char *text;
    size_t n, room;
    bool fixed, lost; /* lost: from here on there was no memory */
    struct sni_os_symbols symbols;
};

__attribute__((format(printf, 2, 3))) void sni_say(struct sni_text *t, const char *format, ...);
void sni_text_end(struct sni_text *t);

/* "task 3 "name", started at site" */
void sni_say_who(struct sni_text *t, const struct sni_sight *task);

/* A line: who, and what it does. */
void sni_say_task(struct sni_text *t, const struct sni_sight *task);

/* A line for each call. */
void sni_say_calls(struct sni_text *t, void *const *calls, uint32_t n);

/* Up to `most` tasks with their calls, and how many more there are; `main_task` is shown in any case, and first. */
void sni_say_tasks(struct sni_text *t, struct sni_rt *rt, uint32_t most);

#endif
