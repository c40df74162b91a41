#include <sennit.h>
typedef sn_map_of(const char *, int) pointer_map;
int f(pointer_map *m);
int f(pointer_map *m)
{
    return sn_map_make(m, NULL);
}
