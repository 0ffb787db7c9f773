// Classifies texts as requests that come one by one: classify MODEL TEXT...
#include <moebert/moebert.h>

#include <iostream>

int main(int argc, char** argv) {
    if (argc < 3) {
        std::cerr << "usage: classify MODEL TEXT...\n";
        return 2;
    }
    try {
        const auto model = moebert::Model::load(argv[1]);
        std::cerr << model.description() << '\n';
        moebert::Stream stream(model);
        std::vector<std::future<moebert::Prediction>> results;
        for (int i = 2; i < argc; ++i) results.push_back(stream.classify({argv[i]}));
        for (auto& result : results) {
            const auto prediction = result.get();
            std::cout << prediction.label << '\t' << prediction.score << '\n';
        }
    } catch (const moebert::Error& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
    return 0;
}
