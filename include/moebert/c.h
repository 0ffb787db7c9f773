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

/* What 0 and NULL are in, as in `moebert_options options = {0};`, is as the checkpoint or the default says. */
typedef struct moebert_options {
    const char* precision; /* "fp32", "bf16", "int8" or "auto"; NULL: the checkpoint's own */
    int threads;           /* 0: one a core */
    int max_seq_length;    /* in tokens; 0: 128, or 384 for questions, or what the model has positions for */

    /* Of question answering. */
    int doc_stride;        /* tokens that a window shares with the next; 0: 128, or a third of max_seq_length if less */
    int max_answer_length; /* in tokens; 0: 30 */
    int version_2_with_negative;      /* not 0: questions may have no answer */
    double null_score_diff_threshold; /* how much better that must score */
} moebert_options;

/* directory: a checkpoint, or one that `moebert convert` has prepared. options: NULL for all defaults. */
moebert_model* moebert_load(const char* directory, const moebert_options* options, char* error, size_t error_size);
void moebert_free(moebert_model* model); /* NULL is allowed */

typedef enum moebert_kind { MOEBERT_CLASSIFICATION, MOEBERT_REGRESSION, MOEBERT_QUESTION_ANSWERING } moebert_kind;

moebert_kind moebert_model_kind(const moebert_model* model);
int moebert_max_seq_length(const moebert_model* model); /* in tokens, as loaded */

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

/* The best answer to each of `count` questions, each about the context of the same index, in UTF-8: answers has room
 * for count. */
int moebert_find_answers(const moebert_model* model, const char* const* questions, const char* const* contexts,
                         size_t count, moebert_answer* answers, char* error, size_t error_size);

#ifdef __cplusplus
}
#endif

#endif
