#include <sennit.h>
typedef sn_chan_of(int) int_chan;
void f(int_chan *c);
void f(int_chan *c)
{
    sn_chan_make(c, 1);
}
