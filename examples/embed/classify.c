/* The same through the C interface: classify_c MODEL TEXT... */
#include <moebert/c.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char** argv) {
    char error[512];
    if (argc < 3) {
        fprintf(stderr, "usage: classify_c MODEL TEXT...\n");
        return 2;
    }
    moebert_model* model = moebert_load(argv[1], NULL, error, sizeof error);
    if (!model) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    const size_t texts = (size_t)argc - 2, labels = moebert_label_count(model);
    double* scores = malloc(texts * labels * sizeof *scores);
    const int failed =
        moebert_classify(model, (const char* const*)argv + 2, NULL, texts, scores, error, sizeof error);
    if (failed) fprintf(stderr, "%s\n", error);
    for (size_t i = 0; !failed && i < texts; ++i) {
        size_t best = 0;
        for (size_t label = 1; label < labels; ++label)
            if (scores[i * labels + label] > scores[i * labels + best]) best = label;
        printf("%s\t%g\n", moebert_label(model, best), scores[i * labels + best]);
    }
    free(scores);
    moebert_free(model);
    return failed;
}
