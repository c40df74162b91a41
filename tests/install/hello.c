/* Compiled as C and as C++. */
#include <sennit.h>
#include <stdio.h>

static int app(sn_ctx *ctx, void *arg)
{
    puts((const char *)arg);
    return sn_sleep(ctx, SN_MS(1));
}

int main(void)
{
    static char text[] = "hello";
    return sn_run(app, text, NULL);
}
