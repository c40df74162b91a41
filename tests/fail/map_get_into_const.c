#include <sennit.h>
typedef sn_map_of_strings(int) word_map;
int f(word_map m, const int *value);
int f(word_map m, const int *value)
{
    return sn_map_get(m, "word", value);
}
