#include <sennit.h>
typedef sn_chan_of(int) int_chan;
sn_case f(int_chan c, char *v);
sn_case f(int_chan c, char *v)
{
    return sn_on_recv(c, v);
}
