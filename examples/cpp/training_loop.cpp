// Learning to explain, in C++: which k words of a review carry its score?
//
// This is the C++ twin of the Rust example learning_to_explain, with the same data, split, networks and settings. A
// scorer gives every word a score and the k best words are chosen. A predictor sees only those words and predicts the
// score that people gave the text. Implicit MLE carries the gradient through the choice, so both learn together.
//
//     c++ -std=c++17 -O3 -Iinclude examples/cpp/training_loop.cpp libimle.a -pthread -o training_loop
//     training_loop [--data FILE] [--epochs E] [--k K] [--seed S] [--threads T]
//
// `training.hpp` has the training loop with the layer in it, and `networks.hpp` the two networks and their sizes. The
// result is the same for any number of threads, bit for bit: compare the last line of the output, a fingerprint of all
// trained weights.

#include <cstdio>
#include <exception>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "cli.hpp"
#include "corpus.hpp"
#include "training.hpp"

using Lexicon = std::unordered_set<std::string>;

static Cli parse(const std::vector<std::string> &arguments) {
    Cli cli;
    cli.parse(arguments, "--data, --epochs, --k, --seed or --threads", [&](const auto &name, const auto &value) {
        if (name == "--threads") {
            cli.settings.threads = static_cast<std::size_t>(number(name, value, 1));
        }
        return name == "--threads";
    });
    return cli;
}

// The quality of a trained model on texts that it has not seen.
struct Evaluation {
    double mse;        // in squared units of the scores
    double r2;         // 1 - error / variance
    double in_lexicon; // share of the chosen words that are in the valence lexicon
};

static Evaluation evaluate(const Model &model, const Corpus &corpus, const Lexicon &lexicon) {
    const Texts texts = pointers(corpus.test);
    const std::vector<float> z = model.choose(texts);
    const double error = mean_squared_error(model, texts, z);

    const auto count = static_cast<double>(texts.size());
    double mean = 0, variance = 0, chosen = 0, known = 0;
    for (const Example *text : texts) {
        mean += static_cast<double>(text->target) / count;
    }
    for (std::size_t b = 0; b < texts.size(); b++) {
        const double deviation = static_cast<double>(texts[b]->target) - mean;
        variance += deviation * deviation / count;
        for (std::size_t j = 0; j < texts[b]->words.size(); j++) {
            if (z[b * model.n() + j] == 1.0f) {
                chosen++;
                known += static_cast<double>(lexicon.count(texts[b]->text->words[j]));
            }
        }
    }
    return {error * static_cast<double>(corpus.deviation * corpus.deviation), 1.0 - error / variance, known / chosen};
}

static void run(const Cli &cli) {
    const std::vector<Text> texts = read_texts(cli.data);
    const Corpus corpus(texts, cli.settings.seed);
    const Lexicon lexicon = read_lexicon(cli.data.substr(0, cli.data.find_last_of('/') + 1) + "valence_lexicon.tsv");
    const std::string words = std::to_string(cli.settings.k);
    const std::vector<std::pair<Method, std::string>> methods = {
        {Method::all_words, "all words"},
        {Method::random_words, words + " random words"},
        {Method::straight_through, words + " words, straight-through"},
        {Method::implicit_mle, words + " words, I-MLE"},
    };
    std::vector<Evaluation> evaluations;
    Fingerprint fingerprint;
    for (const auto &[method, name] : methods) {
        std::fprintf(stderr, "%s: mean squared error, training / validation\n", name.c_str());
        const Model model = train(method, cli.settings, corpus);
        evaluations.push_back(evaluate(model, corpus, lexicon));
        fingerprint.add(model);
    }

    std::printf("the predictor sees         test MSE   test R²   words in lexicon   ÷ random\n");
    for (std::size_t m = 0; m < methods.size(); m++) {
        const Evaluation &evaluation = evaluations[m];
        std::printf("%-25s %9.3f %9.3f %16.1f %% %10.2f\n", methods[m].second.c_str(), evaluation.mse, evaluation.r2,
                    100.0 * evaluation.in_lexicon, evaluation.in_lexicon / evaluations[1].in_lexicon);
    }
    std::printf("fingerprint of the weights: %016llx\n", static_cast<unsigned long long>(fingerprint.value));
}

int main(int count, char **arguments) {
    try {
        run(parse({arguments + 1, arguments + count}));
        return 0;
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
}
