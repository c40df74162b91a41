/* Clocks, entropy, environment, printing. */
#include "os/os.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

int64_t sni_os_clock(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

bool sni_os_ticks_usable(void)
{
#if defined(__x86_64__)
    /* The kernel watches the counter and stops using it when CPUs disagree; what it trusts, we trust. */
    char name[8] = "";
    int fd = open("/sys/devices/system/clocksource/clocksource0/current_clocksource", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return false;
    ssize_t n = read(fd, name, sizeof name - 1);
    (void)close(fd);
    return n >= 4 && memcmp(name, "tsc\n", 4) == 0;
#elif defined(__aarch64__)
    return true; /* the architecture promises it; where a processor breaks the promise, the kernel traps the read and mends it */
#else
    return false;
#endif
}

uint64_t sni_os_entropy(void)
{
    uint64_t bits = 0;

    if (getrandom(&bits, sizeof bits, GRND_NONBLOCK) != (ssize_t)sizeof bits)
        bits = (uint64_t)sni_os_clock() * 0x9e3779b97f4a7c15u ^ (uint64_t)getpid();
    return bits;
}

void sni_os_print(const char *text)
{
    size_t n = strlen(text);

    while (n > 0) {
        ssize_t w = write(2, text, n);
        if (w <= 0)
            return;
        text += w;
        n -= (size_t)w;
    }
}

const char *sni_os_getenv(const char *name)
{
    return getenv(name);
}

const char *sni_os_error_string(int error)
{
    return strerrordesc_np(error);
}
