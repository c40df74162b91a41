#include <sennit.h>
typedef sn_map_of(int, int) int_map;
int f(int_map m, int *value);
int f(int_map m, int *value)
{
    return sn_map_get(m, "word", value);
}
