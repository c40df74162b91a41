#include <sennit.h>
typedef sn_swap_of(int) int_swap;
int f(int_swap *s, long *v);
int f(int_swap *s, long *v)
{
    return sn_swap_set(s, v);
}
