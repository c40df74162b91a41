#include <sennit.h>
typedef sn_map_of(int64_t, int) int_map;
int f(int_map m, int *key, int *value);
int f(int_map m, int *key, int *value)
{
    return sn_map_get(m, key, value);
}
