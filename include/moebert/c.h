/* MoEBERT's inference library for C, and for what can call C. See moebert.h for the meaning of everything.
 *
 * Functions that can fail return NULL or a number other than 0, and put one line of text into `error`, of which
 * `error_size` bytes (the final zero among them) are yours; error may be NULL. No function keeps a pointer that it is
 * given. A model may be used by several threads at once. */
#ifndef MOEBERT_C_H
#define MOEBERT_C_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct moebert_model moebert_model;

const char* moebert_version(void);

/* directory: a checkpoint, or one that `moebert convert` has prepared. Texts are cut at 128 tokens, questions' contexts
 * go into several windows of 384.
 * precision: "fp32", "bf16", "int8", "auto", or NULL for the checkpoint's own. threads: 0 for one a core. */
moebert_model* moebert_load(const char* directory, const char* precision, int threads, char* error, size_t error_size);
void moebert_free(moebert_model* model); /* NULL is allowed */

/* The labels, in the order of scores; one, "score", for regression; for question answering they mean nothing. The text
 * lives as long as the model; NULL where there is no such label. */
size_t moebert_label_count(const moebert_model* model);
const char* moebert_label(const moebert_model* model, size_t index);

/* Of `count` UTF-8 texts the probabilities of all labels (or the values of a regression): scores has room for count x
 * labels, row by row. pairs may be NULL, and so may each of them; an empty one means the same. */
int moebert_classify(const moebert_model* model, const char* const* texts, const char* const* pairs, size_t count,
                     double* scores, char* error, size_t error_size);

typedef struct moebert_answer {
    double score;                /* probability */
    int64_t begin, end;          /* [begin, end) in the context, in characters */
    size_t text_begin, text_end; /* the same in bytes; equal for no answer */
} moebert_answer;

int moebert_find_answer(const moebert_model* model, const char* question, const char* context, moebert_answer* answer,
                        char* error, size_t error_size);

#ifdef __cplusplus
}
#endif

#endif
