#include <sennit.h>
typedef sn_chan_of(char) char_chan;
int f(char_chan c);
int f(char_chan c)
{
    return sn_signal_notify(c, 2);
}
