/* Errors: one table, fixed numbers.
 *
 *     -1 .. -4095      what the kernel says, with Linux's numbers: -errno is one
 *  -4096 .. -8191      Sennit's own
 *  -10000 and below    yours: SN_EUSER, SN_EUSER - 1, ...
 *
 * errno is not used, and a call may change it: where tasks move between threads it means nothing after a call that blocks.
 */
#ifndef SENNIT_ERROR_H
#define SENNIT_ERROR_H

#include <sennit/decl.h>

SN_BEGIN

#define SN_ERRORS(X)                                                                \
    X(EPERM, 1, "operation not permitted")                                          \
    X(ENOENT, 2, "no such file or directory")                                       \
    X(ESRCH, 3, "no such task or process")                                          \
    X(EINTR, 4, "interrupted")                                                      \
    X(EIO, 5, "input/output error")                                                 \
    X(E2BIG, 7, "argument list too long")                                           \
    X(ENOEXEC, 8, "not an executable format")                                       \
    X(EBADF, 9, "bad file descriptor")                                              \
    X(ECHILD, 10, "no such child process")                                          \
    X(EAGAIN, 11, "would block")                                                    \
    X(ENOMEM, 12, "out of memory")                                                  \
    X(EACCES, 13, "permission denied")                                              \
    X(EBUSY, 16, "busy")                                                            \
    X(EEXIST, 17, "exists already")                                                 \
    X(ENOTDIR, 20, "not a directory")                                               \
    X(EISDIR, 21, "is a directory")                                                 \
    X(EINVAL, 22, "invalid argument")                                               \
    X(EMFILE, 24, "too many open files")                                            \
    X(ENOSPC, 28, "no space left on device")                                        \
    X(EPIPE, 32, "broken pipe")                                                     \
    X(ENOSYS, 38, "not supported here")                                             \
    X(ETIMEDOUT, 110, "deadline exceeded")                                          \
    X(ECANCELED, 125, "cancelled")                                                  \
    X(ECLOSED, 4096, "closed")                                                      \
    X(ENOTRUNNING, 4097, "no runtime is running")                                   \
    X(ELEFT, 4098, "tasks were left over")                                          \
    X(EBROKEN, 4099, "the barrier is broken")

enum {
#define SNI_X(name, number, text) SN_##name = -(number),
    SN_ERRORS(SNI_X)
#undef SNI_X
    SN_EUSER = -10000 /* the first number that is yours */
};

/* A short English text for an error; never NULL, static, valid for ever. 0 and positive: "success". A number that is
 * not in the table: the system's text if it is one of the kernel's, "application error" from SN_EUSER down, else
 * "unknown error". */
SN_API const char *sn_error_string(int error);

/* The name of an error, "SN_EINVAL"; NULL if it is not in the table. */
SN_API const char *sn_error_name(int error);

SN_END

#endif
