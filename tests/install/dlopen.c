/* The library in a program that was not linked with it: its thread-local must find room among those of the threads that run
 * already, and a thread that has used it may end after it was closed. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int (*run)(int (*fn)(void *ctx, void *arg), void *arg, const void *opts);
static int (*sleep_ns)(void *ctx, int64_t ns);
static void *library;

static int app(void *ctx, void *arg)
{
    puts(arg);
    return sleep_ns(ctx, 1000000);
}

static void *thread(void *arg)
{
    if (run(app, arg, NULL) != 0 || sleep_ns(NULL, 1000) != 0 || dlclose(library) != 0)
        exit(1);
    return NULL;
}

int main(int argc, char **argv)
{
    pthread_t t;

    library = dlopen(argv[argc - 1], RTLD_NOW);
    if (!library || !(*(void **)&run = dlsym(library, "sn_run")) || !(*(void **)&sleep_ns = dlsym(library, "sn_sleep"))) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    return pthread_create(&t, NULL, thread, "hello") != 0 || pthread_join(t, NULL) != 0;
}
