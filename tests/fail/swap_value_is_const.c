#include <sennit.h>
typedef sn_swap_of(int) int_swap;
void f(int_swap *s, sn_swap_guard *guard);
void f(int_swap *s, sn_swap_guard *guard)
{
    *sn_swap_enter(s, guard) = 1;
}
