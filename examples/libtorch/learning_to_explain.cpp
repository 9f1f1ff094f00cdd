// Learning to explain, with libtorch: which five words of a review carry its score?
//
// The same job as ../cpp/training_loop.cpp, on the same data, split and networks, with libtorch's modules in place of
// gradients written by hand: imle::torch::TopK chooses the words, and loss.backward() goes through the choice.
//
//     learning_to_explain [movie_reviews.tsv [epochs [seed]]]

#include <cstdio>

#include "../cpp/corpus.hpp"
#include "imle_torch.hpp"

using at::Tensor;
namespace nn = torch::nn;
using Lexicon = std::unordered_set<std::string>;

constexpr std::int64_t K = 5, WIDTH = 32, REACH = 2, BATCH = 40, SAMPLES = 4;
constexpr double RATE = 5e-4, STRAIGHT_THROUGH_RATE = 5e-5; // the best of each on validation texts

enum Method { ALL_WORDS, RANDOM_WORDS, STRAIGHT_THROUGH, IMPLICIT_MLE };

// Words are numbered from 1, with 0 behind the text. words, in_lexicon [B, N]; k, the number to choose, target [B].
struct Texts {
    Tensor words, in_lexicon, k, target;
};

static Texts tensors(const std::vector<Example> &examples, std::size_t longest, const Lexicon &lexicon) {
    const auto count = static_cast<std::int64_t>(examples.size()), n = static_cast<std::int64_t>(longest);
    const Tensor words = at::zeros({count, n}, at::kLong), in_lexicon = at::zeros({count, n});
    std::vector<float> targets;
    for (const Example &example : examples) {
        const std::size_t row = targets.size() * longest;
        for (std::size_t j = 0; j < example.words.size(); j++) {
            words.data_ptr<std::int64_t>()[row + j] = example.words[j] + 1;
            in_lexicon.data_ptr<float>()[row + j] = lexicon.count(example.text->words[j]) == 0 ? 0.0f : 1.0f;
        }
        targets.push_back(example.target);
    }
    return {words, in_lexicon, (words != 0).sum(1).clamp_max(K), at::tensor(targets)};
}

static nn::Embedding embedding(std::int64_t vocabulary) {
    nn::Embedding embedding(nn::EmbeddingOptions(vocabulary + 1, WIDTH).padding_idx(0));
    embedding->weight.data().uniform_(-0.1, 0.1)[0].zero_();
    return embedding;
}

// Scores words, chooses k of them, and predicts the score of the text from those alone.
struct ModelImpl : nn::Module {
    ModelImpl(Method method, std::int64_t vocabulary) : method(method), words(embedding(vocabulary)) {
        const nn::Functional transpose([](const Tensor &x) { return x.transpose(1, 2); });
        const nn::Conv1d neighbours(nn::Conv1dOptions(WIDTH, WIDTH, 2 * REACH + 1).padding(REACH));
        const nn::Linear score(nn::LinearOptions(WIDTH, 1).bias(false));
        scorer = register_module(
            "scorer", nn::Sequential(embedding(vocabulary), transpose, neighbours, nn::ReLU(), transpose, score));
        predictor =
            register_module("predictor", nn::Sequential(nn::Linear(WIDTH, WIDTH), nn::ReLU(), nn::Linear(WIDTH, 1)));
        register_module("words", words);
        settings.samples = SAMPLES;
        if (method == IMPLICIT_MLE) {
            settings.options.noise(imle::noise::logistic);
            settings.options.difference(imle::difference::central).coupling(imle::coupling::stratified);
            settings.mean_dz = true;
            settings.adaptive = register_module("adaptive", imle::torch::Adaptive());
        }
    }

