#include <sennit.h>
typedef sn_ring_of(int) int_ring;
int f(int_ring r, long *v);
int f(int_ring r, long *v)
{
    return sn_ring_try_pop(r, v);
}
