#include <sennit.h>
typedef sn_once_of(int) int_once;
int make(sn_ctx *ctx, void *arg, int *value);
const int *f(sn_ctx *ctx, int_once *o);
const int *f(sn_ctx *ctx, int_once *o)
{
    const int *value = NULL;
    sn_once_get(ctx, o, make, NULL, &value, NULL); /* value may not be set */
    return value;
}
