#include <sennit.h>
typedef sn_map_of(int64_t, int) int_map;
int f(int_map m, int64_t *key, long *value);
int f(int_map m, int64_t *key, long *value)
{
    return sn_map_put(m, key, value);
}
