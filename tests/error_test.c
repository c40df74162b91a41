/* The table of errors: the contract of sennit/error.h. */
#include "sn_test.h"

#include <errno.h>

TEST(texts_and_numbers)
{
    CHECK_EQ(SN_EINVAL, -EINVAL);
    CHECK_EQ(SN_ETIMEDOUT, -ETIMEDOUT);
    CHECK_EQ(SN_ECANCELED, -ECANCELED);
    CHECK_EQ(SN_EAGAIN, -EAGAIN);
    CHECK_EQ(SN_ECLOSED, -4096);
    CHECK(strcmp(sn_error_string(SN_ECLOSED), "closed") == 0);
    CHECK(strcmp(sn_error_string(0), "success") == 0);
    CHECK(strcmp(sn_error_string(7), "success") == 0);
    CHECK(strcmp(sn_error_string(-ELOOP), "Too many levels of symbolic links") == 0); /* not in our table */
    CHECK(strcmp(sn_error_string(-5000), "unknown error") == 0);
    CHECK(strcmp(sn_error_string(SN_EUSER - 9), "application error") == 0);
    CHECK(strcmp(sn_error_name(SN_ELEFT), "SN_ELEFT") == 0);
    CHECK(sn_error_name(-ELOOP) == NULL);
}

TEST(errno_is_left_alone)
{
    sn_chan_unit c;
    errno = 77;
    CHECK_EQ(sn_chan_unit_make(&c, 1), 0);
    CHECK_EQ(sn_chan_unit_try_recv(c), SN_EAGAIN);
    sn_chan_free(c);
    CHECK_EQ(errno, 77);
}

TEST(the_table_is_whole)
{
    static const struct {
        int error, number;
        const char *name, *text;
    } table[] = {
#define X(name, number, text) { SN_##name, number, "SN_" #name, text },
        SN_ERRORS(X)
#undef X
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        CHECK_EQ(table[i].error, -table[i].number);
        CHECK(strcmp(sn_error_name(table[i].error), table[i].name) == 0);
        CHECK(strcmp(sn_error_string(table[i].error), table[i].text) == 0);
    }
    CHECK_EQ(SN_EUSER, -10000);
}

TEST(numbers_that_nobody_gave)
{
    for (int e = -12000; e <= 10; e++)
        CHECK(sn_error_string(e) != NULL && sn_error_string(e)[0] != '\0');
    CHECK(strcmp(sn_error_string(-4095), "unknown error") == 0);
    CHECK(strcmp(sn_error_string(-8191), "unknown error") == 0);
    CHECK(strcmp(sn_error_string(SN_EUSER + 1), "unknown error") == 0);
    CHECK(strcmp(sn_error_string(SN_EUSER), "application error") == 0);
    CHECK(strcmp(sn_error_string(INT32_MIN), "application error") == 0);
    CHECK(strcmp(sn_error_string(INT32_MAX), "success") == 0);
    CHECK(sn_error_name(0) == NULL);
    CHECK(sn_error_name(1) == NULL);
    CHECK(sn_error_name(SN_EUSER) == NULL);
    CHECK(sn_error_name(INT32_MIN) == NULL);
}
