#include "sennit/error.h"

#include "os/os.h"

const char *sn_error_string(int error)
{
    if (error >= 0)
        return "success";
    if (error <= SN_EUSER)
        return "application error";
    switch (error) {
#define X(name, number, text) \
    case -(number):           \
        return text;
        SN_ERRORS(X)
#undef X
    default: {
        const char *text = error > -4096 ? sni_os_error_string(-error) : NULL;
        return text ? text : "unknown error";
    }
    }
}

const char *sn_error_name(int error)
{
    switch (error) {
#define X(name, number, text) \
    case -(number):           \
        return "SN_" #name;
        SN_ERRORS(X)
#undef X
    default:
        return NULL;
    }
}
