/* Sequence locks: the contract of sennit/seqlock.h. */
#include "sn_test.h"

#include <pthread.h>

static int one_task(sn_ctx *ctx, void *arg)
{
    static const char text[] = "forty-one bytes that need not be aligned";
    sn_seqlock lock = { { 0 } };
    uint64_t shared[9] = { 0 };
    char copy[72];
    (void)ctx;
    (void)arg;
    for (size_t at = 0; at < 9; at++)
        for (size_t size = 0; size <= sizeof text; size++) { /* a part of it, of any size, at any place */
            memset(copy, '-', sizeof copy);
            memset(shared, '+', sizeof shared);
            sn_seqlock_write(&lock, (char *)shared + at, text, size);
            sn_seqlock_read(&lock, copy, (char *)shared + at, size);
            CHECK(memcmp(copy, text, size) == 0);
            CHECK(copy[size] == '-'); /* and no more */
            CHECK(((char *)shared)[at + size] == '+' && (at == 0 || ((char *)shared)[at - 1] == '+'));
        }
    CHECK_EQ(sizeof lock, 8);
    return 0;
}

TEST(write_and_read)
{
    CHECK_EQ(one_task(NULL, NULL), 0); /* a thread, and no runtime */
    run_everywhere(one_task, NULL);
}

/* --- many read, some write: each copy is of one moment, and they do not go back --- */

enum { WORDS = 9, READERS = 4, WRITERS = 2, ROUNDS = 4000 };

struct record {
    uint32_t number;
    char more[8 * WORDS + 3]; /* every byte is the number's lowest */
};

struct shared {
    sn_seqlock lock;
    sn_mutex m; /* of writers, who derive the next from what is there */
    uint64_t memory[sizeof(struct record) / 8 + 2];
    size_t at;  /* where in it the record lies: aligned or not */
    int left;   /* (a) writers */
};

static void check_record(const struct record *r)
{
    for (size_t i = 0; i < sizeof r->more; i++)
        CHECK_EQ((unsigned char)r->more[i], (unsigned char)r->number);
}

static void *where(struct shared *s)
{
    return (char *)s->memory + s->at;
}

static int writes(sn_ctx *ctx, void *arg)
{
    struct shared *s = arg;
    (void)ctx;
    for (int i = 0; i < ROUNDS; i++) {
        struct record r;
        sn_mutex_lock(&s->m);
        sn_seqlock_read(&s->lock, &r, where(s), sizeof r);
        check_record(&r);
        r.number++;
        memset(r.more, (int)(r.number & 255), sizeof r.more);
        sn_seqlock_write(&s->lock, where(s), &r, sizeof r);
        sn_mutex_unlock(&s->m);
        if (i % 32 == 0 && sn_task_self().id)
            sn_yield();
    }
    __atomic_sub_fetch(&s->left, 1, __ATOMIC_RELAXED);
    return 0;
}

static int reads(sn_ctx *ctx, void *arg)
{
    struct shared *s = arg;
    uint32_t last = 0;
    (void)ctx;
    while (__atomic_load_n(&s->left, __ATOMIC_RELAXED) > 0) {
        for (int i = 0; i < 16; i++) {
            struct record r;
            uint32_t number;
            sn_seqlock_read(&s->lock, &r, where(s), sizeof r);
            check_record(&r);
            CHECK(r.number >= last);
            last = r.number;
            sn_seqlock_read(&s->lock, &number, where(s), sizeof number); /* a part of it */
            CHECK(number >= last);
        }
        if (sn_task_self().id)
            sn_yield();
    }
    return 0;
}

static void *writes_in_a_thread(void *arg)
{
    (void)writes(NULL, arg);
    return NULL;
}

static void *reads_in_a_thread(void *arg)
{
    (void)reads(NULL, arg);
    return NULL;
}

static void check_shared(struct shared *s, uint32_t writers)
{
    struct record r;
    sn_seqlock_read(&s->lock, &r, where(s), sizeof r);
    check_record(&r);
    CHECK_EQ(r.number, writers * ROUNDS); /* none was lost */
}

static int tasks_share(sn_ctx *ctx, void *arg)
{
    (void)arg;
    for (size_t at = 0; at < 8; at += 5) {
        struct shared s = { .at = at, .left = WRITERS };
        sn_group g;
        sn_group_init(&g, ctx);
        for (int i = 0; i < READERS; i++)
            CHECK_EQ(sn_group_go(&g, reads, &s), 0);
        for (int i = 0; i < WRITERS; i++)
            CHECK_EQ(sn_group_go(&g, writes, &s), 0);
        CHECK_EQ(sn_group_wait(&g), 0);
        check_shared(&s, WRITERS);
    }
    return 0;
}

TEST(copies_are_of_one_moment)
{
    run_everywhere(tasks_share, NULL);
}

TEST(between_threads_without_a_runtime)
{
    struct shared s = { .left = 1 };
    pthread_t writer, readers[2];
    CHECK(pthread_create(&writer, NULL, writes_in_a_thread, &s) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&readers[i], NULL, reads_in_a_thread, &s) == 0);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(readers[i], NULL) == 0);
    CHECK(pthread_join(writer, NULL) == 0);
    check_shared(&s, 1);
}

TEST(between_tasks_and_threads)
{
    struct shared s = { .left = 2 };
    pthread_t writer, reader;
    sn_group g;
    CHECK_EQ(sn_start(&(sn_run_opts){ .workers = 2 }), 0);
    sn_group_init(&g, NULL);
    CHECK(pthread_create(&writer, NULL, writes_in_a_thread, &s) == 0);
    CHECK(pthread_create(&reader, NULL, reads_in_a_thread, &s) == 0);
    CHECK_EQ(sn_group_go(&g, writes, &s), 0);
    for (int i = 0; i < READERS; i++)
        CHECK_EQ(sn_group_go(&g, reads, &s), 0);
    CHECK_EQ(sn_group_wait(&g), 0);
    CHECK(pthread_join(writer, NULL) == 0);
    CHECK(pthread_join(reader, NULL) == 0);
    CHECK_EQ(sn_stop(), 0);
    check_shared(&s, 2);
}

/* --- writers exclude each other; steady writing does not hold readers off --- */

struct steady {
    sn_seqlock lock;
    uint64_t values[32]; /* equal */
    int over;            /* (a) */
};

static void *writes_steadily(void *arg)
{
    struct steady *s = arg;
    for (uint64_t i = 1; !__atomic_load_n(&s->over, __ATOMIC_RELAXED); i++) {
        uint64_t values[32];
        for (int k = 0; k < 32; k++)
            values[k] = i;
        sn_seqlock_write(&s->lock, s->values, values, sizeof values);
    }
    return NULL;
}

TEST(readers_get_through_steady_writing)
{
    static struct steady s;
    pthread_t writers[2];
    for (int i = 0; i < 2; i++)
        CHECK(pthread_create(&writers[i], NULL, writes_steadily, &s) == 0);
    for (int i = 0; i < 2000; i++) {
        uint64_t values[32];
        sn_seqlock_read(&s.lock, values, s.values, sizeof values);
        for (int k = 1; k < 32; k++)
            CHECK(values[k] == values[0]);
    }
    __atomic_store_n(&s.over, 1, __ATOMIC_RELAXED);
    for (int i = 0; i < 2; i++)
        CHECK(pthread_join(writers[i], NULL) == 0);
}
