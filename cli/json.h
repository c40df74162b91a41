/* --json: what happens, as one JSON object per line on standard output.
 *
 *     {"event":"start","seq":1,"input":"a","slot":1,"time":1700000000.123,"command":"echo a"}
 *     {"event":"end","seq":1,"input":"a","slot":1,"start":1700000000.123,"duration":0.001234,"tries":1,
 *      "result":"succeeded","exit":0,"signal":null,"stdout":"a\n","stderr":""}          (on one line)
 *     {"event":"summary","jobs":1,"succeeded":1,"failed":0,"stopped":0,"skipped":0,"seconds":0.002,"exit":0}
 *
 * "result" is succeeded, failed, timeout, stopped (by sennit, since the run was to end) or error (not started; "error" says
 * why). With -N or --colsep "inputs", an array, stands in place of "input". What is not valid UTF-8 comes as "input_base64",
 * "inputs_base64" (all of them), "stdout_base64" or "stderr_base64" instead, so that nothing is lost or ambiguous. */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include "summary.h"

/* Each writes one line: 0 or an error. */
int json_start(const struct job *job, const struct options *o);
int json_end(const struct job *job, const struct options *o);
int json_summary(const struct summary *s, int exit_code);

#endif
