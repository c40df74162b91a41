/* What every Sennit header needs to declare things: linkage, visibility, the calling place. */
#ifndef SENNIT_DECL_H
#define SENNIT_DECL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#define SN_BEGIN extern "C" {
#define SN_END   }
#define SN_NORETURN [[noreturn]]
#else
#define SN_BEGIN
#define SN_END
#define SN_NORETURN _Noreturn
#endif

#define SN_API  __attribute__((visibility("default")))
#define SN_MUST __attribute__((warn_unused_result))

/* The calling place as one string literal, "file.c:12 name": what reports print as "started at". */
#define SN_SITE(name)   __FILE__ ":" SNI_STR(__LINE__) " " name
#define SNI_STR(x)      SNI_STR_OF(x)
#define SNI_STR_OF(x)   #x

/* A task's function. `ctx` is the task's own context, `arg` what the starter passed. Zero or positive means success;
 * a negative value is an error, which the task's group returns to whoever waits for it. */
typedef struct sn_ctx sn_ctx;
typedef int sn_fn(sn_ctx *ctx, void *arg);

#endif