    // z [B, S, N]: MAP(theta + noise) in training, then MAP(theta); all words or random ones if the method says so.
    Tensor choose(const Texts &texts) {
        const Tensor outside = texts.words == 0;
        if (method == ALL_WORDS) {
            return outside.logical_not().to(at::kFloat).unsqueeze(1);
        }
        const bool learns = method != RANDOM_WORDS;
        const Tensor scores = learns ? scorer->forward(texts.words).squeeze(2) : at::zeros(texts.words.sizes());
        const Tensor theta = scores.masked_fill(outside, -INFINITY);
        if (method == STRAIGHT_THROUGH && is_training()) {
            return imle::torch::straight_through(theta, texts.k, settings).z;
        }
        imle::torch::TopK choice(texts.k, settings);
        choice->train(is_training() || !learns);
        return choice->forward(theta);
    }

    // The squared error of each text and sample, [B, S].
    Tensor loss(const Texts &texts, const Tensor &z) {
        const Tensor predicted = predictor->forward(z.matmul(words(texts.words)) / z.sum(2, true)).squeeze(2);
        return (predicted - texts.target.unsqueeze(1)).square();
    }

    Method method;
    imle::torch::settings settings;
    nn::Embedding words;
    nn::Sequential scorer = nullptr, predictor = nullptr;
};
TORCH_MODULE(Model);

static void run(const std::string &data, int epochs, std::uint64_t seed) {
    const std::vector<Text> all = read_texts(data);
    const Corpus corpus(all, seed);
    const Lexicon lexicon = read_lexicon(data.substr(0, data.find_last_of('/') + 1) + "valence_lexicon.tsv");
    const auto prepared = [&](const auto &examples) { return tensors(examples, corpus.longest, lexicon); };
    const Texts training = prepared(corpus.training), test = prepared(corpus.test);
    const Texts validation = prepared(corpus.validation);
    const double unit = static_cast<double>(corpus.deviation) * static_cast<double>(corpus.deviation);
    const char *const names[] = {"all words", "5 random words", "5 words, straight-through", "5 words, I-MLE"};
    std::printf("%-25s %9s %9s %18s\n", "the predictor sees", "test MSE", "test R2", "words in lexicon");
    for (const Method method : {ALL_WORDS, RANDOM_WORDS, STRAIGHT_THROUGH, IMPLICIT_MLE}) {
        torch::manual_seed(seed);
        Model model(method, static_cast<std::int64_t>(corpus.vocabulary()));
        torch::optim::Adam scorer(model->scorer->parameters(),
                                  method == STRAIGHT_THROUGH ? STRAIGHT_THROUGH_RATE : RATE);
        torch::optim::Adam predictor(model->predictor->parameters(), RATE), words(model->words->parameters(), RATE);
        double least = INFINITY, error = 0, known = 0;
        for (int epoch = 1; epoch <= epochs; epoch++) {
            model->train();
            for (const Tensor &rows : at::randperm(training.target.size(0)).split(BATCH)) {
                const auto of = [&](const Tensor &tensor) { return tensor.index_select(0, rows); };
                const Texts texts{of(training.words), {}, of(training.k), of(training.target)};
                model->zero_grad();
                model->loss(texts, model->choose(texts)).mean().backward();
                scorer.step();
                predictor.step();
                words.step();
            }
            const at::NoGradGuard no_grad;
            model->eval();
            const auto validated = model->loss(validation, model->choose(validation)).mean().item<double>();
            std::fprintf(stderr, "%s, epoch %2d: validation MSE %.3f\n", names[method], epoch, validated * unit);
            if (validated < least) { // the epoch that is best on validation texts counts
                least = validated;
                const Tensor z = model->choose(test);
                error = model->loss(test, z).mean().item<double>();
                known = ((z * test.in_lexicon.unsqueeze(1)).sum() / z.sum()).item<double>();
            }
        }
        std::printf("%-25s %9.3f %9.3f %16.1f %%\n", names[method], error * unit,
                    1 - error / test.target.var(false).item<double>(), 100 * known);
    }
}

int main(int count, char **arguments) {
    try {
        run(count > 1 ? arguments[1] : "examples/data/movie_reviews.tsv", count > 2 ? std::stoi(arguments[2]) : 12,
            count > 3 ? std::stoull(arguments[3]) : 1);
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 2;
    }
}
