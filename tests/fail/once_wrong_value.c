#include <sennit.h>
typedef sn_once_of(int) int_once;
int make(sn_ctx *ctx, void *arg, int *value);
int f(sn_ctx *ctx, int_once *o);
int f(sn_ctx *ctx, int_once *o)
{
    const long *value;
    return sn_once_get(ctx, o, make, NULL, &value, NULL);
}
